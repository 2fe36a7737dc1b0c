"""The rows of a plan, joined in memory: one way of doing it for every source, so that a catalog and a bag agree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
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
# One row of the result: for each way that was joined, the row at its end; the row that gives it at the end of ().
Joined = dict[Route, Row | None]


def check_related(plan: Plan, source: Source) -> None:
    """Make sure that all members lead to a table that was asked for.

    Raises:
        DerivaMLDenormalizeUnrelatedAnchor: Some do not.
    """
    wanted = {*plan.include, *plan.via}
    related = {table for path in source.model._schema_to_paths() if path[-1] in wanted for table in path}
    members = {source.model.name_to_table(name) for name in source.members()}
    if unrelated := sorted(table.name for table in members - related):
        raise DerivaMLDenormalizeUnrelatedAnchor(unrelated, [table.name for table in plan.include])


def joined(plan: Plan, source: Source, selector: Selector | None = None) -> Iterator[list[Any]]:
    """The rows of the result, values in the order of the plan's columns; always in the same order.

    First the rows of `row_per` by RID, then the rows of the tables above it that none of them refers to.

    Raises:
        DerivaMLValidationError: There is a selector, but not exactly one feature to choose from.
    """
    feature = _feature(plan, source.model) if selector else None
    found: list[Joined] = [{(): row} for _rid, row in sorted(source.scope(plan.row_per).items())]
    found = _beside(found, plan.joins, source)
    if feature is not None and selector is not None:
        found = _chosen(found, plan.routes[feature.feature_table], feature, selector)
    places = [(plan.routes[column.table], column.name) for column in plan.columns]
    for row in [*found, *_not_referred_to(plan, source, found)]:
        yield [_value(row.get(route), name) for route, name in places]


def _value(row: Row | None, name: str) -> Any:
    return None if row is None else row[name]


def _beside(found: list[Joined], steps: Iterable[Route], source: Source) -> list[Joined]:
    """Put the row that each step leads to beside the row that it starts from, or None."""
    for step in steps:
        before, link = step[:-1], step[-1]
        here, there = ([pair[side] for pair in link.columns] for side in (0, 1))
        keys = [_key(row.get(before), here) for row in found]
        rows = _by_key(source.rows_with(link.table, there[0], {key[0] for key in keys if key}), there)
        if link.up:
            for row, key in zip(found, keys, strict=True):
                row[step] = rows.get(key, [None])[0] if key else None
        else:
            found = [
                {**row, step: one}
                for row, key in zip(found, keys, strict=True)
                for one in (rows.get(key) if key else None) or [None]
            ]
    return found


def _key(row: Row | None, columns: Sequence[str]) -> tuple[Any, ...] | None:
    """Values that refer to a row; None where one is missing."""
    key = tuple(row[column] for column in columns) if row else (None,)
    return None if None in key else key


def _by_key(rows: Iterable[Row], columns: Sequence[str]) -> dict[tuple[Any, ...], list[Row | None]]:
    unique = {row["RID"]: row for row in rows}
    found: dict[tuple[Any, ...], list[Row | None]] = {}
    for _rid, row in sorted(unique.items()):
        found.setdefault(tuple(row[column] for column in columns), []).append(row)
    return found


def _not_referred_to(plan: Plan, source: Source, found: list[Joined]) -> Iterator[Joined]:
    """A row for each record of the dataset in a table above that no row shows, with what is above it in turn."""
    extra: list[Joined] = []
    for table in plan.above:
        route = plan.routes[table]
        seen = {row["RID"] for one in (*found, *extra) if (row := one.get(route))}
        missing = source.below_members(table) - seen
        rows = sorted(_by_key(source.rows_with(table, "RID", missing), ["RID"]).items()) if missing else []
        steps = [step for step in plan.joins if len(step) > len(route) and step[: len(route)] == route]
        starts: list[Joined] = [{route: row} for key, [row] in rows if key[0] in missing]
        extra += _beside(starts, steps, source)
    yield from extra


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


def _chosen(found: list[Joined], route: Route, feature: Feature, selector: Selector) -> list[Joined]:
    """Of the rows with values of one target, keep those with the value that the selector chooses."""
    kind = feature.feature_record_class()
    fields = list(kind.model_fields)
    rows = {row["RID"]: row for one in found if (row := one.get(route))}
    # A selector may be anybody's: what it gives is recognised as one of the records that it got.
    records = [(kind(**{name: row[name] for name in fields}), rid) for rid, row in rows.items()]
    rids = {id(record): rid for record, rid in records}
    chosen = reduce_with_selector(
        (record for record, _ in records), feature.target_column, selector, feature.qualifier_columns
    )
    kept = {_rid_of(record, rids, records) for record in chosen}
    return [one for one in found if (row := one.get(route)) is None or row["RID"] in kept]


def _rid_of(record: FeatureRecord, rids: dict[int, str], records: list[tuple[FeatureRecord, str]]) -> str:
    if id(record) in rids:
        return rids[id(record)]
    for other, rid in records:
        if other == record:
            return rid
    raise DerivaMLValidationError(f"The selector gave {record!r}, which is none of the records that it got.")


def above_rows(tables: Iterable[Table], source: Source) -> int:
    """At most how many rows there may be that `row_per` does not refer to."""
    return sum(len(source.below_members(table)) for table in tables)
