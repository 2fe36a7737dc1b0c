"""Adding to a model: schemas, tables, columns, keys, foreign keys.

In: a `Model` and definitions in names. Out: a new `Model`, with ids given and references resolved. Pure: PostgreSQL
follows when the store replaces its model.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from deriva_local.ermrest.schema.definitions import (
    Attached,
    ColumnDef,
    ForeignKeyDef,
    KeyDef,
    SchemaDef,
    TableDef,
)
from deriva_local.ermrest.schema.elements import with_schema, with_table
from deriva_local.errors import BadRequest, Conflict
from deriva_local.model import SYSTEM_COLUMNS, Column, ColumnType, ForeignKey, Key, Model, Schema, Table, types
from deriva_local.model.initial import system_columns


def batch(model: Model, definitions: Iterable[SchemaDef | TableDef | ForeignKeyDef], owner: list[str] | None) -> Model:
    """Everything at once; foreign keys last, so they may refer to any of the new tables."""
    tables: list[TableDef] = []
    fkeys: list[ForeignKeyDef] = []
    for definition in definitions:
        if isinstance(definition, SchemaDef):
            model = schema(model, definition, owner)
            tables += definition.tables
        elif isinstance(definition, TableDef):
            tables.append(definition)
        else:
            fkeys.append(definition)
    for table_definition in tables:
        model = table(model, table_definition, owner)
    fkeys += [fkey for table_definition in tables for fkey in table_definition.foreign_keys]
    for fkey in fkeys:
        model = foreign_key(model, fkey)
    return model


def schema(model: Model, definition: SchemaDef, owner: list[str] | None = None) -> Model:
    """A new, empty schema."""
    if definition.name in model.schemas:
        raise Conflict(f"Schema {definition.name!r} exists already.")
    attached = definition.attached
    return with_schema(
        model,
        Schema(
            definition.name, comment=attached.comment, annotations=attached.annotations, acls=_owned(attached, owner)
        ),
    )


def table(model: Model, definition: TableDef, owner: list[str] | None = None) -> Model:
    """A new table with its columns and keys; its foreign keys come by `foreign_key`."""
    if definition.name in model.schema(definition.schema).tables:
        raise Conflict(f"Table {definition.schema}:{definition.name} exists already.")
    attached = definition.attached
    bare = Table(
        model.next_id,
        definition.schema,
        definition.name,
        columns=(),
        comment=attached.comment,
        annotations=attached.annotations,
        acls=_owned(attached, owner),
        acl_bindings=attached.acl_bindings,
    )
    model = with_table(_next(model), bare)
    for column_definition in _with_system_columns(definition.columns):
        model = column(model, model.table(bare.schema_name, bare.name), column_definition)
    for key_definition in _with_rid_key(definition.keys):
        model = key(model, model.table(bare.schema_name, bare.name), key_definition)
    return model


def column(model: Model, of: Table, definition: ColumnDef) -> Model:
    """A new column at the end of table `of`."""
    if definition.name in of.by_name:
        raise Conflict(f"Table {of.schema_name}:{of.name} has a column {definition.name!r} already.")
    attached = definition.attached
    system = {column.name: column for column in system_columns()}.get(definition.name)
    made = Column(
        id=system.id if system else model.next_id,
        name=definition.name,
        type=system.type if system else definition.type,
        nullok=system.nullok if system else definition.nullok,
        default=None if system else checked_default(definition.type, definition.default),
        comment=attached.comment,
        annotations=attached.annotations,
        acls=attached.acls,
        acl_bindings=attached.acl_bindings,
    )
    return with_table(_next(model), dataclasses.replace(of, columns=(*of.columns, made)))


def key(model: Model, of: Table, definition: KeyDef) -> Model:
    """A new key of table `of`."""
    unknown = [name for name in definition.columns if name not in of.by_name]
    if unknown:
        raise BadRequest(f"Table {of.schema_name}:{of.name} has no column {unknown[0]!r}, so that it can be no key.")
    columns = _column_ids(of, definition.columns)
    if any(set(other.columns) == set(columns) for other in of.keys):
        raise Conflict(f"Table {of.schema_name}:{of.name} has a key of {', '.join(definition.columns)} already.")
    made = Key(
        model.next_id,
        (of.schema_name, _key_name(model, of, definition)),
        columns,
        comment=definition.attached.comment,
        annotations=definition.attached.annotations,
    )
    return with_table(_next(model), dataclasses.replace(of, keys=(*of.keys, made)))


def foreign_key(model: Model, definition: ForeignKeyDef) -> Model:
    """A new foreign key; the columns that it refers to must be a key."""
    of = _referring(model, definition)
    to = model.table(definition.to_table[0] or of.schema_name, definition.to_table[1])
    columns, to_columns = _column_ids(of, definition.columns), _column_ids(to, definition.to_columns)
    if not any(set(candidate.columns) == set(to_columns) for candidate in to.keys):
        wanted = ", ".join(definition.to_columns)
        raise Conflict(f"Table {to.schema_name}:{to.name} has no key of {wanted}, so no foreign key can refer to it.")
    if any(
        (other.columns, other.to_table, other.to_columns) == (columns, to.id, to_columns) for other in of.foreign_keys
    ):
        raise Conflict(
            f"Table {of.schema_name}:{of.name} has this foreign key already: {', '.join(definition.columns)}."
        )
    attached = definition.attached
    made = ForeignKey(
        model.next_id,
        (of.schema_name, _foreign_key_name(of, definition)),
        columns,
        to.id,
        to_columns,
        on_update=definition.on_update,
        on_delete=definition.on_delete,
        comment=attached.comment,
        annotations=attached.annotations,
        acls=attached.acls,
        acl_bindings=attached.acl_bindings,
    )
    return with_table(_next(model), dataclasses.replace(of, foreign_keys=(*of.foreign_keys, made)))


def checked_default(kind: ColumnType, default: object) -> object:
    """A default that the column's type can read, as far as that is known without PostgreSQL."""
    if default is not None and types.is_serial(kind):
        raise BadRequest(f"A column of type {kind.typename} numbers its rows itself; it takes no default.")
    if kind.is_array and default is not None and not isinstance(default, list):
        raise BadRequest(f"The default of a {kind.typename} column must be a JSON array, not {default!r}.")
    return default


def _with_system_columns(columns: Sequence[ColumnDef]) -> list[ColumnDef]:
    """The columns given, after the system columns that are missing."""
    given = {column.name for column in columns}
    missing = [name for name in SYSTEM_COLUMNS if name not in given]
    return [*(ColumnDef(name, types.named("text"), True, None, Attached()) for name in missing), *columns]


def _with_rid_key(keys: Sequence[KeyDef]) -> list[KeyDef]:
    """The keys given, and that of RID."""
    given = any(definition.columns == ("RID",) for definition in keys)
    return list(keys) if given else [KeyDef(("RID",), None, Attached()), *keys]


def _column_ids(of: Table, names: Sequence[str]) -> tuple[int, ...]:
    if not names:
        raise BadRequest("A key or foreign key needs at least one column.")
    if len(set(names)) < len(names):
        raise BadRequest(f"A column appears twice in {', '.join(names)}.")
    return tuple(of.column(name).id for name in names)


def _referring(model: Model, definition: ForeignKeyDef) -> Table:
    schema_name, name = definition.table
    if schema_name is None or name is None:
        raise BadRequest("foreign_key_columns must name the schema_name and the table_name.")
    return model.table(schema_name, name)


def _key_name(model: Model, of: Table, definition: KeyDef) -> str:
    taken = _key_names(model, of.schema_name)
    if definition.name is None:
        usual = (
            f"{of.name}_RIDkey1" if definition.columns == ("RID",) else "_".join((of.name, *definition.columns, "key"))
        )
        return _free(usual, taken)
    if definition.name in taken:
        raise Conflict(f"Schema {of.schema_name!r} has a key named {definition.name!r} already.")
    return definition.name


def _key_names(model: Model, schema_name: str) -> set[str]:
    return {key.name[1] for table in model.schema(schema_name).tables.values() for key in table.keys}


def _foreign_key_name(of: Table, definition: ForeignKeyDef) -> str:
    taken = {fkey.name[1] for fkey in of.foreign_keys} | {key.name[1] for key in of.keys}
    if definition.name is None:
        return _free("_".join((of.name, *definition.columns, "fkey")), taken)
    if definition.name in taken:
        raise Conflict(f"Table {of.schema_name}:{of.name} has a constraint named {definition.name!r} already.")
    return definition.name


def _free(wanted: str, taken: set[str]) -> str:
    name, number = wanted, 0
    while name in taken:
        number += 1
        name = f"{wanted}{number}"
    return name


def _owned(attached: Attached, owner: list[str] | None) -> dict[str, list[str]]:
    """The ACLs given; an element that names no owner belongs to who made it."""
    return {**({"owner": owner} if owner else {}), **attached.acls}


def _next(model: Model) -> Model:
    return dataclasses.replace(model, next_id=model.next_id + 1)
