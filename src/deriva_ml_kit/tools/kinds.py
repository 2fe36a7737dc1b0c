"""Rows of DerivaML's own tables by RID, and what is said where a RID belongs to something else, or to nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deriva_ml_kit.nearest import nearest
from deriva_ml_kit.tools import paging
from deriva_ml_kit.tools.failure import Code, ToolError

if TYPE_CHECKING:
    from deriva_ml_kit.tools.call import Call

# How many of the newest rows a mistyped RID is compared with.
COMPARED = 500


def row_of(call: Call, table: str, rid: str) -> paging.Row:
    """A row of one of DerivaML's own tables.

    Raises:
        ToolError: There is none. Says what the RID is instead, and names what may have been meant.
    """
    from deriva_ml_kit.mainline.catalog.lookup import rows_with  # noqa: PLC0415  (takes seconds)

    ml = call.ml
    found = list(rows_with(ml.catalog, ml.ml_schema, table, "RID", [rid]))
    if found:
        return found[0]
    what = f"{'an' if table[0] in 'AEIOU' else 'a'} {table.lower()}"
    raise stranger(call, rid, what, meant(call, table, rid), remedy=f"{_LISTS[table]} lists them.")


def stranger(call: Call, rid: str, what: str, candidates: list[str], *, remedy: str) -> ToolError:
    """The error for a RID that is not what it should be.

    Args:
        call: The call.
        rid: The RID.
        what: What it should be, with its article.
        candidates: RIDs that may have been meant.
        remedy: Where to find the right one.
    """
    kind = kind_of(call, rid)
    message = (
        f"{rid} is a row of {kind}, not {what}." if kind else f"{_place(call)} has no RID {rid}, so it is not {what}."
    )
    return ToolError(Code.NOT_FOUND, message, remedy=remedy, candidates=candidates)


def kind_of(call: Call, rid: str) -> str | None:
    """Name of the table that a RID belongs to; None if it belongs to none."""
    from deriva_ml_kit.mainline.catalog.rids import tables_of  # noqa: PLC0415  (takes seconds)

    table = tables_of(call.ml, [rid]).get(rid)
    return None if table is None else str(table.name)


_LISTS = {"Execution": "deriva_ml_list_executions", "Workflow": "deriva_ml_list_workflows"}


def meant(call: Call, table: str, rid: str) -> list[str]:
    """RIDs of a table's rows that belong to the row of another kind, or else look like a mistyped one."""
    ml = call.ml
    path = f"{ml.ml_schema}:{table}"
    execution, workflow = f"{ml.ml_schema}:Execution", f"{ml.ml_schema}:Workflow"
    if table == "Execution":
        of = f"{workflow}/RID={rid}/E:=(RID)=({execution}:Workflow)"
    else:
        of = f"{execution}/RID={rid}/E:=(Workflow)=({workflow}:RID)"
    related, _ = paging.part(ml.catalog, of, 3, sort=paging.NEWEST_FIRST)
    if related:
        return [str(row["RID"]) for row in related]
    newest, _ = paging.part(ml.catalog, path, COMPARED, sort=paging.NEWEST_FIRST, wanted=("RID", "RCT"))
    return nearest(rid, (str(row["RID"]) for row in newest))


def _place(call: Call) -> str:
    return f"Catalog {call.catalog_id} on {call.hostname}"
