"""Executions as rows of answers: which fit a question, and which are linked with one, a page at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from deriva_ml_kit.nearest import nearest
from deriva_ml_kit.tools import paging
from deriva_ml_kit.tools.failure import Code, ToolError
from deriva_ml_kit.tools.paging import Row

if TYPE_CHECKING:
    from deriva_ml_kit.mainline import DerivaML

# At most so many executions are visited on the way from parts to their parts.
WALKED = 2000
LINKS = "Execution_Execution"
PARENT, CHILD = "Execution", "Nested_Execution"


class ExecutionRow(BaseModel):
    """An execution in a list."""

    rid: str
    workflow_rid: str | None
    workflow: str | None = Field(description="Name of the workflow")
    status: str
    status_detail: str | None
    description: str | None
    created: str = Field(description="When it was recorded")
    duration: str | None


class RelatedRow(ExecutionRow):
    """An execution that is a part of another one, or has it as a part."""

    sequence: int | None = Field(description="Place among the parts; in a sweep the job's number")
    level: int = Field(description="1 for direct parts or parents, 2 for theirs, …")
    through: str = Field(description="The execution on the level before that it is linked with")


@dataclass(frozen=True)
class Found:
    """A part of the executions that fit a question.

    Attributes:
        rows: The executions, in order.
        more: Whether others follow.
        total: How many fit in all.
        by_status: How many there are by status, whichever status was asked for.
    """

    rows: list[ExecutionRow]
    more: bool
    total: int
    by_status: dict[str, int]


@dataclass(frozen=True)
class Related:
    """A part of the executions that one is linked with.

    Attributes:
        rows: The executions, in order.
        more: Whether others follow.
        total: How many there are; of a walk that was cut off, how many were seen.
        by_status: The same by status.
        complete: Whether the walk has seen all.
    """

    rows: list[RelatedRow]
    more: bool
    total: int
    by_status: dict[str, int]
    complete: bool = True


def duration(row: Row) -> str | None:
    """How long the work of an execution took, in either generation's column."""
    took = row.get("Execution_Duration") or row.get("Duration")
    return str(took) if took else None


def search(
    ml: DerivaML,
    *,
    workflow_rid: str | None,
    status: str | None,
    since: datetime | None,
    newest_first: bool,
    limit: int,
    cursor: str | None,
) -> Found:
    """The executions that fit all that is given; `limit` may be 0, to count them.

    Raises:
        ToolError: There is no such status, or the cursor leads nowhere.
    """
    words = _words(status)
    path = f"{ml.ml_schema}:Execution{_filters(workflow_rid, since)}"
    counts = paging.counted(ml.catalog, path, "Status")
    total = sum(n for word, n in counts.items() if words is None or word in words)
    rows: list[Row] = []
    more = total > 0
    if limit:
        sort = paging.NEWEST_FIRST if newest_first else ("RID",)
        after = paging.behind(ml, "Execution", cursor, newest_first=newest_first)
        rows, more = paging.part(ml.catalog, path + _with_status(words), limit, sort=sort, after=after)
    return Found(listed(ml, rows), more, total, _by_status(counts))


def listed(ml: DerivaML, rows: Sequence[Row]) -> list[ExecutionRow]:
    """Rows of Execution as rows of an answer, with the names of their workflows."""
    from deriva_ml_kit.mainline.catalog.lookup import rows_with  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline.execution.status import read  # noqa: PLC0415

    rids = {row["Workflow"] for row in rows if row["Workflow"]}
    found = rows_with(ml.catalog, ml.ml_schema, "Workflow", "RID", rids, wanted=["RID", "Name"])
    names = {row["RID"]: row["Name"] for row in found}
    return [
        ExecutionRow(
            rid=row["RID"],
            workflow_rid=row["Workflow"],
            workflow=names.get(row["Workflow"]),
            status=read(row["Status"]).value,
            status_detail=row["Status_Detail"],
            description=row["Description"],
            created=row["RCT"],
            duration=duration(row),
        )
        for row in rows
    ]


def can_nest(ml: DerivaML) -> bool:
    """Whether the catalog can link executions with their parts."""
    from deriva_ml_kit.mainline.catalog.single import has_column  # noqa: PLC0415  (takes seconds)

    return has_column(ml, LINKS)


def related(ml: DerivaML, rid: str, *, here: str, there: str, recurse: bool, limit: int, cursor: str | None) -> Related:
    """The parts of an execution, or the executions that it is a part of.

    Args:
        ml: The catalog.
        rid: The execution.
        here: Column of the links that holds it.
        there: Column that holds the others.
        recurse: Also theirs, level by level, each execution once and never the one that is asked about.
        limit: How many at most.
        cursor: RID of the execution behind which to go on.

    Raises:
        ToolError: The cursor leads nowhere.
    """
    if cursor is not None:
        paging.as_rid(cursor)
    if not can_nest(ml):
        return Related([], False, 0, {})
    reach = _walked if recurse else _direct
    return reach(ml, rid, here=here, there=there, limit=limit, cursor=cursor)


def parts_by_status(ml: DerivaML, rid: str) -> dict[str, int]:
    """How many direct parts an execution has, by status."""
    return _counts(ml, rid, PARENT, CHILD) if can_nest(ml) else {}


def wholes(ml: DerivaML, rid: str, limit: int) -> list[str]:
    """RIDs of the executions that an execution is a part of."""
    if not can_nest(ml):
        return []
    links, _ = paging.part(ml.catalog, f"{ml.ml_schema}:{LINKS}/{CHILD}={rid}", limit)
    return [str(link[PARENT]) for link in links]


@dataclass(frozen=True)
class _Step:
    rid: str
    sequence: int | None
    level: int
    through: str


def _direct(ml: DerivaML, rid: str, *, here: str, there: str, limit: int, cursor: str | None) -> Related:
    path = f"{ml.ml_schema}:{LINKS}/{here}={rid}"
    by_status = _counts(ml, rid, here, there)
    after: tuple[object, ...] = ()
    if cursor is not None:
        links, _ = paging.part(ml.catalog, f"{path}/{there}={paging.as_rid(cursor)}", 1)
        if not links:
            raise paging.no_cursor(cursor)
        after = (links[0]["Sequence"], links[0]["RID"])
    links, more = paging.part(ml.catalog, path, limit, sort=("Sequence", "RID"), after=after)
    steps = [_Step(link[there], link["Sequence"], 1, rid) for link in links]
    return Related(_rows_of(ml, steps), more, sum(by_status.values()), by_status)


def _counts(ml: DerivaML, rid: str, here: str, there: str) -> dict[str, int]:
    path = f"{ml.ml_schema}:{LINKS}/{here}={rid}/({there})=({ml.ml_schema}:Execution:RID)"
    return _by_status(paging.counted(ml.catalog, path, "Status"))


def _walked(ml: DerivaML, rid: str, *, here: str, there: str, limit: int, cursor: str | None) -> Related:
    from deriva_ml_kit.mainline.catalog.lookup import rows_with  # noqa: PLC0415  (takes seconds)

    steps, complete = _walk(ml, rid, here, there)
    places = {step.rid: place for place, step in enumerate(steps)}
    if cursor is not None and cursor not in places:
        raise paging.no_cursor(cursor)
    first = places[cursor] + 1 if cursor else 0
    rows = rows_with(ml.catalog, ml.ml_schema, "Execution", "RID", places, wanted=["RID", "Status"])
    counts = Counter(row["Status"] for row in rows)
    shown = _rows_of(ml, steps[first : first + limit])
    return Related(shown, first + limit < len(steps), len(steps), _by_status(counts), complete)


def _walk(ml: DerivaML, rid: str, here: str, there: str) -> tuple[list[_Step], bool]:
    """Steps level by level, and whether these are all."""
    from deriva_ml_kit.mainline.catalog.rows import any_of, batches  # noqa: PLC0415  (takes seconds)

    steps: list[_Step] = []
    seen, level, depth = {rid}, [rid], 0
    while level:
        depth += 1
        further: list[str] = []
        for some in batches(level, 200):
            path = f"{ml.ml_schema}:{LINKS}/{any_of(here, some)}"
            links, more = paging.part(ml.catalog, path, WALKED, sort=("Sequence", "RID"))
            for link in links:
                if link[there] not in seen:
                    seen.add(link[there])
                    further.append(link[there])
                    steps.append(_Step(link[there], link["Sequence"], depth, link[here]))
            if more or len(steps) > WALKED:
                return steps[:WALKED], False
        level = further
    return steps, True


def _rows_of(ml: DerivaML, steps: Sequence[_Step]) -> list[RelatedRow]:
    from deriva_ml_kit.mainline.catalog.lookup import rows_with  # noqa: PLC0415  (takes seconds)

    found = rows_with(ml.catalog, ml.ml_schema, "Execution", "RID", [step.rid for step in steps])
    rows = {row.rid: row for row in listed(ml, list(found))}
    return [
        RelatedRow(**dict(rows[step.rid]), sequence=step.sequence, level=step.level, through=step.through)
        for step in steps
        if step.rid in rows
    ]


def _by_status(counts: dict[str | None, int] | Counter[str | None]) -> dict[str, int]:
    """Counts by the catalog's words as counts in main line's, in the order in which executions go through them."""
    from deriva_ml_kit.mainline.execution.status import ExecutionStatus, read  # noqa: PLC0415  (takes seconds)

    found: Counter[str] = Counter()
    for word, n in counts.items():
        found[read(word).value] += n
    return {status.value: found[status.value] for status in ExecutionStatus if found[status.value]}


def _words(status: str | None) -> list[str | None] | None:
    """The catalog's words for a status; None for all.

    Raises:
        ToolError: There is no such status.
    """
    from deriva_ml_kit.mainline.execution.status import ExecutionStatus, words_for  # noqa: PLC0415  (takes seconds)

    if status is None:
        return None
    try:
        words = words_for(status)
    except ValueError:
        known = list(ExecutionStatus.__members__)
        raise ToolError(
            Code.BAD_ARGUMENT,
            f"status: {status!r} is no status of an execution.",
            remedy=f"There are {', '.join(known)}.",
            candidates=nearest(status, known) or known,
        ) from None
    return [*words, None] if ExecutionStatus.Created.value in words else list(words)


def _filters(workflow_rid: str | None, since: datetime | None) -> str:
    from deriva.core import urlquote  # noqa: PLC0415  (takes seconds)

    found = f"/Workflow={workflow_rid}" if workflow_rid else ""
    if since is not None:
        moment = since if since.tzinfo else since.replace(tzinfo=UTC)
        found += f"/RCT::geq::{urlquote(moment.isoformat(), '')}"
    return found


def _with_status(words: Iterable[str | None] | None) -> str:
    if words is None:
        return ""
    return "/" + ";".join("Status::null::" if word is None else f"Status={word}" for word in words)
