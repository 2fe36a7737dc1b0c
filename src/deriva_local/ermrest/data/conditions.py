"""FROM and WHERE of a resolved path, as SQL.

A `Scope` knows how each table instance of a path is called in the statement: `t0`, `t1`, …; or `(w2).t0` once a right
or full join had to take the rows before it as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from psycopg import sql

from deriva_local.ermrest.data.resolved import (
    Field,
    FieldCompares,
    FieldIsNull,
    Instance,
    Join,
    Joined,
    Not,
    Path,
    Test,
)
from deriva_local.model import Column, ColumnType, Table, types

_JOINS = {
    "inner": sql.SQL("{} JOIN {} AS {} ON {}"),
    "left": sql.SQL("{} LEFT JOIN {} AS {} ON {}"),
    "right": sql.SQL("{} RIGHT JOIN {} AS {} ON {}"),
    "full": sql.SQL("{} FULL JOIN {} AS {} ON {}"),
}
_OPERATORS = {
    "=": sql.SQL("{} = {}"),
    "::lt::": sql.SQL("{} < {}"),
    "::leq::": sql.SQL("{} <= {}"),
    "::gt::": sql.SQL("{} > {}"),
    "::geq::": sql.SQL("{} >= {}"),
    "::regexp::": sql.SQL("{}::text ~ {}"),
    "::ciregexp::": sql.SQL("{}::text ~* {}"),
    "::ts::": sql.SQL("to_tsvector('english', {}::text) @@ to_tsquery('english', {})"),
}
_TEXTUAL = frozenset({"::regexp::", "::ciregexp::", "::ts::"})
_AND, _OR = sql.SQL(" AND "), sql.SQL(" OR ")


@dataclass
class Scope:
    """FROM clause, conditions for WHERE, and the name of each table instance."""

    source: sql.Composable
    conditions: list[sql.Composable] = field(default_factory=list)
    names: dict[int, sql.Composable] = field(default_factory=dict)

    @classmethod
    def of(cls, path: Path, relation: Callable[[Table], sql.Composable]) -> Scope:
        """The scope of a whole path."""
        root = sql.Identifier(f"t{path.root.index}")
        scope = cls(sql.SQL("{} AS {}").format(relation(path.root.table), root), names={path.root.index: root})
        for step in path.steps:
            if isinstance(step, Join):
                scope._join(step, relation(step.instance.table))
            else:
                scope.conditions.append(scope.test(step))
        return scope

    def _join(self, join: Join, relation: sql.Composable) -> None:
        if join.kind in ("right", "full") and self.conditions:
            self._enclose(join.instance.index)
        name = sql.Identifier(f"t{join.instance.index}")
        self.names[join.instance.index] = name
        links = (
            sql.SQL("({})").format(
                _AND.join(sql.SQL("{} = {}").format(self.field(left), self.field(right)) for left, right in link)
            )
            for link in join.links
        )
        self.source = _JOINS[join.kind].format(self.source, relation, name, _OR.join(links))

    def _enclose(self, number: int) -> None:
        """Apply the conditions so far before a join that may bring rows without partners, which they must not drop."""
        whole = sql.Identifier(f"w{number}")
        columns = sql.SQL(", ").join(
            sql.SQL("{} AS {}").format(name, sql.Identifier(f"t{index}")) for index, name in self.names.items()
        )
        self.source = sql.SQL("(SELECT {} FROM {} WHERE {}) AS {}").format(
            columns, self.source, _AND.join(self.conditions), whole
        )
        self.conditions = []
        self.names = {index: sql.SQL("({}.{})").format(whole, sql.Identifier(f"t{index}")) for index in self.names}

    def field(self, field: Field) -> sql.Composable:
        """A field as an expression."""
        return self.column(field.instance, field.column)

    def column(self, instance: Instance, column: Column) -> sql.Composable:
        """A column of an instance as an expression."""
        return sql.SQL("{}.{}").format(self.names[instance.index], sql.Identifier(column.physical))

    def identity(self, instance: Instance) -> sql.Composable:
        """The RID of an instance's row."""
        return self.column(instance, instance.table.column("RID"))

    # Conditions

    def test(self, test: Test) -> sql.Composable:
        """A condition as an expression in parentheses, where they are needed."""
        match test:
            case FieldIsNull(field):
                return sql.SQL("{} IS NULL").format(self.field(field))
            case Not(operand):
                return sql.SQL("(NOT {})").format(self.test(operand))
            case Joined(kind, operands):
                mark = _AND if kind == "and" else _OR
                return sql.SQL("({})").format(mark.join(self.test(operand) for operand in operands))
            case FieldCompares():
                return self._compares(test)

    def _compares(self, test: FieldCompares) -> sql.Composable:
        """Free text and lists of values, taken apart into comparisons of one field with one value."""
        first = test.fields[0]
        if test.operator == "=" and len(test.values) > 1 and not test.every_value and not first.column.type.is_array:
            return sql.SQL("{} = ANY({})").format(
                sortable(first.column.type.typename, self.field(first)), _array(first.column.type, test.values)
            )
        matches = (
            _OR.join(self._compare(each, test.operator, sql.Literal(value)) for each in test.fields)
            for value in test.values
        )
        grouped = (sql.SQL("({})").format(match) for match in matches)
        return sql.SQL("({})").format((_AND if test.every_value else _OR).join(grouped))

    def _compare(self, field: Field, operator: str, value: sql.Literal) -> sql.Composable:
        kind = field.column.type
        compare = _OPERATORS[operator]
        if not kind.is_array:
            left = self.field(field)
            return compare.format(left if operator in _TEXTUAL else sortable(kind.typename, left), value)
        assert kind.base is not None
        element = sql.SQL("e.v") if operator in _TEXTUAL else sortable(kind.base.typename, sql.SQL("e.v"))
        return sql.SQL("EXISTS (SELECT FROM unnest({}) AS e(v) WHERE {})").format(
            self.field(field), compare.format(element, value)
        )


def sortable(typename: str, value: sql.Composable) -> sql.Composable:
    """The value in a form that can be compared: PostgreSQL has no equality for json."""
    return sql.SQL("{}::jsonb").format(value) if typename == "json" else value


def _array(kind: ColumnType, values: Sequence[str]) -> sql.Composable:
    """Values as one array literal, which is far quicker to read than as many literals."""
    escaped = (value.replace("\\", r"\\").replace('"', r"\"") for value in values)
    typename = "jsonb" if kind.typename == "json" else types.postgres(kind)  # a constant of the types module
    return sql.SQL("{}::" + typename + "[]").format(sql.Literal('{"' + '","'.join(escaped) + '"}'))
