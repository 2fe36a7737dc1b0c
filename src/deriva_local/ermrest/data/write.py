"""POST, PUT and DELETE of data, each one transaction and a handful of statements, whatever the number of rows.

In: a `Writing`, a resource that denotes what is to be changed, the rows given. Out: the statement that makes the
change and selects what the answer shows.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from psycopg import sql

from deriva_local.ermrest.data import syntax
from deriva_local.ermrest.data.inputs import CsvRows, Rows
from deriva_local.ermrest.data.paths import find_table
from deriva_local.ermrest.data.resolved import Field, Query
from deriva_local.ermrest.data.sql import Rows as Selection
from deriva_local.errors import BadRequest, Conflict, Forbidden
from deriva_local.model import SYSTEM_COLUMNS, Column, Model, Table, types

_COMMA = sql.SQL(", ")
_AND = sql.SQL(" AND ")
_OR = sql.SQL(" OR ")


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


# Create


def create(table: Table, rows: Rows, options: syntax.Options) -> Selection:
    """INSERT all rows, and select them as they became."""
    given = _given(table, rows, options)
    conflict = sql.SQL(" ON CONFLICT DO NOTHING") if options.onconflict == "skip" else sql.SQL("")
    preparation = sql.SQL("WITH given AS ({}), made AS ({}{} RETURNING *) ").format(
        _typed(rows, given), _insert(table, given, sql.SQL("given")), conflict
    )
    return Selection(sql.SQL("SELECT {} FROM made").format(_entities(table)), preparation)


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
    ).format(rid, rows.source, _live(lease), sql.Literal(client_id))


def _known(table: Table, names: Collection[str]) -> set[str]:
    unknown = sorted(set(names) - set(table.by_name))
    if unknown:
        known = ", ".join(table.by_name)
        raise BadRequest(
            f"Table {table.schema_name}:{table.name} has no column {', '.join(map(repr, unknown))}. It has: {known}."
        )
    return set(names)


def _insert(table: Table, columns: Sequence[Column], source: sql.Composable) -> sql.Composable:
    """INSERT from the CTE `source`, in the order of the rows given."""
    if not columns:
        return sql.SQL("INSERT INTO {} (valid_from) SELECT meta.snaptime() FROM {}").format(_live(table), source)
    names = _names(columns)
    return sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} ORDER BY n").format(_live(table), names, names, source)


# Update


def upsert(table: Table, rows: Rows) -> Selection:
    """UPDATE the rows that exist by RID, else by a key that is given; INSERT the others; select all as they became.

    A row that would not change is left alone: it is no new version of itself.
    """
    keys = _correlation(table, rows)
    given = [column for column in table.columns if column.name in rows.names]
    changing = [column for column in given if not column.is_system]
    inserting = [column for column in table.columns if not column.is_system]
    preparation = sql.SQL(
        "WITH given AS ({typed}), matched AS (SELECT given.*, {found} AS rid FROM given),"
        " changed AS ({update}), fresh AS (SELECT * FROM matched WHERE rid IS NULL), made AS ({insert} RETURNING *) "
    ).format(
        typed=_typed(rows, [*(column for column in given if column.is_system), *inserting]),
        found=_found(table, keys),
        update=_update(table, [(column, column.physical) for column in changing]),
        insert=_insert(table, inserting, sql.SQL("fresh")),
    )
    query = sql.SQL(
        "SELECT {shown} FROM (SELECT {physical} FROM changed UNION ALL SELECT {physical} FROM {live} AS same"
        " WHERE c1 IN (SELECT rid FROM matched) AND c1 NOT IN (SELECT c1 FROM changed)"
        " UNION ALL SELECT {physical} FROM made) AS made"
    ).format(shown=_entities(table), physical=_names(table.columns), live=_live(table))
    return Selection(query, preparation)


def _correlation(table: Table, rows: Rows) -> list[list[Column]]:
    """The keys by which rows given are matched to rows stored, in order: RID, then a key that is given whole."""
    known = [[table.column("RID")]] if "RID" in rows.names else []
    for key in table.keys:
        columns = [table.by_id[column] for column in key.columns]
        if all(column.name in rows.names and not column.is_system for column in columns):
            return [*known, columns]
    return known


def _found(table: Table, keys: Sequence[Sequence[Column]]) -> sql.Composable:
    """The RID of the stored row that has the first of the keys for which there is one."""
    found = [
        sql.SQL("(SELECT t.c1 FROM {} AS t WHERE {})").format(
            _live(table),
            _AND.join(
                sql.SQL("{} = {}").format(
                    _comparable(column, "t", column.physical), _comparable(column, "given", column.physical)
                )
                for column in key
            ),
        )
        for key in keys
    ]
    return sql.SQL("coalesce({})").format(_COMMA.join([*found, sql.SQL("NULL::text")]))


def keyed_update(
    table: Table, rows: Rows, keys: Sequence[tuple[str, Column]], targets: Sequence[tuple[str, Column]]
) -> Selection:
    """UPDATE the `targets` of the rows that the `keys` match, and select the rows given that matched.

    Keys and targets come with their names in the rows given; other columns that are given mean nothing.
    """
    missing = sorted({name for name, _ in (*keys, *targets)} - rows.names)
    if missing:
        raise BadRequest(f"The rows have no {', '.join(map(repr, missing))}, which the address names.")
    places = {name: f"v{place}" for place, (name, _) in enumerate((*keys, *targets))}
    values = _COMMA.join(
        sql.SQL("{} AS {}").format(rows.value(name, column.type), sql.Identifier(places[name]))
        for name, column in (*keys, *targets)
    )
    shown = _COMMA.join(
        sql.SQL("{} AS {}").format(sql.Identifier(place), sql.Identifier(name)) for name, place in places.items()
    )
    preparation = sql.SQL(
        "WITH given AS (SELECT n, {values} FROM {source}), matched AS ({matched}), changed AS ({update}) "
    ).format(
        values=values,
        source=rows.source,
        matched=_matched(table, [(column, places[name]) for name, column in keys]),
        update=_update(table, [(column, places[name]) for name, column in targets]),
    )
    query = sql.SQL("SELECT {} FROM given WHERE n IN (SELECT n FROM matched) ORDER BY n").format(shown)
    return Selection(query, preparation)


def update_columns(
    table: Table, resource: syntax.Resource
) -> tuple[list[tuple[str, Column]], list[tuple[str, Column]]]:
    """Keys and targets of `attributegroup/table/keys;targets`, each with its name in the rows given."""
    keys = [_named_column(table, item) for item in resource.keys]
    targets = [_named_column(table, item) for item in resource.items]
    if not targets:
        raise BadRequest("Name the columns to be updated behind a semicolon: attributegroup/table/key;column.")
    names = [name for name, _ in (*keys, *targets)]
    if len(set(names)) < len(names):
        raise BadRequest("Keys and targets need different names: attributegroup/table/old:=column;new:=column.")
    if fixed := [column.name for _, column in targets if column.is_system]:
        raise Forbidden(f"{', '.join(fixed)} cannot be set: the system columns are the service's own.")
    return keys, targets


def _named_column(table: Table, item: syntax.Item) -> tuple[str, Column]:
    if not isinstance(item.value, syntax.ColumnRef) or len(item.value.names) > 1:
        raise BadRequest("An update takes columns of the table as keys and targets, and nothing else.")
    column = table.column(item.value.names[0])
    return item.name or column.name, column


def _matched(table: Table, key: Sequence[tuple[Column, str]]) -> sql.Composable:
    """The rows given, each with the RIDs of the stored rows that have its key."""
    pairs = _AND.join(_equal(column, place) for column, place in key)
    return sql.SQL("SELECT given.*, t.c1 AS rid FROM given JOIN {} AS t ON {}").format(_live(table), pairs)


def _equal(column: Column, place: str) -> sql.Composable:
    """Whether a stored value is the one given. Two nulls are the same, where there can be any."""
    stored, given = _comparable(column, "t", column.physical), _comparable(column, "given", place)
    if not column.nullok:
        return sql.SQL("{} = {}").format(stored, given)
    return sql.SQL("({} = {} OR ({} IS NULL AND {} IS NULL))").format(stored, given, stored, given)


def _update(table: Table, targets: Sequence[tuple[Column, str]]) -> sql.Composable:
    """UPDATE from the CTE `matched` where anything differs."""
    if not targets:
        return sql.SQL("SELECT t.* FROM {} AS t WHERE FALSE").format(_live(table))
    changes = _COMMA.join(
        sql.SQL("{} = matched.{}").format(sql.Identifier(column.physical), sql.Identifier(place))
        for column, place in targets
    )
    differences = _OR.join(
        sql.SQL("{} IS DISTINCT FROM {}").format(
            _comparable(column, "t", column.physical), _comparable(column, "matched", place)
        )
        for column, place in targets
    )
    return sql.SQL("UPDATE {} AS t SET {} FROM matched WHERE t.c1 = matched.rid AND ({}) RETURNING t.*").format(
        _live(table), changes, differences
    )


def duplicates(rows: Rows, keys: Sequence[tuple[str, Column]]) -> sql.Composed:
    """A query that finds a key which several of the rows have, as JSON text."""
    values = [
        sql.SQL("{}::jsonb" if types.is_json(column.type) else "{}").format(rows.value(name, column.type))
        for name, column in keys
    ]
    return sql.SQL(
        "SELECT json_build_array({values})::text FROM {source} WHERE {present}"
        " GROUP BY {values} HAVING count(*) > 1 LIMIT 1"
    ).format(
        values=_COMMA.join(values),
        source=rows.source,
        present=_AND.join(sql.SQL("{} IS NOT NULL").format(value) for value in values),
    )


def duplicate_error(keys: Sequence[tuple[str, Column]], found: str) -> Conflict:
    """The error for a key that several of the rows have."""
    return Conflict(f"Several of the rows have the same key ({', '.join(name for name, _ in keys)})={found}.")


def key_columns(table: Table, rows: Rows) -> list[tuple[str, Column]]:
    """The key by which `upsert` matches first, with the names in the rows given."""
    return [(column.name, column) for column in next(iter(_correlation(table, rows)), [])]


# Delete


def delete(table: Table, ids: sql.Composable) -> sql.Composed:
    """DELETE the rows with these RIDs."""
    return sql.SQL("DELETE FROM {} WHERE c1 IN ({})").format(_live(table), ids)


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
    return sql.SQL("UPDATE {} SET {} WHERE c1 IN ({})").format(_live(table), changes, ids)


# Shared


def _typed(rows: Rows, columns: Sequence[Column]) -> sql.Composed:
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


def _entities(table: Table) -> sql.Composed:
    """All columns under the names that people see."""
    return _COMMA.join(
        sql.SQL("made.{} AS {}").format(sql.Identifier(column.physical), sql.Identifier(column.name))
        for column in table.columns
    )


def _comparable(column: Column, relation: str, place: str) -> sql.Composable:
    value = sql.SQL("{}.{}").format(sql.Identifier(relation), sql.Identifier(place))
    return sql.SQL("{}::jsonb").format(value) if column.type.typename == "json" else value


def _names(columns: Sequence[Column]) -> sql.Composed:
    return _COMMA.join(sql.Identifier(column.physical) for column in columns)


def _live(table: Table) -> sql.Identifier:
    return sql.Identifier("data", table.physical)
