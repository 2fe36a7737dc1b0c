"""Columns, keys and foreign keys as answers show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from deriva.core.ermrest_model import ForeignKey, Table

SYSTEM = ("RID", "RCT", "RCB", "RMT", "RMB")


class ColumnLine(BaseModel):
    """A column, short."""

    name: str
    type: str
    nullok: bool = Field(description="Whether a row may leave it empty")
    refers_to: str | None = Field(None, description="Table whose rows, or terms, it names")


class ColumnAnswer(ColumnLine):
    """A column."""

    default: Any = None
    comment: str | None = None


class KeyAnswer(BaseModel):
    """Columns that together differ for every row."""

    columns: list[str]


class ForeignKeyAnswer(BaseModel):
    """Columns that name a row of another table."""

    table: str = Field(description="Table whose columns refer")
    columns: list[str]
    referenced_schema: str
    referenced_table: str
    referenced_columns: list[str]
    on_delete: str


def lines_of(table: Table) -> list[ColumnLine]:
    """The columns of a table, short."""
    return [ColumnLine(**each.model_dump(include=set(ColumnLine.model_fields))) for each in columns_of(table)]


def columns_of(table: Table) -> list[ColumnAnswer]:
    """The columns of a table, without those that every table has."""
    targets = {
        key.foreign_key_columns[0].name: f"{key.pk_table.schema.name}:{key.pk_table.name}"
        for key in table.foreign_keys
        if len(key.foreign_key_columns) == 1
    }
    return [
        ColumnAnswer(
            name=column.name,
            type=column.type.typename,
            nullok=column.nullok,
            refers_to=targets.get(column.name),
            default=column.default,
            comment=column.comment or None,
        )
        for column in table.columns
        if column.name not in SYSTEM
    ]


def keys_of(table: Table) -> list[KeyAnswer]:
    """The keys of a table besides RID."""
    keys = [[column.name for column in key.unique_columns] for key in table.keys]
    return [KeyAnswer(columns=columns) for columns in keys if columns != ["RID"]]


def foreign_key_of(key: ForeignKey) -> ForeignKeyAnswer:
    """A foreign key."""
    return ForeignKeyAnswer(
        table=key.table.name,
        columns=[column.name for column in key.foreign_key_columns],
        referenced_schema=key.pk_table.schema.name,
        referenced_table=key.pk_table.name,
        referenced_columns=[column.name for column in key.referenced_columns],
        on_delete=key.on_delete or "NO ACTION",
    )


def foreign_keys_of(table: Table) -> list[ForeignKeyAnswer]:
    """What a table refers to, but for those who made and changed its rows."""
    made = [foreign_key_of(key) for key in table.foreign_keys]
    return [key for key in made if not set(key.columns) <= set(SYSTEM)]
