"""The syntax tree of a data resource's name: what `request` makes of a path, and `plan` resolves against a model.

All names and values in here are decoded. Nothing has been looked up yet: a `ColumnRef` may name what does not exist.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TableRef:
    """A table by name; `schema` is None when only the table was named."""

    schema: str | None
    name: str


@dataclass(frozen=True)
class ColumnRef:
    """A column: `(column,)`, `(alias or table, column)` or `(schema, table, column)`."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return ":".join(self.names)


@dataclass(frozen=True)
class Wildcard:
    """`*` (alias None) or `alias:*`."""

    alias: str | None = None


# Path elements


@dataclass(frozen=True)
class TableLink:
    """The root of a path, or a link by whatever foreign keys there are."""

    table: TableRef
    alias: str | None = None


@dataclass(frozen=True)
class EndpointLink:
    """A link by one foreign key, named by the columns at one of its ends."""

    columns: tuple[ColumnRef, ...]
    alias: str | None = None


@dataclass(frozen=True)
class ColumnLink:
    """A link by columns that need no foreign key; `join` is inner, left, right or full."""

    left: tuple[ColumnRef, ...]
    right: tuple[ColumnRef, ...]
    join: str = "inner"
    alias: str | None = None


@dataclass(frozen=True)
class Reset:
    """`$alias`: what follows speaks of that table instance."""

    alias: str


@dataclass(frozen=True)
class Filter:
    """Keep the rows for which the condition is true."""

    condition: Condition


# Conditions


@dataclass(frozen=True)
class IsNull:
    """`column::null::`."""

    column: ColumnRef


@dataclass(frozen=True)
class Comparison:
    """`column operator value`, or with a quantifier (`any`, `all`) a list of values."""

    column: ColumnRef | Wildcard
    operator: str
    values: tuple[str, ...]
    quantifier: str | None = None


@dataclass(frozen=True)
class Negation:
    """`!condition`."""

    operand: Condition


@dataclass(frozen=True)
class Junction:
    """Conditions joined by `and` or `or`."""

    kind: str
    operands: tuple[Condition, ...]


Condition = IsNull | Comparison | Negation | Junction
Element = TableLink | EndpointLink | ColumnLink | Reset | Filter


# Projections


@dataclass(frozen=True)
class Call:
    """A function of a column or of whole rows: an aggregate, or a summary of rights."""

    function: str
    argument: ColumnRef | Wildcard


@dataclass(frozen=True)
class Bin:
    """`bin(column;count;low;high)`."""

    column: ColumnRef
    count: str
    low: str
    high: str


@dataclass(frozen=True)
class Item:
    """One part of a projection, with the name it shall have in the answer (None: by rule)."""

    value: ColumnRef | Wildcard | Call | Bin
    name: str | None = None


@dataclass(frozen=True)
class SortKey:
    """An output column to sort by."""

    column: str
    descending: bool = False


@dataclass(frozen=True)
class Resource:
    """A data resource as named by a path.

    `keys` are the group keys of an attributegroup; `items` is the projection (empty for entity). `before` and `after`
    are page keys, None for null; they are None themselves when not given.
    """

    api: str
    path: tuple[Element, ...]
    keys: tuple[Item, ...] = ()
    items: tuple[Item, ...] = ()
    sort: tuple[SortKey, ...] = ()
    before: tuple[str | None, ...] | None = None
    after: tuple[str | None, ...] | None = None


@dataclass(frozen=True)
class Options:
    """What the query string says. `limit` None is no limit."""

    limit: int | None = None
    accept: str | None = None
    download: str | None = None
    defaults: tuple[str, ...] = ()
    nondefaults: tuple[str, ...] = ()
    onconflict: str = "abort"
    json_arrays: bool = False
