"""Answers that the resources of this package share: JSON, text, conditional requests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

from deriva_local.auth.client import Client
from deriva_local.ermrest.data.call import DataAnswer, DataCall
from deriva_local.errors import BadRequest, PayloadTooLarge, PreconditionFailed
from deriva_local.model import Json, snaptime
from deriva_local.store import Reading

BODY_LIMIT = 64 * 2**20  # bytes; a whole catalog's model is far smaller


def as_json(content: Json, status: int = 200, headers: Mapping[str, str] | None = None) -> DataAnswer:
    """A JSON document."""
    return DataAnswer(status, headers or {}, "application/json", iter([json_text(content)]))


def as_json_text(text: bytes, headers: Mapping[str, str]) -> DataAnswer:
    """A JSON document that is written already."""
    return DataAnswer(200, headers, "application/json", iter([text]))


def json_text(content: Json) -> bytes:
    """A value as a JSON text of one line."""
    return json.dumps(content, ensure_ascii=False).encode() + b"\n"


def as_text(content: str) -> DataAnswer:
    """Plain text."""
    return DataAnswer(200, {}, "text/plain; charset=utf-8", iter([content.encode()]))


def empty(status: int = 204) -> DataAnswer:
    """An answer without a body."""
    return DataAnswer(status)


def whole(body: Iterable[bytes]) -> bytes:
    """The whole body of a request; `PayloadTooLarge` beyond `BODY_LIMIT`."""
    chunks: list[bytes] = []
    size = 0
    for chunk in body:
        size += len(chunk)
        if size > BODY_LIMIT:
            raise PayloadTooLarge(f"The body exceeds {BODY_LIMIT} bytes.")
        chunks.append(chunk)
    return b"".join(chunks)


def json_body(call: DataCall) -> Json:
    """The body as JSON; `BadRequest` if it is none."""
    return parse_json(whole(call.body))


def parse_json(text: bytes) -> Json:
    """JSON that can be kept: `BadRequest` if it is none, is nested without end, or holds half a character."""
    try:
        content = json.loads(text)
        if b"\\ud" in text.lower():  # an escape for half a character, which needs its other half
            json_text(content)
    except RecursionError:
        raise BadRequest("The body is JSON nested too deeply.") from None
    except ValueError as error:
        raise BadRequest(f"The body is not JSON in UTF-8: {error}.") from None
    return content


def etag(moment: int, client: Client | None) -> str:
    """A validator of what `client` sees of the state that began at `moment`."""
    seer = "" if client is None else "\n".join(sorted({client.id, *client.attributes}))
    return f'"{snaptime.encode(moment)}-{hashlib.sha256(seer.encode()).hexdigest()[:8]}"'


def is_unwanted(call: DataCall, tag: str) -> bool:
    """Whether this state is not what the client wants, so that 304 says enough (If-None-Match: it has it already).

    If-Match asks the other way round: its holder wants this state and no other.
    """
    wanted = call.headers.get("if-match")
    return _names(call.headers.get("if-none-match"), tag) or not (wanted is None or _names(wanted, tag))


def check_model(call: DataCall, reading: Reading) -> None:
    """Raise `PreconditionFailed` if a change is meant for another model than the present one."""
    tag = etag(reading.model_version, call.client)
    wanted = call.headers.get("if-match")
    if wanted is not None and not _names(wanted, tag):
        raise PreconditionFailed("The catalog has changed since you read it; read it again.")
    if _names(call.headers.get("if-none-match"), tag):
        raise PreconditionFailed("The catalog is still as you read it (If-None-Match).")


def _names(header: str | None, tag: str) -> bool:
    """Whether a list of entity tags has this one, or is `*`."""
    if header is None:
        return False
    tags: Iterable[str] = (item.strip().removeprefix("W/") for item in header.split(","))
    return any(item in ("*", tag) for item in tags)
