"""The rows of a plan, joined in memory: one way of doing it for every source, so that a catalog and a bag agree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from deriva.core.ermrest_model import Table

from deriva_ml_kit.mainline.catalog.rows import Row
from deriva_ml_kit.mainline.denormalize.plan import Plan, Route
from deriva_ml_kit.mainline.denormalize.source import Source
from deriva_ml_kit.mainline.errors import DerivaMLDenormalizeUnrelatedAnchor, DerivaMLValidationError
from deriva_ml_kit.mainline.feature.definition import Feature
from deriva_ml_kit.mainline.feature.records import FeatureRecord
from deriva_ml_kit.mainline.feature.selectors import reduce_with_selector

Selector = Callable[[list[FeatureRecord]], FeatureRecord | None]
# For each way that was joined the rows at its end, one for each row of the result; at the end of () those that give it.
Beside = dict[Route, list[Row | None]]


def check_related(plan: Plan, model: Any, members: Iterable[str]) -> None:
    """Make sure that all members lead to a table that was asked for.

    Args:
        plan: The plan.
        model: The schema.
        members: Names of the tables that the members are in.

    Raises:
        DerivaMLDenormalizeUnrelatedAnchor: Some do not.
    """
    wanted = {*plan.include, *plan.via}
    related = {table for path in model._schema_to_paths() if path[-1] in wanted for table in path}
    anchors = {model.name_to_table(name) for name in members}
    if unrelated := sorted(table.name for table in anchors - related):
        raise DerivaMLDenormalizeUnrelatedAnchor(unrelated, [table.name for table in plan.include])


def joined(plan: Plan, source: Source, selector: Selector | None = None) -> list[list[Any]]:
    """The values of each of the plan's columns; rows always in the same order.

    First the rows of `row_per` by RID, then the rows of the tables above it that none of them refers to.

    Raises:
        DerivaMLValidationError: There is a selector, but not exactly one feature to choose from.
    """
    feature = _feature(plan, source.model) if selector else None
    found: Beside = {(): [row for _rid, row in sorted(source.scope(plan.row_per).items())]}
    found = beside(found, plan.joins, source)
    if feature is not None and selector is not None:
        found = _chosen(found, plan.routes[feature.feature_table], feature, selector)
    parts = [found]
    for table in plan.above:
        parts.append(_not_referred_to(plan, plan.routes[table], table, source, parts))
    places = [(plan.routes[column.table], column.name) for column in plan.columns]
    return [[value for part in parts for value in values_of(part, route, name)] for route, name in places]


def values_of(part: Beside, route: Route, name: str) -> list[Any]:
    """The values of a column at the end of a way; None where there is no row."""
    if route not in part:
        return [None] * len(next(iter(part.values())))
    return [None if row is None else row[name] for row in part[route]]


def beside(found: Beside, steps: Iterable[Route], source: Source) -> Beside:
    """Put the row that each step leads to beside the row that it starts from, or None."""
    for step in steps:
        here, there = ([pair[side] for pair in step[-1].columns] for side in (0, 1))
        keys = [_key(row, here) for row in found[step[:-1]]]
        rows = _by_key(source.rows_with(step[-1].table, there[0], {key[0] for key in keys if key}), there)
        if step[-1].up:
            found[step] = [rows[key][0] if key in rows else None for key in keys]
        else:  # as many times as there are rows
            several = [rows.get(key) or [None] for key in keys]
            places = [place for place, ones in enumerate(several) for _ in ones]
            found = {route: [ones[place] for place in places] for route, ones in found.items()}
            found[step] = [one for ones in several for one in ones]
    return found


def _key(row: Row | None, columns: Sequence[str]) -> tuple[Any, ...]:
    """Values that refer to a row; empty where one is missing."""
    key = tuple(row[column] for column in columns) if row else ()
    return () if None in key else key


def _by_key(rows: Iterable[Row], columns: Sequence[str]) -> dict[tuple[Any, ...], list[Row | None]]:
    unique = {row["RID"]: row for row in rows}
    found: dict[tuple[Any, ...], list[Row | None]] = {}
    for _rid, row in sorted(unique.items()):
        found.setdefault(tuple(row[column] for column in columns), []).append(row)
    return found


def _not_referred_to(plan: Plan, route: Route, table: Table, source: Source, parts: Iterable[Beside]) -> Beside:
    """The records of the dataset in a table above that no row shows yet, with what is above them in turn."""
    seen = {row["RID"] for part in parts for row in part.get(route, ()) if row}
    missing = source.below_members(table) - seen
    rows = {row["RID"]: row for row in source.rows_with(table, "RID", missing)} if missing else {}
    start: Beside = {route: [row for rid, row in sorted(rows.items()) if rid in missing]}
    return beside(start, plan.joins_behind(route), source)


def _feature(plan: Plan, model: Any) -> Feature:
    tables = set(plan.include)
    features: list[Feature] = [feature for feature in model.find_features() if feature.feature_table in tables]
    if len(features) != 1:
        names = ", ".join(feature.feature_table.name for feature in features) or "none"
        raise DerivaMLValidationError(
            f"selector= chooses among the values of one feature; include_tables has {len(features)} ({names}).",
            remedy="Ask for one feature, or leave out selector.",
        )
    return features[0]


def _chosen(found: Beside, route: Route, feature: Feature, selector: Selector) -> Beside:
    """Of the rows with values of one target, keep those with the value that the selector chooses."""
    kind = feature.feature_record_class()
    fields = list(kind.model_fields)
    rows = {row["RID"]: row for row in found[route] if row}
    # A selector may be anybody's: what it gives is recognised as one of the records that it got.
    records = [(kind(**{name: row[name] for name in fields}), rid) for rid, row in rows.items()]
    rids = {id(record): rid for record, rid in records}
    chosen = reduce_with_selector(
        (record for record, _ in records), feature.target_column, selector, feature.qualifier_columns
    )
    kept = {_rid_of(record, rids, records) for record in chosen}
    places = [place for place, row in enumerate(found[route]) if row is None or row["RID"] in kept]
    return {way: [ones[place] for place in places] for way, ones in found.items()}


def _rid_of(record: FeatureRecord, rids: dict[int, str], records: list[tuple[FeatureRecord, str]]) -> str:
    if id(record) in rids:
        return rids[id(record)]
    for other, rid in records:
        if other == record:
            return rid
    raise DerivaMLValidationError(f"The selector gave {record!r}, which is none of the records that it got.")
