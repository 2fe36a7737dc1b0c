"""A table that is to be made: everything that is wrong with it at once, or the document that ERMrest makes it from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from deriva_ml_kit.errors import Fault, Faults
from deriva_ml_kit.nearest import suggestion
from deriva_ml_kit.tools.failure import ToolError
from deriva_ml_kit.tools.registry import also
from deriva_ml_kit.tools.schema.described import (
    SYSTEM,
    ColumnAnswer,
    ForeignKeyAnswer,
    KeyAnswer,
    columns_of,
    foreign_keys_of,
    keys_of,
)
from deriva_ml_kit.tools.tables import table_of
from deriva_ml_kit.tools.types import Name, Text

if TYPE_CHECKING:
    from deriva.core.ermrest_model import Schema, Table

    from deriva_ml_kit.mainline import DerivaML

LONGEST_NAME = 63  # bytes, PostgreSQL's limit


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Columns = Annotated[list[Name], BeforeValidator(_listed), Field(min_length=1)]


class ColumnSpec(BaseModel):
    """A column of a new table."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    name: Name
    type: str = Field("text", description="text, markdown, int4, int8, float8, boolean, date, timestamptz, json, …")
    nullok: bool = Field(True, description="Whether a row may leave it empty")
    default: Any = Field(None, description="Value of rows that leave it empty")
    comment: Text | None = None


class ForeignKeySpec(BaseModel):
    """Columns of a new table that name a row of another one."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, validate_by_name=True)

    columns: Columns = Field(validation_alias=also("columns", "column"))
    references_table: Name = Field(validation_alias=also("references_table", "referenced_table"))
    references_schema: Name | None = Field(None, validation_alias=also("references_schema", "referenced_schema"))
    references_columns: Columns | None = Field(
        None,
        validation_alias=also("references_columns", "referenced_columns", "referenced_column"),
        description="Where not given: the Name of terms, the RID of other rows",
    )
    on_delete: Literal["NO ACTION", "CASCADE", "SET NULL"] = "NO ACTION"


@dataclass
class Definition:
    """A table that can be made.

    Attributes:
        columns: Its columns.
        keys: Its keys besides RID.
        foreign_keys: What it refers to.
        document: What ERMrest makes it from.
    """

    columns: list[ColumnAnswer]
    keys: list[KeyAnswer]
    foreign_keys: list[ForeignKeyAnswer]
    document: dict[str, Any] = field(default_factory=dict)


def definition_of(
    ml: DerivaML,
    schema: Schema,
    name: str,
    *,
    columns: Sequence[ColumnSpec],
    foreign_keys: Sequence[ForeignKeySpec],
    keys: Sequence[Sequence[str]],
    comment: str,
) -> Definition:
    """The table of these parts.

    Raises:
        Faults: Everything that is wrong with them.
    """
    from deriva.core.ermrest_model import Column, ForeignKey, Key, Table, builtin_types  # noqa: PLC0415

    draft = _Draft(ml, schema, name, {each.name: each for each in columns})
    faults = [
        *_name_faults(name, "table"),
        *_taken_faults(ml, name),
        *draft.column_faults(columns, [*builtin_types]),
        *(fault for number, each in enumerate(foreign_keys) for fault in draft.reference_faults(number, each)),
        *(fault for number, each in enumerate(keys) for fault in draft.unknown_columns(each, f"keys[{number}]")),
    ]
    if faults:
        raise Faults(faults, message=f"Table {name} cannot be made. Nothing was written.")
    targets = {key.columns[0]: f"{key.referenced_schema}:{key.referenced_table}" for key in draft.references}
    made = Definition(
        [ColumnAnswer(**each.model_dump(), refers_to=targets.get(each.name)) for each in columns],
        [KeyAnswer(columns=list(each)) for each in keys],
        draft.references,
    )
    made.document = Table.define(
        name,
        [
            Column.define(each.name, builtin_types[each.type], each.nullok, each.default, each.comment)
            for each in columns
        ],
        [Key.define(list(each)) for each in keys],
        [
            ForeignKey.define(
                key.columns,
                key.referenced_schema,
                key.referenced_table,
                key.referenced_columns,
                on_update="CASCADE",
                on_delete=key.on_delete,
            )
            for key in draft.references
        ],
        comment=comment or None,
    )
    return made


def differences(there: Table, wanted: Definition) -> list[str]:
    """How a table that is there differs from a wanted one; comments do not count."""
    now = {each.name: each for each in columns_of(there)}
    new = {each.name: each for each in wanted.columns}
    said = [f"it has a column {name}" for name in now if name not in new]
    said += [f"it has no column {name}" for name in new if name not in now]
    for name in new.keys() & now.keys():
        for what in ("type", "nullok", "default"):
            if (is_now := getattr(now[name], what)) != (asked := getattr(new[name], what)):
                said.append(f"{what} of {name} is {is_now!r}, not {asked!r}")
    for what, have, want in (
        ("key", _texts(keys_of(there)), _texts(wanted.keys)),
        ("foreign key", _texts(foreign_keys_of(there)), _texts(wanted.foreign_keys)),
    ):
        said += [f"it has a {what} {text}" for text in sorted(have - want)]
        said += [f"it has no {what} {text}" for text in sorted(want - have)]
    return said


def _texts(parts: Sequence[KeyAnswer] | Sequence[ForeignKeyAnswer]) -> set[str]:
    return {
        f"{', '.join(each.columns)} to {each.referenced_table} ({', '.join(each.referenced_columns)})"
        if isinstance(each, ForeignKeyAnswer)
        else ", ".join(sorted(each.columns))
        for each in parts
    }


@dataclass
class _Draft:
    """The parts of a table, looked at one after the other; what it refers to is found on the way."""

    ml: DerivaML
    schema: Schema
    name: str
    columns: dict[str, ColumnSpec]
    references: list[ForeignKeyAnswer] = field(default_factory=list)

    def column_faults(self, columns: Sequence[ColumnSpec], types: Sequence[str]) -> Iterator[Fault]:
        if not columns:
            yield Fault("the table has no column of its own", column="columns")
        seen: set[str] = set()
        for column in columns:
            yield from _name_faults(column.name, "columns")
            if column.name in SYSTEM:
                yield Fault("every table has a column of this name", column="columns", value=column.name)
            elif column.name in seen:
                yield Fault("there are two columns of this name", column="columns", value=column.name)
            seen.add(column.name)
            if column.type not in types:
                message = f"there is no such type; {suggestion(column.type, types)}"
                yield Fault(message, column=column.name, value=column.type)
            elif column.default is not None:
                yield from _default_faults(column)

    def unknown_columns(self, names: Sequence[str], place: str) -> Iterator[Fault]:
        for name in names:
            if name not in self.columns:
                yield Fault(f"the table has no such column; {suggestion(name, self.columns)}", column=place, value=name)

    def reference_faults(self, number: int, key: ForeignKeySpec) -> Iterator[Fault]:
        place = f"foreign_keys[{number}]"
        unknown = list(self.unknown_columns(key.columns, place))
        yield from unknown
        try:
            table = table_of(self.ml, key.references_table, key.references_schema)
        except ToolError as error:
            hint = f"did you mean {' or '.join(error.candidates[:3])}?" if error.candidates else error.remedy
            yield Fault(error.message, column=place, remedy=hint)
            return
        there = {column.name: column.type.typename for column in table.columns}
        to = key.references_columns or (["Name"] if self.ml.model.is_vocabulary(table) else ["RID"])
        known = [[column.name for column in each.unique_columns] for each in table.keys]
        if sorted(to) not in [sorted(each) for each in known]:
            choice = " or ".join(", ".join(each) for each in known)
            yield Fault(f"{', '.join(to)} is no key of {table.name}", column=place, remedy=f"its keys are {choice}")
        elif len(to) != len(key.columns):
            yield Fault(f"{len(key.columns)} columns cannot refer to {len(to)}", column=place)
        elif not unknown:
            for mine, its in zip(key.columns, to, strict=True):
                if _base(self.columns[mine].type) != _base(there[its]):
                    message = f"is of type {self.columns[mine].type}, and {table.name}.{its} of type {there[its]}"
                    yield Fault(message, column=mine)
            self.references.append(
                ForeignKeyAnswer(
                    table=self.name,
                    columns=key.columns,
                    referenced_schema=table.schema.name,
                    referenced_table=table.name,
                    referenced_columns=to,
                    on_delete=key.on_delete,
                )
            )


def _taken_faults(ml: DerivaML, name: str) -> Iterator[Fault]:
    """DerivaML finds its tables by their names alone, and the domain's first: it would take this for its own."""
    if name in ml.model.schemas[ml.ml_schema].tables:
        yield Fault("DerivaML has a table of this name", column="table", value=name, remedy="choose another name")


def _default_faults(column: ColumnSpec) -> Iterator[Fault]:
    from deriva_ml_kit.tools.rows.check import cells_like, value_of  # noqa: PLC0415  (takes seconds)

    try:
        value_of(cells_like(column.name, column.type), column.default, text=False)
    except ValueError as error:
        yield Fault(f"default: {error}", column=column.name)


def _base(typename: str) -> str:
    """What a database compares columns by."""
    alike = {"markdown": "text", "longtext": "text", "serial2": "int2", "serial4": "int4", "serial8": "int8"}
    return alike.get(typename, "text" if typename.startswith("ermrest_") else typename)


def _name_faults(name: str, place: str) -> Iterator[Fault]:
    if (length := len(name.encode())) > LONGEST_NAME:
        yield Fault(f"is a name of {length} bytes, of at most {LONGEST_NAME}", column=place, value=name)
