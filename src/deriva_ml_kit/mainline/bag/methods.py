"""What a DerivaML does with datasets on this disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml.core.base import DerivaML as ReleasedDerivaML
from deriva_ml.dataset.aux_classes import DatasetMinid
from deriva_ml.dataset.aux_classes import DatasetSpec as ReleasedSpec

from deriva_ml_kit.mainline.bag.cache import obtain
from deriva_ml_kit.mainline.bag.exported import TableSize, table_files, table_sizes
from deriva_ml_kit.mainline.bag.opened import open_bag
from deriva_ml_kit.mainline.bag.stored import BagCache, CachedBag, tally

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.bag.dataset_bag import DatasetBag
    from deriva_ml_kit.mainline.ml import DerivaML

MEGABYTE = 1024 * 1024
UNITS = ("B", "KB", "MB", "GB", "TB")


class BagMethods(ReleasedDerivaML):  # type: ignore[misc]  # the release is untyped
    """What a DerivaML does with datasets on this disk."""

    def download_dataset_bag(self: DerivaML, dataset: ReleasedSpec, execution_rid: str | None = None) -> DatasetBag:
        """A dataset in a version, from this disk; what is not there yet is fetched first.

        Args:
            dataset: Dataset and version; with its asset files if `materialize`, without the rows that only ways through
                its `exclude_tables` lead to, and with at most `fetch_concurrency` files at a time.
            execution_rid: Accepted as by the release, which writes a status to the catalog for every single file.

        Raises:
            DerivaMLDatasetNotFound: There is no such dataset; says what the RID is instead.
            DerivaMLNotFoundError: There is no such version.
            DerivaMLDataError: Files are gone, or are not what the catalog describes.
        """
        if self._use_minid:
            return self._published(dataset)
        entry = obtain(self, self._existing(dataset))
        # The release knows a bag by the order that it came with.
        order = DatasetMinid(dataset_version=dataset.version, RID=f"{entry.rid}@{entry.snapshot}", location=entry.bag)
        return open_bag(order, Path(entry.bag))

    def cache_dataset(self: DerivaML, dataset: ReleasedSpec, materialize: bool = True) -> dict[str, Any]:
        """Fetch a dataset in a version to this disk, for later; the catalog is not changed.

        Args:
            dataset: Dataset and version.
            materialize: With the files of its assets.

        Returns:
            As `bag_info`, of what is there now.
        """
        wanted = dataset.model_copy(update={"materialize": materialize})
        obtain(self, self._existing(wanted))
        return self.bag_info(wanted)

    def bag_info(self: DerivaML, dataset: ReleasedSpec) -> dict[str, Any]:
        """What a dataset holds in a version, and how much of that is on this disk.

        Returns:
            What `estimate_bag_size` gives; `status`: `not_cached`, `cached_metadata_only`, `cached_materialized` or
            `cached_holey` (files of it are missing); `cache_path`: folder of the bag, or None; `versions_cached`:
            checksums of the bags of this dataset. Main line looks at whichever version was fetched last; here it is the
            one that is asked for.
        """
        stored = BagCache(Path(self.cache_dir)).cache_status(dataset.rid, version=str(dataset.version))
        return self.estimate_bag_size(dataset) | stored

    def estimate_bag_size(self: DerivaML, dataset: ReleasedSpec) -> dict[str, Any]:
        """Count what a download of a dataset in a version would bring, without fetching it.

        Returns:
            `tables`: name to `row_count`, `is_asset`, `asset_bytes`, `csv_bytes` (reckoned from the first rows) and
            `incomplete` (always False); `total_rows`; `total_asset_bytes`, `total_csv_bytes` and
            `total_estimated_bytes`, each also as text: `total_asset_size`, `total_csv_size`, `total_estimated_size`;
            `incomplete` and `incomplete_tables` (always False and empty).
        """
        spec = self._existing(dataset)
        as_it_was = self.catalog_snapshot(self._version_snapshot(spec))
        return _estimate(table_sizes(as_it_was, table_files(as_it_was, spec), csv=True))

    def list_cached_bags(self) -> list[CachedBag]:
        """Dataset versions on this disk, those fetched last first."""
        return BagCache(Path(self.cache_dir)).list_bags()

    def delete_cached_bag(self, dataset_rid: str, version: str | None = None) -> dict[str, int]:
        """Remove a dataset from this disk, in all versions or in one.

        Returns:
            `bags_removed` and `bytes_freed`; zeros where there is nothing to remove.
        """
        return BagCache(Path(self.cache_dir)).purge_dataset(dataset_rid, version)

    def clear_cache(self, older_than_days: int | None = None) -> dict[str, int]:
        """Remove all datasets from this disk, or those fetched longer ago.

        Returns:
            `files_removed`, `dirs_removed`, `bytes_freed` and `errors`.
        """
        return BagCache(Path(self.cache_dir)).clear(older_than_days)

    def get_cache_size(self) -> dict[str, int | float]:
        """What the cache takes on this disk: `total_bytes`, `total_mb`, `file_count` and `dir_count`."""
        size, files, folders = tally(Path(self.cache_dir))
        return {"total_bytes": size, "total_mb": size / MEGABYTE, "file_count": files, "dir_count": folders}

    def _existing(self: DerivaML, spec: ReleasedSpec) -> ReleasedSpec:
        """The spec, if its RID is that of a dataset."""
        self.lookup_dataset(spec.rid)
        return spec

    def _published(self: DerivaML, spec: ReleasedSpec) -> DatasetBag:
        """A dataset as it was published with a MINID: exported and fetched by the release."""
        as_it_was = self.catalog_snapshot(self._version_snapshot(self._existing(spec)))
        order = self._get_dataset_minid(spec, snapshot_catalog=as_it_was)
        path = self._materialize_dataset_bag(order) if spec.materialize else self._download_dataset_minid(order)
        return open_bag(order, path)


def _estimate(sizes: dict[str, TableSize]) -> dict[str, Any]:
    file_bytes = sum(size.file_bytes for size in sizes.values())
    csv_bytes = sum(size.csv_bytes for size in sizes.values())
    return {
        "tables": {
            name: {
                "row_count": size.rows,
                "is_asset": size.is_asset,
                "asset_bytes": size.file_bytes,
                "csv_bytes": size.csv_bytes,
                "incomplete": False,
            }
            for name, size in sizes.items()
        },
        "total_rows": sum(size.rows for size in sizes.values()),
        "total_asset_bytes": file_bytes,
        "total_asset_size": readable(file_bytes),
        "total_csv_bytes": csv_bytes,
        "total_csv_size": readable(csv_bytes),
        "total_estimated_bytes": file_bytes + csv_bytes,
        "total_estimated_size": readable(file_bytes + csv_bytes),
        "incomplete": False,
        "incomplete_tables": [],
    }


def readable(count: int) -> str:
    """A number of bytes as main line writes it: `1.2 GB`, in powers of 1024."""
    if count == 0:
        return "0 B"
    power = min((count.bit_length() - 1) // 10, len(UNITS) - 1)
    return f"{count / 1024**power:.1f} {UNITS[power]}"
