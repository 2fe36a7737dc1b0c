"""URL paths of model resources as values.

In: the percent-encoded path below the catalog (`schema/…`, `annotation/…`, `acl/…`). Out: an `Address`: the element
that is meant, and which part of it (`annotation`, `comment`, `acl`, `acl_binding`, or the element itself).
Source: ERMrest's `docs/api-doc/model/naming.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from deriva_local.errors import BadRequest, NotFound

PARTS = ("annotation", "comment", "acl", "acl_binding")


@dataclass(frozen=True)
class Address:
    """A model resource.

    Attributes:
        kind: catalog, schemas, schema, tables, table, columns, column, keys, key, foreignkeys (a set of them).
        schema: the schema's name; None above schemas.
        table: the table's name; None above tables.
        columns: the column's name, the key's columns or the referring columns; None if not given.
        to_table: for foreign keys, the schema's (None if not given) and the table's name.
        to_columns: for foreign keys, the referenced columns.
        part: one of PARTS, or None for the element itself.
        part_name: the annotation's key, the ACL's or the binding's name; None for all of them.
    """

    kind: str
    schema: str | None = None
    table: str | None = None
    columns: tuple[str, ...] | None = None
    to_table: tuple[str | None, str] | None = None
    to_columns: tuple[str, ...] | None = None
    part: str | None = None
    part_name: str | None = None


def parse(path: str) -> Address:
    """The address of `schema/S/table/T/…`, or of `annotation/…`, `acl/…` of the catalog itself.

    Raises:
        NotFound: there are no such resources.
    """
    segments = path.split("/")
    if len(segments) > 1 and segments[-1] == "":
        segments.pop()
    element, part, part_name = _split_part(segments)
    return _element(element, part, part_name, path)


def _split_part(segments: list[str]) -> tuple[list[str], str | None, str | None]:
    """The segments of the element, the part, and the part's name."""
    if len(segments) == 0:
        return segments, None, None
    # A part stands at the end, with or without a name; elements never stand at these places.
    for place in (len(segments) - 1, len(segments) - 2):
        if place >= 0 and segments[place] in PARTS and _is_place_of_part(segments[:place]):
            name = unquote(segments[place + 1]) if place + 1 < len(segments) else None
            return segments[:place], segments[place], name
    return segments, None, None


def _is_place_of_part(element: list[str]) -> bool:
    """Whether these segments name a whole element, so that what follows is a part and not a name."""
    match element:
        case []:
            return True
        case ["schema", _] | ["schema", _, "table", _] | ["schema", _, "table", _, ("column" | "key"), _]:
            return True
        case ["schema", _, "table", _, "foreignkey", _] | ["schema", _, "table", _, "foreignkey", _, "reference", _, _]:
            return True
    return False


def _element(segments: list[str], part: str | None, part_name: str | None, path: str) -> Address:
    kind, more = _kind(segments, path)
    names = [unquote(segment) for segment in segments[1:4:2]]
    schema, table = (*names, None, None)[:2]
    return Address(kind, schema=schema, table=table, part=part, part_name=part_name, **more)


def _kind(segments: list[str], path: str) -> tuple[str, dict[str, Any]]:
    """The kind of element, and the fields of its address beside schema and table."""
    kind: str
    more: dict[str, Any] = {}
    match segments:
        case []:
            kind = "catalog"
        case ["schema"]:
            kind = "schemas"
        case ["schema", _]:
            kind = "schema"
        case ["schema", _, "table"]:
            kind = "tables"
        case ["schema", _, "table", _]:
            kind = "table"
        case ["schema", _, "table", _, ("column" | "key" | "foreignkey") as single]:
            kind = f"{single}s"
        case ["schema", _, "table", _, "column", name]:
            kind, more = "column", {"columns": (unquote(name),)}
        case ["schema", _, "table", _, "key", names]:
            kind, more = "key", {"columns": _names(names)}
        case ["schema", _, "table", _, "foreignkey", names, *reference]:
            kind, more = "foreignkeys", {"columns": _names(names), **_reference(reference, path)}
        case _:
            raise NotFound(f"There is no resource {unquote(path)!r}.")
    return kind, more


def _reference(segments: list[str], path: str) -> dict[str, Any]:
    """What follows the referring columns: `reference`, `reference/S:T`, `reference/S:T/columns`."""
    match segments:
        case [] | ["reference"]:
            return {}
        case ["reference", table]:
            return {"to_table": _table_name(table)}
        case ["reference", table, names]:
            return {"to_table": _table_name(table), "to_columns": _names(names)}
    raise NotFound(f"There is no resource {unquote(path)!r}.")


def _table_name(text: str) -> tuple[str | None, str]:
    match [unquote(name) for name in text.split(":")]:
        case [table]:
            return None, table
        case [schema, table]:
            return schema, table
    raise BadRequest(f"{text!r} is no table's name; write schema:table.")


def _names(text: str) -> tuple[str, ...]:
    return tuple(unquote(name) for name in text.split(","))
