"""Turns a resolved query into SQL, composed as a value.

In: a `Query`, and a function that gives the relation of a table (the live rows, or those of a snapshot). Out: a
SELECT whose columns carry the names of the answer, and COPY statements around it. Tables and columns appear by their
ids (`t12`, `c34`) only; values are quoted literals, because COPY takes no parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from psycopg import sql

from deriva_local.ermrest.data.conditions import Scope, sortable
from deriva_local.ermrest.data.plan import one_row_per_entity
from deriva_local.ermrest.data.resolved import Aggregate, Bucket, Field, Ordering, Output, Path, Query, Rights
from deriva_local.ermrest.data.values import aggregate, bucket, type_of
from deriva_local.model import Table

Relation = Callable[[Table], sql.Composable]
_COMMA = sql.SQL(", ")
_AND = sql.SQL(" AND ")
_OR = sql.SQL(" OR ")


def select(query: Query, relation: Relation) -> Selection:
    """The rows of the answer, each column under its name in the answer."""
    named = _COMMA.join(
        sql.SQL("q.{} AS {}").format(sql.Identifier(f"o{place}"), sql.Identifier(output.name))
        for place, output in enumerate(query.outputs)
    )
    return Selection(sql.SQL("SELECT {} FROM ({}) AS q{}").format(named, _page(query, relation), _order_by(query)))


@dataclass(frozen=True)
class Selection:
    """A SELECT, with the WITH clause that makes what it selects; PostgreSQL wants that clause outermost."""

    query: sql.Composable
    preparation: sql.Composable = field(default_factory=lambda: sql.SQL(""))


def copy_json(selection: Selection, outputs: Sequence[Output]) -> sql.Composed:
    """COPY one JSON object per line.

    In JSON text every control character is escaped, so with these two as quote and delimiter PostgreSQL neither
    quotes nor escapes anything. Only a column of type json may hold line breaks of its own (between tokens); they
    become spaces.
    """
    line = sql.SQL("row_to_json(r.*)")
    if any(type_of(output.value) == "json" for output in outputs):
        line = sql.SQL(r"translate(row_to_json(r.*)::text, E'\n\r', '  ')")
    return sql.SQL(
        r"COPY ({}SELECT {} FROM ({}) AS r) TO STDOUT (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02')"
    ).format(selection.preparation, line, selection.query)


def copy_csv(selection: Selection, outputs: Sequence[Output], json_arrays: bool) -> sql.Composed:
    """COPY lines of CSV, without a header. `json_arrays` writes arrays as JSON instead of PostgreSQL's `{…}`."""
    query = selection.query
    if json_arrays:
        columns = _COMMA.join(
            (sql.SQL("to_json(r.{})") if type_of(output.value).endswith("[]") else sql.SQL("r.{}")).format(
                sql.Identifier(output.name)
            )
            for output in outputs
        )
        query = sql.SQL("SELECT {} FROM ({}) AS r").format(columns, query)
    return sql.SQL("COPY ({}{}) TO STDOUT (FORMAT csv)").format(selection.preparation, query)


def entity_ids(path: Path, relation: Relation) -> sql.Composed:
    """The RIDs of the entities that a path denotes."""
    scope = Scope.of(path, relation)
    rid = scope.identity(path.context)
    return sql.SQL("SELECT {} FROM {}{}").format(rid, scope.source, _where(scope.conditions))


def _rows(query: Query, relation: Relation) -> sql.Composed:
    """All rows of the answer, as columns o0, o1, …, and `rid` where a row is an entity."""
    scope = Scope.of(query.path, relation)
    columns = [
        sql.SQL("{} AS {}").format(_value(query, place, output, scope), sql.Identifier(f"o{place}"))
        for place, output in enumerate(query.outputs)
    ]
    distinct: sql.Composable = sql.SQL("")
    groups: sql.Composable = sql.SQL("")
    if query.grouping is None:
        rid = scope.identity(query.path.context)
        columns.append(sql.SQL("{} AS rid").format(rid))
        if not one_row_per_entity(query.path):
            distinct = sql.SQL("DISTINCT ON ({}) ").format(rid)
    elif query.grouping > 0:
        groups = sql.SQL(" GROUP BY {}").format(_COMMA.join(sql.SQL(str(n + 1)) for n in range(query.grouping)))
    return sql.SQL("SELECT {}{} FROM {}{}{}").format(
        distinct, _COMMA.join(columns), scope.source, _where(scope.conditions), groups
    )


def _value(query: Query, place: int, output: Output, scope: Scope) -> sql.Composable:
    """An output as an expression; in a group, a field that is no key is an example from the group."""
    in_group = query.grouping is not None and place >= query.grouping
    match output.value:
        case Field():
            field = scope.field(output.value)
            if in_group:
                return sql.SQL("any_value({})").format(field)
            return sortable(type_of(output.value), field) if query.grouping is not None else field
        case Aggregate(function, argument):
            return aggregate(function, argument, scope)
        case Bucket():
            value = bucket(output.value, scope.field(output.value.field))
            return sql.SQL("any_value({})").format(value) if in_group else value
        case Rights(_, document):
            return sql.SQL("{}::jsonb").format(sql.Literal(document))


def _page(query: Query, relation: Relation) -> sql.Composed:
    """The rows of the page that is asked for, whose order is still to be made by `_order_by`."""
    rows = _rows(query, relation)
    conditions = [
        _beyond(query, page, forward)
        for page, forward in ((query.after, True), (query.before, False))
        if page is not None
    ]
    if query.before is not None and query.after is None:
        # The last rows before the key: sort backwards, cut, and let the caller sort forwards again.
        return sql.SQL("SELECT * FROM ({}) AS q{} ORDER BY {} LIMIT {}").format(
            rows, _where(conditions), _sort_keys(query, backwards=True), sql.Literal(query.limit)
        )
    if conditions:
        return sql.SQL("SELECT * FROM ({}) AS q{}").format(rows, _where(conditions))
    return rows


def _order_by(query: Query) -> sql.Composable:
    """ORDER BY and LIMIT. Whoever asks for a part of the rows gets it in a definite order."""
    clauses: list[sql.Composable] = []
    if query.ordering:
        clauses.append(sql.SQL(" ORDER BY {}").format(_sort_keys(query, backwards=False)))
    elif query.limit is not None and query.grouping is None:
        clauses.append(sql.SQL(" ORDER BY q.rid"))
    elif query.limit is not None and query.grouping:
        clauses.append(sql.SQL(" ORDER BY {}").format(_COMMA.join(_place(n) for n in range(query.grouping))))
    if query.limit is not None:
        clauses.append(sql.SQL(" LIMIT {}").format(sql.Literal(query.limit)))
    return sql.Composed(clauses)


def _place(place: int) -> sql.Composed:
    return sql.SQL("q.{}").format(sql.Identifier(f"o{place}"))


def _key(query: Query, ordering: Ordering) -> sql.Composable:
    return sortable(type_of(query.outputs[ordering.place].value), _place(ordering.place))


def _sort_keys(query: Query, backwards: bool) -> sql.Composed:
    """Ascending has nulls last, descending has nulls first: PostgreSQL's own defaults."""
    return _COMMA.join(
        sql.SQL("{} DESC" if ordering.descending != backwards else "{} ASC").format(_key(query, ordering))
        for ordering in query.ordering
    )


def _beyond(query: Query, page: Sequence[str | None], forward: bool) -> sql.Composable:
    """The rows after (or before) a page key: beyond it in the first column, or equal there and beyond in the next, …"""
    ways: list[sql.Composable] = []
    equal: list[sql.Composable] = []
    for ordering, value in zip(query.ordering, page, strict=True):
        key = _key(query, ordering)
        ways.append(_AND.join([*equal, _past(query, ordering, key, value, upwards=forward != ordering.descending)]))
        if value is None:
            equal.append(sql.SQL("{} IS NULL").format(key))
        else:
            equal.append(sql.SQL("{} = {}").format(key, sql.Literal(value)))
    return sql.SQL("({})").format(_OR.join(ways))


def _past(query: Query, ordering: Ordering, key: sql.Composable, value: str | None, upwards: bool) -> sql.Composable:
    """`key` lies beyond `value`, null being the greatest of all."""
    if value is None:
        return sql.SQL("FALSE") if upwards else sql.SQL("{} IS NOT NULL").format(key)
    if not upwards:
        return sql.SQL("{} < {}").format(key, sql.Literal(value))
    beyond = sql.SQL("{} > {}").format(key, sql.Literal(value))
    if _never_null(query, ordering.place):
        return beyond
    return sql.SQL("({} OR {} IS NULL)").format(beyond, key)


def _never_null(query: Query, place: int) -> bool:
    """Whether an output cannot be null: then PostgreSQL can find the page by an index."""
    value = query.outputs[place].value
    return isinstance(value, Field) and not value.column.nullok and len(query.path.instances) == 1


def _where(conditions: Sequence[sql.Composable]) -> sql.Composable:
    return sql.SQL(" WHERE {}").format(_AND.join(conditions)) if conditions else sql.SQL("")
