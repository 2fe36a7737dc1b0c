"""The resolved tree: what `plan` makes of a syntax tree and a model, and `sql` turns into a statement.

Every name has become a table instance or a column of the model; nothing in here can be unknown any more.
"""

from __future__ import annotations

from dataclasses import dataclass

from deriva_local.model import Column, Table


@dataclass(frozen=True)
class Instance:
    """One appearance of a table in a path. `index` numbers them from the left."""

    index: int
    table: Table
    alias: str | None = None


@dataclass(frozen=True)
class Field:
    """A column of a table instance."""

    instance: Instance
    column: Column


@dataclass(frozen=True)
class Join:
    """Adds an instance. A row matches if all pairs of any of the `links` are equal."""

    instance: Instance
    links: tuple[tuple[tuple[Field, Field], ...], ...]
    kind: str = "inner"


@dataclass(frozen=True)
class FieldIsNull:
    """The field is null."""

    field: Field


@dataclass(frozen=True)
class FieldCompares:
    """One of the `fields` (several for the free-text column `*`) compares to any, or all, of the values."""

    fields: tuple[Field, ...]
    operator: str
    values: tuple[str, ...]
    every_value: bool = False


@dataclass(frozen=True)
class Not:
    """The operand is false."""

    operand: Test


@dataclass(frozen=True)
class Joined:
    """All of the operands are true (`and`), or one of them (`or`)."""

    kind: str
    operands: tuple[Test, ...]


Test = FieldIsNull | FieldCompares | Not | Joined


@dataclass(frozen=True)
class Path:
    """A join tree with conditions, in the order of the path. `context` is the instance that the path denotes."""

    root: Instance
    steps: tuple[Join | Test, ...]
    context: Instance

    @property
    def instances(self) -> tuple[Instance, ...]:
        """All table instances, from the left."""
        return (self.root, *(step.instance for step in self.steps if isinstance(step, Join)))


@dataclass(frozen=True)
class Aggregate:
    """A function over a group; `argument` is a field, an instance for its rows, or None for the joined rows."""

    function: str
    argument: Field | Instance | None


@dataclass(frozen=True)
class Bucket:
    """The bin of a numeric or temporal field, as `[number, lower, upper]`."""

    field: Field
    count: int
    low: str
    high: str


@dataclass(frozen=True)
class Rights:
    """What the client may do with the rows of an instance, as a JSON document."""

    instance: Instance
    document: str


Value = Field | Aggregate | Bucket | Rights


@dataclass(frozen=True)
class Output:
    """A column of the answer."""

    name: str
    value: Value


@dataclass(frozen=True)
class Ordering:
    """Sort by the output column of this place."""

    place: int
    descending: bool = False


@dataclass(frozen=True)
class Query:
    """A read.

    `grouping` is None where each row of the answer is an entity of the context; otherwise it is the number of
    outputs, from the first, that are group keys (0 for an aggregate).
    """

    path: Path
    outputs: tuple[Output, ...]
    grouping: int | None = None
    ordering: tuple[Ordering, ...] = ()
    before: tuple[str | None, ...] | None = None
    after: tuple[str | None, ...] | None = None
    limit: int | None = None
