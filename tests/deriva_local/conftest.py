"""For tests of the service's parts in this process: one PostgreSQL for the run, a fresh database for a test."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import sql

from deriva_local.pg import Cluster


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running PostgreSQL, destroyed at the end."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    cluster.start()
    yield cluster
    cluster.destroy()


@pytest.fixture(scope="session")
def new_database(cluster: Cluster) -> Callable[[], str]:
    """A function that makes an empty database and gives its connection string."""
    numbers = itertools.count(1)

    def make() -> str:
        name = f"test_{next(numbers)}"
        with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return cluster.dsn(name)

    return make


@pytest.fixture
def database(new_database: Callable[[], str]) -> str:
    """The connection string of a database that only this test uses."""
    return new_database()
