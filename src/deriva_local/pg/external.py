"""A PostgreSQL server that somebody else runs, given by a connection string (`--dsn`)."""

from __future__ import annotations


class ExternalServer:
    """Connection strings for a server that we neither start nor stop."""

    def __init__(self, dsn: str) -> None:
        """`dsn` is a libpq connection string or URI whose role may create databases."""
        self._dsn = dsn

    def dsn(self, database: str) -> str:
        """The same server and role, another database."""
        from psycopg.conninfo import make_conninfo  # noqa: PLC0415  (slow to import, and not needed by `status`)

        return make_conninfo(self._dsn, dbname=database)
