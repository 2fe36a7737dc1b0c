"""Resolves the path part of a data resource against a model: tables, links, aliases, conditions.

In: path elements of a syntax tree. Out: a `Path`. What the model does not have is a `Conflict`, as ERMrest answers it
for data (a path speaks of a model, and the model contradicts it); what could not be right under any model is a
`BadRequest`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deriva_local.ermrest.data import syntax
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
from deriva_local.errors import BadRequest, Conflict, NotFound
from deriva_local.model import Column, ForeignKey, Model, Table

Link = tuple[tuple[Field, Field], ...]


def find_table(model: Model, ref: syntax.TableRef) -> Table:
    """The table that a path names; `Conflict` if there is none, or several of that name."""
    try:
        return model.find_table(ref.name) if ref.schema is None else model.table(ref.schema, ref.name)
    except NotFound as error:
        raise Conflict(error.message) from None


class PathResolver:
    """Walks a path from the left and remembers its table instances."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._instances: list[Instance] = []
        self._aliases: dict[str, Instance] = {}
        self._steps: list[Join | Test] = []
        self.context: Instance

    def resolve(self, elements: Sequence[syntax.Element]) -> Path:
        """The resolved path. Afterwards `field` and `instance` answer for what comes behind it."""
        root = elements[0]
        assert isinstance(root, syntax.TableLink)
        self.context = self._add(find_table(self._model, root.table), root.alias)
        for element in elements[1:]:
            self._step(element)
        return Path(self._instances[0], tuple(self._steps), self.context)

    def _step(self, element: syntax.Element) -> None:
        match element:
            case syntax.Filter(condition):
                self._steps.append(self.test(condition))
            case syntax.Reset(alias):
                self.context = self.instance(alias)
            case syntax.TableLink(ref, alias):
                self._link_by_table(find_table(self._model, ref), alias)
            case syntax.EndpointLink(columns, alias):
                self._link_by_endpoint(columns, alias)
            case syntax.ColumnLink():
                self._link_by_columns(element)

    def _add(self, table: Table, alias: str | None) -> Instance:
        instance = Instance(len(self._instances), table, alias)
        if alias is not None:
            if alias in self._aliases:
                raise BadRequest(f"The alias {alias!r} is bound twice; each needs a name of its own.")
            self._aliases[alias] = instance
        self._instances.append(instance)
        return instance

    def instance(self, alias: str) -> Instance:
        """The table instance that an alias is bound to."""
        try:
            return self._aliases[alias]
        except KeyError:
            bound = ", ".join(self._aliases) or "none"
            raise BadRequest(f"The alias {alias!r} is not bound by the path to its left. Bound are: {bound}.") from None

    def field(self, ref: syntax.ColumnRef) -> Field:
        """The column that a condition or projection names: `column` of the context, or `alias:column`."""
        if len(ref.names) > 2:
            raise BadRequest(f"{ref} has too many parts; a column is named as column or alias:column here.")
        instance = self.context if len(ref.names) == 1 else self.instance(ref.names[0])
        return Field(instance, instance.table.column(ref.names[-1]))

    # Links

    def _link(
        self, table: Table, alias: str | None, links: Sequence[Sequence[tuple[Field, Column]]], kind: str
    ) -> None:
        """Join an instance of `table`; `links` pair fields of the path with its columns."""
        instance = self._add(table, alias)
        resolved = tuple(tuple((left, Field(instance, right)) for left, right in link) for link in links)
        self._steps.append(Join(instance, resolved, kind))
        self.context = instance

    def _link_by_table(self, table: Table, alias: str | None) -> None:
        links = [link for found, link in self._links_of(self.context) if found.id == table.id]
        if not links:
            here = self.context.table
            raise Conflict(
                f"No foreign key links {_name(here)} and {_name(table)}."
                f" Name the columns to join by: /(column)=({_name(table)}:column)."
            )
        self._link(table, alias, links, "inner")

    def _links_of(self, instance: Instance) -> Iterator[tuple[Table, list[tuple[Field, Column]]]]:
        """All links between an instance and other tables: what its foreign keys refer to, then what refers to it."""
        for fkey in instance.table.foreign_keys:
            other = self._model.tables_by_id[fkey.to_table]
            yield other, _pairs(instance, fkey.columns, other, fkey.to_columns)
        for other in self._model.tables_by_id.values():
            for fkey in _references(other, instance.table):
                yield other, _pairs(instance, fkey.to_columns, other, fkey.columns)

    def _link_by_endpoint(self, refs: Sequence[syntax.ColumnRef], alias: str | None) -> None:
        """`/(columns)`: one end of exactly one foreign key, in the path or in the table that is to be joined."""
        first = refs[0].names
        if len(first) == 1 or (len(first) == 2 and first[0] in self._aliases):
            near = self.context if len(first) == 1 else self.instance(first[0])
            columns = {column.id for column in _columns(near.table, refs)}
            found = [(table, link) for table, link in self._links_of(near) if {f.column.id for f, _ in link} == columns]
        else:
            far = self._far_table(first)
            columns = {column.id for column in _columns(far, refs)}
            found = [
                (table, link)
                for table, link in self._links_of(self.context)
                if table.id == far.id and {column.id for _, column in link} == columns
            ]
        written = ",".join(str(ref) for ref in refs)
        if len(found) != 1:
            fault = (
                "is the end of no foreign key that can be followed here" if not found else "can be followed to several"
            )
            raise Conflict(f"({written}) {fault}; write both ends: /({written})=(schema:table:column).")
        self._link(found[0][0], alias, [found[0][1]], "inner")

    def _link_by_columns(self, link: syntax.ColumnLink) -> None:
        left = self._near_fields(link.left)
        first = link.right[0].names
        if len(first) == 1:
            raise BadRequest(f"The right side of a link needs a table: write (schema:table:{first[0]}).")
        far = self._far_table(first)
        right = _columns(far, link.right)
        if len(left) != len(right):
            raise BadRequest(f"A link pairs columns: {len(left)} on the left, {len(right)} on the right.")
        self._link(far, link.alias, [list(zip(left, right, strict=True))], link.join)

    def _near_fields(self, refs: Sequence[syntax.ColumnRef]) -> list[Field]:
        """Fields of the path; columns after the first without a table belong to the first one's."""
        first = self.field(refs[0])
        rest = [self.field(ref) if len(ref.names) > 1 else None for ref in refs[1:]]
        return [first] + [
            field or Field(first.instance, first.instance.table.column(ref.names[0]))
            for field, ref in zip(rest, refs[1:], strict=True)
        ]

    def _far_table(self, names: Sequence[str]) -> Table:
        return find_table(self._model, syntax.TableRef(names[0] if len(names) == 3 else None, names[-2]))

    # Conditions

    def test(self, condition: syntax.Condition) -> Test:
        """The resolved form of a condition."""
        match condition:
            case syntax.IsNull(column):
                return FieldIsNull(self.field(column))
            case syntax.Comparison(column, operator, values, quantifier):
                return FieldCompares(self._compared(column, operator), operator, values, quantifier == "all")
            case syntax.Negation(operand):
                return Not(self.test(operand))
            case syntax.Junction(kind, operands):
                return Joined(kind, tuple(self.test(operand) for operand in operands))

    def _compared(self, column: syntax.ColumnRef | syntax.Wildcard, operator: str) -> tuple[Field, ...]:
        if isinstance(column, syntax.ColumnRef):
            return (self.field(column),)
        if operator not in ("::regexp::", "::ciregexp::", "::ts::"):
            raise BadRequest(f"* stands for all text of a row; it can be searched by ::ciregexp::, not by {operator}")
        instance = self.context if column.alias is None else self.instance(column.alias)
        return tuple(Field(instance, each) for each in instance.table.columns)


def _name(table: Table) -> str:
    return f"{table.schema_name}:{table.name}"


def _references(table: Table, target: Table) -> Iterator[ForeignKey]:
    return (fkey for fkey in table.foreign_keys if fkey.to_table == target.id)


def _pairs(near: Instance, near_ids: Sequence[int], far: Table, far_ids: Sequence[int]) -> list[tuple[Field, Column]]:
    return [
        (Field(near, near.table.by_id[near_id]), far.by_id[far_id])
        for near_id, far_id in zip(near_ids, far_ids, strict=True)
    ]


def _columns(table: Table, refs: Sequence[syntax.ColumnRef]) -> list[Column]:
    """The columns of one table, which all of the references must be in; only the first has to name it."""
    first = refs[0].names[:-1]
    for ref in refs[1:]:
        if len(ref.names) > 1 and ref.names[:-1] != first:
            raise BadRequest(f"{refs[0]} and {ref} are of different tables; one end of a link is one table's.")
    return [table.column(ref.names[-1]) for ref in refs]
