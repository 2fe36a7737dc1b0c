"""Rows of values from a snapshot: only the columns and rows that can matter, in pages.

Feature tables are meant to be appended to. A row that was edited (its RMT is later than its RCT) shows what it became:
it counts as known only since then, and is reported.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from deriva.core import urlquote

from deriva_ml_kit.mainline.catalog.paged import paged
from deriva_ml_kit.mainline.catalog.rows import Row, any_of, batches, short_lists, table_name
from deriva_ml_kit.ops.features.moments import Moment
from deriva_ml_kit.ops.features.sources import MOMENTS, Source

# For more entities, all rows are read in pages rather than picked out.
PICKED = 4000
ROWS_A_PART = 50_000  # become a frame before the next are read
_KINDS = {
    **dict.fromkeys(("int2", "int4", "int8", "serial2", "serial4", "serial8"), "Int64"),
    **dict.fromkeys(("float4", "float8", "numeric"), "float64"),
    "boolean": "boolean",
}


@dataclass(frozen=True)
class Columns:
    """What the columns of values are called; no feature can have such a name.

    Attributes:
        key, event_time, known_time, tie_break: As they are joined by.
    """

    key: str
    event_time: str
    known_time: str
    tie_break: str


@dataclass(frozen=True)
class ReadValues:
    """Rows of a source.

    Attributes:
        frame: A column for each feature, by its short name, and those of `columns`.
        columns: Names of the other columns.
        edited: RIDs of rows that were changed after they were made.
    """

    frame: pd.DataFrame
    columns: Columns
    edited: tuple[str, ...]


def read_values(at: Moment, source: Source, keys: Collection[Any] | None, until: datetime) -> ReadValues:
    """Read values that held by some time.

    Args:
        at: State of the catalog.
        source: What to read.
        keys: Entities; all where not given.
        until: Values that held later are left out.
    """
    parts = [_frame(source, part) for part in batches(rows(at, source, keys, until), ROWS_A_PART)] or [
        _frame(source, [])
    ]
    frame = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
    name = source.table.name
    columns = Columns(f"{name}.{source.key}", f"{name}.{source.event_time}", f"{name} known", f"{name} tie")
    made = {columns.key: frame[source.key], columns.event_time: frame[source.event_time]}
    edited = frame["RMT"] > frame["RCT"]
    known = frame[source.known_time]
    made[columns.known_time] = frame["RMT"].where(edited, known) if source.recorded else known
    if source.tie_break:
        made[columns.tie_break] = frame[source.tie_break]
    made |= {short: frame[column] for short, (_, column) in source.features.items()}
    return ReadValues(pd.DataFrame(made), columns, tuple(frame["RID"][edited]))


def rows(at: Moment, source: Source, keys: Collection[Any] | None, until: datetime) -> Iterator[Row]:
    """The rows, in pages."""
    times = {source.event_time, source.known_time, "RCT", "RMT"}
    order = {source.tie_break} if source.tie_break else set()
    values = {column for _, column in source.features.values()}
    wanted = ["RID", *sorted(({source.key} | times | order | values) - {"RID"})]
    start = table_name(source.table.schema.name, source.table.name)
    filters = [f"{urlquote(name, '')}={urlquote(value, '')}" for name, value in source.where]
    when = urlquote(source.event_time, "")
    # A row without a time is no row that held later: it is for the join to refuse.
    filters.append(f"{when}::leq::{urlquote(until.isoformat(), '')};{when}::null::")
    if keys is None or len(keys) > PICKED:
        yield from paged(at.ml.catalog, "/".join([start, *filters]), wanted=wanted)
        return
    for some in short_lists(sorted(map(str, keys))):
        yield from paged(at.ml.catalog, "/".join([start, any_of(source.key, some), *filters]), wanted=wanted)


def _frame(source: Source, rows: list[Row]) -> pd.DataFrame:
    """Rows as columns of their types: a page of nulls has the type of any other."""
    columns = source.table.columns
    names = list(rows[0]) if rows else [column.name for column in columns]
    made: dict[str, Any] = {}
    for name in names:
        kind = columns[name].type.typename
        content = [row[name] for row in rows]
        if kind in MOMENTS:
            made[name] = pd.to_datetime(pd.Series(content, dtype=object), utc=True, format="ISO8601").dt.as_unit("us")
        else:
            made[name] = pd.Series(content, dtype=_KINDS.get(kind, np.dtype(object)))
    return pd.DataFrame(made)
