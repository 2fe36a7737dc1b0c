"""Connections to catalogs: each for one call at a time, and never one that remembers a catalog as it was.

A connection keeps the schema and the vocabularies that it has read, and who is logged in. It is used again only as long
as the catalog's snapshot time is what it was before the connection was made, and the login is the same; after any
change, by whomever, a new one is made.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from deriva_ml_kit import local
from deriva_ml_kit.tools.failure import Code, ToolError

if TYPE_CHECKING:
    from deriva_ml_kit.mainline import DerivaML

KEPT = 4  # idle connections of a catalog
PATIENCE_S = 5.0  # how long a call waits for a connection of another; making one costs as much as ten calls
# What a first connection imports, and the trust in a local catalog, are not for two threads at once.
_preparing = threading.Lock()


@dataclass(frozen=True)
class Connection:
    """A connection, and what the catalog was when it was made.

    Attributes:
        hostname: Host.
        catalog_id: The catalog on it.
        ml: The connection.
        snaptime: The catalog's snapshot time before it was made; None if it did not say.
        credential: The login that it was made with.
    """

    hostname: str
    catalog_id: str
    ml: DerivaML
    snaptime: str | None
    credential: Any = field(repr=False)


class Connections:
    """The idle connections of this process, by host and catalog; safe to use from several threads."""

    def __init__(self) -> None:
        self._idle: dict[tuple[str, str], list[Connection]] = defaultdict(list)
        self._making: Counter[tuple[str, str]] = Counter()
        self._changed = threading.Condition()

    def take(self, hostname: str, catalog_id: str) -> Connection:
        """A connection that sees the catalog as it is now.

        Raises:
            ToolError: Nothing answers there, or it is no DerivaML catalog.
            DerivaMLAuthenticationError: Nobody is logged in.
        """
        _prepare(hostname)
        from deriva.core import get_credential  # noqa: PLC0415  (takes seconds)

        from deriva_ml_kit.mainline.catalog.connection import reachable  # noqa: PLC0415
        from deriva_ml_kit.mainline.errors import (  # noqa: PLC0415
            DerivaMLAuthenticationError,
            DerivaMLConfigurationError,
        )

        try:
            reachable(hostname)  # an idle connection would try for long
            credential = get_credential(hostname)
            while idle := self._idle_or_our_turn(hostname, catalog_id):
                if idle.credential == credential and _snaptime(idle.ml.catalog) == idle.snaptime:
                    return idle
            try:
                return _new(hostname, catalog_id, credential)
            finally:
                self._made(hostname, catalog_id)
        except DerivaMLAuthenticationError:
            raise
        except DerivaMLConfigurationError as error:
            raise ToolError(Code.NO_CATALOG, error.message, remedy=error.remedy) from error

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next call."""
        with self._changed:
            idle = self._idle[connection.hostname, connection.catalog_id]
            if connection.snaptime and len(idle) < KEPT:
                idle.append(connection)
                self._changed.notify_all()

    def _idle_or_our_turn(self, hostname: str, catalog_id: str) -> Connection | None:
        """An idle connection; None if there is none and we are to make one."""
        place = (hostname, catalog_id)
        with self._changed:
            self._changed.wait_for(lambda: self._idle[place] or not self._making[place], PATIENCE_S)
            if self._idle[place]:
                return self._idle[place].pop()
            self._making[place] += 1
            return None

    def _made(self, hostname: str, catalog_id: str) -> None:
        with self._changed:
            self._making[hostname, catalog_id] -= 1
            self._changed.notify_all()


def _prepare(hostname: str) -> None:
    """Import what connections need, and trust the local catalog; threads wait for each other here, and for no host."""
    with _preparing:
        import deriva_ml_kit.mainline  # noqa: F401, PLC0415  (takes seconds)

        if not logging.getLogger().handlers:
            # Else each DerivaML puts one there and takes it away, and two at once leave theirs behind.
            logging.getLogger().addHandler(logging.NullHandler())
        local.prepare(hostname)


def _new(hostname: str, catalog_id: str, credential: Any) -> Connection:
    from deriva_ml_kit.mainline import DerivaML  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline.catalog.connection import explained  # noqa: PLC0415

    try:
        snaptime = _snaptime_at(hostname, catalog_id, credential)
    except Exception as error:
        raise explained(error, hostname, catalog_id) from error
    return Connection(hostname, catalog_id, DerivaML(hostname, catalog_id, credential=credential), snaptime, credential)


def _snaptime_at(hostname: str, catalog_id: str, credential: Any) -> str | None:
    from deriva.core import DerivaServer  # noqa: PLC0415  (takes seconds)

    from deriva_ml_kit.mainline.catalog.transport import Limits, session_config  # noqa: PLC0415

    config = session_config(Limits.from_environment())
    server = DerivaServer("https", hostname, credentials=credential, session_config=config)
    found = server.connect_ermrest(catalog_id).get("/").json()
    return str(found["snaptime"]) if found.get("snaptime") else None


def _snaptime(catalog: Any) -> str | None:
    """When a catalog was last changed; None if it does not say."""
    try:
        return str(catalog.get("/").json()["snaptime"])
    except Exception:  # whatever it is, a new connection says it better
        return None


CONNECTIONS = Connections()
