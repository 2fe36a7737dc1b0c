"""Values of a feature, a page at a time: what is asked of the server depends on the page, not on how many there are.

Where each record is to have one value, a page is one of records: only their values are read, and chosen from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deriva_ml_kit.mainline import DerivaML, Feature, FeatureRecord
    from deriva_ml_kit.tools.call import Call

Row = dict[str, Any]
Selector = Callable[[list[Any]], Any]


@dataclass(frozen=True)
class Counts:
    """How much there is.

    Attributes:
        values: Values.
        records: Records that have at least one of them.
    """

    values: int
    records: int


@dataclass(frozen=True)
class Values:
    """Which values of a feature are meant.

    Attributes:
        call: The call.
        feature: The feature.
        among: Paths to records of its table whose values count, such as the members of a dataset; several paths may
            lead to the same records. None for all records.
        only: Filters of the values, as they stand in a request behind the table; any of them may let a value through.
    """

    call: Call
    feature: Feature
    among: tuple[str, ...] | None = None
    only: tuple[str, ...] = ("",)

    @property
    def columns(self) -> list[str]:
        """The record, the columns of the value, the execution, the time: each as it is shown."""
        values = self.feature.feature_columns
        own = [column.name for column in self.feature.feature_table.columns if column in values]
        return ["RID", self.feature.target_column, *own, "Execution", "RCT"]

    def counts(self) -> Counts:
        """How many values there are, and of how many records."""
        if len(self._paths) == 1:
            counted = f"values:=cnt_d(RID),records:=cnt_d({_quoted(self.feature.target_column)})"
            (row,) = self.call.ml.catalog.get(f"/aggregate/{self._paths[0]}/{counted}").json()
            return Counts(row["values"], row["records"])
        return Counts(len(self._seen), len({row[self.feature.target_column] for row in self._seen.values()}))

    def by_execution(self) -> Mapping[str, int]:
        """How many values each execution gave."""
        if len(self._paths) == 1:
            groups = self.call.ml.catalog.get(f"/attributegroup/{self._paths[0]}/Execution;n:=cnt_d(RID)").json()
            return {group["Execution"]: group["n"] for group in groups}
        return Counter(row["Execution"] for row in self._seen.values())

    def page(self, limit: int, after: str | None) -> tuple[list[Row], bool]:
        """Values by RID behind one of them, and whether more follow."""
        columns = ",".join(map(_quoted, self.columns))
        found = self._merged("RID", (f"/attribute/{path}/{columns}" for path in self._paths), limit, after)
        return found[:limit], len(found) > limit

    def chosen(self, selector: Selector, limit: int, after: str | None) -> tuple[list[Row], bool]:
        """The value that a selector chooses for each of the records behind one of them, and whether more follow."""
        from deriva_ml_kit.mainline import reduce_with_selector  # noqa: PLC0415  (takes seconds)

        targets, more = self._records(limit, after)
        column, qualifiers = self.feature.target_column, self.feature.qualifier_columns
        record = record_class(self.feature)
        rows: list[Row] = []
        for number, (target, group) in enumerate(groupby(self._of(targets), key=lambda row: str(row[column]))):
            if number % 100 == 0:
                self.call.progress(number, len(targets), f"{column} {target}")
            of_it = {row["RID"]: row for row in group}
            records = (record(**row) for row in of_it.values())
            rows += [of_it[each.RID] for each in reduce_with_selector(records, column, selector, qualifiers)]
        return rows, more

    def _records(self, limit: int, after: str | None) -> tuple[list[str], bool]:
        """Records that have values, by RID."""
        target = self.feature.target_column
        asked = (f"/attributegroup/{path}/{_quoted(target)}" for path in self._paths)
        found = [str(row[target]) for row in self._merged(target, asked, limit, after)]
        return found[:limit], len(found) > limit

    def _merged(self, key: str, requests: Iterable[str], limit: int, after: str | None) -> list[Row]:
        """The first rows behind one, and at least one further if there is any; each once, on however many ways."""
        behind = f"@after({_quoted(after)})" if after is not None else ""
        found: dict[str, Row] = {}
        for request in requests:
            answer = self.call.ml.catalog.get(f"{request}@sort({_quoted(key)}){behind}?limit={limit + 1}")
            found |= {row[key]: row for row in answer.json()}
        # Of one request, the order is the server's, which need not be Python's.
        return list(found.values()) if len(self._paths) < 2 else [found[each] for each in sorted(found)]

    def _of(self, targets: Sequence[str]) -> Iterator[Row]:
        """The values of some records, those of one together."""
        from deriva_ml_kit.mainline.catalog.paged import paged  # noqa: PLC0415  (takes seconds)
        from deriva_ml_kit.mainline.catalog.rows import BATCH_VALUES, any_of, batches  # noqa: PLC0415

        table, target = self._table, self.feature.target_column
        for batch in batches(targets, BATCH_VALUES):
            paths = [f"V:={table}/{any_of(target, batch)}{only}" for only in self.only]
            rows = (
                row
                for path in paths
                for row in paged(self.call.ml.catalog, path, wanted=self.columns, sort=(target, "RID"))
            )
            yield from sorted(rows, key=itemgetter(target)) if len(paths) > 1 else rows

    @cached_property
    def _seen(self) -> dict[str, Row]:
        """All values: where several ways lead to them, the server's counts of each would not add up."""
        from deriva_ml_kit.mainline.catalog.paged import paged  # noqa: PLC0415  (takes seconds)

        found: dict[str, Row] = {}
        for path in self._paths:
            for row in paged(self.call.ml.catalog, path, wanted=["RID", self.feature.target_column, "Execution"]):
                if len(found) % 5000 == 0:
                    self.call.progress(len(found), None, "Counting values")
                found[row["RID"]] = row
        return found

    @property
    def _paths(self) -> list[str]:
        if self.among is None:
            return [f"V:={self._table}{only}" for only in self.only]
        here = f"V:=({_key_of_target(self.feature)})=({self._table}:{_quoted(self.feature.target_column)})"
        return [f"{path}/{here}{only}" for path in self.among for only in self.only]

    @property
    def _table(self) -> str:
        from deriva_ml_kit.mainline.catalog.rows import table_name  # noqa: PLC0415  (takes seconds)

        return table_name(self.feature.feature_table.schema.name, self.feature.feature_table.name)


def record_class(feature: Feature) -> type[FeatureRecord]:
    """The class of a feature's records, with the RID of the value."""
    from pydantic import create_model  # noqa: PLC0415

    kind = feature.feature_record_class()
    return create_model(kind.__name__, __base__=kind, RID=(str, ...))


def records_of(ml: DerivaML, feature: Feature, dataset_rid: str | None) -> tuple[str, ...] | None:
    """Paths to the records of a feature's table that belong to a dataset, nested ones included; None for no dataset.

    Where rows of the table cannot be members, those that the dataset's bag would hold.
    """
    if dataset_rid is None:
        return None
    from deriva_ml_kit.mainline.catalog.lookup import LOOKUP_BATCH  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline.catalog.rows import any_of, batches  # noqa: PLC0415
    from deriva_ml_kit.mainline.dataset import nesting  # noqa: PLC0415
    from deriva_ml_kit.mainline.dataset.drift import paths_to  # noqa: PLC0415
    from deriva_ml_kit.mainline.dataset.elements import element_types  # noqa: PLC0415

    kinds = [kind for kind in element_types(ml) if kind.table is feature.target_table]
    if not kinds:
        return tuple(paths_to(ml, dataset_rid, feature.target_table))
    within = batches([dataset_rid, *nesting.children(ml, [dataset_rid], recurse=True)], LOOKUP_BATCH)
    return tuple(
        f"{kind.links_path}/{any_of(kind.dataset_column, batch)}/{kind.members_path}"
        for batch in within
        for kind in kinds
    )


def how_many(call: Call, feature: Feature, among: Sequence[str] | None) -> int:
    """How many records a feature's table, or a dataset, has that could have a value."""
    from deriva_ml_kit.mainline.catalog.paged import paged  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline.catalog.rows import table_name  # noqa: PLC0415

    catalog = call.ml.catalog
    paths = among if among is not None else [table_name(feature.target_table.schema.name, feature.target_table.name)]
    if len(paths) == 1:
        return int(catalog.get(f"/aggregate/{paths[0]}/n:=cnt_d(RID)").json()[0]["n"])
    return len({row["RID"] for path in paths for row in paged(catalog, path, wanted=["RID"])})


def _key_of_target(feature: Feature) -> str:
    """The column of the records that values refer to, mostly their RID."""
    column = feature.feature_table.columns[feature.target_column]
    keys = (key for key in feature.feature_table.foreign_keys if list(key.foreign_key_columns) == [column])
    return _quoted(next(keys).referenced_columns[0].name)


def _quoted(name: str) -> str:
    from deriva.core import urlquote  # noqa: PLC0415  (takes seconds)

    return str(urlquote(name, ""))
