"""An asset's file: fetched whole and as it was uploaded, or not at all."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import requests
from deriva.core.hatrac_store import HatracHashMismatch

from deriva_ml_kit.mainline.catalog.rows import said
from deriva_ml_kit.mainline.catalog.transport import object_store
from deriva_ml_kit.mainline.errors import DerivaMLDataError, DerivaMLNotFoundError

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.asset.asset import Asset
    from deriva_ml_kit.mainline.ml import DerivaML

STORE = "/hatrac/"


def fetch(ml: DerivaML, asset: Asset, folder: Path) -> Path:
    """Fetch the file of an asset into a folder, under its own name.

    An older file of that name is replaced when the new one is there and verified; until then it stays as it was.

    Raises:
        DerivaMLNotFoundError: The host does not store the file.
        DerivaMLDataError: What was fetched is not what the catalog describes.
    """
    prefix = f"https://{ml.host_name}"
    path = asset.url.removeprefix(prefix)
    if not path.startswith(STORE):
        raise DerivaMLNotFoundError(
            f"The file of asset {asset.asset_rid} is not stored by {ml.host_name}, but lies at {asset.url}."
        )
    folder.mkdir(parents=True, exist_ok=True)
    # A name in the catalog is no path: nothing outside the folder is ever written.
    name = asset.filename.replace("\\", "/").rpartition("/")[2]
    target = folder / (name if name not in {"", ".", ".."} else asset.asset_rid)
    with tempfile.TemporaryDirectory(prefix=f".{asset.asset_rid}-", dir=folder) as part:
        file = Path(part) / "file"
        try:
            object_store(ml.host_name, ml.credential, ml.limits).get_obj(path, destfilename=str(file))
        except requests.HTTPError as error:
            if error.response.status_code != 404:
                raise
            raise DerivaMLNotFoundError(
                f"The file of asset {asset.asset_rid} is gone from {prefix}{path}: {said(error)}"
            ) from error
        except HatracHashMismatch as error:
            raise _damaged(asset, said(error)) from error
        _verify(asset, file)
        file.replace(target)
    return target


def _verify(asset: Asset, file: Path) -> None:
    size = file.stat().st_size
    if asset.length is not None and size != asset.length:
        raise _damaged(asset, f"{size} bytes instead of {asset.length}")
    with file.open("rb") as content:
        md5 = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if asset.md5 and md5 != asset.md5.lower():
        raise _damaged(asset, f"MD5 {md5} instead of {asset.md5}")


def _damaged(asset: Asset, why: str) -> DerivaMLDataError:
    return DerivaMLDataError(
        f"The file of asset {asset.asset_rid} ({asset.filename}) is not what the catalog describes: {why}."
    )
