"""The catalog's model as a frozen value: schemas, tables, columns, keys, foreign keys, annotations, ACLs.

A `Model` is immutable. A change makes a new `Model`; the store keeps each with the snapshot time from which it holds,
so a request at `N@SNAP` is answered with the model of that moment.

Names that people see live only in here. PostgreSQL knows a table as `data.t<id>` and a column as `c<id>`, with ids that
are never used twice. Hence renaming and dropping are changes of this value alone: older snapshots keep finding their
columns, and no identifier that a client sends ever reaches SQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from deriva_local.errors import Conflict, NotFound

Json = Any
Acls = Mapping[str, list[str]]

SYSTEM_COLUMNS = ("RID", "RCT", "RMT", "RCB", "RMB")
# The system columns have the ids 1 to 5, hence the names c1 to c5, in every table: the triggers rely on it.
FIRST_FREE_ID = len(SYSTEM_COLUMNS) + 1


@dataclass(frozen=True)
class ColumnType:
    """A column's type as ERMrest documents it: `typename`, array or domain over `base`."""

    typename: str
    base: ColumnType | None = None
    is_array: bool = False
    is_domain: bool = False


@dataclass(frozen=True)
class Column:
    """One column. `id` names it in PostgreSQL (`c<id>`).

    `cast_from` is the id of the column whose values this one took over when its type was changed.
    """

    id: int
    name: str
    type: ColumnType
    nullok: bool = True
    default: Json = None
    comment: str | None = None
    annotations: Mapping[str, Json] = field(default_factory=dict)
    acls: Acls = field(default_factory=dict)
    acl_bindings: Mapping[str, Json] = field(default_factory=dict)
    cast_from: int | None = None

    @property
    def physical(self) -> str:
        """The column's name in PostgreSQL."""
        return f"c{self.id}"

    @property
    def is_system(self) -> bool:
        """Whether it is one of RID, RCT, RMT, RCB, RMB."""
        return self.id < FIRST_FREE_ID


@dataclass(frozen=True)
class Key:
    """A uniqueness constraint. `columns` are column ids, in the order given."""

    id: int
    name: tuple[str, str]
    columns: tuple[int, ...]
    comment: str | None = None
    annotations: Mapping[str, Json] = field(default_factory=dict)

    @property
    def physical(self) -> str:
        """The constraint's name in PostgreSQL."""
        return f"k{self.id}"


@dataclass(frozen=True)
class ForeignKey:
    """A reference. `columns[i]` (of this table) refers to `to_columns[i]` of table `to_table`; all are ids."""

    id: int
    name: tuple[str, str]
    columns: tuple[int, ...]
    to_table: int
    to_columns: tuple[int, ...]
    on_update: str = "NO ACTION"
    on_delete: str = "NO ACTION"
    comment: str | None = None
    annotations: Mapping[str, Json] = field(default_factory=dict)
    acls: Acls = field(default_factory=dict)
    acl_bindings: Mapping[str, Json] = field(default_factory=dict)

    @property
    def physical(self) -> str:
        """The constraint's name in PostgreSQL."""
        return f"f{self.id}"


@dataclass(frozen=True)
class Table:
    """A table. `id` names it in PostgreSQL: `data.t<id>` live, `past.t<id>` for superseded rows."""

    id: int
    schema_name: str
    name: str
    columns: tuple[Column, ...]
    keys: tuple[Key, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    kind: str = "table"
    comment: str | None = None
    annotations: Mapping[str, Json] = field(default_factory=dict)
    acls: Acls = field(default_factory=dict)
    acl_bindings: Mapping[str, Json] = field(default_factory=dict)

    @property
    def physical(self) -> str:
        """The table's name in PostgreSQL."""
        return f"t{self.id}"

    @cached_property
    def by_name(self) -> Mapping[str, Column]:
        """Columns by the name that people see."""
        return {column.name: column for column in self.columns}

    @cached_property
    def by_id(self) -> Mapping[int, Column]:
        """Columns by id."""
        return {column.id: column for column in self.columns}

    def column(self, name: str) -> Column:
        """The column of this name; `Conflict` names the ones there are (ERMrest answers 409 here)."""
        try:
            return self.by_name[name]
        except KeyError:
            known = ", ".join(self.by_name)
            raise Conflict(f"Table {self.schema_name}:{self.name} has no column {name!r}. It has: {known}.") from None


@dataclass(frozen=True)
class Schema:
    """A named group of tables."""

    name: str
    tables: Mapping[str, Table] = field(default_factory=dict)
    comment: str | None = None
    annotations: Mapping[str, Json] = field(default_factory=dict)
    acls: Acls = field(default_factory=dict)


@dataclass(frozen=True)
class Model:
    """The whole model. `next_id` is the id that the next table, column or constraint gets."""

    schemas: Mapping[str, Schema] = field(default_factory=dict)
    annotations: Mapping[str, Json] = field(default_factory=dict)
    acls: Acls = field(default_factory=dict)
    next_id: int = FIRST_FREE_ID

    def schema(self, name: str) -> Schema:
        """The schema of this name, or `NotFound`."""
        try:
            return self.schemas[name]
        except KeyError:
            raise NotFound(f"There is no schema {name!r}. There are: {', '.join(self.schemas)}.") from None

    def table(self, schema_name: str, name: str) -> Table:
        """The table of this schema and name, or `NotFound`."""
        schema = self.schema(schema_name)
        try:
            return schema.tables[name]
        except KeyError:
            raise NotFound(f"Schema {schema_name!r} has no table {name!r}.") from None

    def find_table(self, name: str) -> Table:
        """The one table of this name in any schema: `NotFound` if there is none, `Conflict` if several."""
        found = [schema.tables[name] for schema in self.schemas.values() if name in schema.tables]
        if not found:
            raise NotFound(f"There is no table {name!r} in any schema.")
        if len(found) > 1:
            places = ", ".join(f"{table.schema_name}:{table.name}" for table in found)
            raise Conflict(f"The table name {name!r} is ambiguous; write one of: {places}.")
        return found[0]

    @cached_property
    def tables_by_id(self) -> Mapping[int, Table]:
        """All tables by id."""
        return {table.id: table for schema in self.schemas.values() for table in schema.tables.values()}
