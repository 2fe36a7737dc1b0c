"""What can stand in a projection beside plain columns, as SQL: aggregates, bins, summaries of rights."""

from __future__ import annotations

from psycopg import sql

from deriva_local.ermrest.data.conditions import Scope, sortable
from deriva_local.ermrest.data.resolved import Aggregate, Bucket, Field, Instance, Value

_FUNCTIONS = {
    "min": sql.SQL("min({})"),
    "max": sql.SQL("max({})"),
    "avg": sql.SQL("avg({})"),
    "sum": sql.SQL("sum({})"),
    "cnt": sql.SQL("count({})"),
    "cnt_d": sql.SQL("count(DISTINCT {})"),
    "array": sql.SQL("jsonb_agg({})"),
    "array_d": sql.SQL("jsonb_agg(DISTINCT {})"),
}
_TIMES = {
    "timestamp": "timestamp",
    "timestamptz": "timestamptz",
    "ermrest_rct": "timestamptz",
    "ermrest_rmt": "timestamptz",
    "date": "date",
}


def type_of(value: Value) -> str:
    """The type of an output: a name of the model's types where it is a column's, `computed` otherwise."""
    match value:
        case Field():
            return value.column.type.typename
        case Aggregate("min" | "max", Field() as argument):
            return argument.column.type.typename
    return "computed"


def aggregate(function: str, argument: Field | Instance | None, scope: Scope) -> sql.Composable:
    """An aggregate function. Arrays are JSON, since PostgreSQL's own cannot hold arrays of different lengths."""
    shape = _FUNCTIONS[function]
    match argument:
        case None:
            return sql.SQL("count(*)")
        case Field():
            return shape.format(sortable(argument.column.type.typename, scope.field(argument)))
        case Instance():
            identity = scope.identity(argument)
            return shape.format(identity if function.startswith("cnt") else _record(argument, scope))


def _record(instance: Instance, scope: Scope) -> sql.Composable:
    """A row as an object under the names that people see; null where an outer join found no row."""
    columns = sql.SQL(", ").join(
        sql.SQL("{} AS {}").format(scope.column(instance, column), sql.Identifier(column.name))
        for column in instance.table.columns
    )
    return sql.SQL("CASE WHEN {} IS NOT NULL THEN (SELECT to_jsonb(r.*) FROM (SELECT {}) AS r) END").format(
        scope.identity(instance), columns
    )


def bucket(bin_: Bucket, value: sql.Composable) -> sql.Composable:
    """`[number, lower, upper]`: 0 lies below the range, count + 1 above it, null has no number."""
    typename = _TIMES.get(bin_.field.column.type.typename, "float8")
    low, high = (sql.SQL("{}::{}").format(sql.Literal(end), sql.SQL(typename)) for end in (bin_.low, bin_.high))
    count = sql.Literal(bin_.count)
    number = sql.SQL("width_bucket({}, {}, {}, {})").format(*(_number(typename, v) for v in (value, low, high)), count)
    edge = sql.SQL("{} + ({} - {}) * {} / {}")
    return sql.SQL(
        "(SELECT jsonb_build_array(b.n, CASE WHEN b.n > 0 THEN {lower} END, CASE WHEN b.n <= {count} THEN {upper} END)"
        " FROM (SELECT {number} AS n) AS b)"
    ).format(
        lower=edge.format(low, high, low, sql.SQL("(b.n - 1)"), count),
        upper=edge.format(low, high, low, sql.SQL("b.n"), count),
        count=count,
        number=number,
    )


def _number(typename: str, value: sql.Composable) -> sql.Composable:
    """The value as a number that `width_bucket` takes."""
    if typename == "float8":
        return sql.SQL("{}::float8").format(value)
    if typename == "date":
        return sql.SQL("({} - DATE '1970-01-01')::float8").format(value)
    return sql.SQL("extract(epoch FROM {})").format(value)
