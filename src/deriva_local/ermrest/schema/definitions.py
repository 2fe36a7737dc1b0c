"""Definitions that clients send (JSON) as checked values.

In: table, column, key and foreign key documents. Out: frozen definitions in names, still without ids: `create.py` gives
ids and resolves references. A faulty document raises `BadRequest` that names the place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deriva_local.errors import BadRequest
from deriva_local.model import Acls, ColumnType, Json, types

REFERENCE_ACLS: Acls = {"insert": ["*"], "update": ["*"]}
ACTIONS = ("NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT")
NAME_LIMIT = 63  # bytes in UTF-8


@dataclass(frozen=True)
class Attached:
    """What can be attached to every element."""

    comment: str | None = None
    annotations: Mapping[str, Json] = field(default_factory=dict)
    acls: Acls = field(default_factory=dict)
    acl_bindings: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class ColumnDef:
    """A column to be made."""

    name: str
    type: ColumnType
    nullok: bool
    default: Json
    attached: Attached


@dataclass(frozen=True)
class KeyDef:
    """A key to be made; `name` None lets the service choose."""

    columns: tuple[str, ...]
    name: str | None
    attached: Attached


@dataclass(frozen=True)
class ForeignKeyDef:
    """A foreign key to be made, from `table` (schema, name) to `to_table`."""

    table: tuple[str | None, str | None]
    columns: tuple[str, ...]
    to_table: tuple[str | None, str]
    to_columns: tuple[str, ...]
    name: str | None
    on_update: str
    on_delete: str
    attached: Attached


@dataclass(frozen=True)
class TableDef:
    """A table to be made."""

    schema: str
    name: str
    columns: tuple[ColumnDef, ...]
    keys: tuple[KeyDef, ...]
    foreign_keys: tuple[ForeignKeyDef, ...]
    attached: Attached


@dataclass(frozen=True)
class SchemaDef:
    """A schema to be made, with its tables."""

    name: str
    tables: tuple[TableDef, ...]
    attached: Attached


def batch(document: Json) -> list[SchemaDef | TableDef | ForeignKeyDef]:
    """What `POST N/schema` asks for: a list of documents, or an object like the one that `GET N/schema` answers."""
    if isinstance(document, Mapping):
        schemas = _object(document.get("schemas", {}), "schemas")
        return [schema(content, schema_name) for schema_name, content in schemas.items()]
    return [
        _batch_entry(_object(entry, f"entry {place}")) for place, entry in enumerate(_list(document, "the body"), 1)
    ]


def _batch_entry(document: Mapping[str, Json]) -> SchemaDef | TableDef | ForeignKeyDef:
    if "table_name" in document:
        return table(document, _text(document, "schema_name"))
    if "foreign_key_columns" in document:
        return foreign_key(document)
    return schema(document, _text(document, "schema_name"))


def schema(document: Json, schema_name: str) -> SchemaDef:
    """A schema document; a `schema_name` in it must be `schema_name`."""
    content = _object(document, f"schema {schema_name!r}")
    _agrees(content, "schema_name", schema_name)
    tables = _object(_given(content, "tables"), f"tables of schema {schema_name!r}")
    made = tuple(table(item, schema_name, table_name) for table_name, item in tables.items())
    return SchemaDef(name(schema_name, "schema_name"), made, attached(content))


def table(document: Json, schema_name: str, table_name: str | None = None) -> TableDef:
    """A table document, as `POST …/table` takes it."""
    content = _object(document, "a table")
    _agrees(content, "schema_name", schema_name)
    if table_name is None:
        table_name = _text(content, "table_name")
    _agrees(content, "table_name", table_name)
    if content.get("kind", "table") != "table":
        raise BadRequest(f"Table {table_name!r} is of kind {content['kind']!r}; only kind 'table' can be created.")
    where = (schema_name, table_name)
    return TableDef(
        schema_name,
        name(table_name, "table_name"),
        tuple(column(item) for item in _list(content.get("column_definitions") or [], "column_definitions")),
        tuple(key(item) for item in _list(content.get("keys") or [], "keys")),
        tuple(foreign_key(item, where) for item in _list(content.get("foreign_keys") or [], "foreign_keys")),
        attached(content),
    )


def column(document: Json) -> ColumnDef:
    """A column document."""
    content = _object(document, "a column")
    column_name = name(content.get("name"), "The name of a column")
    if "type" not in content:
        raise BadRequest(f"Column {column_name!r} has no type.")
    return ColumnDef(
        column_name,
        types.from_document(content["type"]),
        boolean(content.get("nullok", True), "nullok"),
        content.get("default"),
        attached(content),
    )


def key(document: Json) -> KeyDef:
    """A key document."""
    content = _object(document, "a key")
    columns = tuple(_texts(content.get("unique_columns"), "unique_columns"))
    return KeyDef(columns, constraint_name(content), attached(content))


def foreign_key(document: Json, table_name: tuple[str | None, str | None] = (None, None)) -> ForeignKeyDef:
    """A foreign key document; the referring table may be given by the place where it stands."""
    content = _object(document, "a foreign key")
    referring = _column_references(content, "foreign_key_columns")
    referred = _column_references(content, "referenced_columns")
    if len(referring) != len(referred):
        raise BadRequest(f"A foreign key of {len(referring)} columns refers to {len(referred)} columns.")
    if referred[0][1] is None:
        raise BadRequest("referenced_columns must name the table_name.")
    to_table = _one_table(referred, "referenced_columns")
    at = _one_table(referring, "foreign_key_columns")
    return ForeignKeyDef(
        (at[0] or table_name[0], at[1] or table_name[1]),
        tuple(column_name for _, _, column_name in referring),
        (to_table[0], str(to_table[1])),
        tuple(column_name for _, _, column_name in referred),
        constraint_name(content),
        action(content.get("on_update"), "on_update"),
        action(content.get("on_delete"), "on_delete"),
        attached(content, REFERENCE_ACLS),
    )


def constraint_name(document: Mapping[str, Json]) -> str | None:
    """The name that the first of `names` asks for; its schema is always the table's."""
    names = document.get("names")
    if not names:
        return None
    match names:
        case [[_, str() as given], *_]:
            return name(given, "A constraint's name")
    raise BadRequest(f'names must be like [["schema", "constraint"]], not {names!r}.')


def action(value: Json, field_name: str) -> str:
    """What happens to the referring rows."""
    if value is None:
        return "NO ACTION"
    if value not in ACTIONS:
        raise BadRequest(f"{field_name} is {value!r}; it must be one of {', '.join(ACTIONS)}.")
    return str(value)


def attached(document: Mapping[str, Json], default_acls: Acls | None = None) -> Attached:
    """Comment, annotations, ACLs and ACL bindings of a document."""
    own = acls(_given(document, "acls"))
    return Attached(
        comment(document.get("comment")),
        annotation_map(_given(document, "annotations")),
        {**(default_acls or {}), **own},
        bindings(_given(document, "acl_bindings")),
    )


def comment(value: Json) -> str | None:
    """A comment: text or null."""
    if value is not None and not isinstance(value, str):
        raise BadRequest(f"comment must be text or null, not {value!r}.")
    return value


def annotation_map(value: Json) -> dict[str, Json]:
    """Annotations by key."""
    return dict(_object(value, "annotations"))


def acls(value: Json) -> dict[str, list[str]]:
    """ACLs by mode; null means that none is set."""
    return {mode: acl(mode, entries) for mode, entries in _object(value, "acls").items() if entries is not None}


def acl(mode: str, value: Json) -> list[str]:
    """One ACL: ids of clients and groups, or "*"."""
    return _texts(value, f"ACL {mode!r}")


def bindings(value: Json) -> dict[str, Json]:
    """ACL bindings by name; false switches an inherited one off."""
    return {key: binding(key, content) for key, content in _object(value, "acl_bindings").items()}


def binding(binding_name: str, value: Json) -> Json:
    """One ACL binding."""
    if value is False:
        return value
    content = _object(value, f"ACL binding {binding_name!r}")
    missing = [field for field in ("types", "projection") if field not in content]
    if missing:
        raise BadRequest(f"ACL binding {binding_name!r} lacks {' and '.join(missing)}.")
    return {"projection_type": "acl", "scope_acl": ["*"], **content}


def boolean(value: Json, field_name: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise BadRequest(f"{field_name} must be true or false, not {value!r}.")
    return value


def _column_references(document: Mapping[str, Json], field_name: str) -> list[tuple[str | None, str | None, str]]:
    """(schema, table, column) of each entry."""
    entries = [_object(entry, field_name) for entry in _list(document.get(field_name), field_name)]
    if not entries:
        raise BadRequest(f"{field_name} is empty; a foreign key needs at least one column.")
    return [(entry.get("schema_name"), entry.get("table_name"), _text(entry, "column_name")) for entry in entries]


def _one_table(references: list[tuple[str | None, str | None, str]], field_name: str) -> tuple[str | None, str | None]:
    tables = {(schema_name, table_name) for schema_name, table_name, _ in references}
    if len(tables) > 1:
        raise BadRequest(f"All {field_name} must be of one table, not of {len(tables)}.")
    return tables.pop()


def name(text: Json, what: str) -> str:
    """A name of a model element. Longer ones than PostgreSQL's would not work on other DERIVA hosts."""
    if not isinstance(text, str) or not text:
        raise BadRequest(f"{what} must be text that is not empty, not {text!r:.80}.")
    if len(text.encode()) > NAME_LIMIT:
        raise BadRequest(f"{what} {text!r} is longer than {NAME_LIMIT} bytes.")
    return text


def _given(document: Mapping[str, Json], field_name: str) -> Json:
    """A field's content, an empty object where it is missing or null."""
    content = document.get(field_name)
    return {} if content is None else content


def _agrees(document: Mapping[str, Json], field_name: str, expected: str) -> None:
    given = document.get(field_name, expected)
    if given != expected:
        raise BadRequest(f"{field_name} in the document is {given!r}, in the address {expected!r}.")


def _object(value: Json, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BadRequest(f"{what} must be a JSON object, not {value!r:.80}.")
    return value


def _list(value: Json, what: str) -> list[Json]:
    if not isinstance(value, list):
        raise BadRequest(f"{what} must be a JSON array, not {value!r:.80}.")
    return value


def _texts(value: Json, what: str) -> list[str]:
    items = _list(value, what)
    if not all(isinstance(item, str) for item in items):
        raise BadRequest(f"{what} must hold strings only, not {value!r:.80}.")
    return items


def _text(document: Mapping[str, Json], field_name: str) -> str:
    value = document.get(field_name)
    if not isinstance(value, str) or not value:
        raise BadRequest(f"{field_name} must be given as text, not {value!r:.80}.")
    return value
