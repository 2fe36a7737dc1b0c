"""What has changed in a table of the catalog since it was read last.

One question tells how many rows a table has and when one was changed last. Where that is not what is known, the rows
changed since are read, from half a minute before the newest that is known: a transaction that began earlier may have
been completed later. If then the number of rows differs, some were deleted, and all RIDs are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from deriva.core import urlquote

from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.mainline.catalog.paged import paged
from deriva_ml_kit.mainline.catalog.rows import Row, table_name
from deriva_ml_kit.tools.index.store import Store

OVERLAP = timedelta(seconds=30)

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Source:
    """A table whose rows are kept.

    Attributes:
        schema: Its schema.
        table: Its name.
        columns: What is kept of it: our name for a column, and the catalog's.
        of: The column that says which row of another table a row belongs to; empty if none does.
    """

    schema: str
    table: str
    columns: dict[str, str]
    of: str = ""

    @property
    def name(self) -> str:
        """Schema and table, as the index names sources."""
        return f"{self.schema}:{self.table}"

    @property
    def path(self) -> str:
        """Schema and table, as request paths name them."""
        return table_name(self.schema, self.table)

    @property
    def wanted(self) -> list[str]:
        """The columns to read."""
        return ["RID", "RMT", *self.columns.values()]


@dataclass(frozen=True)
class Extent:
    """How many rows a table has, and when one of them was changed last."""

    rows: int
    newest: str


@dataclass
class Changes:
    """RIDs of rows that are other than they were.

    Attributes:
        added: Rows that are new.
        changed: Rows with other values.
        removed: Rows that are gone.
        touched: What those belong to, or belonged to.
    """

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)


def extent(catalog: Any, source: Source) -> Extent:
    """How much a table holds."""
    found = catalog.get(f"/aggregate/{source.path}/rows:=cnt(*),newest:=max(RMT)").json()[0]
    return Extent(int(found["rows"]), str(found["newest"] or ""))


def known(store: Store, source: Source) -> Extent:
    """How much of a table is kept, and how far it was read."""
    return Extent(*store.sources().get(source.name, (0, "")))


def to_read(catalog: Any, source: Source, before: Extent, now: Extent) -> int:
    """How many rows it takes to catch up; the RIDs of all if some may have been deleted."""
    if not before.newest:
        return now.rows
    if now.newest == before.newest:
        return now.rows  # only deletions
    path = f"{source.path}/{_since(before)}"
    changed = int(catalog.get(f"/aggregate/{path}/rows:=cnt(*)").json()[0]["rows"])
    return changed if now.rows >= before.rows else changed + now.rows


def catch_up(catalog: Any, store: Store, source: Source, now: Extent, progress: Progress) -> Changes:
    """Make the kept rows those of the catalog.

    Args:
        catalog: ErmrestCatalog.
        store: The index, being written.
        source: The table.
        now: What it holds.
        progress: Told how far it is.
    """
    before, changes = known(store, source), Changes()
    if now.newest != before.newest:
        filters = f"/{_since(before)}" if before.newest else ""
        rows = paged(catalog, source.path + filters, wanted=source.wanted)
        for n, row in enumerate(rows, 1):
            _keep(store, source, row, changes)
            if n % 1000 == 0:
                progress(f"{source.name}: read {n} rows")
    if store.row_count(source.name) != now.rows:
        _compare(catalog, store, source, now, changes, progress)
    store.note_source(source.name, store.row_count(source.name), now.newest)
    return changes


def forget(store: Store, source: str) -> None:
    """Forget a table that is gone."""
    store.db.execute("DELETE FROM row WHERE source = ?", (source,))
    store.db.execute("DELETE FROM source WHERE name = ?", (source,))


def _compare(  # noqa: PLR0917
    catalog: Any, store: Store, source: Source, now: Extent, changes: Changes, progress: Progress
) -> None:
    kept, missing = store.kept(source.name), []
    for n, row in enumerate(paged(catalog, source.path, wanted=["RID", "RMT"]), 1):
        if kept.pop(row["RID"], None) != row["RMT"]:
            missing.append(row["RID"])
        if n % 1000 == 0:
            progress(f"{source.name}: compared {n} of {now.rows} rows")
    for row in _rows(catalog, source, missing):
        _keep(store, source, row, changes)
    for rid in kept:
        changes.touched.add(store.drop_row(source.name, rid))
        changes.removed.append(rid)


def _rows(catalog: Any, source: Source, rids: list[str]) -> Iterator[Row]:
    return rows_with(catalog, source.schema, source.table, "RID", rids, wanted=source.wanted)


def _keep(store: Store, source: Source, row: Row, changes: Changes) -> None:
    values = {ours: row[theirs] for ours, theirs in source.columns.items()}
    of = str(values.get(source.of) or "")
    before = store.put_row(source.name, row["RID"], row["RMT"], of, values)
    if before is None:
        return
    changes.touched |= {of} if before == "+" else {of, before}
    (changes.added if before == "+" else changes.changed).append(row["RID"])


def _since(before: Extent) -> str:
    moment = datetime.fromisoformat(before.newest) - OVERLAP
    return f"RMT::geq::{urlquote(moment.isoformat(), '')}"
