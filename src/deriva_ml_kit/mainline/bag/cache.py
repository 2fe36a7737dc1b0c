"""Dataset versions on this disk: found there, or made and fetched once, and then found there.

Goes in: a connection, a dataset version. Comes out: an ``Entry`` of the cache index. A version that is whole costs one
question, for its snapshot. What is damaged is mended: files one by one, tables with the whole bag.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import requests
from deriva_ml.dataset.aux_classes import DatasetSpec

from deriva_ml_kit.mainline.bag.fetch import fetch_files
from deriva_ml_kit.mainline.bag.index import CacheIndex, Entry
from deriva_ml_kit.mainline.bag.made import count_rows, make_bag
from deriva_ml_kit.mainline.bag.verify import Problem, fetch_lengths, verify_bag
from deriva_ml_kit.mainline.catalog.transport import Limits

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML

logger = logging.getLogger("deriva_ml_kit")


def intact(index: CacheIndex, rid: str, version: str, *, files: bool, checksums: bool) -> Entry | None:
    """Return the entry of a cached version, if all that is wanted of it is there.

    Args:
        index: Where to look.
        rid: The dataset.
        version: Its version.
        files: Whether asset files are wanted, not only rows.
        checksums: Read every file again; otherwise only see that each is there and has its length.
    """
    entry = index.find(rid, version)
    if entry is None or (files and not entry.materialized):
        return None
    damaged = verify_bag(Path(entry.bag), materialized=entry.materialized, checksums=checksums)
    return None if damaged else entry


def index_of(ml: DerivaML) -> CacheIndex:
    """The index of a connection's cache."""
    return CacheIndex(Path(ml.cache_dir), ml.host_name, str(ml.catalog_id).partition("@")[0])


def obtain(ml: DerivaML, spec: DatasetSpec, *, checksums: bool = False) -> Entry:
    """Have a dataset version on this disk: as it lies there if it is whole, else made, mended or completed.

    Two programs that want the same version do it one after the other, so that the second finds what the first made.

    Args:
        ml: The connection; its cache folder is used.
        spec: Dataset and version; ``materialize`` says whether asset files are wanted too.
        checksums: Of a version that is there, compare all checksums, not only lengths.

    Raises:
        DerivaMLNotFoundError: There is no such dataset or version.
        DerivaMLDataError: Files are gone, or are not what the catalog describes.
        requests.RequestException: The catalog does not answer, and the version is not on this disk.
    """
    index = index_of(ml)
    excluded = tuple(sorted(getattr(spec, "exclude_tables", None) or ()))
    version = str(spec.version)
    try:
        where = ml._version_snapshot(spec)
    except requests.ConnectionError:
        known = index.find(spec.rid, version, excluded)
        if known is None or _damage(known, spec, checksums=checksums):
            raise
        logger.warning("The catalog does not answer; %s@%s is taken as it lies in %s.", spec.rid, version, known.bag)
        return known
    snapshot = where.partition("@")[2]
    with index.sole(spec.rid, version, excluded):
        entry = index.find(spec.rid, version, excluded)
        if entry is None or entry.snapshot != snapshot or not _mended(entry, spec, checksums=checksums):
            entry = _made(ml, spec, where, excluded)
            index.record(entry)
        if spec.materialize:
            fetch_files(Path(entry.bag), _limits(ml, spec), {ml.host_name: ml.credential})
            if not entry.materialized:
                entry = replace(entry, materialized=True)
                index.record(entry)
        return entry


def _damage(entry: Entry, spec: DatasetSpec, *, checksums: bool) -> list[Problem]:
    return verify_bag(Path(entry.bag), materialized=spec.materialize or entry.materialized, checksums=checksums)


def _mended(entry: Entry, spec: DatasetSpec, *, checksums: bool) -> bool:
    """Remove what is damaged; says whether the rest is worth keeping."""
    bag = Path(entry.bag)
    problems = _damage(entry, spec, checksums=checksums)
    if {problem.name for problem in problems} <= fetch_lengths(bag).keys():
        for problem in problems:
            (bag / problem.name).unlink(missing_ok=True)
        return True
    remove(bag.parent)
    return False


def remove(folder: Path) -> None:
    """Remove a folder of the cache: gone at once, whatever interrupts the removal."""
    grave = Path(tempfile.mkdtemp(prefix=".removed-", dir=folder.parent))
    folder.rename(grave / folder.name)
    shutil.rmtree(grave)


def _made(ml: DerivaML, spec: DatasetSpec, where: str, excluded: tuple[str, ...]) -> Entry:
    bag, checksum = make_bag(ml.catalog_snapshot(where), spec, Path(ml.cache_dir))
    lengths = fetch_lengths(bag)
    return Entry(
        hostname=ml.host_name,
        catalog_id=str(ml.catalog_id).partition("@")[0],
        rid=spec.rid,
        version=str(spec.version),
        snapshot=where.partition("@")[2],
        bag=str(bag),
        materialized=False,
        rows=count_rows(bag),
        files=len(lengths),
        bytes=sum(length or 0 for length in lengths.values()),
        cached_at=datetime.now(UTC).isoformat(timespec="seconds"),
        checksum=checksum,
        excluded=excluded,
    )


def _limits(ml: DerivaML, spec: DatasetSpec) -> Limits:
    """What the connection allows, or less if the dataset's spec says so."""
    limits = replace(ml.limits, workers=min(ml.limits.workers, getattr(spec, "fetch_concurrency", ml.limits.workers)))
    if timeout := getattr(spec, "timeout", None):
        limits = replace(limits, connect_seconds=timeout[0], read_seconds=timeout[1])
    return limits
