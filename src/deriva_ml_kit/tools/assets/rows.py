"""Files as rows of answers: those of one asset table or of all, a page at a time, chosen and counted by the server."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from deriva_ml_kit.tools import paging
from deriva_ml_kit.tools.call import Call
from deriva_ml_kit.tools.paging import Row

if TYPE_CHECKING:
    from deriva.core.ermrest_model import Table

    from deriva_ml_kit.mainline import DerivaML
    from deriva_ml_kit.mainline.asset.links import Link


# How many of the newest files of a table a mistyped RID is compared with.
COMPARED = 200


class AssetRow(BaseModel):
    """A file in a list."""

    rid: str
    asset_table: str
    filename: str | None
    length: int | None = Field(description="Bytes")
    md5: str | None
    description: str | None
    asset_types: list[str]
    asset_role: list[str] = Field(description="What it was to the execution that was asked about: Input, Output")


@dataclass(frozen=True)
class Wanted:
    """Which files are asked for.

    Attributes:
        execution: RID of the execution that used or made them.
        role: Only those that it used (`Input`), or made (`Output`).
        asset_type: Only those of a type.
    """

    execution: str | None = None
    role: str | None = None
    asset_type: str | None = None

    def path(self, table: Table) -> str | None:
        """Path of those in a table; None if the table cannot have any."""
        from deriva.core import urlquote  # noqa: PLC0415  (takes seconds)

        from deriva_ml_kit.mainline.asset.links import execution_link, type_link  # noqa: PLC0415
        from deriva_ml_kit.mainline.catalog.rows import table_name  # noqa: PLC0415

        path = table_name(table.schema.name, table.name)
        if self.execution:
            if (link := execution_link(table)) is None:
                return None
            path = link.assets_of(self.execution, f"&Asset_Role={self.role}" if self.role else "")
        if self.asset_type:
            if (link := type_link(table)) is None:
                return None
            of_type = f"{urlquote(link.other, '')}={urlquote(self.asset_type, '')}"
            files = f"({urlquote(link.asset, '')})=({table_name(table.schema.name, table.name)}:RID)"
            path += f"{link.from_asset}/{of_type}/{files}"
        return path


@dataclass(frozen=True)
class Found:
    """A part of the files that fit a question: rows in the order of their tables and RIDs."""

    rows: list[AssetRow]
    more: bool
    by_table: dict[str, int]


def search(call: Call, tables: Sequence[Table], wanted: Wanted, *, limit: int, cursor: str | None) -> Found:
    """The files that fit; `limit` may be 0, to count them.

    Args:
        call: The call.
        tables: The asset tables to look in.
        wanted: Which files.
        limit: How many at most.
        cursor: RID of the file behind which to go on.

    Raises:
        ToolError: The cursor is no RID of these tables.
    """
    ml = call.ml
    paths = {table: path for table in tables if (path := wanted.path(table))}
    counts: dict[Table, int] = {}
    for table, path in paths.items():
        call.check()
        counts[table] = paging.total(ml.catalog, path)
    ahead = [table for table in paths if counts[table]]
    here = _table_of(ml, ahead, cursor) if cursor is not None else None
    rows: list[AssetRow] = []
    more = False
    for table in ahead[ahead.index(here) if here else 0 :]:
        if len(rows) >= limit:
            more = True
            break
        after = (cursor,) if table is here else ()
        part, more = paging.part(ml.catalog, paths[table], limit - len(rows), after=after)
        rows += _described(ml, table, part, wanted.execution)
        if more:
            break
    return Found(rows, more, {table.name: n for table, n in counts.items() if n})


def newest(ml: DerivaML, table: Table) -> list[str]:
    """RIDs of the newest files of a table."""
    from deriva_ml_kit.mainline.catalog.rows import table_name  # noqa: PLC0415  (takes seconds)

    path = table_name(table.schema.name, table.name)
    rows, _ = paging.part(ml.catalog, path, COMPARED, sort=paging.NEWEST_FIRST, wanted=("RID", "RCT"))
    return [str(row["RID"]) for row in rows]


def types_of(ml: DerivaML, table: Table, rids: Collection[str]) -> dict[str, list[str]]:
    """The types of files of one table, by RID."""
    from deriva_ml_kit.mainline.asset.links import type_link  # noqa: PLC0415  (takes seconds)

    link = type_link(table)
    return _linked(ml, link, rids, link.other) if link else {}


def _described(ml: DerivaML, table: Table, rows: Sequence[Row], execution: str | None) -> list[AssetRow]:
    from deriva_ml_kit.mainline.asset.links import execution_link  # noqa: PLC0415  (takes seconds)

    rids = [str(row["RID"]) for row in rows]
    types = types_of(ml, table, rids)
    link = execution_link(table) if execution else None
    roles = _linked(ml, link, rids, "Asset_Role", f"/{link.other}={execution}") if link else {}
    return [
        AssetRow(
            rid=row["RID"],
            asset_table=table.name,
            filename=row["Filename"],
            length=row["Length"],
            md5=row["MD5"],
            description=row["Description"],
            asset_types=types.get(row["RID"], []),
            asset_role=roles.get(row["RID"], []),
        )
        for row in rows
    ]


def _linked(ml: DerivaML, link: Link, rids: Collection[str], column: str, further: str = "") -> dict[str, list[str]]:
    """What a column of a linking table says of files, by their RIDs.

    Args:
        ml: The catalog.
        link: The linking table.
        rids: The files.
        column: The column.
        further: A filter, as it stands in a request.
    """
    from deriva.core import urlquote  # noqa: PLC0415  (takes seconds)

    from deriva_ml_kit.mainline.catalog.rows import any_of, batches  # noqa: PLC0415

    found: dict[str, list[str]] = defaultdict(list)
    for some in batches(rids, 200):
        path = f"/attribute/{link.path}{further}/{any_of(link.asset, some)}"
        for row in ml.catalog.get(f"{path}/{urlquote(link.asset, '')},{urlquote(column, '')}").json():
            found[row[link.asset]].append(row[column])
    return {rid: sorted(values) for rid, values in found.items()}


def _table_of(ml: DerivaML, tables: Sequence[Table], rid: str) -> Table:
    """The table among some that a cursor leads into."""
    from deriva_ml_kit.mainline.catalog.rids import tables_of  # noqa: PLC0415  (takes seconds)

    found = tables_of(ml, [paging.as_rid(rid)]).get(rid)
    if found not in tables:
        raise paging.no_cursor(rid)
    return found
