"""Parts of a table's rows, chosen and counted by the server, so that a page costs the same however large a table is.

Paths are those of ERMrest's api-doc, data section: `@sort(…)`, `@after(…)`, `limit`, `aggregate`, `attributegroup`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.tools.failure import Code, ToolError
from deriva_ml_kit.tools.types import RID_PATTERN

if TYPE_CHECKING:
    from deriva_ml_kit.mainline import DerivaML

Row = dict[str, Any]
NEWEST_FIRST = ("RCT::desc::", "RID::desc::")


def part(
    catalog: Any,
    path: str,
    limit: int,
    *,
    sort: Sequence[str] = ("RID",),
    after: Sequence[Any] = (),
    wanted: Sequence[str] = (),
) -> tuple[list[Row], bool]:
    """Rows of a path, and whether others follow.

    Args:
        catalog: ErmrestCatalog.
        path: Tables, links and filters, as they stand in a request.
        limit: How many rows at most.
        sort: Sort keys as they stand in a request, which together differ for every row.
        after: Values of these keys in the row behind which to go on.
        wanted: Columns as they stand in a request; all those of the last table if empty.
    """
    kind, columns = ("attribute", f"/{','.join(wanted)}") if wanted else ("entity", "")
    place = f"@after({','.join(_key(value) for value in after)})" if after else ""
    rows: list[Row] = catalog.get(f"/{kind}/{path}{columns}@sort({','.join(sort)}){place}?limit={limit + 1}").json()
    return rows[:limit], len(rows) > limit


def total(catalog: Any, path: str) -> int:
    """How many rows a path has."""
    return int(catalog.get(f"/aggregate/{path}/n:=cnt(*)").json()[0]["n"])


def counted(catalog: Any, path: str, column: str) -> dict[Any, int]:
    """How many rows of a path have each value of a column, which is given as it stands in a request."""
    return {
        row["value"]: int(row["n"]) for row in catalog.get(f"/attributegroup/{path}/value:={column};n:=cnt(*)").json()
    }


def behind(ml: DerivaML, table: str, cursor: str | None, *, newest_first: bool = True) -> Sequence[Any]:
    """Where to go on in one of DerivaML's own tables, as `part` takes it.

    Args:
        ml: The catalog.
        table: The table.
        cursor: RID of the last row that was shown; None to begin.
        newest_first: Whether it is sorted so; otherwise by RID.

    Raises:
        ToolError: The cursor is no RID of the table.
    """
    if cursor is None:
        return ()
    as_rid(cursor)
    if not newest_first:
        return (cursor,)
    rows, _ = part(ml.catalog, f"{ml.ml_schema}:{table}/RID={cursor}", 1)
    if not rows:
        raise no_cursor(cursor)
    return (rows[0]["RCT"], cursor)


def as_rid(cursor: str) -> str:
    """A cursor that is the RID of a row.

    Raises:
        ToolError: It is no RID.
    """
    if not RID_PATTERN.fullmatch(cursor):
        raise no_cursor(cursor)
    return cursor


def no_cursor(cursor: str) -> ToolError:
    """The error for a cursor that no answer has given."""
    return ToolError(
        Code.BAD_ARGUMENT,
        f"cursor={cursor!r} leads nowhere here.",
        remedy="Give next_cursor of the answer before, with the same other arguments; or none, to begin anew.",
    )


def _key(value: Any) -> str:
    from deriva.core import urlquote  # noqa: PLC0415  (takes seconds)

    return "::null::" if value is None else str(urlquote(str(value), ""))
