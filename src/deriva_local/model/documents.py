"""The model as clients see it: ERMrest's JSON documents of catalog model, schema, table, column, key, foreign key.

In: values of the model, and what the client may do (`rights_of`, from an element and those around it to its `rights`
document). Out: plain JSON. The reverse, reading what clients send, is in `ermrest/schema/definitions.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from deriva_local.model import Column, ForeignKey, Json, Key, Model, Schema, Table, types

Element = Model | Schema | Table | Column | ForeignKey
# Element and the elements around it, outermost last, to the `rights` document.
RightsOf = Callable[..., Mapping[str, bool]]


def model(value: Model, snaptime: str, rights_of: RightsOf) -> dict[str, Json]:
    """The whole model, as `GET N/schema` answers."""
    return {
        "snaptime": snaptime,
        "annotations": dict(value.annotations),
        "acls": dict(value.acls),
        "rights": dict(rights_of(value)),
        "schemas": {name: schema(item, value, rights_of) for name, item in value.schemas.items()},
    }


def schema(value: Schema, within: Model, rights_of: RightsOf) -> dict[str, Json]:
    """One schema with its tables."""
    return {
        "schema_name": value.name,
        "comment": value.comment,
        "annotations": dict(value.annotations),
        "acls": dict(value.acls),
        "rights": dict(rights_of(within, value)),
        "tables": {name: table(item, within, rights_of) for name, item in value.tables.items()},
    }


def table(value: Table, within: Model, rights_of: RightsOf) -> dict[str, Json]:
    """One table with columns, keys, foreign keys."""
    above = within.schemas[value.schema_name]
    rights = dict(rights_of(within, above, value))
    return {
        "schema_name": value.schema_name,
        "table_name": value.name,
        "kind": value.kind,
        "comment": value.comment,
        "annotations": dict(value.annotations),
        "acls": dict(value.acls),
        "acl_bindings": dict(value.acl_bindings),
        "rights": rights,
        "column_definitions": [column(item, rights) for item in value.columns],
        "keys": [key(item, value) for item in value.keys],
        "foreign_keys": [foreign_key(item, value, within, rights) for item in value.foreign_keys],
    }


def column(value: Column, table_rights: Mapping[str, bool]) -> dict[str, Json]:
    """One column. Its rights are the table's; system columns cannot be set."""
    return {
        "name": value.name,
        "type": types.to_document(value.type),
        "nullok": value.nullok,
        "default": value.default,
        "comment": value.comment,
        "annotations": dict(value.annotations),
        "acls": dict(value.acls),
        "acl_bindings": dict(value.acl_bindings),
        "rights": {
            mode: allowed and not (value.is_system and mode in ("insert", "update"))
            for mode, allowed in table_rights.items()
            if mode != "owner"
        },
    }


def key(value: Key, of: Table) -> dict[str, Json]:
    """One key of table `of`."""
    return {
        "names": [list(value.name)],
        "unique_columns": [of.by_id[column].name for column in value.columns],
        "comment": value.comment,
        "annotations": dict(value.annotations),
    }


def foreign_key(value: ForeignKey, of: Table, within: Model, table_rights: Mapping[str, bool]) -> dict[str, Json]:
    """One foreign key of table `of`."""
    to = within.tables_by_id[value.to_table]
    return {
        "names": [list(value.name)],
        "foreign_key_columns": [_column_reference(of, column) for column in value.columns],
        "referenced_columns": [_column_reference(to, column) for column in value.to_columns],
        "on_update": value.on_update,
        "on_delete": value.on_delete,
        "comment": value.comment,
        "annotations": dict(value.annotations),
        "acls": dict(value.acls),
        "acl_bindings": dict(value.acl_bindings),
        "rights": {mode: table_rights[mode] for mode in ("insert", "update")},
    }


def _column_reference(of: Table, column: int) -> dict[str, str]:
    return {"schema_name": of.schema_name, "table_name": of.name, "column_name": of.by_id[column].name}
