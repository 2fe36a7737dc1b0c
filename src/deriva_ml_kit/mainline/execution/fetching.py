"""Input assets of an execution: files fetched, or taken from the cache, and recorded as inputs."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from deriva_ml_kit.mainline.asset.asset import Asset
from deriva_ml_kit.mainline.asset.cached import folder_of
from deriva_ml_kit.mainline.asset.links import execution_link
from deriva_ml_kit.mainline.asset.listing import assets
from deriva_ml_kit.mainline.catalog.lookup import LOOKUP_BATCH, rows_with
from deriva_ml_kit.mainline.catalog.rids import tables_of
from deriva_ml_kit.mainline.catalog.rows import Row, any_of, batches, insert, table_name
from deriva_ml_kit.mainline.errors import DerivaMLDataError, DerivaMLRidsNotFound
from deriva_ml_kit.mainline.execution.outputs import AssetFilePath

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML


def described(ml: DerivaML, rids: Collection[str]) -> dict[str, tuple[Asset, Row]]:
    """Assets with the values of their metadata columns, by RID: a few requests a table.

    Raises:
        DerivaMLRidsNotFound: Some RIDs are not in the catalog.
        DerivaMLDataError: Some are no assets.
    """
    tables = tables_of(ml, rids)
    if missing := set(rids) - tables.keys():
        raise DerivaMLRidsNotFound(missing)
    found: dict[str, tuple[Asset, Row]] = {}
    for table in set(tables.values()):
        if not ml.model.is_asset(table):
            wrong = next(rid for rid, each in tables.items() if each is table)
            raise DerivaMLDataError(f"{wrong} is a row of {table.name}, which is not an asset table.")
        here = sorted(rid for rid, each in tables.items() if each is table)
        wanted = ["RID", *sorted(ml.model.asset_metadata(table))]
        values = {
            row.pop("RID"): row
            for row in rows_with(ml.catalog, table.schema.name, table.name, "RID", here, wanted=wanted)
        }
        for batch in batches(here, LOOKUP_BATCH):
            path = f"{table_name(table.schema.name, table.name)}/{any_of('RID', batch)}"
            found |= {asset.asset_rid: (asset, values[asset.asset_rid]) for asset in assets(ml, table, path)}
    return found


def fetch(ml: DerivaML, asset: Asset, metadata: Row, folder: Path, *, use_cache: bool = False) -> AssetFilePath:
    """Fetch the file of an asset into a folder, verified by its checksum.

    Args:
        ml: The catalog.
        asset: The asset.
        metadata: Values of its further columns.
        folder: Where the file goes.
        use_cache: Keep it in the cache folder by its checksum, and take it from there if it is there.
    """
    path = _through_cache(ml, asset, folder) if use_cache and asset.md5 else asset.download(folder)
    return AssetFilePath(
        asset_path=str(path),
        asset_name=asset.asset_table,
        file_name=path.name,
        asset_metadata=metadata,
        asset_types=asset.asset_types,
        asset_rid=asset.asset_rid,
    )


def record(ml: DerivaML, execution_rid: str, used: Iterable[Asset]) -> None:
    """Record assets as inputs of an execution; safe to repeat."""
    by_table: dict[str, list[Asset]] = {}
    for asset in used:
        by_table.setdefault(asset.asset_table, []).append(asset)
    for name, found in by_table.items():
        link = execution_link(ml.model.name_to_table(name))
        if link is None:
            continue
        rows: list[Row] = [
            {link.asset: asset.asset_rid, link.other: execution_rid, "Asset_Role": "Input"} for asset in found
        ]
        insert(ml.catalog, link.table.schema.name, link.table.name, rows, skip_conflicts=True)


def _through_cache(ml: DerivaML, asset: Asset, folder: Path) -> Path:
    kept = folder_of(ml.cache_dir, asset.asset_rid, asset.md5)
    files = [file for file in kept.glob("*") if file.is_file() and _md5(file) == asset.md5.lower()]
    file = files[0] if files else asset.download(kept)
    folder.mkdir(parents=True, exist_ok=True)
    # A copy, since an execution may write to its files.
    return Path(shutil.copy2(file, folder / file.name))


def _md5(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
