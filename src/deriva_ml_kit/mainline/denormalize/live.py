"""Rows of a dataset of a catalog, as it is or, over a snapshot, as it was.

A table is asked for along each way from the dataset to it, in pages; rows above are asked for by the values that refer
to them, many in a request. What a request finds is not asked for again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from deriva.core.ermrest_model import Table

from deriva_ml_kit.mainline.catalog.lookup import LOOKUP_BATCH, rows_with
from deriva_ml_kit.mainline.catalog.paged import paged
from deriva_ml_kit.mainline.catalog.paths import Link, leads_down, levels, ways_to, without_members
from deriva_ml_kit.mainline.catalog.rows import Row, any_of, batches, table_name
from deriva_ml_kit.mainline.denormalize.plan import SYSTEM_COLUMNS

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML

# For so many values, all rows of the dataset are read in pages rather than picked out.
PAGED_FROM = 4 * LOOKUP_BATCH


class CatalogSource:
    """See `Source`.

    Args:
        ml: The catalog, or a snapshot of it.
        dataset_rid: The dataset.
        system_columns: System columns that are wanted, beside RID and RCT.
    """

    kind = "catalog"

    def __init__(self, ml: DerivaML, dataset_rid: str, system_columns: Collection[str] = ()) -> None:
        self.model = ml.model
        self._ml = ml
        self._dataset_rid = dataset_rid
        self._left_out = set(SYSTEM_COLUMNS) - {"RCT", *system_columns}
        self._scopes: dict[Table, dict[str, Row]] = {}

    def members(self) -> dict[str, set[str]]:
        """See `Source`."""
        found: dict[str, set[str]] = {}
        dataset = self.model.schemas[self._ml.ml_schema].tables["Dataset"]
        for link in dataset.find_associations():
            [other] = link.other_fkeys
            holds_members = link.name.startswith("Dataset_") and link.name != "Dataset_Execution"
            if link.table not in self._empty and other.pk_table is not dataset and holds_members:
                column = other.foreign_key_columns[0].name
                path = table_name(link.schema.name, link.name)
                found[other.pk_table.name] = {
                    row[column]
                    for batch in batches(sorted(self._datasets), LOOKUP_BATCH)
                    for row in paged(self._ml.catalog, f"{path}/{any_of('Dataset', batch)}", wanted=["RID", column])
                }
        return {name: rids for name, rids in found.items() if rids and not self.model.is_vocabulary(name)}

    def scope(self, table: Table) -> dict[str, Row]:
        """See `Source`."""
        if table not in self._scopes:
            rows = (row for path in self._paths(table) for row in self._paged(path, self._columns(table)))
            self._scopes[table] = {row["RID"]: row for row in rows}
        return self._scopes[table]

    def count(self, table: Table) -> int:
        """See `Source`."""
        return len(self._rids(self._paths(table)))

    def below_members(self, table: Table) -> set[str]:
        """See `Source`."""
        return self._rids(self._paths(table, downwards=True))

    def rows_with(self, table: Table, column: str, values: Collection[Any]) -> Iterable[Row]:
        """See `Source`."""
        wanted = set(values)
        if self.model.is_vocabulary(table):  # small, and names may be long
            return self._paged(table_name(table.schema.name, table.name), self._columns(table))
        found = self._in_scope(table, column, wanted) if len(wanted) > PAGED_FROM else []
        rest = {str(value) for value in wanted - {row[column] for row in found}}
        schema, name = table.schema.name, table.name
        return [*found, *rows_with(self._ml.catalog, schema, name, column, rest, wanted=self._columns(table))]

    def _in_scope(self, table: Table, column: str, wanted: set[Any]) -> list[Row]:
        return [row for row in self.scope(table).values() if row[column] in wanted]

    @cached_property
    def _datasets(self) -> set[str]:
        return {rid for level in levels(self._ml, self._dataset_rid) for rid in level}

    @cached_property
    def _empty(self) -> set[Table]:
        return without_members(self._ml, self._datasets)

    def _columns(self, table: Table) -> list[str]:
        return [column.name for column in table.columns if column.name not in self._left_out]

    def _rids(self, paths: Iterable[str]) -> set[str]:
        return {row["RID"] for path in paths for row in self._paged(path, ["RID"])}

    def _paged(self, path: str, wanted: list[str]) -> Iterator[Row]:
        return paged(self._ml.catalog, path, wanted=wanted)

    def _paths(self, table: Table, *, downwards: bool = False) -> Iterator[str]:
        for way in ways_to(self.model, table):
            if way and way[0].table in self._empty:
                continue
            if not downwards or leads_down(way):
                for batch in batches(sorted(self._datasets), LOOKUP_BATCH):
                    yield self._path(way, batch)

    def _path(self, way: tuple[Link, ...], datasets: list[str]) -> str:
        start = f"{table_name(self._ml.ml_schema, 'Dataset')}/{any_of('RID', datasets)}"
        return "/".join([start, *(link.path for link in way)])
