from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, ttest_ind

from deriva_ml_kit.numerics.assignment import Arms
from deriva_ml_kit.numerics.experiment.effects import Kind, effect
from deriva_ml_kit.numerics.experiment.integrity import in_several_arms, misassigned, sample_ratio

ARMS = Arms("salt", {"control": 0.5, "treatment": 0.5})


def test_another_salt_is_found_row_by_row() -> None:
    units = [f"u{number}" for number in range(1000)]
    right = ARMS.of_all(units)
    assert not misassigned(units, right, ARMS).any()
    wrong = misassigned(units, Arms("other", ARMS.weights).of_all(units), ARMS)
    assert 400 < wrong.sum() < 600
    assert misassigned(["u1"], [ARMS.of("u1")], ARMS.with_share(1e-9)).all()


def test_units_in_two_arms_are_named_once() -> None:
    assert in_several_arms(["a", "b", "a", "c", "a", "c"], ["x", "x", "y", "x", "y", "x"]) == ["a"]


@given(st.integers(1, 5000), st.integers(0, 5000), st.floats(0.05, 0.95))
def test_the_sample_ratio_is_pearson_s(one: int, other: int, part: float) -> None:
    total = one + other
    expected = (one - total * part) ** 2 / (total * part) + (other - total * (1 - part)) ** 2 / (total * (1 - part))
    found = sample_ratio({"a": one, "b": other}, {"a": part, "b": 1 - part})
    assert found == pytest.approx(chi2.sf(expected, 1), abs=1e-12)


def test_an_arm_without_units_is_a_mismatch_and_no_units_are_none() -> None:
    assert sample_ratio({"a": 100}, {"a": 0.5, "b": 0.5}) < 1e-10
    assert sample_ratio({}, {"a": 0.5, "b": 0.5}) == 1


def test_means_are_welch_s() -> None:
    rng = np.random.default_rng(1)
    control, treated = rng.normal(0, 1, 60), rng.normal(0.3, 2, 40)
    found = effect(range(100), [False] * 60 + [True] * 40, [*control, *treated], Kind.MEAN)
    assert found.z == pytest.approx(ttest_ind(treated, control, equal_var=False).statistic)
    assert (found.control.units, found.treated.units) == (60, 40)


@pytest.mark.parametrize("kind", Kind)
def test_a_small_arm_without_events_is_no_evidence(kind: Kind) -> None:
    treated = np.arange(2000) < 100
    events = np.arange(2000) >= 1990
    found = effect(range(2000), treated, events, kind)
    assert found.treated.variance == pytest.approx(0, abs=1e-9)
    p = 10 / 2000
    assert found.z == pytest.approx(-(10 / 1900) / math.sqrt(p * (1 - p) * (1 / 100 + 1 / 1900)), rel=1e-3)
    assert effect(range(2000), treated, treated, kind).z > 20


def test_a_unit_counts_once_whatever_the_number_of_its_rows() -> None:
    units = ["a", "a", "a", "b", "c", "d"]
    treated = [False, False, False, False, True, True]
    rate = effect(units, treated, [0, 1, 1, 0, 0, 2], Kind.RATE)
    assert (rate.control.value, rate.treated.value, rate.control.units) == (0.5, 0.5, 2)
    mean = effect(units, treated, [0, 1, 1, 0, 0, 2], Kind.MEAN)
    assert (mean.control.value, mean.control.variance) == (1.0, 2.0 / 2)


def test_the_variance_of_a_ratio_is_what_it_is_when_units_are_drawn_again() -> None:
    rng = np.random.default_rng(2)

    def draw() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows = rng.integers(1, 6, 300)
        units = np.repeat(np.arange(300), rows)
        habits = np.repeat(rng.beta(2, 3, 300), rows)
        return units, units % 2 == 1, (rng.random(len(units)) < habits).astype(float)

    drawn = [effect(*draw(), Kind.RATIO) for _ in range(200)]
    spread = np.var([each.difference for each in drawn])
    assert np.mean([each.variance for each in drawn]) == pytest.approx(spread, rel=0.25)
    naive = np.mean([0.24 / 450 * 2 for _ in drawn])  # rows taken for independent
    assert naive < 0.85 * spread


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), min_size=2, max_size=30))
def test_a_ratio_with_one_row_a_unit_and_ones_below_is_the_mean(rows: list[tuple[int, int]]) -> None:
    values, units = [value for _, value in rows], range(len(rows))
    treated = [number % 2 == 1 for number in units]
    mean, ratio = effect(units, treated, values, Kind.MEAN), effect(units, treated, values, Kind.RATIO)
    assert (ratio.control.value, ratio.difference) == pytest.approx((mean.control.value, mean.difference))
    assert ratio.variance == pytest.approx(mean.variance, nan_ok=True)


def test_what_cannot_be_estimated_is_nan_and_no_error() -> None:
    assert math.isnan(effect(["a"], [True], [1.0], Kind.MEAN).z)
    assert math.isnan(effect(["a", "b"], [True, False], [0, 0], Kind.RATIO, [0, 0]).difference)
    assert math.isnan(effect(["a", "b", "c", "d"], [True, True, False, False], [1, 1, 1, 1], Kind.RATE).z)
