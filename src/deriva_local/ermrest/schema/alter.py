"""Changing and dropping what a model has.

In: a `Model`, the address of the element, and the document with the fields to change (fields left out stay). Out: a new
`Model` and the element's new address. Pure.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from deriva_local.ermrest.schema import definitions, elements
from deriva_local.ermrest.schema.address import Address
from deriva_local.ermrest.schema.create import checked_default
from deriva_local.errors import BadRequest, Conflict
from deriva_local.model import Column, ForeignKey, Json, Key, Model, Schema, Table, types

_READERS: Mapping[str, Callable[[Json], Any]] = {
    "comment": definitions.comment,
    "annotations": definitions.annotation_map,
    "acls": definitions.acls,
    "acl_bindings": definitions.bindings,
}


def schema(model: Model, address: Address, document: Mapping[str, Json]) -> tuple[Model, Address]:
    """Rename a schema, or replace what is attached to it."""
    old = elements.schema_of(model, address)
    changed = dataclasses.replace(old, **_attached(document, "comment", "annotations", "acls"))
    name = _new_name(document, "schema_name", old.name)
    if name == old.name:
        return elements.with_schema(model, changed), address
    if name in model.schemas:
        raise Conflict(f"Schema {name!r} exists already.")
    renamed = _renamed_schema(changed, name)
    schemas = {item.name: item for item in (renamed if s.name == old.name else s for s in model.schemas.values())}
    return dataclasses.replace(model, schemas=schemas), dataclasses.replace(address, schema=name)


def table(model: Model, address: Address, document: Mapping[str, Json]) -> tuple[Model, Address]:
    """Rename a table, move it to another schema, or replace what is attached to it."""
    old = elements.table_of(model, address)
    changed = dataclasses.replace(old, **_attached(document, "comment", "annotations", "acls", "acl_bindings"))
    schema_name = _new_name(document, "schema_name", old.schema_name)
    name = _new_name(document, "table_name", old.name)
    if (schema_name, name) == (old.schema_name, old.name):
        return elements.with_table(model, changed), address
    if name in model.schema(schema_name).tables:
        raise Conflict(f"Table {schema_name}:{name} exists already.")
    moved = dataclasses.replace(_in_schema(changed, schema_name), name=name)
    model = elements.with_table(elements.without_table(model, old), moved)
    return model, dataclasses.replace(address, schema=schema_name, table=name)


def column(model: Model, address: Address, document: Mapping[str, Json]) -> tuple[Model, Address]:
    """Rename a column, change its type, nullness or default, or replace what is attached to it."""
    of, old = elements.table_of(model, address), elements.column_of(model, address)
    kind = types.from_document(document["type"]) if "type" in document else old.type
    changed = dataclasses.replace(
        old,
        name=_new_name(document, "name", old.name),
        type=kind,
        nullok=definitions.boolean(document.get("nullok", old.nullok), "nullok"),
        default=checked_default(kind, document.get("default", old.default)),
        **_attached(document, "comment", "annotations", "acls", "acl_bindings"),
    )
    _check_system_column(of, old, changed)
    if changed.name != old.name and changed.name in of.by_name:
        raise Conflict(f"Table {of.schema_name}:{of.name} has a column {changed.name!r} already.")
    address = dataclasses.replace(address, columns=(changed.name,))
    if types.postgres(kind) == types.postgres(old.type) and types.is_serial(kind) == types.is_serial(old.type):
        return elements.with_table(model, elements.with_part(of, changed)), address
    return _with_new_type(model, of, changed), address


def key(model: Model, address: Address, document: Mapping[str, Json]) -> tuple[Model, Address]:
    """Rename a key, or replace what is attached to it."""
    of, old = elements.table_of(model, address), elements.key_of(model, address)
    given = document.get("unique_columns")
    if given is not None and sorted(given) != sorted(of.by_id[column].name for column in old.columns):
        raise BadRequest("The columns of a key cannot be changed; create another key.")
    changed = dataclasses.replace(
        old, name=_constraint_name(document, of, old), **_attached(document, "comment", "annotations")
    )
    return elements.with_table(model, elements.with_part(of, changed)), address


def foreign_key(model: Model, address: Address, document: Mapping[str, Json]) -> tuple[Model, Address]:
    """Rename a foreign key, change what it does, or replace what is attached to it."""
    of, old = elements.table_of(model, address), elements.foreign_key_of(model, address)
    actions: dict[str, Any] = {
        name: definitions.action(document[name], name) for name in ("on_update", "on_delete") if name in document
    }
    fields = _attached(document, "comment", "annotations", "acls", "acl_bindings")
    if "acls" in fields:
        fields["acls"] = {**definitions.REFERENCE_ACLS, **fields["acls"]}
    changed = dataclasses.replace(old, name=_constraint_name(document, of, old), **actions, **fields)
    return elements.with_table(model, elements.with_part(of, changed)), address


def drop_schema(model: Model, address: Address) -> Model:
    """Drop a schema; it must be empty."""
    old = elements.schema_of(model, address)
    if old.tables:
        raise Conflict(f"Schema {old.name!r} is not empty; drop its tables first: {', '.join(old.tables)}.")
    return dataclasses.replace(model, schemas={name: item for name, item in model.schemas.items() if name != old.name})


def drop_table(model: Model, address: Address) -> Model:
    """Drop a table; no other table may refer to it."""
    old = elements.table_of(model, address)
    references = elements.references_to(model, old)
    if references:
        raise Conflict(f"Table {old.schema_name}:{old.name} is referenced by {_named(references)}; drop these first.")
    return elements.without_table(model, old)


def drop_column(model: Model, address: Address) -> Model:
    """Drop a column with the keys and foreign keys that it is part of."""
    of, old = elements.table_of(model, address), elements.column_of(model, address)
    if old.is_system:
        raise Conflict(f"{old.name} is a system column; it cannot be dropped.")
    references = [(table, fkey) for table, fkey in elements.references_to(model, of) if old.id in fkey.to_columns]
    if references:
        raise Conflict(f"Column {old.name!r} is referenced by {_named(references)}; drop these first.")
    rest = dataclasses.replace(
        of,
        columns=tuple(column for column in of.columns if column.id != old.id),
        keys=tuple(key for key in of.keys if old.id not in key.columns),
        foreign_keys=tuple(
            fkey
            for fkey in of.foreign_keys
            if old.id not in fkey.columns and not (fkey.to_table == of.id and old.id in fkey.to_columns)
        ),
    )
    return elements.with_table(model, rest)


def drop_key(model: Model, address: Address) -> Model:
    """Drop a key; no foreign key may rest on it."""
    of, old = elements.table_of(model, address), elements.key_of(model, address)
    own = [(of, fkey) for fkey in of.foreign_keys if fkey.to_table == of.id]
    references = [
        (table, fkey)
        for table, fkey in [*elements.references_to(model, of), *own]
        if set(fkey.to_columns) == set(old.columns)
    ]
    if references:
        raise Conflict(f"Key {old.name[1]!r} is referenced by {_named(references)}; drop these first.")
    if set(old.columns) == {1}:
        raise Conflict("The key of RID cannot be dropped.")
    return elements.with_table(model, dataclasses.replace(of, keys=tuple(k for k in of.keys if k.id != old.id)))


def drop_foreign_keys(model: Model, address: Address) -> Model:
    """Drop all foreign keys that fit the address."""
    of = elements.table_of(model, address)
    gone = {fkey.id for fkey in elements.foreign_keys_of(model, address)}
    rest = tuple(fkey for fkey in of.foreign_keys if fkey.id not in gone)
    return elements.with_table(model, dataclasses.replace(of, foreign_keys=rest))


def _attached(document: Mapping[str, Json], *names: str) -> dict[str, Any]:
    """The fields of this document that replace what is attached to an element."""
    return {name: _READERS[name](document[name]) for name in names if name in document}


def _new_name(document: Mapping[str, Json], field: str, old: str) -> str:
    return definitions.name(document[field], field) if field in document else old


def _renamed_schema(old: Schema, name: str) -> Schema:
    tables = {table_name: _in_schema(item, name) for table_name, item in old.tables.items()}
    return dataclasses.replace(old, name=name, tables=tables)


def _in_schema(old: Table, schema_name: str) -> Table:
    """The table as part of another schema; constraints follow it."""
    return dataclasses.replace(
        old,
        schema_name=schema_name,
        keys=tuple(dataclasses.replace(key, name=(schema_name, key.name[1])) for key in old.keys),
        foreign_keys=tuple(dataclasses.replace(f, name=(schema_name, f.name[1])) for f in old.foreign_keys),
    )


def _check_system_column(of: Table, old: Column, new: Column) -> None:
    fixed = ("name", "type", "nullok", "default")
    changed = [name for name in fixed if getattr(old, name) != getattr(new, name)]
    if old.is_system and changed:
        raise Conflict(f"{of.name}.{old.name} is a system column; its {' and '.join(changed)} cannot be changed.")


def _with_new_type(model: Model, of: Table, changed: Column) -> Model:
    """A column of another PostgreSQL type is another column, which takes over the values.

    Older snapshots keep the old one. Keys and foreign keys on it are made anew, so they get new ids.
    """
    old_id, new_id = changed.id, model.next_id
    fresh = dataclasses.replace(changed, id=new_id, cast_from=old_id)
    columns = tuple(fresh if column.id == old_id else column for column in of.columns)
    model = elements.with_table(model, dataclasses.replace(of, columns=columns))
    ids = iter(range(new_id + 1, new_id + 1 + sum(_constraint_count(table) for table in model.tables_by_id.values())))
    for table in list(model.tables_by_id.values()):
        rebuilt = dataclasses.replace(
            table,
            keys=tuple(_moved_key(key, old_id, new_id, ids) for key in table.keys) if table.id == of.id else table.keys,
            foreign_keys=tuple(_moved_fkey(fkey, table, of, (old_id, new_id), ids) for fkey in table.foreign_keys),
        )
        model = elements.with_table(model, rebuilt)
    return dataclasses.replace(model, next_id=next(ids, new_id + 1))


def _constraint_count(table: Table) -> int:
    return len(table.keys) + len(table.foreign_keys)


def _moved_key(key: Key, old_id: int, new_id: int, ids: Iterator[int]) -> Key:
    if old_id not in key.columns:
        return key
    return dataclasses.replace(key, id=next(ids), columns=_swapped(key.columns, old_id, new_id))


def _moved_fkey(fkey: ForeignKey, table: Table, of: Table, change: tuple[int, int], ids: Iterator[int]) -> ForeignKey:
    """The foreign key of `table`, where column `change[0]` of `of` became `change[1]`."""
    old_id, new_id = change
    here = table.id == of.id and old_id in fkey.columns
    there = fkey.to_table == of.id and old_id in fkey.to_columns
    if not here and not there:
        return fkey
    return dataclasses.replace(
        fkey,
        id=next(ids),
        columns=_swapped(fkey.columns, old_id, new_id) if here else fkey.columns,
        to_columns=_swapped(fkey.to_columns, old_id, new_id) if there else fkey.to_columns,
    )


def _swapped(columns: tuple[int, ...], old_id: int, new_id: int) -> tuple[int, ...]:
    return tuple(new_id if column == old_id else column for column in columns)


def _constraint_name(document: Mapping[str, Json], of: Table, old: Key | ForeignKey) -> tuple[str, str]:
    name = definitions.constraint_name(document) or old.name[1]
    others: list[Key | ForeignKey] = [*of.keys, *of.foreign_keys]
    taken = [other.name[1] for other in others if other.id != old.id]
    if name in taken:
        raise Conflict(f"Table {of.schema_name}:{of.name} has a constraint named {name!r} already.")
    return (of.schema_name, name)


def _named(references: list[tuple[Table, ForeignKey]]) -> str:
    return ", ".join(f"{table.schema_name}:{table.name} ({fkey.name[1]})" for table, fkey in references)
