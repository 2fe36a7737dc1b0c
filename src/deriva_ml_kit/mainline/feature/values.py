"""Values of a feature as records, and one chosen of several: the same for a catalog, a dataset and a bag.

Only where the rows come from differs. What a source has to give:

    count(feature, executions)             how many rows there are
    rows(feature, executions, by_target)   the rows as dicts; with by_target, those of one target one after another,
                                           so that nobody has to hold all of them to choose
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, Protocol

from deriva_ml_kit.mainline.catalog.lookup import LOOKUP_BATCH
from deriva_ml_kit.mainline.catalog.paged import paged
from deriva_ml_kit.mainline.catalog.rows import Row, any_of, batches, table_name
from deriva_ml_kit.mainline.errors import DerivaMLMaterializeLimitExceeded, DerivaMLValidationError
from deriva_ml_kit.mainline.feature.definition import Feature
from deriva_ml_kit.mainline.feature.records import FeatureRecord
from deriva_ml_kit.mainline.feature.selectors import reduce_with_selector

# Of targets and of executions each in one request path: servers stop at 8 KB.
PART = LOOKUP_BATCH // 2


class ValueSource(Protocol):
    """Where the rows of a feature come from."""

    def count(self, feature: Feature, executions: Sequence[str] | None) -> int:
        """How many rows there are, of some executions or of all."""

    def rows(self, feature: Feature, executions: Sequence[str] | None, *, by_target: bool) -> Iterable[Row]:
        """The rows, at least with RCT and the columns of the record class; those of one target together if asked."""


def feature_values(
    feature: Feature,
    source: ValueSource,
    selector: Callable[[list[FeatureRecord]], FeatureRecord | None] | None = None,
    materialize_limit: int | None = None,
    execution_rids: Collection[str] | None = None,
) -> Iterator[FeatureRecord]:
    """The values of a feature, read as they are asked for.

    Args:
        feature: The feature.
        source: Where its rows come from.
        selector: Chooses one of a target's records, or None to leave the target out; without it, all are given.
        materialize_limit: How many rows there may be before a selector chooses.
        execution_rids: Only values that these executions have given; none, if it is empty.

    Raises:
        DerivaMLMaterializeLimitExceeded: There are more rows; none of them was read.
        DerivaMLValidationError: An argument is of the wrong kind.
    """
    if selector is not None and not callable(selector):
        raise DerivaMLValidationError(
            f"{selector!r} is no selector.", remedy="Give a function, such as FeatureRecord.select_newest."
        )
    if isinstance(execution_rids, str):
        raise DerivaMLValidationError(f"execution_rids takes a list, such as [{execution_rids!r}].")
    executions = None if execution_rids is None else sorted(set(execution_rids))
    if executions == []:
        return iter(())
    if materialize_limit is not None and (count := source.count(feature, executions)) > materialize_limit:
        raise DerivaMLMaterializeLimitExceeded(count, materialize_limit)
    rows = source.rows(feature, executions, by_target=selector is not None)
    record = _maker(feature)
    return map(record, rows) if selector is None else _chosen(feature, rows, record, selector)


def _chosen(
    feature: Feature,
    rows: Iterable[Row],
    record: Callable[[Row], FeatureRecord],
    selector: Callable[[list[FeatureRecord]], FeatureRecord | None],
) -> Iterator[FeatureRecord]:
    target = feature.target_column
    for _, group in groupby(rows, key=itemgetter(target)):
        yield from reduce_with_selector(map(record, group), target, selector, feature.qualifier_columns)


def _maker(feature: Feature) -> Callable[[Row], FeatureRecord]:
    kind = feature.feature_record_class()
    fields = list(kind.model_fields)
    return lambda row: kind(**{name: row[name] for name in fields})


@dataclass(frozen=True)
class CatalogValues:
    """Rows of a catalog, or of a snapshot of one.

    Attributes:
        catalog: ErmrestCatalog.
        targets: RIDs of the targets that count, such as a dataset's members; all where not given.
        page_rows: Rows to an answer; see `catalog.paged`.
    """

    catalog: Any
    targets: Collection[str] | None = None
    page_rows: int | None = None

    def count(self, feature: Feature, executions: Sequence[str] | None) -> int:
        """How many rows there are."""
        paths = (path for part in self._parts(feature, executions) for path in part)
        return sum(self.catalog.get(f"/aggregate/{path}/n:=cnt(*)").json()[0]["n"] for path in paths)

    def rows(self, feature: Feature, executions: Sequence[str] | None, *, by_target: bool) -> Iterator[Row]:
        """The rows in pages."""
        target = feature.target_column
        sort = (target, "RID") if by_target else ("RID",)
        columns = ["RID", *feature.feature_record_class().model_fields]
        for part in self._parts(feature, executions):
            rows = (
                row
                for path in part
                for row in paged(self.catalog, path, wanted=columns, sort=sort, page_rows=self.page_rows)
            )
            # Several requests about the same targets give several sequences.
            yield from sorted(rows, key=itemgetter(target)) if by_target and len(part) > 1 else rows

    def _parts(self, feature: Feature, executions: Sequence[str] | None) -> Iterator[list[str]]:
        """Paths of the rows: no target is in two lists."""
        table = table_name(feature.feature_table.schema.name, feature.feature_table.name)
        for about in _filters(feature.target_column, None if self.targets is None else sorted(set(self.targets))):
            yield [f"{table}{about}{by}" for by in _filters("Execution", executions)]


def _filters(column: str, values: Sequence[str] | None) -> Iterator[str]:
    if values is None:
        yield ""
    else:
        yield from (f"/{any_of(column, batch)}" for batch in batches(values, PART))
