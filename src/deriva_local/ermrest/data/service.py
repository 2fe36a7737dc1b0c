"""Runs a data request against the store: the one stage here that does I/O."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Generator, Iterator, Sequence

from deriva_local.ermrest import access
from deriva_local.ermrest.data import preconditions, render, sql, update, write
from deriva_local.ermrest.data.call import DataAnswer, DataCall
from deriva_local.ermrest.data.inputs import CsvRows, Rows, read_rows
from deriva_local.ermrest.data.options import parse_options
from deriva_local.ermrest.data.plan import entity_outputs, plan
from deriva_local.ermrest.data.request import parse
from deriva_local.ermrest.data.resolved import Field, Instance, Output, Path
from deriva_local.ermrest.data.syntax import Options, Resource
from deriva_local.errors import Forbidden, MethodNotAllowed, NotFound
from deriva_local.model import Column, Table
from deriva_local.store import Reading, Writing

# An answer up to this size is read at once, so that its connection goes back to the pool before the client has read it.
_AT_ONCE = 4 * 1024 * 1024


def handle(call: DataCall) -> DataAnswer:
    """Answer one request to a data resource.

    Raises:
        ServiceError: whatever is wrong with the request, before the answer's first byte.
    """
    resource, options = parse(call.path), parse_options(call.query)
    if call.method in ("GET", "HEAD"):
        return _get(call, resource, options)
    change = _CHANGES.get((call.method, resource.api))
    if change is None:
        raise MethodNotAllowed(f"{call.method} is not answered for {resource.api}/.")
    if call.snap is not None:
        raise Forbidden("A snapshot of a catalog cannot be changed; write to the catalog without @snapshot.")
    return change(call, resource, options)


# Read


def _get(call: DataCall, resource: Resource, options: Options) -> DataAnswer:
    """The transaction stays open as long as the body is being read."""
    kind = render.content_type(options, call.headers)
    with contextlib.ExitStack() as stack:
        reading = stack.enter_context(call.catalog.reading(call.snap))
        query = plan(resource, options, reading.model, lambda table: _rights(call, reading, table))
        _require_select(call, reading, query.path)
        tag = preconditions.etag(reading.snaptime, kind)
        headers = {"ETag": tag, "Vary": "accept, cookie", **render.disposition(options, kind)}
        if preconditions.not_modified(call.headers, tag):
            return DataAnswer(304, headers)
        if call.method == "HEAD":
            return DataAnswer(200, headers, kind)
        statement = render.statement(sql.select(query, reading.relation), query.outputs, kind, options)
        lines = reading.copy_out(statement)
        stack.callback(_close, lines)
        blocks = render.body(lines, query.outputs, kind)
        first, complete = _taken(blocks)
        if complete:
            return _complete(headers, kind, first)
        return DataAnswer(200, headers, kind, _OpenBody(itertools.chain(first, blocks), stack.pop_all()))


def _rights(call: DataCall, reading: Reading, table: Table) -> dict[str, bool]:
    """What the client may do with the table; nothing of a snapshot can be changed."""
    if call.snap is not None:
        return {}
    return access.rights(call.client, reading.model, reading.model.schemas[table.schema_name], table)


def _require_select(call: DataCall, reading: Reading, path: Path) -> None:
    for table in {instance.table.id: instance.table for instance in path.instances}.values():
        access.require_table(call.client, "select", reading.model, table)


def _taken(blocks: Iterator[bytes]) -> tuple[list[bytes], bool]:
    """The first blocks, and whether they are all. A query that fails does so here, while that can still be answered."""
    taken: list[bytes] = []
    size = 0
    for block in blocks:
        taken.append(block)
        size += len(block)
        if size > _AT_ONCE:
            return taken, False
    return taken, True


def _close(lines: Iterator[bytes]) -> None:
    """Give up a COPY that has not been read to its end, so that its connection can end the transaction."""
    if isinstance(lines, Generator):
        lines.close()


class _OpenBody(Iterator[bytes]):
    """Blocks that hold a transaction open: it ends with them, or when nobody wants more of them."""

    def __init__(self, blocks: Iterator[bytes], transaction: contextlib.ExitStack) -> None:
        self._blocks = blocks
        self._transaction = transaction

    def __next__(self) -> bytes:
        try:
            return next(self._blocks)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the transaction."""
        self._transaction.close()


def _complete(headers: dict[str, str], kind: str, blocks: Sequence[bytes]) -> DataAnswer:
    return DataAnswer(200, {**headers, "Content-Length": str(sum(map(len, blocks)))}, kind, iter(blocks))


# Write


def _post_entity(call: DataCall, resource: Resource, options: Options) -> DataAnswer:
    if options.onconflict == "update":
        return _put_entity(call, resource, options)
    rows = read_rows(call.headers, call.body)
    with call.catalog.writing(call.client) as writing:
        table = write.target(resource, writing.model)
        access.require_table(call.client, "insert", writing.model, table)
        write.check_names(table, rows)
        statement = write.create(table, rows, options)
        _begin(call, writing, rows)
        _require_own_rids(call, writing, rows, set(options.nondefaults) & {"RID", "RCT", "RCB"})
        return _finish(call, options, writing, statement, entity_outputs(table, Instance(0, table)))


def _put_entity(call: DataCall, resource: Resource, options: Options) -> DataAnswer:
    rows = read_rows(call.headers, call.body)
    with call.catalog.writing(call.client) as writing:
        table = write.target(resource, writing.model)
        for mode in ("insert", "update"):
            access.require_table(call.client, mode, writing.model, table)
        write.check_names(table, rows)
        statement = update.upsert(table, rows)
        _begin(call, writing, rows)
        _refuse_duplicates(writing, rows, update.key_columns(table, rows))
        return _finish(call, options, writing, statement, entity_outputs(table, Instance(0, table)))


def _put_attributegroup(call: DataCall, resource: Resource, options: Options) -> DataAnswer:
    rows = read_rows(call.headers, call.body)
    with call.catalog.writing(call.client) as writing:
        table = write.target(resource, writing.model)
        access.require_table(call.client, "update", writing.model, table)
        keys, targets = update.addressed_columns(table, resource)
        statement = update.keyed_update(table, rows, keys, targets)
        _begin(call, writing, rows)
        _refuse_duplicates(writing, rows, keys)
        instance = Instance(0, table)
        outputs = [Output(name, Field(instance, column)) for name, column in (*keys, *targets)]
        return _finish(call, options, writing, statement, outputs)


def _delete_entity(call: DataCall, resource: Resource, options: Options) -> DataAnswer:
    with call.catalog.writing(call.client) as writing:
        query = plan(resource, options, writing.model)
        table = query.path.context.table
        access.require_table(call.client, "delete", writing.model, table)
        _require_select(call, writing, query.path)
        _begin(call, writing)
        if not writing.execute(write.delete(table, sql.entity_ids(query.path, writing.relation))):
            raise NotFound("There are no such entities to delete.")
        return _done(call, options, writing)


def _delete_attribute(call: DataCall, resource: Resource, options: Options) -> DataAnswer:
    with call.catalog.writing(call.client) as writing:
        query = plan(resource, options, writing.model)
        context = query.path.context
        access.require_table(call.client, "update", writing.model, context.table)
        _require_select(call, writing, query.path)
        columns = write.cleared_columns(query)
        _begin(call, writing)
        if not writing.execute(write.clear(context.table, columns, sql.entity_ids(query.path, writing.relation))):
            raise NotFound("There are no such entities to change.")
        return _done(call, options, writing)


def _begin(call: DataCall, writing: Writing, rows: Rows | None = None) -> None:
    """Check what the request demands of the present state, and put CSV where SQL can read it."""
    if preconditions.conditional(call.headers):
        preconditions.check(call.headers, writing.latest())
    if isinstance(rows, CsvRows):
        writing.execute(rows.table())
        with writing.copy_in(rows.copy()) as copy:
            copy.write(rows.content)


def _require_own_rids(call: DataCall, writing: Writing, rows: Rows, given: set[str]) -> None:
    """Who gives system columns is the catalog's owner, or gives RIDs that it has leased before."""
    if not given or access.allowed(call.client, "owner", writing.model):
        return
    if given == {"RID"} and "RID" in rows.names and call.client is not None:
        lease = writing.model.table("public", "ERMrest_RID_Lease")
        foreign = writing.one(write.unleased(lease, rows, call.client.id))
        if foreign is None:
            return
        raise Forbidden(f"The RID {foreign[0]} is not one that you have leased in public:ERMrest_RID_Lease.")
    raise Forbidden(f"Only the catalog's owner may set {', '.join(sorted(given))}.")


def _refuse_duplicates(writing: Writing, rows: Rows, keys: Sequence[tuple[str, Column]]) -> None:
    """An update by a key that several of the rows have could not tell which of them is meant."""
    found = writing.one(update.duplicates(rows, keys)) if keys and rows.count > 1 else None
    if found is not None:
        raise update.duplicate_error(keys, found[0])


def _finish(
    call: DataCall, options: Options, writing: Writing, selection: sql.Selection, outputs: Sequence[Output]
) -> DataAnswer:
    """Run the change, and keep what it selects until the transaction has been committed."""
    kind = render.content_type(options, call.headers)
    lines = writing.copy_out(render.statement(selection, outputs, kind, options))
    blocks = list(render.body(lines, outputs, kind))
    headers = {"ETag": preconditions.etag(writing.latest(), kind), **render.disposition(options, kind)}
    return _complete(headers, kind, blocks)


def _done(call: DataCall, options: Options, writing: Writing) -> DataAnswer:
    """The answer to a DELETE."""
    return DataAnswer(204, {"ETag": preconditions.etag(writing.latest(), render.content_type(options, call.headers))})


_CHANGES = {
    ("POST", "entity"): _post_entity,
    ("PUT", "entity"): _put_entity,
    ("PUT", "attributegroup"): _put_attributegroup,
    ("DELETE", "entity"): _delete_entity,
    ("DELETE", "attribute"): _delete_attribute,
}
