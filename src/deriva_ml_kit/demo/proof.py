"""Measure whether a catalog and its object store changed: the evidence that a dry run wrote nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deriva_ml_kit import local

if TYPE_CHECKING:
    from deriva.core import HatracStore

_OBJECT = re.compile(r"[0-9a-f]{32}\.")


@dataclass(frozen=True)
class Fingerprint:
    """The snapshot time of a catalog, and how many objects the object store holds."""

    snaptime: str
    objects: int


def fingerprint(hostname: str, catalog_id: str) -> Fingerprint:
    """Ask the catalog for its latest snapshot and walk the object store's namespaces."""
    from deriva.core import DerivaServer, HatracStore, get_credential  # noqa: PLC0415  (takes seconds)

    local.prepare(hostname)
    credential = get_credential(hostname)
    server = DerivaServer("https", hostname, credentials=credential)
    snaptime = server.connect_ermrest(catalog_id).get("/").json()["snaptime"]
    return Fingerprint(snaptime, _count(HatracStore("https", hostname, credentials=credential), "/hatrac"))


def _count(store: HatracStore, namespace: str) -> int:
    """Objects below a namespace."""
    return sum(1 if _is_object(store, child) else _count(store, child) for child in store.retrieve_namespace(namespace))


def _is_object(store: HatracStore, name: str) -> bool:
    """deriva-ml names an object `<MD5>.<file name>`; of any other we ask for the version, which a namespace has not."""
    if _OBJECT.match(name.rpartition("/")[2]):
        return True
    return ":" in store.head(name).headers.get("Content-Location", "")
