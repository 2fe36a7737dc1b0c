"""What the object store is asked (`Call`) and answers (`Answer`), free of any web framework."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from deriva_local.errors import BadRequest, PayloadTooLarge, PreconditionFailed
from deriva_local.hatrac.headers import Conditions
from deriva_local.hatrac.request import Resource
from deriva_local.hatrac.rights import Caller

DOCUMENT_LIMIT = 1 << 20  # bytes of a JSON or text body; contents of objects have no limit but the disk


@dataclass(frozen=True)
class Call:
    """One request. `headers` have lower-case names; `body` is read at most once, block by block."""

    method: str
    resource: Resource
    caller: Caller | None
    headers: Mapping[str, str]
    parents: bool
    body: Iterable[bytes]

    @property
    def conditions(self) -> Conditions:
        """The request's If-Match and If-None-Match."""
        return Conditions.read(self.headers)

    def text(self) -> str:
        """Read a small body. Raises BadRequest, PayloadTooLarge."""
        body = b""
        for block in self.body:
            body += block
            if len(body) > DOCUMENT_LIMIT:
                raise PayloadTooLarge(f"the body is longer than {DOCUMENT_LIMIT} bytes")
        try:
            return body.decode()
        except UnicodeDecodeError:
            raise BadRequest("the body is not UTF-8") from None

    def json(self) -> Any:
        """Read a small JSON body. Raises BadRequest, PayloadTooLarge."""
        try:
            return json.loads(self.text())
        except ValueError as error:
            raise BadRequest(f"the body is not JSON: {error}") from None


@dataclass(frozen=True)
class Answer:
    """One response. An iterator as `body` is streamed, and closed when the client goes away."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | Iterator[bytes] = b""


def created(url: str) -> Answer:
    """201 with the new resource's URL as header and as body (clients read either; the line end is expected)."""
    return Answer(201, {"Location": url, "Content-Type": "text/uri-list"}, f"{url}\n".encode())


def no_content() -> Answer:
    """204."""
    return Answer(204)


def listing(call: Call, urls: list[str]) -> Answer:
    """URLs as JSON array, or as lines when the client prefers `text/uri-list`."""
    if "text/uri-list" in call.headers.get("accept", ""):
        return document(call, "".join(f"{url}\n" for url in urls), "text/uri-list")
    return json_document(call, urls)


def json_document(call: Call, value: Any) -> Answer:
    """A JSON representation with an entity tag; see `document`."""
    return document(call, json.dumps(value), "application/json")


def document(call: Call, text: str, content_type: str) -> Answer:
    """A representation whose entity tag is its checksum; 304 or 412 when the request's conditions say so."""
    body = text.encode()
    etag = document_etag(text)
    if not call.conditions.hold(etag):
        if call.conditions.match is None:
            return Answer(304, {"ETag": etag})
        raise PreconditionFailed("the resource has changed since the ETag given in If-Match")
    return Answer(200, {"Content-Type": content_type, "Content-Length": str(len(body)), "ETag": etag}, body)


def document_etag(text: str) -> str:
    """The entity tag of a small representation."""
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
