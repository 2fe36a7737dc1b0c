from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.ops.features.definitions import FeatureDefinitions
from deriva_ml_kit.ops.features.online import Materialized, OnlineStore, write_store

DEFINITIONS = FeatureDefinitions.model_validate(
    {"features": [{"name": name, "column": "x"} for name in ("user:n", "user:text", "user:seen", "item:n")]}
)
KINDS = {"user:n": "int8", "user:text": "text", "user:seen": "timestamptz", "item:n": "int8"}
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
HELD = 1_767_225_600_000_000  # µs: 2026-01-01


def write(file: Path, number: int) -> None:
    """A store whose every value is its number, as of that many seconds after the beginning."""
    as_of = BEGAN + timedelta(seconds=number)
    made = Materialized(f"1@{number}", as_of, None, DEFINITIONS, 0, {})
    values = {"n": [number, HELD], "text": [f"ÄΩ {number}", HELD], "seen": [as_of.isoformat(), HELD]}
    write_store(file, made, KINDS, {("kéy'1", "user"): values, ("kéy'1", "item"): {"n": [-number, HELD]}})


def test_values_come_back_as_what_they_are_and_entities_stay_apart(tmp_path: Path) -> None:
    write(tmp_path / "online store?.sqlite", 7)
    with OnlineStore(tmp_path / "online store?.sqlite") as store:
        reply = store.get_features("kéy'1", now=BEGAN + timedelta(hours=1))
    assert reply.values == {
        "user:n": 7,
        "user:text": "ÄΩ 7",
        "user:seen": BEGAN + timedelta(seconds=7),
        "item:n": -7,
    }
    assert set(reply.age.values()) == {3600.0}


def test_threads_get_whole_answers_while_the_file_is_replaced(tmp_path: Path) -> None:
    file, wrong, asked = tmp_path / "online.sqlite", [], []
    write(file, 0)
    over = threading.Event()

    def ask(store: OnlineStore) -> None:
        while not over.is_set():
            reply = store.get_features("kéy'1")
            number = reply.values["user:n"]
            asked.append(number)
            if reply.as_of != BEGAN + timedelta(seconds=number) or reply.values["item:n"] != -number:
                wrong.append(reply)

    with OnlineStore(file) as store:
        threads = [threading.Thread(target=ask, args=[store]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(1, 13):
            write(file, number)
        over.set()
        for thread in threads:
            thread.join()
        assert store.get_features("kéy'1").values["user:n"] == 12
    assert not wrong
    assert asked


@pytest.mark.parametrize("content", [None, b"nonsense" * 200, b""])
def test_what_is_no_store_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "x.sqlite").write_bytes(content)
    with pytest.raises(UsageError, match=r"x\.sqlite"):
        OnlineStore(tmp_path / "x.sqlite")
