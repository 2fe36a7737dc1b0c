"""Connections to catalogs: each for one call at a time, and never one that remembers a catalog as it was.

A connection keeps the schema and the vocabularies that it has read. It is used again only as long as the catalog's
snapshot time is what it was before the connection was made; after any change, by whomever, a new one is made.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deriva_ml_kit import local

if TYPE_CHECKING:
    from deriva_ml_kit.mainline import DerivaML

KEPT = 4  # idle connections of a catalog
# What a first connection imports, and the trust in a local catalog, are not for two threads at once.
_connecting = threading.Lock()


@dataclass(frozen=True)
class Connection:
    """A connection, and what the catalog was when it was made.

    Attributes:
        hostname: Host.
        catalog_id: The catalog on it.
        ml: The connection.
        snaptime: The catalog's snapshot time before it was made; None if it did not say.
    """

    hostname: str
    catalog_id: str
    ml: DerivaML
    snaptime: str | None


class Connections:
    """The idle connections of this process, by host and catalog; safe to use from several threads."""

    def __init__(self) -> None:
        self._idle: dict[tuple[str, str], list[Connection]] = defaultdict(list)
        self._lock = threading.Lock()

    def take(self, hostname: str, catalog_id: str) -> Connection:
        """A connection that sees the catalog as it is now.

        Raises:
            DerivaMLConfigurationError: Nothing answers there, or it is no DerivaML catalog.
            DerivaMLAuthenticationError: Nobody is logged in.
        """
        while idle := self._pop(hostname, catalog_id):
            if _snaptime(idle.ml.catalog) == idle.snaptime:
                return idle
        with _connecting:
            from deriva_ml_kit.mainline import DerivaML  # noqa: PLC0415  (takes seconds)

            snaptime = _snaptime_at(hostname, catalog_id)
            return Connection(hostname, catalog_id, DerivaML(hostname, catalog_id), snaptime)

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next call."""
        with self._lock:
            idle = self._idle[connection.hostname, connection.catalog_id]
            if connection.snaptime and len(idle) < KEPT:
                idle.append(connection)

    def _pop(self, hostname: str, catalog_id: str) -> Connection | None:
        with self._lock:
            idle = self._idle[hostname, catalog_id]
            return idle.pop() if idle else None


def _snaptime_at(hostname: str, catalog_id: str) -> str | None:
    from deriva.core import DerivaServer, get_credential  # noqa: PLC0415  (takes seconds)

    try:
        local.prepare(hostname)
        server = DerivaServer("https", hostname, credentials=get_credential(hostname))
        return _snaptime(server.connect_ermrest(catalog_id))
    except Exception:  # to connect says it better
        return None


def _snaptime(catalog: Any) -> str | None:
    """When a catalog was last changed; None if it does not say."""
    try:
        return str(catalog.get("/").json()["snaptime"])
    except Exception:  # whatever it is, a new connection says it better
        return None


CONNECTIONS = Connections()
