"""Fetch a dataset version into the local cache before a run needs it, and verify it.

Says first how many rows, files and bytes will come, and whether they fit on the disk. A version that is cached already
is only looked at again, which works without network too. Without --version the current version is fetched.

To make it yours: copy it to src/scripts/ and run it; there is nothing to edit. It writes nothing to the catalog.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from deriva_ml_kit import script
from deriva_ml_kit.datasets.versions import released_version
from deriva_ml_kit.errors import Undecidable
from deriva_ml_kit.mainline import DatasetSpec, DerivaML, DerivaMLAuthenticationError, DerivaMLConfigurationError
from deriva_ml_kit.mainline.bag.cache import intact, obtain
from deriva_ml_kit.mainline.bag.index import CacheIndex
from deriva_ml_kit.mainline.bag.preview import preview, require_space, size
from deriva_ml_kit.mainline.catalog.folders import default_cache_dir


def main(args: argparse.Namespace) -> Mapping[str, Any]:
    """Look into the cache, then into the catalog; fetch what is missing."""
    cache_dir = args.cache_dir or default_cache_dir(args.hostname, args.catalog_id)
    index = CacheIndex(cache_dir, args.hostname, args.catalog_id)
    try:
        ml = DerivaML(args.hostname, args.catalog_id, cache_dir=cache_dir)
    except DerivaMLAuthenticationError:
        raise
    except DerivaMLConfigurationError as error:  # nobody to ask; the cache may know
        return offline(args, index, error)

    version, snapshot = released_version(ml, args.dataset_rid, args.version)
    entry = intact(index, args.dataset_rid, version, files=not args.metadata_only, checksums=args.verify)
    if entry and entry.snapshot == snapshot:
        return {"status": "already cached", "offline": False, **asdict(entry)}

    spec = DatasetSpec(rid=args.dataset_rid, version=version, materialize=not args.metadata_only)
    wanted = preview(ml, spec)
    files = "no files" if args.metadata_only else f"{wanted.files} files of {size(wanted.bytes)}"
    print(f"Dataset {spec.rid}@{version}: {wanted.rows} rows in {len(wanted.tables)} tables, {files}.", file=sys.stderr)
    require_space(cache_dir, wanted, files=spec.materialize)
    if args.dry_run:
        facts = {"rid": spec.rid, "version": version, "rows": wanted.rows, "files": wanted.files, "bytes": wanted.bytes}
        return {"status": "would fetch", "offline": False, **facts, "tables": wanted.tables}
    return {"status": "fetched", "offline": False, **asdict(obtain(ml, spec, checksums=args.verify))}


def offline(args: argparse.Namespace, index: CacheIndex, reason: DerivaMLConfigurationError) -> Mapping[str, Any]:
    """Answer from the cache alone: for a version that is named, and is there."""
    files = not args.metadata_only
    if args.version and (entry := intact(index, args.dataset_rid, args.version, files=files, checksums=args.verify)):
        return {"status": "already cached", "offline": True, **asdict(entry)}
    cached = ", ".join(f"--version {version}" for version in index.versions(args.dataset_rid)) or "no version"
    raise Undecidable(f"{reason.message} Cached of {args.dataset_rid}: {cached}.", remedy=reason.remedy) from reason


ARGUMENTS = script.parser(
    __doc__,
    """examples:
  uv run python src/scripts/warm_cache.py --hostname data.example.org --catalog-id 1 --dataset-rid 1-2A3B
  ... --version 0.4.0   another version than the current one
  ... --dry-run         only say what would be fetched
  ... --metadata-only   the rows without the asset files
  ... --verify          of a cached version, compare every checksum again

exit codes: 0 it is there and intact; 1 it does not fit, or arrives damaged; 2 no such dataset or version, or nobody to
ask""",
    workflow_type=False,
)
ARGUMENTS.add_argument("--dataset-rid", required=True, metavar="RID", help="the dataset")
ARGUMENTS.add_argument("--version", metavar="VERSION", help="a version such as 0.4.0; the current one if not given")
ARGUMENTS.add_argument("--metadata-only", action="store_true", help="fetch the rows, not the asset files")
ARGUMENTS.add_argument("--verify", action="store_true", help="if it is cached, compare all checksums, not only lengths")
ARGUMENTS.add_argument("--cache-dir", type=Path, metavar="DIR", help="another cache folder than the library's own")
ARGUMENTS.add_argument("--allow-dirty", action="store_true", help="accepted and ignored: nothing is recorded")

if __name__ == "__main__":
    script.run(main, ARGUMENTS)
