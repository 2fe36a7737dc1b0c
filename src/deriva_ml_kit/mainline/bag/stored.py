"""What of a connection's datasets lies on this disk, with main line's names: asked, listed and removed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from deriva_ml_kit.mainline.bag.cache import remove
from deriva_ml_kit.mainline.bag.index import FOLDER, CacheIndex, Entry
from deriva_ml_kit.mainline.bag.verify import fetch_lengths, verify_bag

DAY_SECONDS = 86_400


class CacheStatus(StrEnum):
    """How much of a dataset version lies on this disk."""

    not_cached = "not_cached"
    cached_metadata_only = "cached_metadata_only"
    cached_materialized = "cached_materialized"
    cached_holey = "cached_holey"
    cached_incomplete = "cached_holey"  # the older name


class CachedBag(BaseModel):
    """A dataset version on this disk.

    Attributes:
        dataset_rid: RID of the dataset.
        version: Its version.
        checksum: Of the bag without its asset files.
        status: Whether the asset files are there too.
        built_at: When it was fetched.
        size_bytes: What it takes on the disk.
        path: Folder of the bag.
    """

    model_config = ConfigDict(frozen=True)

    dataset_rid: str
    version: str | None
    checksum: str
    status: CacheStatus
    built_at: datetime
    size_bytes: int | None
    path: Path


class BagCache:
    """The dataset versions in a cache folder; asks no catalog.

    Args:
        cache_dir: The folder.
    """

    def __init__(self, cache_dir: Path) -> None:
        self._cache_dir = Path(cache_dir)

    @property
    def cache_dir(self) -> Path:
        """The folder."""
        return self._cache_dir

    def cache_status(self, dataset_rid: str, *, version: str | None = None) -> dict[str, Any]:
        """How much of a dataset is there.

        Args:
            dataset_rid: RID of the dataset.
            version: The version that is meant; the one fetched last where not given.

        Returns:
            `status` (a value of CacheStatus), `cache_path` (folder of the bag, or None) and `versions_cached`
            (checksums of the bags of this dataset, the newest first).
        """
        entries = [entry for entry in self._entries() if entry.rid == dataset_rid]
        meant = [entry for entry in entries if version in {None, entry.version}]
        return {
            "status": (status(meant[0]) if meant else CacheStatus.not_cached).value,
            "cache_path": meant[0].bag if meant else None,
            "versions_cached": list(dict.fromkeys(_checksum(entry) for entry in entries)),
        }

    def list_bags(self) -> list[CachedBag]:
        """All that is there, the newest first."""
        return [cached_bag(entry) for entry in self._entries()]

    def purge_dataset(self, dataset_rid: str, version: str | None = None) -> dict[str, int]:
        """Remove a dataset, in all versions or in one.

        Returns:
            `bags_removed` and `bytes_freed`; zeros where there is nothing to remove.
        """
        version = str(version) if version is not None else None
        found = [entry for entry in self._entries() if entry.rid == dataset_rid and version in {None, entry.version}]
        removed, freed, _ = self._remove(found)
        return {"bags_removed": removed, "bytes_freed": freed}

    def clear(self, older_than_days: int | None = None) -> dict[str, int]:
        """Remove everything, or what was fetched longer ago.

        Returns:
            `files_removed`, `dirs_removed`, `bytes_freed` and `errors`.
        """
        latest = time.time() - older_than_days * DAY_SECONDS if older_than_days is not None else float("inf")
        entries = self._entries()
        old = [entry for entry in entries if datetime.fromisoformat(entry.cached_at).timestamp() <= latest]
        dirs, freed, errors = self._remove(old)
        known = {Path(entry.bag).parent for entry in entries}
        files = 0
        for path in sorted(self._cache_dir.iterdir()) if self._cache_dir.is_dir() else ():
            # What is in no index: bags of the plain library, and what a program left that was killed.
            if path in known or path.name == FOLDER or path.stat().st_mtime > latest:
                continue
            try:
                freed += tally(path)[0] if path.is_dir() else path.stat().st_size
                if path.is_dir():
                    remove(path)
                    dirs += 1
                else:
                    path.unlink()
                    files += 1
            except OSError:
                errors += 1
        return {"files_removed": files, "dirs_removed": dirs, "bytes_freed": freed, "errors": errors}

    def dispose(self) -> None:
        """Nothing: nothing is kept open."""

    def __enter__(self) -> BagCache:
        return self

    def __exit__(self, *_: object) -> None:
        self.dispose()

    def _entries(self) -> list[Entry]:
        return entries(self._cache_dir)

    def _remove(self, entries: Iterable[Entry]) -> tuple[int, int, int]:
        removed = freed = errors = 0
        for entry in entries:
            folder = Path(entry.bag).parent
            size = tally(folder)[0]
            try:
                if folder.exists():  # two versions of the same content have one bag
                    remove(folder)
                    removed, freed = removed + 1, freed + size
                CacheIndex(self._cache_dir, entry.hostname, entry.catalog_id).forget(entry)
            except OSError:
                errors += 1
        return removed, freed, errors


def entries(cache_dir: Path) -> list[Entry]:
    """The dataset versions in a cache folder, the newest first; their bags are not looked at."""
    folders = [folder for folder in sorted((cache_dir / FOLDER).glob("*/*")) if folder.is_dir()]
    found = [entry for folder in folders for entry in CacheIndex.at(folder).entries()]
    return sorted(found, key=lambda entry: entry.cached_at, reverse=True)


def cached_bag(entry: Entry) -> CachedBag:
    """What there is of an entry: its bag's files are counted."""
    return CachedBag(
        dataset_rid=entry.rid,
        version=entry.version,
        checksum=_checksum(entry),
        status=status(entry),
        built_at=datetime.fromisoformat(entry.cached_at),
        size_bytes=tally(Path(entry.bag).parent)[0],
        path=Path(entry.bag),
    )


def status(entry: Entry) -> CacheStatus:
    """How much of a version is there."""
    bag = Path(entry.bag)
    if not verify_bag(bag, checksums=False):
        return CacheStatus.cached_materialized
    if verify_bag(bag, materialized=False, checksums=False):
        return CacheStatus.cached_holey
    some = any((bag / place).exists() for place in fetch_lengths(bag))
    return CacheStatus.cached_holey if some or entry.materialized else CacheStatus.cached_metadata_only


def tally(folder: Path) -> tuple[int, int, int]:
    """Bytes, files and folders below a folder; what cannot be read is passed over."""
    size = files = folders = 0
    for path, names, found in os.walk(folder):
        folders += len(names)
        for name in found:
            try:
                size += Path(path, name).lstat().st_size
            except OSError:
                continue
            files += 1
    return size, files, folders


def _checksum(entry: Entry) -> str:
    """Of an entry of an older layout, what stands in the name of its folder."""
    return entry.checksum or Path(entry.bag).parent.name.rpartition("_")[2]
