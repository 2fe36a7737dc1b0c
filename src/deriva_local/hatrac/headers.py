"""Values of request headers, checked: checksums, content type, content disposition, conditions, byte range. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from deriva_local.errors import BadRequest, RangeNotSatisfiable

NAMESPACE_TYPE = "application/x-hatrac-namespace"
_CHECKSUM_BYTES = {"content-md5": 16, "content-sha256": 32}


@dataclass(frozen=True)
class Description:
    """What a client says about a content. Checksums are None where it says nothing."""

    content_type: str | None = None
    disposition: str | None = None
    md5: bytes | None = None
    sha256: bytes | None = None

    @classmethod
    def read(cls, values: Mapping[str, str | None]) -> Description:
        """Check the four metadata fields, which come as headers or in a JSON document.

        Raises:
            BadRequest: all faults at once.
        """
        checked: dict[str, str | bytes | None] = {}
        faults = []
        for field, check in _CHECKS.items():
            value = values.get(field)
            try:
                checked[field] = None if value is None else check(field, value)
            except BadRequest as fault:
                faults.append(fault.message)
        if faults:
            raise BadRequest("\n".join(faults))
        return cls(*(checked[field] for field in _CHECKS))  # type: ignore[arg-type]  # each check has its own type


def checked_field(field: str, value: str) -> str | bytes:
    """Check one metadata field by its name. Raises BadRequest."""
    return _CHECKS[field](field, value)


def _checksum(field: str, value: str) -> bytes:
    size = _CHECKSUM_BYTES[field]
    if re.fullmatch("[0-9A-Fa-f]+", value) and len(value) == 2 * size:
        return bytes.fromhex(value)
    try:
        digest = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != size:
        raise BadRequest(f"{field} {value!r} is not the base64 form of {size} bytes")
    return digest


def _content_type(field: str, value: str) -> str:
    if not re.fullmatch(r"[\x20-\x7e]{1,1000}", value):
        raise BadRequest(f"{field} {value!r} is empty, too long or holds characters other than printable ASCII")
    return value


def _disposition(field: str, value: str) -> str:
    match = re.fullmatch(r"filename\*=UTF-8''([-_.~A-Za-z0-9%]{1,1000})", value)
    try:
        name = unquote_to_bytes(match[1]).decode() if match else ""
    except UnicodeDecodeError:
        name = ""
    if not name or re.search(r"[/\\\x00-\x1f\x7f]", name) or name in (".", ".."):
        raise BadRequest(
            f"{field} {value!r} is not of the form filename*=UTF-8''NAME "
            "with a percent-encoded base name (no path separator, no control character)"
        )
    return value


_CHECKS: dict[str, Callable[[str, str], str | bytes]] = {
    "content-type": _content_type,
    "content-disposition": _disposition,
    "content-md5": _checksum,
    "content-sha256": _checksum,
}


@dataclass(frozen=True)
class Conditions:
    """`If-Match` and `If-None-Match`: sets of entity tags, `*` for any."""

    match: frozenset[str] | None = None
    none_match: frozenset[str] | None = None

    @classmethod
    def read(cls, headers: Mapping[str, str]) -> Conditions:
        """Read both headers; weak tags count as strong ones, since our contents never change."""
        return cls(_tags(headers.get("if-match")), _tags(headers.get("if-none-match")))

    def hold(self, etag: str | None) -> bool:
        """Tell whether the request may go on, given the tag of what exists now (None: nothing)."""
        return not self._fails(etag)

    def _fails(self, etag: str | None) -> bool:
        if self.match is not None and not _covers(self.match, etag):
            return True
        return self.none_match is not None and _covers(self.none_match, etag)


def _tags(value: str | None) -> frozenset[str] | None:
    if value is None:
        return None
    return frozenset({"*"}) if value.strip() == "*" else frozenset(re.findall(r'"[^"]*"', value))


def _covers(tags: frozenset[str], etag: str | None) -> bool:
    return etag is not None and ("*" in tags or etag in tags)


def byte_range(value: str | None, size: int) -> tuple[int, int] | None:
    """Read a `Range` header against a content of `size` bytes: (start, length), or None for the whole.

    Several ranges at once, other units and malformed values are answered with the whole, as HTTP allows.

    Raises:
        RangeNotSatisfiable: the range begins behind the end.
    """
    match = re.fullmatch(r"\s*bytes\s*=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*", value or "")
    if not match or not (match[1] or match[2]):
        return None
    if not match[1]:
        start, end = max(0, size - int(match[2])), size - 1
    else:
        start, end = int(match[1]), min(int(match[2] or size - 1), size - 1)
        if match[2] and int(match[2]) < start:
            return None
    if start >= size:
        raise RangeNotSatisfiable(f"range {value!r} lies behind the end: the content has {size} bytes")
    return start, end - start + 1


def base64_text(digest: bytes) -> str:
    """Write a checksum as `Content-MD5` and `Content-SHA256` carry it."""
    return base64.b64encode(digest).decode()
