from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest, pearsonr

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.numerics.assignment import Arms, bucket, buckets

MANY = [f"user-{number}" for number in range(20_000)]


@given(salt=st.text(min_size=1).filter(lambda text: ":" not in text), unit=st.text())
def test_the_point_is_the_head_of_sha256_of_salt_and_unit(salt: str, unit: str) -> None:
    head = int(hashlib.sha256(f"{salt}:{unit}".encode()).hexdigest()[:16], 16) >> 11
    assert bucket(salt, unit) == head / 2**53 < 1


def test_points_do_not_change_with_the_version_of_anything() -> None:
    # printf 'checkout-2026:user-1' | sha256sum
    assert bucket("checkout-2026", "user-1") == pytest.approx(int("688ba6908bc75e45", 16) / 2**64, abs=1e-15)


def test_points_are_uniform_and_independent_between_salts() -> None:
    one, other = buckets("one", MANY), buckets("two", MANY)
    assert kstest(one, "uniform").pvalue > 0.001
    assert abs(pearsonr(one, other).statistic) < 0.03


@given(shares=st.lists(st.floats(0.01, 1), min_size=2, max_size=4).map(sorted))
def test_a_ramp_keeps_everyone_in_their_arm(shares: list[float]) -> None:
    arms = Arms("ramp", {"control": 0.5, "treatment": 0.5})
    before: dict[str, Any] = {}
    for share in shares:
        now = dict(zip(MANY[:500], arms.with_share(share).of_all(MANY[:500]), strict=True))
        assert all(now[unit] == arm for unit, arm in before.items() if arm)
        before = now


def test_a_first_arm_keeps_its_units_when_its_weight_is_raised() -> None:
    canary = [Arms("r", {"canary": part, "control": 1 - part}).of_all(MANY) == "canary" for part in (0.05, 0.25)]
    assert np.all(canary[1][canary[0]])


def test_arms_get_their_parts() -> None:
    found = Counter(Arms("parts", {"a": 0.2, "b": 0.3, "c": 0.5}, share=0.5).of_all(MANY))
    assert {arm: pytest.approx(count / len(MANY), abs=0.015) for arm, count in found.items()} == {
        "a": 0.1, "b": 0.15, "c": 0.25, None: 0.5,
    }  # fmt: skip
    assert Arms("parts", {"a": 0.2, "b": 0.8}).of(MANY[0]) == Arms("parts", {"a": 0.2, "b": 0.8}).of_all(MANY)[0]


@pytest.mark.parametrize(
    ("salt", "units", "told"),
    [("", ["a"], "salt"), ("a:b", ["c"], "without a colon"), ("s", [7], "Units are text"), ("s", [None], "text")],
)
def test_what_has_no_certain_point_is_refused(salt: str, units: list[Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        buckets(salt, units)


@pytest.mark.parametrize(
    ("weights", "share", "told"),
    [({}, 1, "weight above 0"), ({"a": 0.5, "b": 0.6}, 1, "add up to 1.1"), ({"a": 1.5, "b": -0.5}, 1, "above 0"),
     ({"a": 1.0}, 0, "share"), ({"a": float("nan"), "b": 1}, 1, "above 0")],
)  # fmt: skip
def test_arms_that_do_not_add_up_are_refused(weights: dict[str, float], share: float, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        Arms("salt", weights, share)
