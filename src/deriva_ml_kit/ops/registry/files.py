"""Whether a file of the catalog is still what the catalog says: asked of the object store, without fetching it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

import requests

from deriva_ml_kit.mainline import Asset, DerivaML
from deriva_ml_kit.mainline.asset.download import STORE
from deriva_ml_kit.mainline.catalog.transport import object_store


class StoredFiles:
    """The object store of a catalog's host.

    Args:
        ml: The catalog.
    """

    def __init__(self, ml: DerivaML) -> None:
        self._hostname = ml.host_name
        self._store = object_store(ml.host_name, ml.credential, ml.limits)

    def fault_of(self, asset: Asset) -> str | None:
        """What is wrong with the stored file of an asset: one request (HEAD); None if nothing is.

        Raises:
            requests.HTTPError: The object store refuses to say.
        """
        path = asset.url.removeprefix(f"https://{self._hostname}")
        if not path.startswith(STORE):
            return f"its file is not stored by {self._hostname}, but lies at {asset.url}"
        try:
            headers = self._store.head(path).headers
        except requests.HTTPError as error:
            if error.response.status_code not in (404, 409, 410):
                raise
            return f"its file is gone from {path}"
        return _difference(asset, headers)


def _difference(asset: Asset, headers: Mapping[str, str]) -> str | None:
    """How a stored file differs from what the catalog says."""
    if not asset.md5:
        return "the catalog has no checksum of it"
    try:
        md5 = base64.b64decode(headers.get("Content-MD5", "")).hex()
    except binascii.Error:
        md5 = headers["Content-MD5"]
    length = int(headers["Content-Length"]) if "Content-Length" in headers else asset.length
    if md5 != asset.md5.lower():
        return f"the stored file has {f'MD5 {md5}' if md5 else 'no checksum'}, the catalog says {asset.md5}"
    if length != asset.length:
        return f"the stored file has {length} bytes, the catalog says {asset.length}"
    return None if length else "the file is empty"
