"""The catalog service on the real PostgreSQL, asked in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from deriva_local.store import Store

from .rest import Rest


@pytest.fixture(scope="session")
def rest_store(new_database: Callable[[], str]) -> Iterator[Store]:
    store = Store(new_database())
    yield store
    store.close()


@pytest.fixture
def service(rest_store: Store) -> Rest:
    """The whole service, asked by Anne."""
    return Rest(rest_store)


@pytest.fixture
def catalog(service: Rest) -> Iterator[Rest]:
    """A catalog of Anne's with an empty schema S, addressed by paths such as `/schema`."""
    number = service("POST", "/catalog").json["id"]
    catalog = service.at(f"/catalog/{number}")
    catalog("POST", "/schema/S")
    yield catalog
    service("DELETE", f"/catalog/{number}")
