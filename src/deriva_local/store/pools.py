"""Connections on loan from a pool, with PostgreSQL's errors turned into the service's."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from deriva_local.errors import Unavailable
from deriva_local.store import pgerrors

_LONGEST_WAIT_S = 30


@contextlib.contextmanager
def connection(pool: ConnectionPool[psycopg.Connection]) -> Iterator[psycopg.Connection]:
    """A connection for a while; unless the pool's are in autocommit, what it did is committed at a clean exit.

    Raises:
        Unavailable: PostgreSQL does not answer, or no connection became free.
    """
    try:
        with pool.connection(timeout=_LONGEST_WAIT_S) as borrowed:
            yield borrowed
    except PoolTimeout as error:
        raise Unavailable(f"No connection to PostgreSQL became free within {_LONGEST_WAIT_S} s; try again.") from error
    except psycopg.Error as error:
        known = pgerrors.translate(error, None)
        if known is None:
            raise
        raise known from error
