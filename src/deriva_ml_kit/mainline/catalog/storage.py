"""What a DerivaML keeps on this disk: sizes, and folders of executions that nobody needs any more."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from deriva_ml.core.base import DerivaML as ReleasedDerivaML

from deriva_ml_kit.mainline.execution.leftovers import read

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML

logger = logging.getLogger("deriva_ml_kit")

MEGABYTE = 2**20
DAY_SECONDS = 24 * 3600


class Size(NamedTuple):
    """What a folder holds.

    Attributes:
        bytes: Sum of its files.
        files: How many there are.
        folders: How many folders are in it.
    """

    bytes: int
    files: int
    folders: int


class StorageMethods(ReleasedDerivaML):  # type: ignore[misc]  # the release is untyped
    """What a DerivaML keeps on this disk."""

    def get_cache_size(self: DerivaML) -> dict[str, int | float]:
        """Size of the folder of downloads: `total_bytes`, `total_mb`, `file_count`, `dir_count`."""
        found = size_of(self.cache_dir)
        return {
            "total_bytes": found.bytes,
            "total_mb": found.bytes / MEGABYTE,
            "file_count": found.files,
            "dir_count": found.folders,
        }

    def list_execution_dirs(self: DerivaML) -> list[dict[str, Any]]:
        """The folders of executions in the working directory, those that changed last first.

        Returns:
            For each `execution_rid`, `path`, `size_bytes`, `size_mb`, `modified` (datetime) and `file_count`.
        """
        listed = []
        for folder in _execution_dirs(self.working_dir):
            size = size_of(folder)
            listed.append(
                {
                    "execution_rid": folder.name,
                    "path": str(folder),
                    "size_bytes": size.bytes,
                    "size_mb": size.bytes / MEGABYTE,
                    "modified": datetime.fromtimestamp(folder.stat().st_mtime),
                    "file_count": size.files,
                }
            )
        return sorted(listed, key=lambda entry: entry["modified"], reverse=True)

    def clean_execution_dirs(
        self: DerivaML, older_than_days: int | None = None, exclude_rids: list[str] | None = None
    ) -> dict[str, int]:
        """Remove folders of executions, with outputs that were not committed; not of those that run in other processes.

        Args:
            older_than_days: Only those that did not change for so long.
            exclude_rids: Executions to keep.

        Returns:
            `dirs_removed`, `bytes_freed` and `errors`: folders that could not be removed.
        """
        done = {"dirs_removed": 0, "bytes_freed": 0, "errors": 0}
        newest = time.time() - older_than_days * DAY_SECONDS if older_than_days is not None else None
        for folder in _execution_dirs(self.working_dir):
            state = read(self.working_dir, folder.name)
            if folder.name in (exclude_rids or ()) or (state and state.running_elsewhere):
                continue
            if newest is not None and folder.stat().st_mtime > newest:
                continue
            size = size_of(folder)
            try:
                shutil.rmtree(folder)
            except OSError as error:
                logger.warning("%s could not be removed: %s", folder, error)
                done["errors"] += 1
            else:
                done["dirs_removed"] += 1
                done["bytes_freed"] += size.bytes
        return done

    def get_storage_summary(self: DerivaML) -> dict[str, Any]:
        """How much is kept on this disk.

        Returns:
            `working_dir`, `cache_dir`; `cache_size_mb`, `cache_file_count`, of which `bag_count`, `bag_size_mb`,
            `asset_count`, `asset_size_mb`; `execution_dir_count`, `execution_size_mb`; and `total_size_mb`.
        """
        cache = size_of(self.cache_dir)
        executions = self.list_execution_dirs()
        execution_mb = sum(entry["size_mb"] for entry in executions)
        bags = self.list_cached_bags()
        assets = size_of(self.cache_dir / "assets")
        # Several datasets may be in one bag, which is there once.
        bag_sizes = {bag.checksum: bag.size_bytes or 0 for bag in bags}
        return {
            "working_dir": str(self.working_dir),
            "cache_dir": str(self.cache_dir),
            "cache_size_mb": cache.bytes / MEGABYTE,
            "cache_file_count": cache.files,
            "execution_dir_count": len(executions),
            "execution_size_mb": execution_mb,
            "total_size_mb": cache.bytes / MEGABYTE + execution_mb,
            "bag_count": len(bags),
            "bag_size_mb": sum(bag_sizes.values()) / MEGABYTE,
            "asset_count": assets.files,
            "asset_size_mb": assets.bytes / MEGABYTE,
        }


def size_of(folder: Path) -> Size:
    """What a folder holds; what cannot be read, or disappears meanwhile, counts nothing."""
    size = files = folders = 0
    for place, inner, names in os.walk(folder):
        folders += len(inner)
        for name in names:
            try:
                size += os.lstat(Path(place, name)).st_size
            except OSError:
                continue
            files += 1
    return Size(size, files, folders)


def _execution_dirs(working_dir: Path) -> Iterator[Path]:
    root = working_dir / "deriva-ml" / "execution"
    yield from (entry for entry in sorted(root.glob("*")) if entry.is_dir())
