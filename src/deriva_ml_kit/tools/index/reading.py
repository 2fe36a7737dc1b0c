"""What has changed in a table of the catalog since it was read last.

One question tells how many rows a table has and when one was changed last. Where that is not what is known, those rows
are read that were changed since half a minute before the last reading, by the server's clock: a transaction that began
before it may have been completed after it. If then the number of rows differs, some were deleted, and all RIDs and
times of change are compared; and also if the newest row was not among those read, since then the clocks differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
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
    """How many rows a table has, when one of them was changed last, and since when rows may be unknown to who asked."""

    rows: int
    newest: str
    since: str = field(compare=False, default="")


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
    answer = catalog.get(f"/aggregate/{source.path}/rows:=cnt(*),newest:=max(RMT)")
    found = answer.json()[0]
    newest = str(found["newest"] or "")
    return Extent(int(found["rows"]), newest, _unsure_since(answer.headers.get("Date") or newest))


def known(store: Store, source: Source) -> Extent:
    """How much of a table is kept, and how far it was read."""
    return Extent(*store.sources().get(source.name, (0, "", "")))


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
    complete = True
    if now.newest != before.newest:
        filters = f"/{_since(before)}" if before.newest else ""
        rows = paged(catalog, source.path + filters, wanted=source.wanted)
        complete = False
        for n, row in enumerate(rows, 1):
            complete |= row["RMT"] == now.newest
            _keep(store, source, row, changes)
            if n % 1000 == 0:
                progress(f"{source.name}: read {n} rows")
    if not complete or store.row_count(source.name) != now.rows:
        _compare(catalog, store, source, now, changes, progress)
    store.note_source(source.name, store.row_count(source.name), now.newest, now.since)
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
    return f"RMT::geq::{urlquote(before.since, '')}"


def _unsure_since(time: str) -> str:
    """Half a minute before a time, which is as HTTP or as the catalog writes it."""
    if not time:
        return ""
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        moment = parsedate_to_datetime(time)
    return (moment - OVERLAP).isoformat()
