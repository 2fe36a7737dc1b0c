"""Cuts the percent-encoded path of a data resource into tokens.

In: text such as `entity/A:=isa:Image/name=a%2Fb`. Out: names (decoded) and marks, each with its position in the text.
A name keeps no trace of its encoding, a mark is always unencoded: so a name may hold any character there is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from deriva_local.errors import BadRequest

NAME, END = "name", "end"
_TOKEN = re.compile(
    r"(?P<name>(?:[^\s/:;,=@?&()!*$%#\x00-\x1f\x7f]|%[0-9A-Fa-f]{2})+)|(?P<mark>::[a-z]+::|:=|[/:;,=@&()!*$])"
)


@dataclass(frozen=True)
class Token:
    """A piece of the path. `kind` is NAME, END or the mark itself (`/`, `:=`, `::null::`, …)."""

    kind: str
    text: str
    position: int


def tokenize(path: str) -> list[Token]:
    """The tokens of a path; `BadRequest` tells where it cannot be read."""
    tokens: list[Token] = []
    position = 0
    while position < len(path):
        match = _TOKEN.match(path, position)
        if match is None:
            raise BadRequest(
                f"Unexpected character {path[position]!r} at position {position} of {path!r}."
                " Percent-encode it if it belongs to a name or value."
            )
        if match["name"] is not None:
            tokens.append(Token(NAME, decode(match["name"], f"at position {position} of {path!r}"), position))
        else:
            tokens.append(Token(match["mark"], match["mark"], position))
        position = match.end()
    return tokens


def decode(text: str, place: str) -> str:
    """Percent-decoded text; `BadRequest` if it is no UTF-8 or holds a zero byte, which PostgreSQL cannot store."""
    try:
        plain = unquote_to_bytes(text).decode("utf-8")
    except UnicodeError:
        raise BadRequest(f"{text!r} {place} is not percent-encoded UTF-8.") from None
    if "\x00" in plain:
        raise BadRequest(f"{text!r} {place} holds a zero byte, which no name or value can.")
    return plain
