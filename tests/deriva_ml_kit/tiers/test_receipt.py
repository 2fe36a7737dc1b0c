"""Receipts and configurations in canonical form."""

from __future__ import annotations

import math
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from receipts import CONFIG, receipt, with_model

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.tiers.receipt import (
    Check,
    Status,
    canonical,
    config_hash,
    difference,
    document,
    local_receipts,
    parse,
    read,
    receipts_folder,
    seal,
    verdict,
    write,
)

KEYS = st.text(max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
CONFIGS = st.dictionaries(KEYS, VALUES, max_size=4)


def shuffled(value: Any) -> Any:
    """The same with every mapping in reverse order."""
    if isinstance(value, dict):
        return {key: shuffled(item) for key, item in reversed(value.items())}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


@given(CONFIGS)
def test_the_order_of_keys_means_nothing(config: dict[str, Any]) -> None:
    assert config_hash(shuffled(config)) == config_hash(config)
    assert str(canonical(shuffled(config))) == str(canonical(config))


@given(CONFIGS)
def test_a_canonical_form_is_its_own(config: dict[str, Any]) -> None:
    once = canonical(config)
    assert str(canonical(once)) == str(once)
    assert config_hash(once) == config_hash(config)


@given(CONFIGS, CONFIGS)
def test_hashes_are_equal_exactly_if_nothing_differs(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert (config_hash(one) == config_hash(other)) == (difference(one, other) == [])


@given(CONFIGS, KEYS, VALUES)
def test_one_changed_value_changes_the_hash_and_is_the_difference(config: dict[str, Any], key: str, value: Any) -> None:
    before, after = config | {"k" + key: ["before"]}, config | {"k" + key: value}
    found = difference(before, after)
    assert (config_hash(before) != config_hash(after)) == bool(found) == (value != ["before"])


@given(CONFIGS, CONFIGS)
def test_a_difference_is_the_same_from_both_sides(one: dict[str, Any], other: dict[str, Any]) -> None:
    there = [(each.key, str(each.before), str(each.after)) for each in difference(one, other)]
    back = [(each.key, str(each.after), str(each.before)) for each in difference(other, one)]
    assert there == back


@given(config=CONFIGS, value=VALUES)
@settings(max_examples=30, deadline=None)
def test_a_receipt_is_read_as_it_was_sealed(config: dict[str, Any], value: Any) -> None:
    made = receipt(config=canonical(config), checks=(Check(id="c", title="C", status=Status.PASS, value=value),))
    assert parse(document(made).encode(), "here") == made
    assert seal(made) == made


def test_values_that_look_alike_are_told_apart() -> None:
    alike = [
        1,
        1.0,
        True,
        "1",
        [1],
        math.inf,
        "inf",
        -math.inf,
        math.nan,
        None,
        "None",
        0.1,
        0.3,
        0.1 + 0.2,
    ]
    hashes = [config_hash({"value": value}) for value in alike]
    assert len(set(hashes)) == len(alike)


def test_what_a_run_is_told_beside_the_configuration_does_not_count() -> None:
    beside = {
        "dry_run": True,
        "tier": 2,
        "override_tier": "x",
        "description": "Tuesday",
        "parent_execution": "1-A",
        "sequence": 3,
        "swept": ["model_config.learning_rate"],
        "hydra": {"run": {"dir": "outputs"}},
        "deriva_ml": object(),
        "datasets": {"training": {"rid": "1-B"}},
        "assets": ["1-C"],
    }
    described = CONFIG | {"workflow": CONFIG["workflow"] | {"description": "for Tuesday"}}
    assert config_hash(described | beside) == config_hash(CONFIG)
    assert config_hash(with_model(description="a hyperparameter of this name counts")) != config_hash(CONFIG)


class Mode(Enum):
    FAST = "fast"


@dataclass
class Optimiser:
    name: str = "adam"


def test_objects_of_a_configuration_stand_as_what_they_mean() -> None:
    given_ = {
        "m": Mode.FAST,
        "o": Optimiser(),
        "p": Path("a/b"),
        "f": len,
        "t": (1, 2),
        "s": {"b", "a"},
        "n": np.float32(1),
    }
    assert canonical(given_) == {
        "m": "fast",
        "o": {"name": "adam"},
        "p": "a/b",
        "f": "builtins.len",
        "t": [1, 2],
        "s": ["a", "b"],
        "n": 1.0,
    }


def test_what_cannot_be_recorded_is_named() -> None:
    with pytest.raises(UsageError, match=r"model_config\.layers\.1\.act is a object, which cannot be recorded"):
        canonical({"model_config": {"layers": [{}, {"act": object()}]}})
    with pytest.raises(UsageError, match="there twice"):
        canonical({1: "a", "1": "b"})


def test_differences_are_told_key_by_key() -> None:
    found = difference(with_model(learning_rate=0.001), with_model(learning_rate=0.1, **{"a.b": None}))
    assert [str(each) for each in found] == [
        'model_config."a.b": (not set) -> null',
        "model_config.learning_rate: 0.001 -> 0.1",
    ]


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ("pass pass", Status.PASS),
        ("pass skip", Status.PASS),
        ("pass insufficient", Status.INSUFFICIENT),
        ("insufficient fail", Status.FAIL),
        ("skip skip", Status.INSUFFICIENT),
        ("", Status.INSUFFICIENT),
    ],
)
def test_a_verdict_follows_from_the_checks(statuses: str, expected: Status) -> None:
    checks = [Check(id=word, title=word, status=Status(word)) for word in statuses.split()]
    assert verdict(checks) is expected


def test_insufficient_evidence_that_is_not_required_does_not_count() -> None:
    passed = Check(id="a", title="A", status=Status.PASS)
    extra = Check(id="b", title="B", status=Status.INSUFFICIENT, required=False)
    assert verdict([passed, extra]) is Status.PASS


def test_receipts_lie_where_git_does_not_see_them(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    path = write(receipt(), receipts_folder(tmp_path))
    seen = subprocess.run(["git", "status", "--porcelain"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert seen.stdout == ""
    assert path.parent == tmp_path / ".deriva-ml" / "receipts"
    assert read(path) == receipt()


def test_local_receipts_come_newest_first(tmp_path: Path) -> None:
    made = [receipt(name=str(day), made=f"2026-11-{day:02}T12:00:00Z") for day in (3, 1, 2)]
    for each in made:
        write(each, receipts_folder(tmp_path))
    assert [each.name for each in local_receipts(tmp_path)] == ["3", "2", "1"]
    assert local_receipts(tmp_path / "elsewhere") == []


def test_the_key_is_made_once_and_is_nobody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platformdirs, "user_data_dir", lambda *_, **__: str(tmp_path / "data"))
    with ThreadPoolExecutor(8) as pool:
        seals = {each.seal for each in pool.map(lambda _: receipt(), range(16))}
    assert len(seals) == 1
    [key] = (tmp_path / "data").iterdir()
    assert len(key.read_bytes()) == 32
    if os.name == "posix":
        assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_a_place_for_the_key_that_cannot_be_used_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(platformdirs, "user_data_dir", lambda *_, **__: str(tmp_path / "file" / "data"))
    with pytest.raises(UsageError, match="keeps the key"):
        receipt()


def test_nothing_that_takes_long_is_imported() -> None:
    asked = (
        "import sys, deriva_ml_kit.tiers.gate; print([m for m in ('deriva_ml', 'deriva', 'hydra') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
