"""Catalogs in the real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from deriva_local.ermrest.schema import create, definitions
from deriva_local.store import Catalog, Store

from .steps import ANNE, change


@pytest.fixture(scope="session")
def store(new_database: Callable[[], str]) -> Iterator[Store]:
    store = Store(new_database())
    yield store
    store.close()


@pytest.fixture
def catalog(store: Store) -> Iterator[Catalog]:
    """A new catalog with an empty schema `S`."""
    record = store.create([ANNE.id], ANNE)
    catalog = store.catalog(record.id)
    change(catalog, lambda model: create.schema(model, definitions.schema({}, "S")))
    yield catalog
    store.delete(record.id)
