from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import norm
from statsmodels.stats.proportion import proportion_confint

from deriva_ml_kit.numerics.paired.resampling import Groups
from deriva_ml_kit.numerics.paired.shares import design_effect, mean_of_shares, tango, wilson


@given(st.integers(1, 500), st.floats(0, 1), st.floats(0.001, 0.2))
def test_wilson_is_that_of_statsmodels(size: int, share: float, alpha: float) -> None:
    right = round(share * size)
    theirs = proportion_confint(right, size, alpha=2 * alpha, method="wilson")
    assert wilson(right / size, size, alpha) == pytest.approx(theirs, abs=1e-10)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 100))
def test_a_bound_is_what_the_score_test_just_rejects(one: int, other: int, agreed: int) -> None:
    """The share that only the other has right is found by maximising the likelihood numerically."""
    size = one + other + agreed + 1
    for bound, sign in zip(tango(one, other, size, 0.05), (1, -1), strict=True):
        if abs(bound) > 0.99:
            continue

        def unlikely(wrong: float, at: float = bound) -> float:
            shares = (wrong + at, wrong, 1 - 2 * wrong - at)
            counts = (one, other, agreed + 1)
            return -sum(n * math.log(max(share, 1e-300)) for n, share in zip(counts, shares, strict=True) if n)

        least, most = max(0.0, -bound), (1 - bound) / 2
        wrong = minimize_scalar(unlikely, bounds=(least, most), method="bounded", options={"xatol": 1e-13}).x
        score = (one - other - size * bound) / math.sqrt(size * (2 * wrong + bound * (1 - bound)))
        assert sign * score == pytest.approx(norm.isf(0.05), abs=1e-4)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 200))
def test_bounds_hold_the_difference_and_mirror_each_other(one: int, other: int, agreed: int) -> None:
    size = one + other + agreed
    lower, upper = tango(one, other, size, 0.05)
    assert -1 <= lower <= (one - other) / size + 1e-12
    assert tango(other, one, size, 0.05) == pytest.approx((-upper, -lower), abs=1e-9)
    assert lower < upper  # also of models that answer all records alike


def test_groups_that_answer_alike_are_worth_one_record_each() -> None:
    values = np.repeat([1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0], 5)
    effect = design_effect(values, Groups.of(np.repeat(np.arange(8), 5), 40))
    assert effect == pytest.approx(5 * 8 / 7)
    assert design_effect(values, Groups.of(None, 40)) == 1.0
    assert design_effect(np.ones(40), Groups.of(np.repeat(np.arange(8), 5), 40)) == 5.0


def test_the_mean_of_one_share_has_its_bounds() -> None:
    assert mean_of_shares(np.array([0.9]), [(0.8, 0.95)]) == pytest.approx((0.8, 0.95))
    lower, upper = mean_of_shares(np.array([1.0, 1.0]), [(0.9, 1.0), (0.5, 1.0)])
    assert 0.5 < lower < 0.95  # a rare class without an error says little
    assert upper == 1.0
