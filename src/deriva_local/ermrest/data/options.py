"""Reads the query string of a data request into `Options`. Parameters that mean nothing here are left alone."""

from __future__ import annotations

from deriva_local.ermrest.data.syntax import Options
from deriva_local.ermrest.data.tokens import decode
from deriva_local.errors import BadRequest

ON_CONFLICT = ("abort", "skip", "update")
# PostgreSQL's bigint; more rows than that cannot be asked for.
_MOST_ROWS = 2**63 - 1


def parse_options(query: str) -> Options:
    """The options in a percent-encoded query string; `BadRequest` if one has no such value."""
    given: dict[str, str] = {}
    for part in query.replace(";", "&").split("&"):
        name, _, value = part.partition("=")
        given[decode(name, "in the query string")] = value
    return Options(
        limit=_limit(given.get("limit")),
        accept=_text(given.get("accept")),
        download=_download(given.get("download")),
        defaults=_names(given.get("defaults")),
        nondefaults=_names(given.get("nondefaults")),
        onconflict=_choice("onconflict", given.get("onconflict"), ON_CONFLICT) or "abort",
        json_arrays=_choice("arrays", given.get("arrays"), ("json",)) is not None,
    )


def _text(value: str | None) -> str | None:
    return None if value is None else decode(value, "in the query string")


def _limit(value: str | None) -> int | None:
    if value is None or value == "none":
        return None
    if not (value.isascii() and value.isdigit() and int(value) <= _MOST_ROWS):
        raise BadRequest(f"limit={value} is no number of rows; write limit=100, or leave it out for all rows.")
    return int(value)


def _download(value: str | None) -> str | None:
    if value == "":
        raise BadRequest("download= needs the base name of the file, for example download=images.")
    return _text(value)


def _names(value: str | None) -> tuple[str, ...]:
    return tuple(decode(name, "in the query string") for name in value.split(",") if name) if value else ()


def _choice(option: str, value: str | None, known: tuple[str, ...]) -> str | None:
    if value is not None and value not in known:
        raise BadRequest(f"{option}={value} is not known here; it can be {' or '.join(known)}.")
    return value
