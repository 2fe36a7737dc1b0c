"""Catalogs come, go, and are found again by another process."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from deriva_local.errors import Conflict, NotFound
from deriva_local.model.initial import initial_model
from deriva_local.store import Store

from .steps import ANNE, contents


def test_a_new_catalog_holds_the_initial_model_and_its_maker(store: Store) -> None:
    record = store.create(["anne", "curators"], ANNE)
    model, rows = contents(store.catalog(record.id))
    assert model == initial_model(["anne", "curators"])
    assert [row["ID"] for row in rows["public:ERMrest_Client"]] == ["anne"]
    assert rows["public:ERMrest_Client"][0]["RCB"] == "anne"


def test_catalogs_made_at_the_same_time_are_all_there(store: Store) -> None:
    with ThreadPoolExecutor(4) as pool:
        records = list(pool.map(lambda _: store.create(["anne"], ANNE), range(8)))
    assert len({record.id for record in records}) == 8
    for record in records:
        assert contents(store.catalog(record.id))[0] == initial_model(["anne"])
        store.delete(record.id)


def test_a_deleted_catalog_leaves_no_database(store: Store) -> None:
    record = store.create(["anne"], ANNE)
    store.catalog(record.id)
    store.delete(record.id)
    with store.service.transaction() as connection:
        names = connection.execute("SELECT datname FROM pg_database").fetchall()
    assert (record.database,) not in names
    assert record.id not in [other.id for other in store.records()]
    with pytest.raises(NotFound):
        store.catalog(record.id)


def test_an_id_that_somebody_asked_for_is_not_given_in_turn(store: Store) -> None:
    number = int(store.create(["anne"], ANNE).id)
    store.create(["anne"], ANNE, id=str(number + 1))
    assert store.create(["anne"], ANNE).id == str(number + 2)


def test_a_creation_that_fails_can_be_tried_again(store: Store) -> None:
    with psycopg.connect(store._dsn, autocommit=True) as connection:
        connection.execute("CREATE DATABASE catalog_wanted")
        with pytest.raises(psycopg.errors.DuplicateDatabase):
            store.create(["anne"], ANNE, id="wanted")
    assert store.create(["anne"], ANNE, id="wanted").id == "wanted"
    with pytest.raises(Conflict):
        store.create(["anne"], ANNE, id="wanted")


def test_two_processes_see_the_same_catalogs(store: Store, new_database: Callable[[], str]) -> None:
    other = Store(new_database())
    try:
        record = store.create(["anne"], ANNE, name="shared", description="d")
        assert other.record(record.id) == record
        assert record.id in [found.id for found in other.records()]
    finally:
        other.close()
