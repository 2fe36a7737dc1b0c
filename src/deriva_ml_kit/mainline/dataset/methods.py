"""What a DerivaML does with datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deriva_ml.core.base import DerivaML as ReleasedDerivaML
from deriva_ml.dataset.aux_classes import DatasetSpec as ReleasedSpec

from deriva_ml_kit.mainline.catalog.rows import any_of, table_name
from deriva_ml_kit.mainline.dataset.dataset import Dataset
from deriva_ml_kit.mainline.errors import DerivaMLNotFoundError

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML


class DatasetMethods(ReleasedDerivaML):  # type: ignore[misc]  # the release is untyped
    """What a DerivaML does with datasets."""

    def lookup_dataset(self: DerivaML, dataset: str | ReleasedSpec, deleted: bool = False) -> Dataset:
        """A dataset by its RID.

        Args:
            dataset: RID, or a DatasetSpec (whose version is not looked at).
            deleted: Find it also if it is marked as deleted.

        Raises:
            DerivaMLNotFoundError: The catalog has no dataset of that RID.
        """
        rid = dataset if isinstance(dataset, str) else dataset.rid
        rows = self.catalog.get(f"/entity/{table_name(self.ml_schema, 'Dataset')}/{any_of('RID', [rid])}").json()
        if not rows or (rows[0]["Deleted"] and not deleted):
            raise DerivaMLNotFoundError(f"Catalog {self.catalog_id} on {self.host_name} has no dataset {rid}.")
        return Dataset(self, rid, rows[0]["Description"] or "")
