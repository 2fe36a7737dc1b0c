"""What a DerivaML does with datasets on this disk."""

from __future__ import annotations

from deriva_ml.core.base import DerivaML as ReleasedDerivaML
from deriva_ml.core.exceptions import DerivaMLTableTypeError
from deriva_ml.dataset.aux_classes import DatasetSpec as ReleasedSpec
from deriva_ml.dataset.dataset_bag import DatasetBag

from deriva_ml_kit.mainline.bag.opened import open_bag


class BagMethods(ReleasedDerivaML):  # type: ignore[misc]  # the release is untyped
    """What a DerivaML does with datasets on this disk."""

    def download_dataset_bag(self, dataset: ReleasedSpec, execution_rid: str | None = None) -> DatasetBag:
        """Download a dataset in a version; with its asset files if `dataset.materialize`.

        The release makes folders in the home directory here, and fails where there are several domain schemas or a
        boolean is NULL.
        """
        if not self._is_dataset_rid(dataset.rid):
            raise DerivaMLTableTypeError("Dataset", dataset.rid)
        as_it_was = self.catalog_snapshot(self._version_snapshot(dataset))
        order = self._get_dataset_minid(dataset, snapshot_catalog=as_it_was)
        path = (
            self._materialize_dataset_bag(order, execution_rid=execution_rid)
            if dataset.materialize
            else self._download_dataset_minid(order)
        )
        return open_bag(order, path)
