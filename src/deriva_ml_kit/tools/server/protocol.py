"""The tools and their answers as MCP has them."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

import mcp_types as types
from mcp.server import Server
from mcp.server.context import ServerRequestContext

from deriva_ml_kit.tools.invoke import Outcome
from deriva_ml_kit.tools.place import CATALOG_FILE
from deriva_ml_kit.tools.registry import Effect, Tool, tools
from deriva_ml_kit.tools.server.calls import Calls

NAME = "deriva-ml"
INSTRUCTIONS = f"""\
Tools for machine learning on DERIVA catalogs: features, datasets, executions and their provenance.

Begin with deriva_ml_bootstrap_status: it tells what of the project is done and which step is next. Without a catalog, \
local_catalog_start() makes one on this machine.
hostname and catalog_id may be left out: they are then those in {CATALOG_FILE} of the project.
Lists come in pages: where an answer is truncated, call again with cursor set to its next_cursor.
Tools that write take dry_run=true, which checks everything and says what would be written: use it first.
Errors say what to do in remedy, and name what exists in candidates."""

Context = ServerRequestContext[Any]


def server(calls: Calls) -> Server[Any]:
    """The server of these calls, on whatever transport."""

    async def listed(context: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[described(tool) for tool in tools().values()])

    async def called(context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        wants_progress = bool(context.meta and "progress_token" in context.meta)
        tell = context.session.report_progress if wants_progress else None
        return answered(await calls.run(params.name, params.arguments or {}, tell))

    made = Server(
        NAME,
        version=version("deriva-ml-kit"),
        title="DerivaML",
        instructions=INSTRUCTIONS,
        on_list_tools=listed,
        on_call_tool=called,
    )
    made.middleware.clear()  # telemetry is all that is in it
    return made


def described(tool: Tool) -> types.Tool:
    """A tool as clients see it."""
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.input_schema,
        output_schema=tool.output_schema,
        annotations=types.ToolAnnotations(
            title=tool.title,
            read_only_hint=tool.effect is Effect.READ,
            destructive_hint=tool.effect is Effect.DESTROY,
            idempotent_hint=tool.idempotent,
            open_world_hint=tool.catalog,
        ),
    )


def answered(outcome: Outcome) -> types.CallToolResult:
    """How a call went, as clients see it.

    An error stands in the text alone: clients check structured content against the tool's output schema, some of them
    also that of errors, and would then show their complaint instead of ours.
    """
    document = _json_only(outcome.document)
    text = types.TextContent(type="text", text=json.dumps(document, ensure_ascii=False))
    if outcome.failure is not None:
        return types.CallToolResult(content=[text], is_error=True)
    return types.CallToolResult(content=[text], structured_content=document)


def _json_only(document: dict[str, Any]) -> Any:
    """A document without what JSON cannot hold, NaN and halves of characters: one of them would end the connection."""
    text = json.dumps(document, ensure_ascii=False, default=str).encode("utf-8", "replace")
    return json.loads(text, parse_constant=lambda _: None)
