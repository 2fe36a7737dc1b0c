"""Exports for clients: from the document that was posted to files that its sender may fetch for a while."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from deriva_local.blobs.results import Result, ResultFolder
from deriva_local.errors import BadRequest, ServiceError, Unauthorized
from deriva_local.export.config import authority, checked
from deriva_local.export.engine import Engine

LIFETIME_S = 3600.0


class Caller(Protocol):
    """What we need to know of a logged-in client."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def display_name(self) -> str: ...  # noqa: D102
    @property
    def full_name(self) -> str: ...  # noqa: D102
    @property
    def email(self) -> str: ...  # noqa: D102


@dataclass(frozen=True)
class Exporter:
    """Makes and keeps results. `authorities` are the `host:port` of this service."""

    results: ResultFolder
    engine: Engine
    authorities: Collection[str]

    @classmethod
    def over(cls, folder: Path, authorities: Collection[str], ca_bundle: Path) -> Exporter:
        """Build the parts, and clear away what an earlier run of the host left."""
        results = ResultFolder(folder, LIFETIME_S)
        results.clear()
        return cls(results, Engine(ca_bundle), authorities)

    def make(self, kind: str, body: bytes, caller: Caller | None, token: str | None) -> Result:
        """Run an export as the caller, and return its result when it is complete.

        Args:
            kind: `bdbag` or `file`.
            body: the JSON document.
            caller: who asks.
            token: what the caller is logged in with; the export's own requests carry it.

        Raises:
            ServiceError: BadRequest for faults of the document; what the engine says otherwise.
        """
        if caller is None or token is None:
            raise Unauthorized("exports are made for logged-in clients only: run 'deriva-local login'")
        config = checked(kind, _parsed(body), self.authorities)
        self.results.expire()
        with self.results.growing() as result:
            job = {
                "config": config,
                "authority": authority(config),
                "token": token,
                "client": _identity(caller),
                "folder": str(result.files),
                "log": str(result.log),
            }
            self.engine.run(job)
            finished = self.results.finish(result, caller.id)
            if not finished.names:
                raise ServiceError("the export made no file")
            return finished

    def find(self, key: str, caller: Caller | None) -> Result:
        """Look up a result for the caller. Raises Unauthorized, Forbidden, NotFound."""
        if caller is None:
            raise Unauthorized("results of exports are for the clients who asked for them: run 'deriva-local login'")
        return self.results.find(key, caller.id)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise BadRequest(f"the body is not JSON: {error}") from None


def _identity(caller: Caller) -> dict[str, str]:
    return {
        "id": caller.id,
        "display_name": caller.display_name,
        "full_name": caller.full_name,
        "email": caller.email,
    }
