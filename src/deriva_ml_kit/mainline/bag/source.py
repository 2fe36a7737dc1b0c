"""Rows of a dataset in a bag, for `denormalize` and for feature values."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from deriva.core.ermrest_model import Table

from deriva_ml_kit.mainline.bag.loading import quoted
from deriva_ml_kit.mainline.catalog.rows import Row
from deriva_ml_kit.mainline.feature.definition import Feature

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.bag.dataset_bag import DatasetBag


class BagSource:
    """See `denormalize.source.Source`."""

    kind = "local"

    def __init__(self, bag: DatasetBag) -> None:
        self.model = bag.model
        self._bag = bag

    def members(self) -> dict[str, set[str]]:
        """See `Source`."""
        found = {
            name: {rid for (rid,) in self.model.fetch(self._bag._members_query(link, column, recurse=True))}
            for name, (link, column) in self._bag._associations().items()
            if name != "Dataset"
        }
        return {name: rids for name, rids in found.items() if rids}

    def scope(self, table: Table) -> dict[str, Row]:
        """See `Source`."""
        return {row["RID"]: row for row in self.model.json_rows(table, f"WHERE RID IN ({self._rids(table)})")}

    def count(self, table: Table) -> int:
        """See `Source`."""
        return int(self.model.fetch(f"SELECT count(*) FROM ({self._rids(table)})")[0][0])

    def below_members(self, table: Table) -> set[str]:
        """See `Source`."""
        return {rid for (rid,) in self.model.fetch(self._rids(table, downwards=True))}

    def rows_with(self, table: Table, column: str, values: Collection[Any]) -> Iterator[Row]:
        """See `Source`."""
        return self.model.json_rows_with(table, column, values)

    def _rids(self, table: Table, *, downwards: bool = False) -> str:
        return self.model.rids_of(table, self._bag._datasets, downwards=downwards)


class BagValues:
    """Rows of a feature; see `feature.values.ValueSource`."""

    def __init__(self, bag: DatasetBag) -> None:
        self._model = bag.model
        self._bag = bag

    def count(self, feature: Feature, executions: Sequence[str] | None) -> int:
        """How many rows there are."""
        where, values = self._where(feature, executions)
        table = quoted(feature.feature_table.schema.name, feature.feature_table.name)
        return int(self._model.fetch(f"SELECT count(*) FROM {table} {where}", values)[0][0])

    def rows(self, feature: Feature, executions: Sequence[str] | None, *, by_target: bool) -> Iterator[Row]:
        """The rows."""
        where, values = self._where(feature, executions)
        rows = self._model.json_rows(feature.feature_table, where, values)
        return iter(sorted(rows, key=lambda row: row[feature.target_column] or "")) if by_target else rows

    def _where(self, feature: Feature, executions: Sequence[str] | None) -> tuple[str, list[str]]:
        where = f"WHERE RID IN ({self._model.rids_of(feature.feature_table, self._bag._datasets)})"
        if executions is None:
            return where, []
        # Bound in one statement: a bag has far fewer executions than SQLite takes values.
        return f"{where} AND Execution IN ({', '.join('?' * len(executions))})", list(executions)
