"""Writes inside an execution, which names every row and every table that it made.

DerivaML links datasets, feature values and assets with the execution that made them. Rows of other tables, terms and
tables have no such link: the execution has an output `writes.jsonl` that names them, a line for each table or batch of
rows. It is written as they are made, so that it is complete also where the work broke off. RIDs may be named before
their rows are made: of those, the rows that exist were made by this execution.

    {"schema": "lab", "table": "Subject", "made": "table"}
    {"schema": "lab", "table": "Subject", "rids": ["1-2A3B", …]}
    {"failed": "HTTPError: 409 …"}                                  the last line, where the work broke off
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from deriva_ml_kit.tools.failure import Code, ToolError, failure_of
from deriva_ml_kit.tools.registry import tools

if TYPE_CHECKING:
    from deriva_ml_kit.mainline import DerivaML, Execution, Workflow
    from deriva_ml_kit.tools.call import Call

WRITES = "writes.jsonl"
TABLE = "Execution_Metadata"
TYPES = ("Execution_Metadata", "Execution_Config")  # every execution has files of the second


class Writes:
    """What an execution has written so far.

    Attributes:
        execution: The execution.
        count: How many rows were noted.
    """

    def __init__(self, execution: Execution, asset_type: str) -> None:
        self.execution = execution
        self.count = 0
        self._asset_type = asset_type
        self._file: Path | None = None

    @property
    def rid(self) -> str:
        """RID of the execution."""
        return str(self.execution.execution_rid)

    @property
    def anything(self) -> bool:
        """Whether there is anything in the record."""
        return self._file is not None

    def rows(self, schema: str, table: str, rids: Iterable[str]) -> None:
        """Note rows, right after they were made; or right before, where their RIDs are known."""
        named = list(rids)
        self.count += len(named)
        if named:
            self._note({"schema": schema, "table": table, "rids": named})

    def made(self, kind: str, schema: str, table: str, name: str | None = None) -> None:
        """Note a table, or a column or the like of that name in it, right after it was made."""
        self._note({"schema": schema, "table": table, "made": kind} | ({"name": name} if name else {}))

    def _note(self, line: Mapping[str, object]) -> None:
        if self._file is None:
            self._file = Path(self.execution.asset_file_path(TABLE, WRITES, asset_types=self._asset_type))
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


@contextmanager
def recorded(call: Call, what: str, workflow_type: str) -> Iterator[Writes]:
    """An execution for what a tool writes.

    It is committed at the end. Where the work fails after it had written, the record is committed all the same, and the
    execution is Failed, for that reason. What a process leaves that dies, `ml.commit_pending_executions()` commits.

    Args:
        call: The call of the tool.
        what: What is written and why, for people.
        workflow_type: Term of Workflow_Type; added, and noted, if the catalog lacks it.

    Raises:
        ToolError: What was written could not be recorded; says how to complete it.
    """
    ml = call.ml
    added = _ensure_workflow_type(ml, workflow_type)
    workflow = _workflow(ml, call.tool, workflow_type)
    execution = ml.create_execution(description=f"{call.tool}: {what}", workflow=workflow)
    writes = Writes(execution, next((term for term in TYPES if _has_term(ml, "Asset_Type", term)), TYPES[-1]))
    if added:
        writes.rows(ml.ml_schema, "Workflow_Type", [added])
    try:
        with execution:
            try:
                yield writes
            except BaseException as error:
                if writes.anything:
                    writes._note({"failed": failure_of(error).message})
                raise
    except BaseException as error:
        if writes.anything:
            _commit(call, writes, after=error)
        raise
    _commit(call, writes)


def _commit(call: Call, writes: Writes, after: BaseException | None = None) -> None:
    """Commit an execution, which stays Failed or Aborted if it was.

    Raises:
        ToolError: The record could not be sent; it lies on this disk.
    """
    from deriva_ml_kit.mainline import DerivaMLException  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline.catalog.rows import said  # noqa: PLC0415

    execution = writes.execution
    ended, reason = execution.status, execution.error
    try:
        execution.commit_output_assets()
        if after is not None:
            execution.update_status(ended, error=reason)
    except (DerivaMLException, OSError) as error:  # errors of the network are OSErrors
        told = f"{failure_of(after).message}\nWhat it had written before" if after else "All was written, but it"
        raise ToolError(
            Code.FAILED,
            f"{told} is not recorded in the catalog yet, in execution {writes.rid}: {said(error)}",
            remedy="The record lies on this disk. When the host answers again, and this process has ended: "
            f'DerivaML("{call.hostname}", "{call.catalog_id}").commit_pending_executions()',
        ) from (after or error)


def _ensure_workflow_type(ml: DerivaML, name: str) -> str | None:
    """Have a workflow type; gives its RID if it was added."""
    from deriva_ml_kit.mainline import DerivaMLInvalidTerm  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline.schema.terms import TERMS  # noqa: PLC0415

    if _has_term(ml, "Workflow_Type", name):
        return None
    try:
        meaning = TERMS["Workflow_Type"].get(name, name)
        return str(ml.add_term("Workflow_Type", name, description=meaning, exists_ok=False).rid)
    except DerivaMLInvalidTerm:  # somebody else has just added it
        return None


def _has_term(ml: DerivaML, vocabulary: str, name: str) -> bool:
    from deriva_ml_kit.mainline import DerivaMLInvalidTerm  # noqa: PLC0415  (takes seconds)

    try:
        ml.lookup_term(vocabulary, name)
    except DerivaMLInvalidTerm:
        return False
    return True


def _workflow(ml: DerivaML, tool: str, workflow_type: str) -> Workflow:
    """The module that holds the tool: a workflow is a file, and its tools share it."""
    from deriva_ml_kit.mainline.workflow.installed import installed_program  # noqa: PLC0415  (takes seconds)

    module = tools()[tool].function.__module__
    about = (sys.modules[module].__doc__ or module).splitlines()[0]
    return installed_program(ml, f"Tools: {module.rpartition('.')[2]}", workflow_type, about, module=module)
