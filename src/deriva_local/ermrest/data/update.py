"""PUT of data: rows given are matched to rows stored by a key; what differs is updated, in one statement for all rows.

In: a table, the rows given. Out: the statement that makes the change and selects what the answer shows. A row that
would not change is left alone: it does not become a new version of itself, and the catalog's clock does not move.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from deriva_local.ermrest.data import syntax
from deriva_local.ermrest.data.inputs import Rows
from deriva_local.ermrest.data.sql import Selection
from deriva_local.ermrest.data.write import entities, insert, live, names, typed
from deriva_local.errors import BadRequest, Conflict, Forbidden
from deriva_local.model import Column, Table, types

_COMMA = sql.SQL(", ")
_AND = sql.SQL(" AND ")
_OR = sql.SQL(" OR ")
NamedColumns = Sequence[tuple[str, Column]]  # columns with their names in the rows given


def upsert(table: Table, rows: Rows) -> Selection:
    """UPDATE the rows that exist by RID, else by a key that is given; INSERT the others; select all as they became."""
    keys = _correlation(table, rows)
    given = [column for column in table.columns if column.name in rows.names]
    changing = [column for column in given if not column.is_system]
    inserting = [column for column in table.columns if not column.is_system]
    preparation = sql.SQL(
        "WITH given AS ({typed}), matched AS (SELECT given.*, {found} AS rid FROM given),"
        " changed AS ({update}), fresh AS (SELECT * FROM matched WHERE rid IS NULL), made AS ({insert} RETURNING *) "
    ).format(
        typed=typed(rows, [*(column for column in given if column.is_system), *inserting]),
        found=_found(table, keys),
        update=_update(table, [(column, column.physical) for column in changing]),
        insert=insert(table, inserting, sql.SQL("fresh")),
    )
    query = sql.SQL(
        "SELECT {shown} FROM (SELECT {physical} FROM changed UNION ALL SELECT {physical} FROM {live} AS same"
        " WHERE c1 IN (SELECT rid FROM matched) AND c1 NOT IN (SELECT c1 FROM changed)"
        " UNION ALL SELECT {physical} FROM made) AS made"
    ).format(shown=entities(table), physical=names(table.columns), live=live(table))
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
            live(table),
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


def keyed_update(table: Table, rows: Rows, keys: NamedColumns, targets: NamedColumns) -> Selection:
    """UPDATE the `targets` of the rows that the `keys` match, and select the rows given that matched.

    Keys and targets come with their names in the rows given; other columns that are given mean nothing.
    """
    places = {name: f"v{place}" for place, (name, _) in enumerate((*keys, *targets))}
    missing = sorted(places.keys() - rows.names)
    if missing and rows.count > 0:
        raise BadRequest(f"The rows have no {', '.join(map(repr, missing))}, which the address names.")
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


def addressed_columns(table: Table, resource: syntax.Resource) -> tuple[NamedColumns, NamedColumns]:
    """Keys and targets of `attributegroup/table/keys;targets`, each with its name in the rows given."""
    keys = [_named_column(table, item) for item in resource.keys]
    targets = [_named_column(table, item) for item in resource.items]
    if not targets:
        raise BadRequest("Name the columns to be updated behind a semicolon: attributegroup/table/key;column.")
    used = [name for name, _ in (*keys, *targets)]
    if len(set(used)) < len(used):
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
    """The rows given, each with the RIDs of the stored rows that have its key. Two nulls are the same.

    Rows given without nulls, nearly always all, are joined by plain equality, which PostgreSQL can do by index or hash.
    """
    pairs = [(_comparable(column, "t", column.physical), _comparable(column, "given", place)) for column, place in key]
    join = sql.SQL("SELECT given.*, t.c1 AS rid FROM given JOIN {} AS t ON {}")
    plain = join.format(live(table), _AND.join(sql.SQL("{} = {}").format(*pair) for pair in pairs))
    if not any(column.nullok for column, _ in key):
        return plain
    same = _AND.join(sql.SQL("{} IS NOT DISTINCT FROM {}").format(*pair) for pair in pairs)
    some_null = _OR.join(sql.SQL("{} IS NULL").format(given) for _, given in pairs)
    return sql.SQL("{} UNION ALL {} WHERE {}").format(plain, join.format(live(table), same), some_null)


def _update(table: Table, targets: Sequence[tuple[Column, str]]) -> sql.Composable:
    """UPDATE from the CTE `matched` where anything differs."""
    if not targets:
        return sql.SQL("SELECT t.* FROM {} AS t WHERE FALSE").format(live(table))
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
        live(table), changes, differences
    )


def duplicates(rows: Rows, keys: NamedColumns) -> sql.Composed:
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


def duplicate_error(keys: NamedColumns, found: str) -> Conflict:
    """The error for a key that several of the rows have."""
    return Conflict(f"Several of the rows have the same key ({', '.join(name for name, _ in keys)})={found}.")


def key_columns(table: Table, rows: Rows) -> NamedColumns:
    """The key by which `upsert` matches first, with the names in the rows given."""
    return [(column.name, column) for column in next(iter(_correlation(table, rows)), [])]


def _comparable(column: Column, relation: str, place: str) -> sql.Composable:
    value = sql.SQL("{}.{}").format(sql.Identifier(relation), sql.Identifier(place))
    return sql.SQL("{}::jsonb").format(value) if column.type.typename == "json" else value
