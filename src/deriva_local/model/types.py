"""Column types: the names that ERMrest knows, their PostgreSQL types, their documents.

In: a type document (`{"typename": "text[]", "is_array": true, …}`). Out: a `ColumnType`, and back; and for a
`ColumnType` the name of the PostgreSQL type that holds its values. Only names from the tables below reach SQL.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from deriva_local.errors import BadRequest
from deriva_local.model import ColumnType, Json

# PostgreSQL's own types, by the name used in type documents.
_SCALARS = {
    "boolean": "boolean",
    "bpchar": "text",
    "date": "date",
    "float4": "real",
    "float8": "double precision",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "interval": "interval",
    "json": "json",
    "jsonb": "jsonb",
    "numeric": "numeric",
    "text": "text",
    "time": "time",
    "timestamp": "timestamp",
    "timestamptz": "timestamptz",
    "timetz": "timetz",
    "uuid": "uuid",
    "varchar": "text",
}
_SERIALS = {"serial2": "smallint", "serial4": "integer", "serial8": "bigint"}
# Domains: ERMrest's own, and PostgreSQL's aliases have no domain.
_DOMAINS = {
    "color_rgb_hex": "text",
    "ermrest_curie": "text",
    "ermrest_rcb": "text",
    "ermrest_rct": "timestamptz",
    "ermrest_rid": "text",
    "ermrest_rmb": "text",
    "ermrest_rmt": "timestamptz",
    "ermrest_uri": "text",
    "longtext": "text",
    "markdown": "text",
}
_ALIASES = {
    "bigint": "int8",
    "bigserial": "serial8",
    "bool": "boolean",
    "character varying": "varchar",
    "double precision": "float8",
    "int": "int4",
    "integer": "int4",
    "real": "float4",
    "serial": "serial4",
    "smallint": "int2",
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
}
# The types whose default may hold `{RID}`, which is replaced by the row's own RID.
TEMPLATE_TYPES = frozenset({"ermrest_curie", "ermrest_uri"})


def named(typename: str) -> ColumnType:
    """The type of this name, `text[]` for an array of `text`; `BadRequest` if there is none."""
    name = _ALIASES.get(typename, typename)
    if name in _SCALARS or name in _SERIALS:
        return ColumnType(name)
    if name in _DOMAINS:
        return ColumnType(name, base=ColumnType(_DOMAINS[name]), is_domain=True)
    if name.endswith("[]"):
        element = named(name[:-2])
        if element.is_array or is_serial(element):
            raise BadRequest(f"Arrays of {element.typename} are not supported.")
        return ColumnType(f"{element.typename}[]", base=element, is_array=True)
    known = ", ".join(sorted([*_SCALARS, *_SERIALS, *_DOMAINS]))
    raise BadRequest(f"Unknown column type {typename!r}. Known are: {known}, and arrays of them (text[]).")


def from_document(document: Json) -> ColumnType:
    """The type that a type document describes; `BadRequest` if it is none.

    Only `typename` decides (with `base_type` for an array whose name lacks the brackets).
    """
    if not isinstance(document, Mapping) or not isinstance(document.get("typename"), str):
        raise BadRequest(f'A column type must be an object such as {{"typename": "text"}}, not {document!r}.')
    typename = document["typename"]
    if document.get("is_array") and not typename.endswith("[]"):
        typename = from_document(document.get("base_type")).typename + "[]"
    return named(typename)


def to_document(kind: ColumnType) -> dict[str, Json]:
    """The document of a type."""
    document: dict[str, Json] = {"typename": kind.typename}
    if kind.is_array:
        document["is_array"] = True
    if kind.is_domain:
        document["is_domain"] = True
    if kind.base is not None:
        document["base_type"] = to_document(kind.base)
    return document


def postgres(kind: ColumnType) -> str:
    """The PostgreSQL type that holds such values: one of the constants above, safe to put into SQL."""
    if kind.is_array:
        assert kind.base is not None
        return postgres(kind.base) + "[]"
    return _SCALARS.get(kind.typename) or _SERIALS.get(kind.typename) or _DOMAINS[kind.typename]


def is_serial(kind: ColumnType) -> bool:
    """Whether PostgreSQL numbers the rows by itself."""
    return kind.typename in _SERIALS


def is_json(kind: ColumnType) -> bool:
    """Whether the values are JSON documents, where a string must be written with its quotes."""
    return kind.typename in ("json", "jsonb")


def json_text(value: Json) -> str:
    """A value as JSON text."""
    return json.dumps(value, ensure_ascii=False)


def text(value: Json) -> str:
    """A value of a JSON request as the text that PostgreSQL's types read."""
    return value if isinstance(value, str) else json_text(value)
