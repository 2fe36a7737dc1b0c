"""Short ways to change a catalog of the store, and to read it at any moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from psycopg import sql

from deriva_local.auth.client import Client
from deriva_local.ermrest.schema import alter, create, definitions
from deriva_local.ermrest.schema.address import parse
from deriva_local.model import Model, Table
from deriva_local.store import Catalog, Reading

ANNE = Client("anne", "Anne", "Anne Example", "anne@example.org", ("anne",))
BERT = Client("bert", "Bert", "Bert Example", "bert@example.org", ("bert",))


def change(catalog: Catalog, how: Callable[[Model], Model]) -> int:
    """Change the model; the snapshot that did."""
    with catalog.writing(ANNE) as writing:
        writing.replace_model(how(writing.model))
        return writing.snaptime


def add_table(catalog: Catalog, name: str, columns: dict[str, str], **more: Any) -> int:
    """A table of schema S; `more` are further fields of its document."""
    document = {
        "table_name": name,
        "column_definitions": [{"name": column, "type": {"typename": kind}} for column, kind in columns.items()],
        **more,
    }
    return change(catalog, lambda model: create.batch(model, [definitions.table(document, "S")], None))


def alter_column(catalog: Catalog, table: str, column: str, **document: Any) -> int:
    address = parse(f"schema/S/table/{table}/column/{column}")
    return change(catalog, lambda model: alter.column(model, address, document)[0])


def insert(catalog: Catalog, table_name: str, *rows: dict[str, Any], client: Client = ANNE) -> int:
    """Insert rows; the snapshot that did."""
    with catalog.writing(client) as writing:
        table = writing.model.table("S", table_name)
        for row in rows:
            names = [sql.Identifier(table.column(name).physical) for name in row]
            writing.execute(
                sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                    writing.relation(table),
                    sql.SQL(", ").join(names),
                    sql.SQL(", ").join([sql.Placeholder()] * len(names)),
                ),
                list(row.values()),
            )
        return writing.snaptime


def update(catalog: Catalog, table_name: str, column: str, old: Any, new: Any, *, client: Client = ANNE) -> int:
    """Set `column` to `new` where it is `old`; the snapshot that did."""
    with catalog.writing(client) as writing:
        table = writing.model.table("S", table_name)
        writing.execute(
            sql.SQL("UPDATE {0} SET {1} = %s WHERE {1} = %s").format(
                writing.relation(table), sql.Identifier(table.column(column).physical)
            ),
            (new, old),
        )
        return writing.snaptime


def delete(catalog: Catalog, table_name: str, column: str, value: Any) -> int:
    """Delete the rows where `column` is `value`; the snapshot that did."""
    with catalog.writing(ANNE) as writing:
        table = writing.model.table("S", table_name)
        writing.execute(
            sql.SQL("DELETE FROM {} WHERE {} = %s").format(
                writing.relation(table), sql.Identifier(table.column(column).physical)
            ),
            (value,),
        )
        return writing.snaptime


def rows(reading: Reading, table: Table) -> list[dict[str, Any]]:
    """All rows of a table at the reading's moment, by RID."""
    names = [column.name for column in table.columns]
    columns = sql.SQL(", ").join(sql.Identifier(column.physical) for column in table.columns)
    query = sql.SQL("SELECT {} FROM {} AS r ORDER BY c1").format(columns, reading.relation(table))
    return [dict(zip(names, row, strict=True)) for row in reading.rows(query)]


def contents(catalog: Catalog, snap: int | None = None) -> tuple[Model, dict[str, list[dict[str, Any]]]]:
    """The whole catalog at a moment: model and all rows."""
    with catalog.reading(snap) as reading:
        tables = reading.model.tables_by_id.values()
        return reading.model, {f"{table.schema_name}:{table.name}": rows(reading, table) for table in tables}


def values(catalog: Catalog, table_name: str, column: str, snap: int | None = None) -> list[Any]:
    """One column of a table of S at a moment, in order of RID."""
    return [row[column] for row in contents(catalog, snap)[1][f"S:{table_name}"]]


def now(catalog: Catalog) -> int:
    """The catalog's clock."""
    with catalog.reading() as reading:
        return reading.snaptime
