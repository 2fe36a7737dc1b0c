"""The model as the store keeps it: plain JSON with every id, and back to the same value."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from typing import Any

from deriva_local.model import Column, ForeignKey, Json, Key, Model, Schema, Table, types


def to_json(model: Model) -> Json:
    """A JSON document from which `from_json` makes an equal model. Fields at their default are left out."""
    return _pruned(
        model,
        schemas=[
            _pruned(schema, tables=[_table(t) for t in schema.tables.values()]) for schema in model.schemas.values()
        ],
    )


def from_json(document: Json) -> Model:
    """The model that `to_json` wrote."""
    schemas = {entry["name"]: _read_schema(entry) for entry in document["schemas"]}
    return Model(**{**document, "schemas": schemas})


def _table(table: Table) -> Json:
    return _pruned(
        table,
        columns=[_pruned(column, type=column.type.typename) for column in table.columns],
        keys=[_pruned(key) for key in table.keys],
        foreign_keys=[_pruned(fkey) for fkey in table.foreign_keys],
    )


def _pruned(value: Any, **replaced: Json) -> Json:
    """The fields of a dataclass that differ from their default, with some replaced."""
    document: dict[str, Json] = {}
    for name, default in _defaults(value.__class__):
        content = replaced[name] if name in replaced else getattr(value, name)
        if content != default:
            document[name] = content
    return document


@cache
def _defaults(kind: type) -> tuple[tuple[str, Any], ...]:
    """The fields of a dataclass with their defaults (MISSING where there is none)."""
    return tuple(
        (field.name, field.default if field.default_factory is dataclasses.MISSING else field.default_factory())
        for field in dataclasses.fields(kind)
    )


def _read_schema(document: Mapping[str, Json]) -> Schema:
    tables = {entry["name"]: _read_table(entry) for entry in document.get("tables", [])}
    return Schema(**{**document, "tables": tables})


def _read_table(document: Mapping[str, Json]) -> Table:
    columns = tuple(Column(**{**entry, "type": types.named(entry["type"])}) for entry in document["columns"])
    keys = tuple(Key(**_tuples(entry, "name", "columns")) for entry in document.get("keys", []))
    fkeys = tuple(
        ForeignKey(**_tuples(entry, "name", "columns", "to_columns")) for entry in document.get("foreign_keys", [])
    )
    return Table(**{**document, "columns": columns, "keys": keys, "foreign_keys": fkeys})


def _tuples(document: Mapping[str, Json], *names: str) -> dict[str, Any]:
    return {**document, **{name: tuple(document[name]) for name in names}}
