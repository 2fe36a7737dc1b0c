"""Fetch a dataset version into the cache, verified, so that later runs start from the local copy.

Goes in: a connection, a dataset version. Comes out: an ``Entry`` of the cache index. What is damaged (a program was
killed while unpacking a bag, which the release would use as it is) is thrown away and fetched again, once.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

from bdbag import bdbag_api

from deriva_ml_kit.errors import KitError
from deriva_ml_kit.mainline.bag.index import CacheIndex, Entry
from deriva_ml_kit.mainline.bag.preview import Preview
from deriva_ml_kit.mainline.bag.verify import Problem, fetch_lengths, verify_bag
from deriva_ml_kit.mainline.dataset.dataset import DatasetSpec
from deriva_ml_kit.mainline.ml import DerivaML
from deriva_ml_kit.progress import progress

# The release's own mark beside a bag whose files were fetched and checked; without it they are fetched again.
MATERIALIZED_MARK = "validated_check.txt"


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


def fetch(ml: DerivaML, spec: DatasetSpec, snapshot: str, wanted: Preview) -> Entry:
    """Download a dataset version, verify every checksum, and note it in the index.

    Args:
        ml: The connection; its cache folder is used.
        spec: Dataset and version; ``materialize`` says whether asset files are fetched too.
        snapshot: The catalog snapshot of the version.
        wanted: What the catalog says will come.

    Raises:
        KitError: Files are missing or differ from their checksums, twice.
    """
    problems: list[Problem] = []
    for _attempt in range(2):
        bag = _download(ml, spec)
        problems = verify_bag(bag, materialized=spec.materialize)
        if not problems:
            entry = _entry(ml, spec, snapshot, bag, wanted)
            CacheIndex(Path(ml.cache_dir), ml.host_name, str(ml.catalog_id)).record(entry)
            return entry
        _discard(bag, problems)
    shown = "".join(f"\n  {problem}" for problem in problems[:10])
    raise KitError(
        f"The bag of {spec.rid}@{spec.version} is damaged ({len(problems)} files):{shown}",
        remedy="Fetched twice. If files are missing, are they still in the catalog's object store?",
    )


def _discard(bag: Path, problems: list[Problem]) -> None:
    """Remove the damaged files if the catalog can give them again one by one, else the whole bag."""
    (bag.parent / MATERIALIZED_MARK).unlink(missing_ok=True)
    if {problem.name for problem in problems} <= fetch_lengths(bag).keys():
        for problem in problems:
            (bag / problem.name).unlink(missing_ok=True)
    else:
        shutil.rmtree(bag.parent)


def _download(ml: DerivaML, spec: DatasetSpec) -> Path:
    rows_only = DatasetSpec(rid=spec.rid, version=spec.version, materialize=False)
    bag = Path(ml.download_dataset_bag(rows_only).model.bag_path)
    mark = bag.parent / MATERIALIZED_MARK
    if spec.materialize and not mark.exists():
        _fetch_files(bag)
        if not verify_bag(bag):
            mark.touch()
    return bag


def _fetch_files(bag: Path) -> None:
    with progress(len(fetch_lengths(bag)), "Fetching") as advance:
        done = 0

        def step(current: int, _total: int) -> bool:
            nonlocal done
            advance(current - done)
            done = current
            return True

        bdbag_api.resolve_fetch(str(bag), force=False, callback=step)


def _entry(ml: DerivaML, spec: DatasetSpec, snapshot: str, bag: Path, wanted: Preview) -> Entry:
    return Entry(
        hostname=ml.host_name,
        catalog_id=str(ml.catalog_id),
        rid=spec.rid,
        version=str(spec.version),
        snapshot=snapshot,
        bag=str(bag),
        materialized=spec.materialize or (bag.parent / MATERIALIZED_MARK).exists(),
        rows=wanted.rows,
        files=wanted.files,
        bytes=wanted.bytes,
        cached_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
