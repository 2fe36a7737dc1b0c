"""Requests to `/ermrest` in this process, without HTTP."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from deriva_local import ermrest
from deriva_local.auth.client import Client
from deriva_local.store import Store

ANNE = Client("anne", "Anne", "Anne Example", "anne@example.org", ("anne", "curators"))
BERT = Client("bert", "Bert", "Bert Example", "bert@example.org", ("bert",))


@dataclass(frozen=True)
class Answer:
    """A whole answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Rest:
    """`rest("GET", "/catalog/1")` as `client` (None is anonymous), below `base`."""

    store: Store
    client: Client | None = ANNE
    base: str = ""

    def __call__(self, method: str, path: str = "", body: Any = None, **headers: str) -> Answer:
        path, _, query = (self.base + path).partition("?")
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = ermrest.handle(self.store, ermrest.Request(method, path, query, named, iter([content]), self.client))
        return Answer(answer.status, dict(answer.headers), b"".join(answer.body))

    def as_client(self, client: Client | None) -> Rest:
        return Rest(self.store, client, self.base)

    def at(self, base: str) -> Rest:
        return Rest(self.store, self.client, base)
