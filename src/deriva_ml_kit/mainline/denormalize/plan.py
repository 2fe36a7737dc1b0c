"""Which tables stand side by side, and along which foreign keys their rows are joined.

In: the schema and the names of tables. Out: a `Plan`, or an error that says what to ask for instead. No row is read.

The words: a table is *below* another if it refers to it, directly or through tables between. One row of the result is
one row of the lowest table that was asked for (`row_per`); rows of the tables above it stand beside it, each as often
as it is referred to. A table beside it, linked through an association or a feature, may give several rows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from deriva.core.ermrest_model import Table

from deriva_ml_kit.mainline.catalog.paths import LEADS_TO, Link, domain_schemas, is_feature_table, neighbours
from deriva_ml_kit.mainline.errors import (
    DerivaMLDenormalizeAmbiguousPath,
    DerivaMLDenormalizeDownstreamLeaf,
    DerivaMLDenormalizeError,
    DerivaMLDenormalizeMultiLeaf,
    DerivaMLDenormalizeNoSink,
    DerivaMLTableNotFound,
    DerivaMLValidationError,
)

SYSTEM_COLUMNS = ("RCT", "RMT", "RCB", "RMB")
LONGEST_ROUTE = 6
Route = tuple[Link, ...]


@dataclass(frozen=True)
class PlannedColumn:
    """A column of the result.

    Attributes:
        label: `Table.column`; `schema.Table.column` where several domain schemas are asked for.
        table: Its table.
        name: Its name there.
        kind: Its ERMrest type.
    """

    label: str
    table: Table
    name: str
    kind: str


@dataclass(frozen=True)
class Plan:
    """How tables are joined.

    Attributes:
        include: The tables whose columns are wanted, in the order in which they were asked for.
        via: Tables that are passed without their columns.
        row_per: The table that gives the rows.
        routes: The way from `row_per` to each of the tables.
        columns: Columns of the result.
    """

    include: tuple[Table, ...]
    via: tuple[Table, ...]
    row_per: Table
    routes: dict[Table, Route]
    columns: tuple[PlannedColumn, ...]

    @property
    def joins(self) -> list[Route]:
        """Every step to be joined, as the way that ends with it; a way comes after those that it goes on from."""
        steps = {route[:length]: None for route in self.routes.values() for length in range(1, len(route) + 1)}
        return sorted(steps, key=len)

    def joins_behind(self, route: Route) -> list[Route]:
        """Those of `joins` that go on where a way ends."""
        return [step for step in self.joins if len(step) > len(route) and step[: len(route)] == route]

    @property
    def join_path(self) -> list[str]:
        """Names of all tables that are joined, in the order of joining."""
        return list(dict.fromkeys([self.row_per.name, *(route[-1].table.name for route in self.joins)]))

    @property
    def fans_out(self) -> list[str]:
        """Names of tables of which several rows may stand beside one of `row_per`."""
        return [route[-1].table.name for route in self.joins if not route[-1].up]

    @property
    def above(self) -> list[Table]:
        """The tables that `row_per` refers to, the nearest first."""
        found = [table for table in self.include if self.routes[table] and all(link.up for link in self.routes[table])]
        return sorted(found, key=lambda table: len(self.routes[table]))


@dataclass(frozen=True)
class Request:
    """Tables as they were asked for, found in the schema.

    Attributes:
        include: The tables whose columns are wanted.
        via: Tables to be passed.
        via_columns: Foreign keys to be passed, as (table, column).
        row_per: The table that is to give the rows, if that was said.
    """

    include: tuple[Table, ...]
    via: tuple[Table, ...]
    via_columns: frozenset[tuple[str, str]]
    row_per: Table | None

    @property
    def all(self) -> tuple[Table, ...]:
        """Every table that was named."""
        return (*self.include, *self.via)


def asked(model: Any, include_tables: Sequence[str], row_per: str | None, via: Sequence[str] | None) -> Request:
    """Find the tables that are named.

    Args:
        model: Model of a catalog or bag.
        include_tables: Tables, or features: `Diagnosis`, `Image_Diagnosis` or `Execution_Image_Diagnosis`.
        row_per: One of them.
        via: Tables to be passed, or `Table.column` for a certain foreign key.

    Raises:
        DerivaMLTableNotFound: There is no such table or feature.
        DerivaMLValidationError: No table is named, or `row_per` is none of them.
        DerivaMLDenormalizeError: Several features have this name.
    """
    if isinstance(include_tables, str):
        raise DerivaMLValidationError(f"include_tables takes a list, such as [{include_tables!r}].")
    if not include_tables:
        raise DerivaMLValidationError("include_tables is empty.", remedy="Name the tables whose columns are wanted.")
    include = tuple(dict.fromkeys(named(model, name) for name in include_tables))
    passed = [_passed(model, name) for name in via or ()]
    grain = named(model, row_per) if row_per else None
    if grain is not None and grain not in include:
        raise DerivaMLValidationError(
            f"row_per={row_per!r} is not among include_tables ({', '.join(include_tables)}).",
            remedy="Add it there: without columns of its own, a row would not say what it is about.",
        )
    return Request(
        include,
        tuple(
            table for table in dict.fromkeys(one for one, column in passed if column is None) if table not in include
        ),
        frozenset((table.name, column) for table, column in passed if column is not None),
        grain,
    )


def named(model: Any, name: str) -> Table:
    """The table of a name, or the table of the values of a feature of that name."""
    try:
        return model.name_to_table(name)
    except DerivaMLTableNotFound as error:
        features = [one for one in model.find_features() if name in {one.feature_name, _short(one)}]
        if len(features) > 1:
            forms = ", ".join(one.feature_table.name for one in features)
            raise DerivaMLDenormalizeError(
                f"{name!r} is the name of several features.", remedy=f"Name the table of one of them: {forms}."
            ) from None
        if features:
            return features[0].feature_table
        raise error


def plan(model: Any, request: Request, system_columns: Sequence[str] | None = None) -> Plan:
    """Decide how tables are joined.

    Args:
        model: Model of a catalog or bag.
        request: What was asked for.
        system_columns: Those of RCT, RMT, RCB and RMB that are wanted, too.

    Raises:
        DerivaMLDenormalizeMultiLeaf: Several tables could give the rows.
        DerivaMLDenormalizeNoSink: None could.
        DerivaMLDenormalizeDownstreamLeaf: There would be several rows to one of `row_per`.
        DerivaMLDenormalizeAmbiguousPath: Several ways lead to a table.
        DerivaMLDenormalizeError: None does.
        DerivaMLValidationError: One of `system_columns` is no system column.
    """
    if unknown := set(system_columns or ()) - set(SYSTEM_COLUMNS):
        raise DerivaMLValidationError(
            f"{', '.join(sorted(unknown))}: no system columns.", remedy=f"They are {', '.join(SYSTEM_COLUMNS)}."
        )
    row_per = grain(model, request)
    routes = {table: route_to(model, request, row_per, table) for table in request.include}
    return Plan(request.include, request.via, row_per, routes, columns(model, request, system_columns or ()))


def columns(model: Any, request: Request, system_columns: Collection[str] = ()) -> tuple[PlannedColumn, ...]:
    """Columns of the result, table by table as asked for."""
    schemas = {table.schema.name for table in request.include} & domain_schemas(model)
    left_out = set(SYSTEM_COLUMNS) - set(system_columns)
    return tuple(
        PlannedColumn(
            f"{table.schema.name}.{table.name}.{column.name}" if len(schemas) > 1 else f"{table.name}.{column.name}",
            table,
            column.name,
            column.type.typename,
        )
        for table in request.include
        for column in table.columns
        if column.name not in left_out
    )


def grain(model: Any, request: Request) -> Table:
    """The table that gives the rows."""
    if request.row_per is not None:
        lower = below(model, request.row_per)
        several = sorted(table.name for table in request.include if table in lower and table is not request.row_per)
        if several:
            raise DerivaMLDenormalizeDownstreamLeaf(request.row_per.name, several)
        return request.row_per
    lowest = candidates(model, request)
    names = [table.name for table in request.include]
    if not lowest:
        raise DerivaMLDenormalizeNoSink(
            f"Each of {', '.join(names)} is referred to by another table that was named.",
            remedy="Say what a row is with row_per=…, or leave a table out.",
        )
    if len(lowest) > 1:
        between = {table.name for table in _between(model, lowest)} - {table.name for table in request.all}
        raise DerivaMLDenormalizeMultiLeaf([table.name for table in lowest], names, sorted(between))
    return lowest[0]


def candidates(model: Any, request: Request) -> list[Table]:
    """The tables that could give the rows: no other that was named is below them."""
    return sorted(
        (table for table in request.include if not (below(model, table) - {table}) & set(request.all)),
        key=lambda table: str(table.name),
    )


def below(model: Any, table: Table) -> set[Table]:
    """The tables that refer to a table, directly or through others; the table itself where they do so in a circle."""
    schemas = {*domain_schemas(model), model.ml_schema}
    found: set[Table] = set()
    waiting = [table]
    while waiting:
        for key in waiting.pop().referenced_by:
            if key.table.schema.name in schemas and key.table not in found:
                found.add(key.table)
                waiting.append(key.table)
    return found


def route_to(model: Any, request: Request, start: Table, target: Table) -> Route:
    """The way from the table that gives the rows to another."""
    if target is start:
        return ()
    found = routes(model, start, target)
    if not found:
        raise DerivaMLDenormalizeError(
            f"No foreign keys lead from {start.name} to {target.name}.",
            remedy=f"Leave {target.name} out, or add a table that refers to both.",
        )
    chosen = choose(request, found)
    if len(chosen) > 1:
        raise DerivaMLDenormalizeAmbiguousPath(start.name, target.name, *shown(start, chosen, request))
    return chosen[0]


def routes(model: Any, start: Table, target: Table) -> list[Route]:
    """Every way upwards from a table to another, or across tables that only link others; no table comes twice."""
    return sorted(
        _routes(model, start, target, ()), key=lambda route: (len(route), [link.table.name for link in route])
    )


def choose(request: Request, found: list[Route]) -> list[Route]:
    """Of several ways the one that was meant, if it can be told; else all that could be."""
    wanted = set(request.all)
    upwards = [route for route in found if all(link.up for link in route)]
    if upwards and not any(_passes(route) <= wanted for route in found if route not in upwards):
        found = upwards  # a way across is meant only where all that it passes was named
    if request.via_columns:
        by_column = [route for route in found if any(_key(link) in request.via_columns for link in route)]
        found = by_column or found
    if len(found) == 1:
        return found
    told = [route for route in found if _passes(route) & wanted]
    if len(told) > 1:
        whole = [route for route in told if _passes(route) <= wanted]
        told = whole if len(whole) == 1 else told
    return told or found


def shown(start: Table, found: list[Route], request: Request) -> tuple[list[list[str]], list[str]]:
    """Ways as names of tables, and what tells them apart; with columns, where tables alone do not."""
    paths = [[start.name, *(link.table.name for link in route)] for route in found]
    hints = {table.name for route in found for table in _passes(route) if not _links_others(table)}
    if len({tuple(path) for path in paths}) < len(paths):
        paths = [
            [*(_step(link) if link.up else link.table.name for link in route), route[-1].table.name] for route in found
        ]
        hints |= {_step(link) for route in found for link in route if link.up}
    return paths, sorted(hints - {table.name for table in request.include})


def _passed(model: Any, name: str) -> tuple[Table, str | None]:
    table, _, column = name.partition(".")
    found = named(model, table)
    if column and column not in {
        key_column.name for key in found.foreign_keys for key_column in key.foreign_key_columns
    }:
        raise DerivaMLValidationError(f"via={name!r}: {table} has no foreign key of a column {column}.")
    return found, column or None


def _short(feature: Any) -> str:
    return f"{feature.target_table.name}_{feature.feature_name}"


def _routes(model: Any, here: Table, target: Table, way: Route) -> Iterator[Route]:
    if here is target:
        yield way
        return
    if len(way) >= LONGEST_ROUTE:
        return
    passed = {link.table for link in way} | ({way[0].key.table if way[0].up else way[0].key.pk_table} if way else set())
    for step in _steps(model, here, target):
        tables = [link.table for link in step]
        if not passed & set(tables) and here not in tables:
            yield from _routes(model, tables[-1], target, (*way, *step))


def _steps(model: Any, here: Table, target: Table) -> Iterator[Route]:
    """One step up, or two across a table that only links `here` with another."""
    schemas = {*domain_schemas(model), model.ml_schema}
    for key in here.foreign_keys:
        if key.pk_table.schema.name in schemas and _may_pass(model, here, key.pk_table, target):
            yield (Link(key, True),)
    if model.is_vocabulary(here) or here.name in LEADS_TO:
        return
    for key in here.referenced_by:
        bridge = key.table
        if bridge.schema.name in schemas and _links_others(bridge):
            for other in bridge.foreign_keys:
                there = other.pk_table
                onward = other is not key and there is not bridge
                if onward and there.schema.name in schemas and _may_pass(model, bridge, there, target):
                    yield Link(key, False), Link(other, True)


def _may_pass(model: Any, here: Table, there: Table, target: Table) -> bool:
    """Whether a way may go through a table: tables of deriva-ml would lead from anything to anything."""
    if there is target:
        return True
    if there.schema.name != model.ml_schema:
        return True
    return there.name == "Execution" and target.name in LEADS_TO["Execution"] and is_feature_table(here)


def _links_others(table: Table) -> bool:
    """Whether a table only links others: an association, or the values of a feature."""
    if is_feature_table(table):
        return True
    keys = [key for key in table.foreign_keys if key.pk_table.schema.name != "public"]
    return len(keys) == 2


def _passes(route: Route) -> set[Table]:
    return {link.table for link in route[:-1]}


def _key(link: Link) -> tuple[str, str]:
    return link.key.table.name, link.key.foreign_key_columns[0].name


def _step(link: Link) -> str:
    return ".".join(_key(link))


def _between(model: Any, ends: Iterable[Table]) -> Iterator[Table]:
    """The tables on a shortest way between each two."""
    ends = list(ends)
    for number, one in enumerate(ends):
        for other in ends[number + 1 :]:
            yield from _shortest(model, one, other)[1:-1]


def _shortest(model: Any, start: Table, target: Table) -> list[Table]:
    before: dict[Table, Table | None] = {start: None}
    waiting = deque([start])
    while waiting and target not in before:
        here = waiting.popleft()
        # Vocabularies and datasets link everything with everything.
        if here is start or not (model.is_vocabulary(here) or here.schema.name == model.ml_schema):
            for there in neighbours(model, here):
                if there not in before:
                    before[there] = here
                    waiting.append(there)
    way: list[Table] = []
    here = target if target in before else None
    while here is not None:
        way.append(here)
        here = before[here]
    return way
