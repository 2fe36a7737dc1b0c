"""A call has a connection of its own, which sees the catalog as it is now."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from deriva_ml_kit.tools.connections import Connections
from deriva_ml_kit.tools.failure import Code, failure_of

pytestmark = pytest.mark.catalog


@pytest.fixture
def connections() -> Connections:
    return Connections()


@pytest.fixture
def place(clinic: Any) -> tuple[str, str]:
    return clinic.ml.host_name, str(clinic.ml.catalog_id)


def refusal(connections: Connections, hostname: str, catalog_id: str) -> tuple[Code, str]:
    with pytest.raises(Exception) as caught:
        connections.take(hostname, catalog_id)
    failure = failure_of(caught.value)
    assert failure.remedy
    return failure.code, failure.message


def test_a_connection_is_used_again_and_never_by_two_at_once(connections: Connections, place: tuple[str, str]):
    first = connections.take(*place)
    second = connections.take(*place)
    connections.give_back(first)
    third = connections.take(*place)

    assert first.ml is not second.ml
    assert third is first


def test_threads_connect_at_the_same_time_and_each_has_its_own(connections: Connections, place: tuple[str, str]):
    taken: list[Any] = []
    threads = [threading.Thread(target=lambda: taken.append(connections.take(*place))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({id(connection.ml) for connection in taken}) == 4
    assert all(connection.ml.model.schemas["clinic"] for connection in taken)


def test_what_another_connection_changed_is_seen(connections: Connections, own: Any):
    place = own.where["hostname"], own.where["catalog_id"]
    idle = connections.take(*place)
    connections.give_back(idle)
    Connections().take(*place).ml.create_vocabulary("Colour", "What it looks like")

    again = connections.take(*place)

    assert again is not idle
    assert "Colour" in again.ml.model.schemas["lab"].tables


def test_a_row_that_another_connection_added_is_a_change_too(connections: Connections, own: Any):
    place = own.where["hostname"], own.where["catalog_id"]
    idle = connections.take(*place)
    connections.give_back(idle)
    Connections().take(*place).ml.add_term("Workflow_Type", "Colouring", description="Colours.")

    assert connections.take(*place) is not idle


def test_a_login_that_is_gone_is_noticed_although_a_connection_is_idle(
    connections: Connections, faulty_host: Any, place: tuple[str, str]
):
    connections.give_back(connections.take(faulty_host.hostname, place[1]))
    file = Path.home() / ".deriva" / "credential.json"
    logins = json.loads(file.read_text())
    file.write_text(json.dumps({name: login for name, login in logins.items() if name != faulty_host.hostname}))
    try:
        code, message = refusal(connections, faulty_host.hostname, place[1])
    finally:
        file.write_text(json.dumps(logins))

    assert code is Code.NOT_LOGGED_IN
    assert faulty_host.hostname in message


def test_a_host_that_went_away_is_said_at_once_although_a_connection_is_idle(
    connections: Connections, place: tuple[str, str], new_port: Any
):
    idle = connections.take(*place)
    gone = f"localhost:{new_port()}"
    connections.give_back(type(idle)(gone, place[1], idle.ml, idle.snaptime, idle.credential))
    start = time.monotonic()

    code, message = refusal(connections, gone, place[1])

    assert (code, gone in message, time.monotonic() - start < 2) == (Code.NO_CATALOG, True, True)


def test_a_host_that_does_not_answer_keeps_nobody_else_waiting(
    connections: Connections, faulty_host: Any, place: tuple[str, str]
):
    faulty_host.fail("stall", "GET", f"/ermrest/catalog/{place[1]}", seconds=1)
    slow = threading.Thread(target=lambda: connections.take(faulty_host.hostname, place[1]))
    slow.start()
    time.sleep(0.2)
    connections.take(*place)

    assert slow.is_alive()
    slow.join()


def test_a_name_that_nobody_knows_and_a_catalog_that_is_not_there(connections: Connections, place: tuple[str, str]):
    assert refusal(connections, "nowhere.invalid", "1")[0] is Code.NO_CATALOG
    code, message = refusal(connections, place[0], "99999")

    assert (code, message) == (Code.NO_CATALOG, f"There is no catalog 99999 on {place[0]}.")


def test_a_catalog_without_the_tables_of_derivaml_is_none(
    connections: Connections, place: tuple[str, str], catalog: Any
):
    code, message = refusal(connections, place[0], str(catalog.catalog_id))

    assert code is Code.NO_CATALOG
    assert "no DerivaML catalog" in message


def test_a_snapshot_is_a_catalog_too(connections: Connections, place: tuple[str, str], clinic: Any):
    snapshot = clinic.ml.catalog.latest_snapshot().snaptime

    assert connections.take(place[0], f"{place[1]}@{snapshot}").ml.is_snapshot()
