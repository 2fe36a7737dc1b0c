"""Executions: what ran, how far it is, what it used and what it made."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Field

from deriva_ml_kit.tools import paging
from deriva_ml_kit.tools.answers import Page
from deriva_ml_kit.tools.call import Call
from deriva_ml_kit.tools.executions import rows as execution_rows
from deriva_ml_kit.tools.executions.detail import ExecutionAnswer, detail
from deriva_ml_kit.tools.executions.lineage import LineageAnswer, lineage
from deriva_ml_kit.tools.executions.rows import CHILD, PARENT, WALKED, ExecutionRow, RelatedRow
from deriva_ml_kit.tools.kinds import row_of
from deriva_ml_kit.tools.registry import Effect, tool
from deriva_ml_kit.tools.types import CountOnly, Cursor, ExecutionRid, Limit, Rid, WorkflowRid

Status = Annotated[
    str | None,
    Field(
        description="Only those that are Created, Running, Stopped (outputs not uploaded), Failed, Pending_Upload, "
        "Uploaded (complete; also Completed) or Aborted"
    ),
]
Since = Annotated[
    datetime | None, Field(description="Only those recorded since, such as 2026-01-31 or 2026-01-31T12:00:00Z")
]
NewestFirst = Annotated[bool, Field(description="Newest first; false: by RID")]
Recurse = Annotated[bool, Field(description="Also those further away, level by level")]
Depth = Annotated[int, Field(ge=0, le=1000, description="How many generations behind the execution that made it")]
Traced = Annotated[Rid, Field(description="RID of a dataset, a file, a feature value or an execution")]


class ExecutionsAnswer(Page):
    """Executions, and how many there are."""

    ROWS: ClassVar[str] = "executions"

    workflow_rid: str | None
    executions: list[ExecutionRow]
    by_status: dict[str, int] = Field(description="How many there are by status, whichever was asked for")


class WorkflowRow(BaseModel):
    """A workflow: code that ran."""

    rid: str
    name: str | None
    workflow_type: list[str]
    url: str | None
    version: str | None
    checksum: str | None
    description: str | None
    created: str
    executions: int = Field(description="How many executions it has")


class WorkflowsAnswer(Page):
    """Workflows, the newest first."""

    ROWS: ClassVar[str] = "workflows"

    workflows: list[WorkflowRow]


class RelatedAnswer(Page):
    """Executions that one is linked with."""

    recurse: bool
    by_status: dict[str, int] = Field(description="How many there are by status")
    walked_complete: bool = Field(description=f"False if there are more than {WALKED}: the rest is left out")
    nested_executions: bool = Field(description="Whether the catalog can link executions with their parts")


class ChildrenAnswer(RelatedAnswer):
    """The parts of an execution, by their sequence."""

    ROWS: ClassVar[str] = "children"

    parent_rid: str
    children: list[RelatedRow]


class ParentsAnswer(RelatedAnswer):
    """The executions that an execution is a part of."""

    ROWS: ClassVar[str] = "parents"

    child_rid: str
    parents: list[RelatedRow]


@tool("Describe an execution", Effect.READ)
def deriva_ml_get_execution(call: Call, execution_rid: ExecutionRid) -> ExecutionAnswer:
    """How far an execution is, what ran, what it used, and what it made: files, feature values and datasets.

    Call it after a run to see whether it is complete (only Uploaded is) and what its checks said, or to learn why one
    failed and how to complete it.
    """
    return detail(call, execution_rid)


@tool("List executions", Effect.READ)
def deriva_ml_list_executions(
    call: Call,
    *,
    status: Status = None,
    workflow_rid: WorkflowRid | None = None,
    since: Since = None,
    sort: NewestFirst = True,
    limit: Limit = 50,
    cursor: Cursor = None,
    preflight_count: CountOnly = False,
) -> ExecutionsAnswer:
    """The executions of a catalog, the newest first, and how many there are by status.

    Call it to find the last runs, or those that failed or never finished; deriva_ml_get_execution describes one.
    """
    return _executions(
        call, workflow_rid, status, since, newest_first=sort, limit=0 if preflight_count else limit, cursor=cursor
    )


@tool("List executions of a workflow", Effect.READ)
def deriva_ml_find_workflow_executions(
    call: Call,
    *,
    workflow_rid: WorkflowRid,
    status: Status = None,
    sort: NewestFirst = True,
    limit: Limit = 50,
    cursor: Cursor = None,
    preflight_count: CountOnly = False,
) -> ExecutionsAnswer:
    """The executions of one workflow, the newest first, and how many there are by status.

    Call it to find earlier runs of the same code; deriva_ml_list_workflows gives the RIDs of workflows.
    """
    return _executions(
        call, workflow_rid, status, None, newest_first=sort, limit=0 if preflight_count else limit, cursor=cursor
    )


@tool("List workflows", Effect.READ)
def deriva_ml_list_workflows(call: Call, limit: Limit = 50, cursor: Cursor = None) -> WorkflowsAnswer:
    """The code that ran on a catalog, the newest first: URL, version, types, and how many executions each has.

    deriva_ml_find_workflow_executions lists the executions of one.
    """
    from deriva_ml_kit.mainline.catalog.rows import any_of, batches  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline.workflow import types  # noqa: PLC0415

    ml = call.ml
    path = f"{ml.ml_schema}:Workflow"
    after = paging.behind(ml, "Workflow", cursor)
    rows, more = paging.part(ml.catalog, path, limit, sort=paging.NEWEST_FIRST, after=after)
    runs: dict[Any, int] = {}
    for some in batches((str(row["RID"]) for row in rows), 200):
        runs |= paging.counted(ml.catalog, f"{ml.ml_schema}:Execution/{any_of('Workflow', some)}", "Workflow")
    terms = types.of_rows(ml, rows)
    first = rows[0]["RID"] if rows else None
    return WorkflowsAnswer.of(
        [
            WorkflowRow(
                rid=row["RID"],
                name=row["Name"],
                workflow_type=terms[row["RID"]],
                url=row["URL"],
                version=row["Version"],
                checksum=row["Checksum"],
                description=row["Description"],
                created=row["RCT"],
                executions=runs.get(row["RID"], 0),
            )
            for row in rows
        ],
        total=paging.total(ml.catalog, path),
        cursor=lambda n: str(rows[n]["RID"]),
        more=more,
        next_step=call.example("deriva_ml_find_workflow_executions", workflow_rid=first) if first else None,
    )


@tool("List the parts of an execution", Effect.READ)
def deriva_ml_list_execution_children(
    call: Call, execution_rid: ExecutionRid, recurse: Recurse = False, limit: Limit = 50, cursor: Cursor = None
) -> ChildrenAnswer:
    """The executions that are parts of one, such as the jobs of a sweep, in order, with status, and how many by status.

    Call it after a sweep to see whether all of its jobs are complete. An execution without parts has an empty list.
    """
    return ChildrenAnswer.of(
        **_related(call, execution_rid, here=PARENT, there=CHILD, recurse=recurse, limit=limit, cursor=cursor),
        parent_rid=execution_rid,
    )


@tool("List what an execution is a part of", Effect.READ)
def deriva_ml_list_execution_parents(
    call: Call, execution_rid: ExecutionRid, recurse: Recurse = False, limit: Limit = 50, cursor: Cursor = None
) -> ParentsAnswer:
    """The executions that one is a part of, such as the sweep of a job; an execution on its own has an empty list.

    Where its data come from is another question: deriva_ml_lookup_lineage.
    """
    return ParentsAnswer.of(
        **_related(call, execution_rid, here=CHILD, there=PARENT, recurse=recurse, limit=limit, cursor=cursor),
        child_rid=execution_rid,
    )


@tool("Trace where something comes from", Effect.READ)
def deriva_ml_lookup_lineage(
    call: Call, rid: Traced, depth: Depth = 5, limit: Limit = 20, cursor: Cursor = None
) -> LineageAnswer:
    """What made a dataset, file or feature value: the execution, what that used, the executions behind it, and so on.

    Call it when a result is doubted or shall be cited: it leads from the result to code and data.
    """
    return lineage(call, rid, depth, limit, cursor)


def _executions(
    call: Call,
    workflow_rid: str | None,
    status: str | None,
    since: datetime | None,
    *,
    limit: int,
    cursor: str | None,
    newest_first: bool,
) -> ExecutionsAnswer:
    if workflow_rid:
        row_of(call, "Workflow", workflow_rid)
    found = execution_rows.search(
        call.ml,
        workflow_rid=workflow_rid,
        status=status,
        since=since,
        newest_first=newest_first,
        limit=limit,
        cursor=cursor,
    )
    return ExecutionsAnswer.of(
        found.rows,
        total=found.total,
        cursor=lambda n: found.rows[n].rid,
        more=found.more,
        workflow_rid=workflow_rid,
        by_status=found.by_status,
        next_step=_of_interest(call, found.rows),
    )


def _related(
    call: Call, rid: str, *, here: str, there: str, recurse: bool, limit: int, cursor: str | None
) -> dict[str, Any]:
    row_of(call, "Execution", rid)
    found = execution_rows.related(call.ml, rid, here=here, there=there, recurse=recurse, limit=limit, cursor=cursor)
    can_nest = execution_rows.can_nest(call.ml)
    advice = _of_interest(call, found.rows) or call.example("deriva_ml_get_execution", execution_rid=rid)
    if not can_nest:
        advice = (
            "This catalog is older and links no executions, so the empty list is all there is; to have sweeps in it: "
            f"deriva-ml-kit upgrade-catalog --hostname {call.hostname} --catalog-id {call.catalog_id}"
        )
    return {
        "rows": found.rows,
        "total": found.total if found.complete else None,
        "cursor": lambda n: found.rows[n].rid,
        "more": found.more,
        "recurse": recurse,
        "by_status": found.by_status,
        "walked_complete": found.complete,
        "nested_executions": can_nest,
        "next_step": advice,
    }


def _of_interest(call: Call, rows: list[Any]) -> str | None:
    """The first execution that went wrong, or else the first."""
    wrong = [row for row in rows if row.status in ("Failed", "Aborted", "Stopped", "Pending_Upload")]
    first = next(iter([*wrong, *rows]), None)
    if first is None:
        return None
    why = f"See why {first.rid} is {first.status}: " if wrong else ""
    return why + call.example("deriva_ml_get_execution", execution_rid=first.rid)
