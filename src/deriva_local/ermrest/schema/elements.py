"""Finding the element that an address means, and putting a changed one in its place.

All functions are pure: they take a `Model` and give a value or a new `Model`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from deriva_local.ermrest.schema.address import Address
from deriva_local.errors import Conflict, NotFound
from deriva_local.model import Column, ForeignKey, Key, Model, Schema, Table

Element = Model | Schema | Table | Column | Key | ForeignKey
Part = TypeVar("Part", Column, Key, ForeignKey)


def schema_of(model: Model, address: Address) -> Schema:
    """The schema that the address names."""
    assert address.schema is not None
    return model.schema(address.schema)


def table_of(model: Model, address: Address) -> Table:
    """The table that the address names."""
    assert address.schema is not None and address.table is not None
    return model.table(address.schema, address.table)


def column_of(model: Model, address: Address) -> Column:
    """The column that the address names; `NotFound` if there is none."""
    table = table_of(model, address)
    assert address.columns is not None
    column = table.by_name.get(address.columns[0])
    if column is None:
        raise NotFound(f"Table {table.schema_name}:{table.name} has no column {address.columns[0]!r}.")
    return column


def key_of(model: Model, address: Address) -> Key:
    """The key of just these columns, in any order."""
    table = table_of(model, address)
    assert address.columns is not None
    wanted = {table.by_name[name].id for name in address.columns if name in table.by_name}
    for key in table.keys:
        if set(key.columns) == wanted and len(wanted) == len(address.columns):
            return key
    raise NotFound(f"Table {table.schema_name}:{table.name} has no key of {', '.join(address.columns)}.")


def foreign_keys_of(model: Model, address: Address) -> list[ForeignKey]:
    """The foreign keys of the table that fit the address; `Conflict` if columns are given and none fits."""
    table = table_of(model, address)
    found = [fkey for fkey in table.foreign_keys if _fits(fkey, table, model, address)]
    if address.columns is not None and not found:
        raise Conflict(f"Table {table.schema_name}:{table.name} has no foreign key like that.")
    return found


def foreign_key_of(model: Model, address: Address) -> ForeignKey:
    """The one foreign key that fits the address."""
    found = foreign_keys_of(model, address)
    if len(found) != 1:
        raise Conflict(f"{len(found)} foreign keys fit; name the referenced table and columns as well.")
    return found[0]


def element_of(model: Model, address: Address) -> Element:
    """The element that annotations, comment or ACLs of this address belong to."""
    finders: dict[str, Callable[[Model, Address], Element]] = {
        "catalog": lambda whole, _: whole,
        "schema": schema_of,
        "table": table_of,
        "column": column_of,
        "key": key_of,
        "foreignkeys": foreign_key_of,
    }
    return finders[address.kind](model, address)


def replaced(model: Model, address: Address, **fields: Any) -> Model:
    """The model with some fields of the addressed element changed (not names)."""
    element = element_of(model, address)
    if isinstance(element, Model):
        return dataclasses.replace(model, **fields)
    changed = dataclasses.replace(element, **fields)
    if isinstance(changed, Schema):
        return with_schema(model, changed)
    if isinstance(changed, Table):
        return with_table(model, changed)
    return with_table(model, with_part(table_of(model, address), changed))


def with_schema(model: Model, schema: Schema) -> Model:
    """The model with this schema added or in place of the one of its name."""
    return dataclasses.replace(model, schemas={**model.schemas, schema.name: schema})


def with_table(model: Model, table: Table) -> Model:
    """The model with this table added or in place of the one of its schema and name."""
    schema = model.schema(table.schema_name)
    return with_schema(model, dataclasses.replace(schema, tables={**schema.tables, table.name: table}))


def without_table(model: Model, table: Table) -> Model:
    """The model without this table."""
    schema = model.schema(table.schema_name)
    rest = {name: other for name, other in schema.tables.items() if other.id != table.id}
    return with_schema(model, dataclasses.replace(schema, tables=rest))


def with_part(table: Table, part: Column | Key | ForeignKey) -> Table:
    """The table with this column, key or foreign key in place of the one of its id."""
    if isinstance(part, Column):
        return dataclasses.replace(table, columns=_swap(table.columns, part))
    if isinstance(part, Key):
        return dataclasses.replace(table, keys=_swap(table.keys, part))
    return dataclasses.replace(table, foreign_keys=_swap(table.foreign_keys, part))


def references_to(model: Model, table: Table) -> list[tuple[Table, ForeignKey]]:
    """The foreign keys of other tables that refer to this one."""
    return [
        (other, fkey)
        for other in model.tables_by_id.values()
        if other.id != table.id
        for fkey in other.foreign_keys
        if fkey.to_table == table.id
    ]


def _swap(parts: Iterable[Part], changed: Part) -> tuple[Part, ...]:
    return tuple(changed if part.id == changed.id else part for part in parts)


def _fits(fkey: ForeignKey, table: Table, model: Model, address: Address) -> bool:
    names = [table.by_id[column].name for column in fkey.columns]
    to_table = model.tables_by_id[fkey.to_table]
    to_names = [to_table.by_id[column].name for column in fkey.to_columns]
    if address.columns is not None and sorted(address.columns) != sorted(names):
        return False
    if address.to_table is not None:
        schema, name = address.to_table
        if name != to_table.name or schema not in (None, to_table.schema_name):
            return False
    if address.columns is not None and address.to_columns is not None:
        return sorted(zip(address.columns, address.to_columns, strict=False)) == sorted(
            zip(names, to_names, strict=True)
        )
    return True
