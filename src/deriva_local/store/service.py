"""The database `deriva_local`: what belongs to no catalog (registry, objects' metadata, users, sessions).

Each part keeps its tables in a schema of its own and makes them at start:

    service.prepare("CREATE SCHEMA IF NOT EXISTS hatrac; CREATE TABLE IF NOT EXISTS …")
    with service.transaction() as connection: connection.execute(…)

`service.pool` gives the same connections to a part that handles transactions itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg
from psycopg import sql
from psycopg_pool import ConnectionPool, PoolTimeout

from deriva_local.errors import Unavailable
from deriva_local.store import pgerrors

_PREPARE_LOCK = 7


class ServiceDatabase:
    """A pool of connections to the service's own database."""

    def __init__(self, conninfo: str, max_connections: int = 8) -> None:
        self._conninfo = conninfo
        self.pool: ConnectionPool[psycopg.Connection] = ConnectionPool(
            conninfo,
            kwargs={"options": "-c timezone=UTC", "application_name": "deriva-local"},
            min_size=1,
            max_size=max_connections,
            num_workers=1,
            open=True,
        )

    def close(self) -> None:
        """Close all connections."""
        self.pool.close()

    def prepare(self, statements: str) -> None:
        """Run the statements (all `… IF NOT EXISTS`) that make a part's tables; concurrent starts take turns."""
        with self.transaction() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_PREPARE_LOCK,))
            connection.execute(statements.encode())

    @contextlib.contextmanager
    def transaction(self) -> Iterator[psycopg.Connection]:
        """A transaction, committed at a clean exit.

        Raises:
            Unavailable: PostgreSQL does not answer, or no connection became free.
        """
        try:
            with self.pool.connection(timeout=30) as connection:
                yield connection
        except PoolTimeout as error:
            raise Unavailable("No connection to PostgreSQL became free within 30 s; try again.") from error
        except psycopg.Error as error:
            known = pgerrors.translate(error, None)
            if known is None:
                raise
            raise known from error

    def alone(self, statement: sql.Composed) -> None:
        """Run a statement that refuses a transaction (CREATE DATABASE)."""
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            connection.execute(statement)
