"""ETags of data, and the conditions that a request may put on them (If-Match, If-None-Match)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from deriva_local.errors import PreconditionFailed
from deriva_local.model import snaptime

_FORMS = {"application/json": "j", "application/x-json-stream": "s", "text/csv": "c"}
_TAG = re.compile(r'(?:W/)?"([^"]*)"|(\*)')


def etag(moment: int, kind: str) -> str:
    """The tag of an answer: the catalog's snapshot that it is of, and its form."""
    return f'"{snaptime.encode(moment)}.{_FORMS[kind]}"'


def not_modified(headers: Mapping[str, str], tag: str) -> bool:
    """Whether a GET can be answered by 304."""
    match, none_match = headers.get("if-match"), headers.get("if-none-match")
    if none_match is not None:
        return _holds(none_match, _tags(tag))
    return match is not None and not _holds(match, _tags(tag))


def check(headers: Mapping[str, str], moment: int) -> None:
    """`PreconditionFailed` if a write asks for another state than snapshot `moment`, in whatever form it was read."""
    current = {tag for kind in _FORMS for tag in _tags(etag(moment, kind))}
    match, none_match = headers.get("if-match"), headers.get("if-none-match")
    if match is not None and not _holds(match, current):
        raise PreconditionFailed("The catalog has changed since the state named by If-Match; read it again.")
    if none_match is not None and _holds(none_match, current):
        raise PreconditionFailed("The catalog is in the state that If-None-Match excludes.")


def conditional(headers: Mapping[str, str]) -> bool:
    """Whether a request has any such condition."""
    return "if-match" in headers or "if-none-match" in headers


def _tags(header: str) -> set[str]:
    return {tag or star for tag, star in _TAG.findall(header)}


def _holds(header: str, current: set[str]) -> bool:
    tags = _tags(header)
    return "*" in tags or bool(tags & current)
