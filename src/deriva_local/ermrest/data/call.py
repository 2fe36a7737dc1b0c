"""What the data API takes and gives, free of any web framework."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deriva_local.auth.client import Client
    from deriva_local.store import Catalog


@dataclass(frozen=True)
class DataCall:
    """One request to a data resource.

    Attributes:
        method: GET, HEAD, POST, PUT or DELETE.
        path: What follows `N[@SNAP]/`, still percent-encoded, e.g. `entity/A:=isa:Image/RID=1-000S`.
        query: The query string, still percent-encoded, without the question mark.
        headers: Header values by lower-case name.
        body: The request's body in chunks; empty for GET and DELETE.
        catalog: The catalog that is addressed.
        snap: µs since epoch when the address is `N@SNAP`, None for the present.
        client: Who asks; None is anonymous.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: Iterator[bytes]
    catalog: Catalog
    snap: int | None = None
    client: Client | None = None


@dataclass(frozen=True)
class DataAnswer:
    """One answer. `body` must be read to its end or closed: it may hold a database cursor.

    `headers` do not repeat `content_type`. `content_type` is None when there is no body (204, 304).
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = None
    body: Iterator[bytes] = field(default_factory=lambda: iter(()))
