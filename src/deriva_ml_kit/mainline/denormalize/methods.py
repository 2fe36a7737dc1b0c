"""What datasets, bags and a DerivaML do with tables side by side."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

import pandas as pd
from deriva_ml.core.base import DerivaML as ReleasedDerivaML
from deriva_ml.dataset.aux_classes import DatasetSpec, DatasetVersion

from deriva_ml_kit.mainline.bag.methods import readable
from deriva_ml_kit.mainline.catalog.rows import table_name
from deriva_ml_kit.mainline.denormalize.describe import described, schema_paths
from deriva_ml_kit.mainline.denormalize.frame import frame
from deriva_ml_kit.mainline.denormalize.join import Selector, check_related, joined
from deriva_ml_kit.mainline.denormalize.live import CatalogSource
from deriva_ml_kit.mainline.denormalize.plan import Plan, asked, plan
from deriva_ml_kit.mainline.denormalize.source import Source

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML

CACHE_FOLDER = "denormalized"


class WideTables:
    """Tables of a dataset side by side; the same of a catalog and of a bag."""

    def _row_source(self, version: DatasetVersion | str | None = None, system_columns: Collection[str] = ()) -> Source:
        raise NotImplementedError

    def get_denormalized_as_dataframe(
        self,
        include_tables: list[str],
        *,
        row_per: str | None = None,
        via: list[str] | None = None,
        ignore_unrelated_anchors: bool = False,
        selector: Selector | None = None,
        version: DatasetVersion | str | None = None,
        system_columns: list[str] | None = None,
    ) -> pd.DataFrame:
        """One row for each row of the lowest of some tables, with what it refers to in the others.

        A record of the dataset that no such row refers to, such as an image without a label, has a row of its own, in
        which the lower tables are missing. Nested datasets count. The order of the rows is always the same.

        Args:
            include_tables: The tables whose columns are wanted; features by name, `Image_Diagnosis` or table.
            row_per: Which of them a row is one of; found by itself where one refers, at last, to all others.
            via: Tables to be passed without their columns, or `Table.column` for one of several foreign keys.
            ignore_unrelated_anchors: Leave out members from which no foreign keys lead to the tables.
            selector: Chooses one of the values that a feature has for a record, such as `FeatureRecord.select_newest`;
                without it, each has a row.
            version: The dataset as it was in a version.
            system_columns: Those of RCT, RMT, RCB and RMB that are wanted, too.

        Returns:
            Columns are `Table.column` (`schema.Table.column` where several domain schemas are asked for), of types that
            may be missing: Int64, float64, boolean, times in UTC, text.

        Raises:
            DerivaMLDenormalizeMultiLeaf: Several tables could give the rows.
            DerivaMLDenormalizeNoSink: None could.
            DerivaMLDenormalizeDownstreamLeaf: There would be several rows to one of `row_per`.
            DerivaMLDenormalizeAmbiguousPath: Several ways lead from `row_per` to a table.
            DerivaMLDenormalizeUnrelatedAnchor: Members have nothing to do with the tables.
            DerivaMLTableNotFound: There is no such table or feature.
            DerivaMLValidationError: An argument is wrong, such as a selector without a feature to choose from.
        """
        made, values = self._wide_table(
            include_tables, row_per, via, ignore_unrelated_anchors, selector, version, system_columns
        )
        return frame([(column.label, column.kind) for column in made.columns], values)

    def get_denormalized_as_dict(
        self,
        include_tables: list[str],
        *,
        row_per: str | None = None,
        via: list[str] | None = None,
        ignore_unrelated_anchors: bool = False,
        selector: Selector | None = None,
        version: DatasetVersion | str | None = None,
    ) -> Iterator[dict[str, Any]]:
        """The rows of `get_denormalized_as_dataframe` as dicts, with values as in JSON and None for what is missing."""
        made, values = self._wide_table(include_tables, row_per, via, ignore_unrelated_anchors, selector, version)
        labels = [column.label for column in made.columns]
        for row in zip(*values, strict=True):
            yield dict(zip(labels, row, strict=True))

    def list_denormalized_columns(
        self,
        include_tables: list[str],
        *,
        row_per: str | None = None,
        via: list[str] | None = None,
        version: DatasetVersion | str | None = None,
    ) -> list[tuple[str, str]]:
        """Label and ERMrest type of each column that there would be; no row is read.

        Raises:
            DerivaMLDenormalizeError: The tables cannot be put side by side; see `get_denormalized_as_dataframe`.
            DerivaMLTableNotFound: There is no such table or feature.
        """
        model = self._row_source(version).model
        return [
            (column.label, column.kind) for column in plan(model, asked(model, include_tables, row_per, via)).columns
        ]

    def describe_denormalized(
        self,
        include_tables: list[str],
        *,
        row_per: str | None = None,
        via: list[str] | None = None,
        version: DatasetVersion | str | None = None,
    ) -> dict[str, Any]:
        """What the wide table would be; a plan that does not work is described, not refused.

        Returns:
            `row_per`, `row_per_source` (explicit or auto-inferred), `row_per_candidates`; `columns` (label, type);
            `include_tables` and `via` by their tables' names; `join_path`, `transparent_intermediates` (joined without
            columns); `ambiguities` (from, to, paths, suggestions); `estimated_row_count` (in_scope_row_per_rows,
            orphan_rows, total; None with a `reason` where only joining would tell); `anchors` (members by table);
            `source` (catalog or local); `warnings` (why it would be refused).
        """
        return described(self._row_source(version), include_tables, row_per, via)

    def list_schema_paths(
        self, tables: list[str] | None = None, *, version: DatasetVersion | str | None = None
    ) -> dict[str, Any]:
        """What could be asked for.

        Args:
            tables: Only paths that start or end at one of these.
            version: The dataset as it was in a version.

        Returns:
            `member_types` and `anchor_types` (tables of the members), `reachable_tables` (the tables below each),
            `association_tables`, `feature_tables`, and `schema_paths`: (upper, lower) to a list of `path` and `direct`.
        """
        return schema_paths(self._row_source(version), tables)

    def _wide_table(  # noqa: PLR0917
        self,
        include_tables: Sequence[str],
        row_per: str | None,
        via: Sequence[str] | None,
        ignore_unrelated_anchors: bool,
        selector: Selector | None,
        version: DatasetVersion | str | None,
        system_columns: Sequence[str] | None = None,
    ) -> tuple[Plan, list[list[Any]]]:
        source = self._row_source(version, system_columns or ())
        made = plan(source.model, asked(source.model, include_tables, row_per, via), system_columns)
        if not ignore_unrelated_anchors:
            check_related(made, source.model, source.members())
        return made, joined(made, source, selector)


class Denormalizing(WideTables):
    """Tables of a catalog's dataset side by side; inherited by `Dataset`."""

    _ml: DerivaML
    dataset_rid: str
    current_version: Any

    def cache_denormalized(
        self,
        include_tables: list[str],
        version: DatasetVersion | str | None = None,
        force: bool = False,
        *,
        row_per: str | None = None,
        via: list[str] | None = None,
        ignore_unrelated_anchors: bool = False,
    ) -> pd.DataFrame:
        """As `get_denormalized_as_dataframe`, kept in the cache folder: a version does not change.

        Args:
            include_tables: The tables whose columns are wanted.
            version: A version of the dataset; the newest where not given.
            force: Ask the catalog again.
            row_per: See there.
            via: See there.
            ignore_unrelated_anchors: See there.
        """
        pinned = str(version or self._newest_version())
        settings = [include_tables, row_per, via, ignore_unrelated_anchors]
        file = self._cache_file(pinned, settings)
        if not force and file.exists():
            kept = json.loads(file.read_text(encoding="utf-8"))
            return frame([(label, kind) for label, kind in kept["columns"]], kept["values"])
        made, values = self._wide_table(include_tables, row_per, via, ignore_unrelated_anchors, None, pinned)
        columns = [(column.label, column.kind) for column in made.columns]
        file.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile("w", encoding="utf-8", dir=file.parent, suffix=".part", delete=False) as part:
            json.dump({"columns": columns, "values": values}, part)
        Path(part.name).replace(file)
        return frame(columns, values)

    def _row_source(self, version: DatasetVersion | str | None = None, system_columns: Collection[str] = ()) -> Source:
        if version is None:
            return CatalogSource(self._ml, self.dataset_rid, system_columns)
        spec = DatasetSpec(rid=self.dataset_rid, version=str(version))
        snapshot = self._ml.catalog_snapshot(self._ml._version_snapshot(spec))
        return CatalogSource(snapshot, self.dataset_rid, system_columns)

    def _newest_version(self) -> str:
        """The newest released version; a dataset that is being changed has a label that no snapshot belongs to."""
        return str(self._ml.dataset_version(self.dataset_rid))

    def _cache_file(self, version: str, settings: list[Any]) -> Path:
        ml = self._ml
        asked_for = json.dumps([ml.host_name, str(ml.catalog_id), self.dataset_rid, version, settings])
        name = hashlib.sha256(asked_for.encode()).hexdigest()[:32]
        return Path(ml.cache_dir) / CACHE_FOLDER / f"{self.dataset_rid}@{version}-{name}.json"


class DenormalizeMethods(ReleasedDerivaML):  # type: ignore[misc]  # the release is untyped
    """What a DerivaML does with tables side by side."""

    def estimate_denormalized_size(self: DerivaML, include_tables: list[str]) -> dict[str, Any]:
        """How large tables side by side would be, over the whole catalog.

        Returns:
            `columns` (label, type), `join_path`, `tables` (row_count, is_asset, asset_bytes by name), `total_rows`,
            `total_asset_bytes`, `total_asset_size` (for a person).

        Raises:
            DerivaMLDenormalizeError: The tables cannot be put side by side.
            DerivaMLTableNotFound: There is no such table or feature.
        """
        made = plan(self.model, asked(self.model, include_tables, None, None))
        tables = {name: self._size(name) for name in made.join_path if not self.model.is_association(name)}
        size = sum(found["asset_bytes"] for found in tables.values())
        return {
            "columns": [(column.label, column.kind) for column in made.columns],
            "join_path": list(tables),
            "tables": tables,
            "total_rows": sum(found["row_count"] for found in tables.values()),
            "total_asset_bytes": size,
            "total_asset_size": readable(size),
        }

    def _size(self: DerivaML, name: str) -> dict[str, Any]:
        table = self.model.name_to_table(name)
        is_asset = bool(self.model.is_asset(table))
        wanted = "rows:=cnt(RID)" + (",bytes:=sum(Length)" if is_asset else "")
        path = table_name(table.schema.name, table.name)
        [found] = self.catalog.get(f"/aggregate/{path}/{wanted}").json()
        return {"row_count": found["rows"], "is_asset": is_asset, "asset_bytes": int(found.get("bytes") or 0)}
