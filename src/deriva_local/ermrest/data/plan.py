"""Resolves a whole data resource against a model: path, outputs, order and page.

In: a `Resource`, its `Options`, a `Model`. Out: a `Query` in which no name is left to look up.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence

from deriva_local.ermrest.data import syntax
from deriva_local.ermrest.data.paths import PathResolver
from deriva_local.ermrest.data.resolved import (
    Aggregate,
    Bucket,
    Field,
    Instance,
    Join,
    Ordering,
    Output,
    Path,
    Query,
    Rights,
)
from deriva_local.errors import BadRequest
from deriva_local.model import Column, Model, Table

# PostgreSQL cuts names of result columns here, and would mix up the ones that are longer.
_LONGEST_NAME = 63
_NUMBERS = frozenset({"float4", "float8", "int2", "int4", "int8", "numeric", "serial2", "serial4", "serial8"})
_BIN_TYPES = _NUMBERS | {"date", "timestamp", "timestamptz", "ermrest_rct", "ermrest_rmt"}
_SUMMABLE = _NUMBERS | {"interval"}
_UNORDERED = frozenset({"boolean", "json", "jsonb", "uuid"})  # for PostgreSQL's min() and max()

RightsOf = Callable[[Table], Mapping[str, bool]]


def plan(
    resource: syntax.Resource, options: syntax.Options, model: Model, rights: RightsOf = lambda table: {}
) -> Query:
    """The query of a GET.

    Args:
        rights: tells of a table which of the rights `update` and `delete` the client has, for `trs()` and `tcrs()`.

    Raises:
        Conflict: the model has no such table, column or link.
        BadRequest: the resource makes no sense under any model.
    """
    resolver = PathResolver(model)
    path = resolver.resolve(resource.path)
    outputs, grouping = _outputs(resource, resolver, rights)
    _check_names(outputs)
    ordering = _ordering(resource.sort, outputs)
    _check_page(resource, options)
    return Query(path, outputs, grouping, ordering, resource.before, resource.after, options.limit)


def entity_outputs(table: Table, instance: Instance) -> tuple[Output, ...]:
    """All columns under their own names."""
    return tuple(Output(column.name, Field(instance, column)) for column in table.columns)


def _outputs(
    resource: syntax.Resource, resolver: PathResolver, rights: RightsOf
) -> tuple[tuple[Output, ...], int | None]:
    """The columns of the answer, and how many of them are group keys (None: no groups)."""
    if resource.api == "entity":
        return entity_outputs(resolver.context.table, resolver.context), None
    keys = tuple(output for item in resource.keys for output in _expand(item, resolver, rights))
    items = tuple(output for item in resource.items for output in _expand(item, resolver, rights))
    aggregates = [output.name for output in (*keys, *items) if isinstance(output.value, Aggregate)]
    if resource.api == "attribute":
        if aggregates:
            raise BadRequest(f"{aggregates[0]!r} is an aggregate; use attributegroup/ or aggregate/ for it.")
        return items, None
    if any(isinstance(output.value, Aggregate) for output in keys):
        raise BadRequest(f"The group key {aggregates[0]!r} is an aggregate; group by columns.")
    return (*keys, *items), len(keys)


def _expand(item: syntax.Item, resolver: PathResolver, rights: RightsOf) -> Iterator[Output]:
    """The outputs that one item of a projection stands for."""
    match item.value:
        case syntax.Wildcard(alias):
            if item.name is not None:
                raise BadRequest(f"{item.name}:=* names several columns at once; name them one by one.")
            instance = resolver.context if alias is None else resolver.instance(alias)
            prefix = "" if alias is None else f"{alias}:"
            yield from (Output(prefix + column.name, Field(instance, column)) for column in instance.table.columns)
        case syntax.ColumnRef(names):
            yield Output(item.name or names[-1], resolver.field(item.value))
        case syntax.Bin():
            bucket = _bucket(item.value, resolver)
            yield Output(item.name or bucket.field.column.name, bucket)
        case syntax.Call("trs" | "tcrs" as function, argument):
            yield Output(item.name or function, _rights(function, argument, resolver, rights))
        case syntax.Call(function, argument):
            yield _aggregate(item.name, function, argument, resolver)


def _rights(
    function: str, argument: syntax.ColumnRef | syntax.Wildcard, resolver: PathResolver, rights: RightsOf
) -> Rights:
    if not isinstance(argument, syntax.ColumnRef) or argument.names[-1] != "RID":
        raise BadRequest(f"{function}() takes the RID of a table instance: {function}(RID) or {function}(alias:RID).")
    instance = resolver.field(argument).instance
    allowed = rights(instance.table)
    document: dict[str, object] = {mode: allowed.get(mode, False) for mode in ("update", "delete")}
    if function == "tcrs":
        document["column_update"] = {
            column.name: allowed.get("update", False) and not column.is_system for column in instance.table.columns
        }
    return Rights(instance, json.dumps(document))


def _aggregate(
    name: str | None, function: str, argument: syntax.ColumnRef | syntax.Wildcard, resolver: PathResolver
) -> Output:
    if name is None:
        raise BadRequest(f"{function}() needs a name for its result: name:={function}(…).")
    if isinstance(argument, syntax.ColumnRef):
        field = resolver.field(argument)
        _check_aggregate(function, field.column)
        return Output(name, Aggregate(function, field))
    if function not in ("cnt", "cnt_d", "array", "array_d"):
        raise BadRequest(f"{function}(*) has no meaning; name a column.")
    if argument.alias is not None:
        return Output(name, Aggregate(function, resolver.instance(argument.alias)))
    return Output(name, Aggregate(function, None if function == "cnt" else resolver.context))


def _check_aggregate(function: str, column: Column) -> None:
    typename = column.type.typename
    if (function in ("sum", "avg") and typename not in _SUMMABLE) or (
        function in ("min", "max") and typename in _UNORDERED
    ):
        raise BadRequest(f"{function}({column.name}) has no meaning for the type {typename}.")


def _bucket(bucket: syntax.Bin, resolver: PathResolver) -> Bucket:
    field = resolver.field(bucket.column)
    typename = field.column.type.typename
    if typename not in _BIN_TYPES:
        raise BadRequest(
            f"Column {field.column.name!r} of type {typename} cannot be put into bins; numbers and times can."
        )
    if not (bucket.count.isascii() and bucket.count.isdigit() and 0 < int(bucket.count) < 2**31 - 1):
        raise BadRequest(f"bin(): {bucket.count!r} is no number of bins.")
    return Bucket(field, int(bucket.count), bucket.low, bucket.high)


def _check_names(outputs: Sequence[Output]) -> None:
    seen: set[str] = set()
    for output in outputs:
        if output.name in seen:
            raise BadRequest(f"Two columns of the answer are called {output.name!r}; rename one: other:={output.name}.")
        if len(output.name.encode()) > _LONGEST_NAME:
            raise BadRequest(f"The name {output.name!r} is longer than {_LONGEST_NAME} bytes; give a shorter one.")
        seen.add(output.name)


def _ordering(keys: Sequence[syntax.SortKey], outputs: Sequence[Output]) -> tuple[Ordering, ...]:
    places = {output.name: place for place, output in enumerate(outputs)}
    for key in keys:
        if key.column not in places:
            raise BadRequest(f"@sort: the answer has no column {key.column!r}. It has: {', '.join(places)}.")
    return tuple(Ordering(places[key.column], key.descending) for key in keys)


def _check_page(resource: syntax.Resource, options: syntax.Options) -> None:
    for name, page in (("before", resource.before), ("after", resource.after)):
        if page is None:
            continue
        if not resource.sort or resource.api == "aggregate":
            raise BadRequest(f"@{name} needs a @sort to its left, which says in which order; aggregate/ has none.")
        if len(page) != len(resource.sort):
            raise BadRequest(f"@{name} has {len(page)} values for the {len(resource.sort)} columns of @sort.")
    if resource.before is not None and resource.after is None and options.limit is None:
        raise BadRequest("@before needs a limit= or an @after: which rows before it?")


def one_row_per_entity(path: Path) -> bool:
    """Whether the joins give each row of the context once: every other instance hangs on it by a key of its own."""
    joins = [step for step in path.steps if isinstance(step, Join)]
    if any(join.kind in ("right", "full") or len(join.links) > 1 for join in joins):
        return not joins
    known = {path.context.index}
    waiting = joins
    while waiting:
        rest = [join for join in waiting if not _determined(join, known)]
        if len(rest) == len(waiting):
            return False
        waiting = rest
    return True


def _determined(join: Join, known: set[int]) -> bool:
    """Whether one end of the join is known and the other end then is at most one row; if so, it becomes known."""
    near, far = join.links[0][0][0].instance, join.instance
    ends = {near.index: [left for left, _ in join.links[0]], far.index: [right for _, right in join.links[0]]}
    if any(left.instance.index != near.index for left, _ in join.links[0]):
        return False
    ways = [(near, far)] if join.kind == "left" else [(near, far), (far, near)]  # the far side may be missing
    for here, there in ways:
        if here.index in known and _is_key(there.table, [field.column.id for field in ends[there.index]]):
            known.add(there.index)
            return True
    return False


def _is_key(table: Table, columns: Sequence[int]) -> bool:
    return any(set(key.columns) <= set(columns) for key in table.keys)
