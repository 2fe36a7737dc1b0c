"""Measure whether a catalog and its object store changed: the evidence that a dry run wrote nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deriva.core import DerivaServer, HatracStore, get_credential

from deriva_ml_kit import local

_OBJECT = re.compile(r"[0-9a-f]{32}\.")


@dataclass(frozen=True)
class Fingerprint:
    """The snapshot time of a catalog, and how many objects the object store holds."""

    snaptime: str
    objects: int


def fingerprint(hostname: str, catalog_id: str) -> Fingerprint:
    """Ask the catalog for its latest snapshot and walk the object store's namespaces."""
    local.prepare(hostname)
    credential = get_credential(hostname)
    server = DerivaServer("https", hostname, credentials=credential)
    snaptime = server.connect_ermrest(catalog_id).get("/").json()["snaptime"]
    return Fingerprint(snaptime, _count(HatracStore("https", hostname, credentials=credential), "/hatrac"))


def _count(store: HatracStore, namespace: str) -> int:
    """Objects below a namespace. deriva-ml names an object `<MD5>.<file name>`; anything else we ask about."""
    total = 0
    for child in store.retrieve_namespace(namespace):
        is_object = _OBJECT.match(child.rpartition("/")[2]) or not store.is_valid_namespace(child)
        total += 1 if is_object else _count(store, child)
    return total
