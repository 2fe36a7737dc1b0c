"""POST and DELETE of data, each a handful of statements in one transaction, whatever the number of rows.

In: a table, the rows given or the RIDs of rows stored. Out: the statement that makes the change and selects what the
answer shows. `update` does the same for PUT.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from psycopg import sql

from deriva_local.ermrest.data import syntax
from deriva_local.ermrest.data.inputs import CsvRows, Rows
from deriva_local.ermrest.data.paths import find_table
from deriva_local.ermrest.data.resolved import Field, Query
from deriva_local.ermrest.data.sql import Selection
from deriva_local.errors import BadRequest, Forbidden
from deriva_local.model import SYSTEM_COLUMNS, Column, Model, Table, types

_COMMA = sql.SQL(", ")


def check_names(table: Table, rows: Rows) -> None:
    """Refuse CSV with columns that the table lacks. In JSON rows ERMrest overlooks such keys, and clients use that."""
    if isinstance(rows, CsvRows):
        _known(table, rows.names)


def target(resource: syntax.Resource, model: Model) -> Table:
    """The table of a resource that must name a table and nothing else."""
    first, *more = resource.path
    assert isinstance(first, syntax.TableLink)
    if more or resource.sort or resource.before or resource.after:
        raise BadRequest("Rows can be written to a table only, not to a path with filters, links or an order.")
    return find_table(model, first.table)


def create(table: Table, rows: Rows, options: syntax.Options) -> Selection:
    """INSERT all rows, and select them as they became."""
    given = _given(table, rows, options)
    conflict = sql.SQL(" ON CONFLICT DO NOTHING") if options.onconflict == "skip" else sql.SQL("")
    preparation = sql.SQL("WITH given AS ({}), made AS ({}{} RETURNING *) ").format(
        typed(rows, given), insert(table, given, sql.SQL("given")), conflict
    )
    return Selection(sql.SQL("SELECT {} FROM made").format(entities(table)), preparation)


def _given(table: Table, rows: Rows, options: syntax.Options) -> list[Column]:
    """The columns that get values from the rows; the others get their defaults."""
    defaults, nondefaults = _known(table, options.defaults), _known(table, options.nondefaults)
    if refused := nondefaults & {"RMT", "RMB"}:
        raise Forbidden(f"{', '.join(sorted(refused))} cannot be set: they tell when and by whom a row was changed.")
    if both := defaults & nondefaults:
        raise BadRequest(f"{', '.join(sorted(both))} cannot be in both defaults= and nondefaults=.")
    system = set(SYSTEM_COLUMNS) - nondefaults
    return [column for column in table.columns if column.name not in defaults | system]


def unleased(lease: Table, rows: Rows, client_id: str) -> sql.Composed:
    """A query that finds a RID given which the client has not leased."""
    rid = rows.value("RID", lease.column("RID").type)
    return sql.SQL(
        "SELECT given.rid FROM (SELECT {} AS rid FROM {}) AS given WHERE NOT EXISTS"
        " (SELECT FROM {} AS l WHERE l.c1 = given.rid AND l.c4 = {}) LIMIT 1"
    ).format(rid, rows.source, live(lease), sql.Literal(client_id))


def _known(table: Table, names: Collection[str]) -> set[str]:
    unknown = sorted(set(names) - set(table.by_name))
    if unknown:
        known = ", ".join(table.by_name)
        raise BadRequest(
            f"Table {table.schema_name}:{table.name} has no column {', '.join(map(repr, unknown))}. It has: {known}."
        )
    return set(names)


def insert(table: Table, columns: Sequence[Column], source: sql.Composable) -> sql.Composable:
    """INSERT from the CTE `source`, in the order of the rows given."""
    if not columns:
        return sql.SQL("INSERT INTO {} (valid_from) SELECT meta.snaptime() FROM {}").format(live(table), source)
    into = names(columns)
    return sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} ORDER BY n").format(live(table), into, into, source)


def delete(table: Table, ids: sql.Composable) -> sql.Composed:
    """DELETE the rows with these RIDs."""
    return sql.SQL("DELETE FROM {} WHERE c1 IN ({})").format(live(table), ids)


def cleared_columns(query: Query) -> list[Column]:
    """The columns that a DELETE of attributes names."""
    fields = [output.value for output in query.outputs if isinstance(output.value, Field)]
    if len(fields) < len(query.outputs) or any(field.instance != query.path.context for field in fields):
        raise BadRequest("Only columns of the table that the path ends at can be cleared.")
    if fixed := [field.column.name for field in fields if field.column.is_system]:
        raise Forbidden(f"{', '.join(fixed)} cannot be cleared: the system columns are the service's own.")
    return [field.column for field in fields]


def clear(table: Table, columns: Sequence[Column], ids: sql.Composable) -> sql.Composed:
    """Set the columns to their defaults in the rows with these RIDs."""
    changes = _COMMA.join(sql.SQL("{} = DEFAULT").format(sql.Identifier(column.physical)) for column in columns)
    return sql.SQL("UPDATE {} SET {} WHERE c1 IN ({})").format(live(table), changes, ids)


def typed(rows: Rows, columns: Sequence[Column]) -> sql.Composed:
    """The rows given, as columns named and typed like the table's; null for what is not given."""
    values = [
        sql.SQL("{} AS {}").format(
            rows.value(column.name, column.type)
            if column.name in rows.names
            else sql.SQL("NULL::" + types.postgres(column.type)),
            sql.Identifier(column.physical),
        )
        for column in columns
    ]
    return sql.SQL("SELECT {} FROM {}").format(_COMMA.join([sql.SQL("n"), *values]), rows.source)


def entities(table: Table) -> sql.Composed:
    """All columns under the names that people see."""
    return _COMMA.join(
        sql.SQL("made.{} AS {}").format(sql.Identifier(column.physical), sql.Identifier(column.name))
        for column in table.columns
    )


def names(columns: Sequence[Column]) -> sql.Composed:
    """Columns as PostgreSQL knows them."""
    return _COMMA.join(sql.Identifier(column.physical) for column in columns)


def live(table: Table) -> sql.Identifier:
    """The table of the live rows."""
    return sql.Identifier("data", table.physical)
