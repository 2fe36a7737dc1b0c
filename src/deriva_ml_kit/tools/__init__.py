"""What an agent can ask of a catalog and of a project: one typed function for each tool.

In: named arguments. Out: an answer of bounded size, or an error as data; never a traceback.

    registry      the tools by name; a function's signature becomes the model of its arguments
    types         arguments that many tools have in common
    given         arguments as agents write them: what is understood, and what no tool can take
    written       a call as it is written in a document
    place         which catalog a call is about
    call          what a tool is given beside its arguments: catalog, project, progress, cancellation
    connections   one connection for one call at a time, and never one whose schema is out of date
    answers       models of answers: pages, bounds, what to do next
    failure       errors as data
    invoke        check the arguments, run the tool, bound the answer
    writing       writes inside an execution, which names every row that it made
    server        the tools on MCP; the only user of the MCP SDK

    paging        rows by the page, cut and counted by the server
    tables, kinds tables, features and RIDs as they are named, and what may have been meant
    index         the full-text index that searches read

The other modules and packages hold the tools, by what they are about. They import what takes seconds inside the
functions: a server that lists its tools must answer at once.
"""

import warnings

# Tables stand in a schema, and arguments and answers say so; pydantic's models have an old method of that name.
warnings.filterwarnings("ignore", message='Field name "schema" in ', category=UserWarning)
