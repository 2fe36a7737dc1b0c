from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, hypergeom, nchypergeom_fisher

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.numerics.sequential.ceiling import above_ceiling, exceeds
from deriva_ml_kit.numerics.sequential.concurrent import more_failures
from deriva_ml_kit.numerics.sequential.odds import BETS, ratios


@given(exposed=st.integers(1, 40), rest=st.integers(1, 60), data=st.data(), ratio=st.floats(1.2, 5))
def test_one_window_is_a_mixture_of_noncentral_hypergeometric_ratios(
    exposed: int, rest: int, data: st.DataObject, ratio: float
) -> None:
    worse, others = data.draw(st.integers(0, exposed)), data.draw(st.integers(0, rest))
    total, failures = exposed + rest, worse + others
    expected = sum(
        bet * nchypergeom_fisher.pmf(worse, total, failures, exposed, psi)
        for bet, psi in zip(BETS, ratios(ratio), strict=True)
    ) / hypergeom.pmf(worse, total, failures, exposed)
    found = more_failures([worse], [exposed], [others], [rest], ratio=ratio)
    np.testing.assert_allclose(np.exp(found.log_e[0]), expected, rtol=1e-6)


@given(exposed=st.integers(1, 30), rest=st.integers(1, 30), failures=st.integers(0, 60), psi=st.floats(0.2, 1))
def test_an_arm_that_is_not_worse_gains_nothing_on_average(exposed: int, rest: int, failures: int, psi: float) -> None:
    failures = min(failures, exposed + rest)
    support = np.arange(max(0, failures - rest), min(failures, exposed) + 1)
    chance = nchypergeom_fisher.pmf(support, exposed + rest, failures, exposed, psi)
    e = [np.exp(more_failures([k], [exposed], [failures - k], [rest]).log_e[0]) for k in support]
    assert chance @ np.array(e) <= 1 + 1e-9


def test_windows_multiply_per_ratio_and_p_only_falls() -> None:
    found = more_failures([9, 0, 1], [100, 100, 100], [1, 3, 1], [100, 100, 100])
    assert np.all(np.diff(found.p) <= 0)
    assert found.log_e[1] < found.log_e[0]
    assert found.found(found.p[0]) == 0 and found.found(1e-9) is None


def test_a_window_without_an_arm_is_no_evidence() -> None:
    found = more_failures([5, 0, 0], [100, 0, 0], [1, 7, 0], [100, 100, 0])
    assert found.log_e[0] == pytest.approx(found.log_e[1]) == pytest.approx(found.log_e[2])
    assert more_failures([50], [100], [0], [0]).log_e[0] == pytest.approx(0)


def test_an_outage_of_both_is_no_evidence_and_one_of_the_treated_arm_is() -> None:
    both = more_failures([5, 400], [500, 500], [95, 7600], [9500, 9500])
    one = more_failures([5, 400], [500, 500], [95, 95], [9500, 9500])
    assert both.found(0.01) is None
    assert one.found(0.01) == 1


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        (([6], [5], [0], [5]), "treated: window 0 has 6 events in 5 trials"),
        (([1, 1], [5, 5], [-1, 0], [5, 5]), "control: window 0 has -1"),
        (([1, 1], [5, 5], [1], [5]), "2 windows of the treated arm and 1 of the control"),
        (([1], [5, 5], [1], [5]), "do not go together"),
        (([0.5], [5], [1], [5]), "0.5 events"),
        (([np.nan], [5], [1], [5]), "nan events"),
    ],
)
def test_counts_that_cannot_be_are_refused(counts: tuple[list[float], ...], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        more_failures(*counts)
    with pytest.raises(UsageError, match="above 1"):
        more_failures([1], [5], [1], [5], ratio=1)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 60), st.floats(0.02, 0.4), st.integers(0, 100).map(lambda percent: percent / 100))
def test_a_share_below_its_ceiling_gains_nothing_on_average(trials: int, ceiling: float, part: float) -> None:
    hits = np.arange(trials + 1)
    e = np.array([np.exp(above_ceiling([k], [trials], ceiling).log_e[0]) for k in hits])
    assert binom.pmf(hits, trials, ceiling * part) @ e <= 1 + 1e-9


def test_too_many_slow_requests_are_found_and_allowed_ones_are_not() -> None:
    assert above_ceiling([30, 30, 30], [500] * 3, 0.01).found(0.01) == 0
    assert above_ceiling([5] * 200, [500] * 200, 0.01).found(0.01) is None
    assert exceeds(9, 100, 0.01) == pytest.approx(binom.sf(8, 100, 0.01))
    assert exceeds(0, 0, 0.01) == 1
    with pytest.raises(UsageError, match="ceiling of a share is 1"):
        above_ceiling([1], [2], 1)
