"""A PostgreSQL server that somebody else runs, given by a connection string (`--dsn`)."""

from __future__ import annotations

import psycopg
from psycopg.conninfo import make_conninfo

from deriva_local.errors import BadRequest, Unavailable

CONNECT_TIMEOUT_S = 10


class ExternalServer:
    """Connection strings for a server that we neither start nor stop."""

    def __init__(self, dsn: str) -> None:
        """`dsn` is a libpq connection string or URI whose role may create databases.

        Raises:
            BadRequest: It is not. (The message does not repeat it: it may hold a password.)
        """
        try:
            self._dsn = make_conninfo(dsn)
        except psycopg.ProgrammingError:
            raise BadRequest("The DSN is neither a libpq connection string nor a postgresql:// URI.") from None

    def dsn(self, database: str) -> str:
        """The same server and role, another database."""
        return make_conninfo(self._dsn, dbname=database)

    def check(self) -> None:
        """Connect once.

        Raises:
            Unavailable: The server does not let us in.
        """
        try:
            psycopg.connect(self.dsn("postgres"), connect_timeout=CONNECT_TIMEOUT_S).close()
        except psycopg.OperationalError as error:
            raise Unavailable(f"The PostgreSQL server of --dsn does not let us in: {error}") from None
