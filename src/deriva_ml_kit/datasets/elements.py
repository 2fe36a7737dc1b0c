"""Records of a table with what a choice among them goes by: a label of each, and what each belongs to."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from typing import Any

import pandas as pd
from deriva.core.ermrest_model import ForeignKey, Table

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.mainline.catalog.paged import paged
from deriva_ml_kit.mainline.catalog.rows import Row, table_name
from deriva_ml_kit.nearest import suggestion

# Values of so many records are asked for by RID; for more, the whole table is read in pages.
BY_RID = 20_000


def element_rids(ml: DerivaML, table: str) -> list[str]:
    """Return the RIDs of all records of a table."""
    place = ml.model.name_to_table(table)
    return [row["RID"] for row in paged(ml.catalog, _path(place), wanted=["RID"])]


def labels(ml: DerivaML, table: str, label: str, rids: Collection[str], *, newest: bool = False) -> pd.DataFrame:
    """Read the labels of records.

    Args:
        ml: The connection.
        table: Table of the records.
        label: A feature of the table, a column of a feature as ``Feature.Column``, or a column of the table itself.
        rids: The records.
        newest: Of several values of a feature, take the one that was written last.

    Returns:
        Columns ``RID`` and ``label``: a row for each value, and one without label for each record that has none.

    Raises:
        UsageError: There is no such feature or column; names what there is.
    """
    place = ml.model.name_to_table(table)
    if label in place.columns.elements:
        rows = _rows(ml, place, "RID", rids, [label])
        found = pd.DataFrame([(row["RID"], row[label]) for row in rows], columns=["RID", "label"])
    else:
        feature, column = _feature(ml, place, label)
        target = feature.target_column
        rows = _rows(ml, feature.feature_table, target, rids, ["RCT", target, column])
        found = pd.DataFrame(
            [(row[target], row[column], row["RCT"], row["RID"]) for row in rows],
            columns=["RID", "label", "RCT", "value"],
        )
        if newest:
            found = found.sort_values(["RCT", "value"]).drop_duplicates("RID", keep="last")
        found = found[["RID", "label"]]
    every = pd.DataFrame({"RID": sorted(set(rids))})
    return every.merge(found.dropna(subset=["label"]).drop_duplicates(), on="RID", how="left")


def groups(ml: DerivaML, table: str, group_by: str, rids: Collection[str]) -> dict[str, str]:
    """Find what records belong to.

    Args:
        ml: The connection.
        table: Table of the records.
        group_by: A column of the table, or a table that it refers to, directly or over others (Image -> Observation
            -> Subject).
        rids: The records.

    Returns:
        RID -> value of the column, or RID in the table named; a record that belongs to nothing is left out.

    Raises:
        UsageError: There is no such column or table, or no way to it.
    """
    place = ml.model.name_to_table(table)
    if group_by in place.columns.elements:
        steps = [(place, "RID", group_by)]
    else:
        steps, at = [], "RID"
        for key in _way(place, group_by):
            ((source, target),) = key.column_map.items()
            steps.append((key.table, at, source.name))
            at = target.name
    belongs = {rid: rid for rid in rids}
    for here, at, to in steps:
        rows = _rows(ml, here, at, set(belongs.values()), [at, to])
        refers = {row[at]: str(row[to]) for row in rows if row[to] is not None}
        belongs = {rid: refers[value] for rid, value in belongs.items() if value in refers}
    return belongs


def _rows(ml: DerivaML, table: Table, column: str, values: Collection[str], wanted: list[str]) -> Iterator[Row]:
    """Yield the rows whose column has one of the values."""
    columns = list(dict.fromkeys(["RID", *wanted]))
    if len(values) <= BY_RID:
        yield from rows_with(ml.catalog, table.schema.name, table.name, column, values, wanted=columns)
        return
    inside = set(values)
    pages = paged(ml.catalog, _path(table), wanted=columns)
    yield from (row for row in pages if row[column] in inside)


def _feature(ml: DerivaML, table: Table, label: str) -> tuple[Any, str]:
    """Return a feature and the column that holds the label."""
    name, _, column = label.partition(".")
    known = {feature.feature_name: feature for feature in ml.model.find_features(table)}
    if name not in known:
        columns = [each.name for each in table.columns if each.name not in {"RCT", "RMT", "RCB", "RMB"}]
        raise UsageError(
            f"{table.name} has neither a feature nor a column {name}; {suggestion(name, [*known, *columns])}",
            remedy=f"Features: {', '.join(sorted(known)) or 'none'}. Columns: {', '.join(columns)}.",
        )
    feature = known[name]
    values = sorted(each.name for each in feature.feature_columns)
    terms = sorted(each.name for each in feature.term_columns)
    if column and column not in values:
        raise UsageError(f"Feature {name} of {table.name} has no column {column}; columns: {', '.join(values)}")
    likely = terms or values
    if not column and len(likely) != 1:
        forms = " or ".join(f"{name}.{each}" for each in likely)
        raise UsageError(f"Feature {name} of {table.name} has several columns that could be the label.", remedy=forms)
    return feature, column or likely[0]


def _way(table: Table, to: str) -> list[ForeignKey]:
    """Return the shortest way over foreign keys from a table to one of the name."""
    ways: deque[tuple[Table, list[ForeignKey]]] = deque([(table, [])])
    seen = {table.name}
    while ways:
        here, way = ways.popleft()
        for key in here.foreign_keys:
            if len(key.column_map) > 1 or key.pk_table.name in seen:
                continue
            seen.add(key.pk_table.name)
            if key.pk_table.name == to:
                return [*way, key]
            ways.append((key.pk_table, [*way, key]))
    columns = [each.name for each in table.columns if each.name not in {"RCT", "RMT", "RCB", "RMB"}]
    reached = sorted(seen - {table.name, "ERMrest_Client"})
    raise UsageError(
        f"{table.name} has no column {to} and refers to no table {to}; {suggestion(to, [*columns, *reached])}",
        remedy=f"Columns: {', '.join(columns)}. Tables: {', '.join(reached) or 'none'}.",
    )


def _path(table: Table) -> str:
    return table_name(table.schema.name, table.name)
