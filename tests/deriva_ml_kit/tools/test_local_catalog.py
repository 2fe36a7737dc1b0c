"""The catalog on this machine, as tools find and start it."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deriva_ml_kit import local
from deriva_ml_kit.tools.invoke import Outcome, call_of, invoke

pytestmark = pytest.mark.catalog

Call = Callable[..., Outcome]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A home and a data folder in which nothing was started yet; trust and logins are what they were, afterwards."""
    for name in (*local.BUNDLE_VARIABLES, "NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
        if not os.environ[name]:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DERIVA_LOCAL_DATA_DIR", str(tmp_path / "local"))
    yield
    local._call("reset", "--yes")


def called(tool: str, **arguments: Any) -> Outcome:
    return invoke(tool, arguments, call_of(tool))


def answer(tool: str, **arguments: Any) -> dict[str, Any]:
    outcome = called(tool, **arguments)
    assert outcome.failure is None, outcome.failure
    return outcome.document


def error(tool: str, **arguments: Any) -> dict[str, Any]:
    found: dict[str, Any] = called(tool, **arguments).document["error"]
    return found


@pytest.mark.usefixtures("elsewhere")
def test_it_is_started_once_and_stays(new_port: Callable[[], int]) -> None:
    before = answer("local_catalog_status")
    assert (before["installed"], before["running"], before["next_step"]) == (True, False, "local_catalog_start()")
    tried = answer("local_catalog_start", dry_run=True)
    assert (tried["would_start"], tried["started"]) == (True, False)
    assert not answer("local_catalog_status")["running"]

    port, told = new_port(), []
    gone = threading.Event()
    gone.set()
    ended = invoke("local_catalog_start", {"port": port}, call_of("local_catalog_start", stop=gone))
    assert ended.document["error"]["code"] == "cancelled"
    call = call_of("local_catalog_start", report=lambda *what: told.append(what))
    made = invoke("local_catalog_start", {"port": port}, call).document

    assert (made["running"], made["hostname"], made["logged_in"]) == (True, f"localhost:{port}", True)
    assert (made["catalogs"], "make_schema.py" in made["next_step"]) == ([], True)
    again = answer("local_catalog_start")
    assert (again["started"], again["hostname"]) == (False, f"localhost:{port}")
    assert not answer("local_catalog_start", dry_run=True)["would_start"]
    other = error("local_catalog_start", port=port - 1)
    assert (other["code"], f"localhost:{port}" in other["message"]) == ("conflict", True)


@pytest.mark.usefixtures("elsewhere")
def test_a_port_that_somebody_has_is_a_conflict() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = error("local_catalog_start", port=taken.getsockname()[1])

    assert refused["code"] == "conflict"
    assert "local_catalog_start(port=…)" in refused["remedy"]


def test_catalogs_are_told_by_what_is_in_them(clinic: Any) -> None:
    found = answer("local_catalog_status")

    assert found["hostname"] == clinic.ml.host_name
    [known] = [each for each in found["catalogs"] if each["catalog_id"] == str(clinic.ml.catalog_id)]
    assert known["domain_schemas"] in (["clinic"], None)  # None if ten others are newer
    assert found["catalogs"][0]["domain_schemas"] is not None
    assert found["catalog_count"] == len(found["catalogs"])


def test_without_the_program_it_is_told_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))

    found = answer("local_catalog_status")
    assert (found["installed"], found["running"]) == (False, False)
    assert "deriva-ml-kit[local]" in found["next_step"]
    refused = error("local_catalog_start")
    assert refused["code"] == "failed"
    assert "deriva-ml-kit[local]" in refused["remedy"]
