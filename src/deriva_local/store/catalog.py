"""One catalog's database: transactions that read a moment, and transactions that write.

    with catalog.reading(snap) as reading:  reading.model, reading.relation(table), reading.rows(query)
    with catalog.writing(client) as writing:  the same, and writing.execute(query), writing.replace_model(model)

Reading is one REPEATABLE READ transaction: model and rows are of one moment. Writers of a catalog take turns, each with
its own snapshot time, so every snapshot is consistent; the clock moves only if something has changed.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool

from deriva_local.errors import Conflict, NotFound
from deriva_local.model import Model, Table, snaptime, stored
from deriva_local.recent import Recent
from deriva_local.store import clients, ddl, pgerrors, pools
from deriva_local.store.clients import Author

Params = Sequence[Any] | Mapping[str, Any]
_MODELS_KEPT = 64
_AUTHORS_KEPT = 1000
_ROWS_A_FETCH = 2000
_cursor_numbers = itertools.count()


class Reading:
    """A read transaction. Statements use physical names (`Table.physical`, `Column.physical`).

    A statement without parameters is sent as it is; with parameters, a literal % in it must be doubled.
    """

    def __init__(
        self, connection: psycopg.Connection, model: Model, version: int, snap: int | None, moment: int
    ) -> None:
        self.connection = connection
        self.model = model
        self.model_version = version  # µs; the snapshot that made this model
        self.snap = snap
        self.snaptime = moment  # µs; the latest snapshot, or the one that `snap` names

    def relation(self, table: Table) -> sql.Composable:
        """What to put after FROM (or JOIN) for the rows of `table` at this transaction's moment; give it an alias."""
        if self.snap is None:
            return ddl.live(table)
        columns = sql.SQL(", ").join(sql.Identifier(column.physical) for column in table.columns)
        return sql.SQL(
            "(SELECT {columns} FROM {live} WHERE valid_from <= {at} UNION ALL"
            " SELECT {columns} FROM {past} WHERE valid_from <= {at} AND valid_until > {at})"
        ).format(columns=columns, live=ddl.live(table), past=ddl.past(table), at=moment_literal(self.snaptime))

    def rows(self, query: sql.Composable, params: Params = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a SELECT, fetched as they are consumed; only within the transaction."""
        name = f"rows{next(_cursor_numbers)}"
        with self._translated(), self.connection.cursor(name=name) as cursor:
            cursor.itersize = _ROWS_A_FETCH
            cursor.execute(_whole(query), params or None)
            yield from cursor

    def all(self, query: sql.Composable, params: Params = ()) -> list[tuple[Any, ...]]:
        """All rows at once, also those of INSERT … RETURNING."""
        with self._translated():
            return self.connection.execute(_whole(query), params or None).fetchall()

    def one(self, query: sql.Composable, params: Params = (), prepare: bool | None = None) -> tuple[Any, ...] | None:
        """The first row, or None. With `prepare` PostgreSQL keeps the plan of a statement that comes often."""
        with self._translated():
            return self.connection.execute(_whole(query), params or None, prepare=prepare).fetchone()

    def copy_out(self, statement: sql.Composable) -> Iterator[bytes]:
        """The bytes of a `COPY (…) TO STDOUT` statement, as PostgreSQL sends them."""
        with self._translated(), self.connection.cursor() as cursor, cursor.copy(_whole(statement)) as copy:
            for block in copy:
                yield bytes(block)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Turns PostgreSQL's errors into the service's."""
        try:
            yield
        except psycopg.Error as error:
            known = pgerrors.translate(error, self.model)
            if known is None:
                raise
            raise known from error


class Writing(Reading):
    """A write transaction: rows written now are of the snapshot `snaptime`."""

    def __init__(
        self, connection: psycopg.Connection, model: Model, version: int, moment: int, client: Author | None
    ) -> None:
        super().__init__(connection, model, version, None, moment)
        self.client = client

    def execute(self, query: sql.Composable, params: Params = ()) -> int:
        """Run a statement; the number of rows it changed."""
        with self._translated():
            return self.connection.execute(_whole(query), params or None).rowcount

    def latest(self) -> int:
        """The catalog's latest snapshot (µs) if this were committed now: its own only if anything has changed."""
        row = self.one(
            sql.SQL(
                "SELECT CASE WHEN current_setting('deriva.changed') <> '' THEN meta.snaptime() ELSE max(snaptime) END"
                " FROM meta.snapshot"
            )
        )
        assert row is not None
        return snaptime.from_datetime(row[0])

    @contextlib.contextmanager
    def copy_in(self, statement: sql.Composable) -> Iterator[psycopg.Copy]:
        """A running `COPY … FROM STDIN`: `write` bytes or `write_row`."""
        with self._translated(), self.connection.cursor() as cursor, cursor.copy(_whole(statement)) as copy:
            yield copy

    def replace_model(self, new: Model) -> None:
        """Make `new` the model from this snapshot on, and carry PostgreSQL's tables along."""
        statements = ddl.changes(self.model, new)
        self.model = new  # errors speak of it
        with self._translated():
            if statements:  # all in one go: one round trip
                self.connection.execute(sql.SQL("; ").join(statements))
            self.connection.execute(
                "INSERT INTO meta.model VALUES (%s, %s)"
                " ON CONFLICT (valid_from) DO UPDATE SET document = excluded.document",
                (snaptime.to_datetime(self.snaptime), Jsonb(stored.to_json(new))),
            )
        self.model_version = self.snaptime


class Catalog:
    """One catalog: its pool of connections and the models it has parsed."""

    def __init__(self, catalog_id: str, conninfo: str, max_connections: int = 8) -> None:
        self.id = catalog_id
        self._models: Recent[int, Model] = Recent(_MODELS_KEPT)
        self._authors: Recent[Author, bool] = Recent(_AUTHORS_KEPT)  # who has a row in ERMrest_Client
        self._pool = ConnectionPool(
            conninfo,
            kwargs={"autocommit": True, "options": "-c timezone=UTC", "application_name": f"catalog {catalog_id}"},
            min_size=0,
            max_size=max_connections,
            max_idle=120,
            num_workers=1,
            open=True,
        )

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    def begin(self, model: Model, client: Author | None) -> None:
        """The first snapshot of a fresh copy of the template, which holds the tables of `model`."""
        with pools.connection(self._pool) as connection, connection.transaction():
            connection.execute("SELECT meta.begin_write(%s)", (client.id if client else None,))
            connection.execute("INSERT INTO meta.model VALUES (meta.snaptime(), %s)", (Jsonb(stored.to_json(model)),))
            row = clients.upsert(model, client) if client is not None else None
            if row is not None:
                connection.execute(*row)
            connection.execute("SELECT meta.end_write()")

    @contextlib.contextmanager
    def reading(self, snap: int | None = None) -> Iterator[Reading]:
        """A transaction that reads now, or as of `snap` (µs since 1970).

        Raises:
            NotFound: the catalog did not exist at `snap`.
        """
        with pools.connection(self._pool) as connection:
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            with _ended(connection, "ROLLBACK"):
                moment, version = self._moment(connection, snap)
                model = self._model(connection, version)
                yield Reading(connection, model, version, snap, moment)

    @contextlib.contextmanager
    def writing(self, client: Author | None) -> Iterator[Writing]:
        """A transaction that writes on behalf of `client`, committed at a clean exit. Writers wait for each other."""
        with pools.connection(self._pool) as connection:
            connection.execute("BEGIN")
            with _ended(connection, "ROLLBACK"):
                begun = connection.execute(
                    "SELECT snaptime, model_version FROM meta.begin_write(%s)", (client.id if client else None,)
                ).fetchone()
                assert begun is not None
                moment, version = (snaptime.from_datetime(at) for at in begun)
                writing = Writing(connection, self._model(connection, version), version, moment, client)
                if client is not None and self._authors.get(client) is None:
                    _record(writing, client)
                yield writing
                with writing._translated():  # deferred constraints speak here
                    connection.execute("SELECT meta.end_write()")
                    connection.execute("COMMIT")
            self._models.put(writing.model_version, writing.model)
            if client is not None:
                self._authors.put(client, True)

    def _moment(self, connection: psycopg.Connection, snap: int | None) -> tuple[int, int]:
        """The snapshot that answers at `snap`, and the version of its model."""
        at = None if snap is None else snaptime.to_datetime(snap)
        row = connection.execute(
            "SELECT (SELECT max(snaptime) FROM meta.snapshot WHERE snaptime <= at),"
            " (SELECT max(valid_from) FROM meta.model WHERE valid_from <= at)"
            " FROM coalesce(%s::timestamptz, 'infinity') AS at",
            (at,),
        ).fetchone()
        if row is None or row[0] is None or row[1] is None:
            written = "" if snap is None else f" at snapshot {snaptime.encode(snap)}"
            raise NotFound(f"Catalog {self.id} has no content{written}.")
        return snaptime.from_datetime(row[0]), snaptime.from_datetime(row[1])

    def _model(self, connection: psycopg.Connection, version: int) -> Model:
        known = self._models.get(version)
        if known is not None:
            return known
        row = connection.execute(
            "SELECT document FROM meta.model WHERE valid_from = %s", (snaptime.to_datetime(version),)
        ).fetchone()
        if row is None:
            raise Conflict("The catalog's history is being changed; try again.")
        model = stored.from_json(row[0])
        self._models.put(version, model)
        return model


def _record(writing: Writing, client: Author) -> None:
    row = clients.upsert(writing.model, client)
    if row is not None:
        writing.execute(*row)


def moment_literal(moment: int) -> sql.Composable:
    """A moment in µs since 1970 as an SQL literal."""
    at: datetime = snaptime.to_datetime(moment)
    return sql.SQL("{}::timestamptz").format(sql.Literal(at.isoformat()))


@contextlib.contextmanager
def _ended(connection: psycopg.Connection, by: str) -> Iterator[None]:
    """Runs `by` at the end if the transaction is still open then."""
    try:
        yield
    finally:
        if not connection.closed and connection.pgconn.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            connection.execute(by)


def _whole(query: sql.Composable) -> sql.Composed:
    """Any composable as the type that psycopg's signatures ask for."""
    return sql.Composed([query])
