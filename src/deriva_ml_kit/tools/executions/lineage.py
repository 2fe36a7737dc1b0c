"""Where something comes from, as a list: the executions behind it, the nearest first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, Field

from deriva_ml_kit.tools import paging
from deriva_ml_kit.tools.answers import Page
from deriva_ml_kit.tools.call import Call
from deriva_ml_kit.tools.failure import Code, ToolError

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.execution.lineage import LineageNode, LineageResult

# Executions that one question looks at, and inputs of one that are named.
VISITED = 200
SHOWN = 20


class LineageRow(BaseModel):
    """An execution behind something."""

    rid: str
    level: int = Field(description="0 made it, 1 made the inputs of that, …")
    workflow: str | None
    workflow_rid: str | None
    status: str
    description: str | None
    datasets: list[str] = Field(description=f"Datasets that it used, as RID@version; the first {SHOWN}")
    assets: list[str] = Field(description=f"Files that it used, as Table RID name; the first {SHOWN}")
    inputs: int = Field(description="How many datasets and files it used")
    made_from: list[str] = Field(description="RIDs of the executions that made those")


class Root(BaseModel):
    """What was asked about."""

    rid: str
    type: str
    description: str | None
    producing_execution: str | None = Field(description="RID of the execution that made it; None if unknown")


class LineageAnswer(Page):
    """Where something comes from."""

    ROWS: ClassVar[str] = "executions"

    root: Root
    executions: list[LineageRow] = Field(description="The nearest first")
    executions_visited: int
    walked_complete: bool = Field(description="Whether that is all: neither depth nor number cut anything off")
    depth_capped: bool = Field(description="Whether depth cut something off")
    cycle_detected: bool


def lineage(call: Call, rid: str, depth: int, limit: int, cursor: str | None) -> LineageAnswer:
    """The executions behind something, and what they used.

    Raises:
        DerivaMLNotFoundError: No such RID.
        ToolError: It is nothing that has a lineage, or the cursor leads nowhere.
    """
    from deriva_ml_kit.mainline import DerivaMLDataError  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline.errors import DerivaMLNotFoundError  # noqa: PLC0415

    try:
        found = call.ml.lookup_lineage(rid, depth=depth, max_executions=VISITED)
    except DerivaMLNotFoundError:
        raise
    except DerivaMLDataError as error:
        raise ToolError(Code.BAD_ARGUMENT, f"{rid}: {error.message}") from error
    rows = list(_nearest_first(found.lineage))
    places = {row.rid: place for place, row in enumerate(rows)}
    if cursor is not None and cursor not in places:
        raise paging.no_cursor(cursor)
    first = places[cursor] + 1 if cursor else 0
    shown = rows[first : first + limit]
    maker = found.root.producing_execution
    return LineageAnswer.of(
        shown,
        total=len(rows) if found.walked_complete else None,
        cursor=lambda n: shown[n].rid,
        more=first + limit < len(rows),
        root=Root(
            rid=rid,
            type=found.root.type,
            description=found.root.description,
            producing_execution=maker.rid if maker else None,
        ),
        executions_visited=found.executions_visited,
        walked_complete=found.walked_complete,
        depth_capped=found.depth_capped,
        cycle_detected=found.cycle_detected,
        next_step=_next_step(call, found, depth),
    )


def _nearest_first(node: LineageNode | None) -> Iterator[LineageRow]:
    level = [node] if node else []
    number = 0
    while level:
        yield from (_row(each, number) for each in level)
        level = [parent for each in level for parent in each.parents if not parent.already_shown]
        number += 1


def _row(node: LineageNode, level: int) -> LineageRow:
    execution = node.execution
    datasets = [f"{each.rid}@{each.version}" if each.version else each.rid for each in node.consumed_datasets]
    files = [f"{each.asset_table} {each.rid} {each.filename or ''}".strip() for each in node.consumed_assets]
    return LineageRow(
        rid=execution.rid,
        level=level,
        workflow=execution.workflow.name if execution.workflow else None,
        workflow_rid=execution.workflow.rid if execution.workflow else None,
        status=execution.status,
        description=execution.description,
        datasets=datasets[:SHOWN],
        assets=files[:SHOWN],
        inputs=len(datasets) + len(files),
        made_from=[parent.execution.rid for parent in node.parents],
    )


def _next_step(call: Call, found: LineageResult, depth: int) -> str:
    if found.depth_capped:
        return "Look further back: " + call.example("deriva_ml_lookup_lineage", rid=found.root.rid, depth=depth * 2)
    if found.root.producing_execution is None:
        return "No execution is known that made it, so its origin cannot be traced."
    return "See code and outputs of the run: " + call.example(
        "deriva_ml_get_execution", execution_rid=found.root.producing_execution.rid
    )
