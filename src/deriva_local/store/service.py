"""The database `deriva_local`: what belongs to no catalog (registry, objects' metadata, users, sessions).

Each part keeps its tables in a schema of its own and makes them at start:

    service.prepare("CREATE SCHEMA IF NOT EXISTS hatrac; CREATE TABLE IF NOT EXISTS …")
    with service.transaction() as connection: connection.execute(…)

`service.pool` gives the same connections to a part that handles transactions itself.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

import psycopg
from psycopg import sql
from psycopg_pool import ConnectionPool

from deriva_local.store import pools

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

    def transaction(self) -> AbstractContextManager[psycopg.Connection]:
        """A transaction, committed at a clean exit.

        Raises:
            Unavailable: PostgreSQL does not answer, or no connection became free.
        """
        return pools.connection(self.pool)

    def alone(self, statement: sql.Composed) -> None:
        """Run a statement that refuses a transaction (CREATE DATABASE)."""
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            connection.execute(statement)
