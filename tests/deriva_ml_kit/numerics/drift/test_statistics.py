"""Index, chi-squared, Kolmogorov-Smirnov and adjustment against SciPy and the formula."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.numerics.drift import statistics
from deriva_ml_kit.numerics.drift.ecdf import INTERVALS, Ecdf

quick = settings(deadline=None, max_examples=50)
pairs = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 10_000)), min_size=2, max_size=15).filter(
    lambda cells: sum(r for r, _ in cells) > 0 and sum(q for _, q in cells) > 0
)
filled = st.lists(st.tuples(st.integers(1, 10_000), st.integers(1, 10_000)), min_size=2, max_size=15)
samples = st.lists(st.floats(-1e6, 1e6) | st.sampled_from([0.0, 1.0]), min_size=2, max_size=60).map(np.array)


@quick
@given(filled)
def test_psi_is_the_hand_formula(cells: list[tuple[int, int]]) -> None:
    r, q = (np.array(side) / sum(side) for side in zip(*cells, strict=True))
    by_hand = sum((b - a) * np.log(b / a) for a, b in zip(r, q, strict=True))

    assert statistics.psi(*zip(*cells, strict=True)) == pytest.approx(by_hand, abs=1e-12)


@quick
@given(pairs)
def test_psi_is_symmetric_not_negative_finite_and_blind_to_the_order_of_cells(cells: list[tuple[int, int]]) -> None:
    r, q = (np.array(side) for side in zip(*cells, strict=True))

    value = statistics.psi(r, q)

    assert 0 <= value < np.inf
    assert statistics.psi(q, r) == pytest.approx(value, abs=1e-12)
    assert statistics.psi(r[::-1], q[::-1]) == pytest.approx(value, abs=1e-12)
    assert statistics.psi([*r, 0], [*q, 0]) == pytest.approx(value, abs=1e-12)
    assert statistics.psi(r, r) == 0


def test_an_empty_cell_adds_half_a_row_to_every_cell_of_both_sides() -> None:
    r, q = np.array([10.5, 20.5, 0.5]) / 31.5, np.array([5.5, 20.5, 5.5]) / 31.5

    assert statistics.psi([10, 20, 0], [5, 20, 5]) == pytest.approx(np.sum((q - r) * np.log(q / r)), abs=1e-12)
    assert statistics.is_smoothed([10, 20, 0], [5, 20, 5])
    assert not statistics.is_smoothed([10, 20, 0], [5, 20, 0])


@quick
@given(pairs)
def test_chi_squared_is_that_of_the_contingency_table(cells: list[tuple[int, int]]) -> None:
    r, q = (np.array(side) for side in zip(*cells, strict=True))
    there = (r + q) > 0

    found = statistics.chi_squared(r, q)

    expected = stats.chi2_contingency(np.stack([r[there], q[there]]), correction=False)
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-12, abs=1e-12)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-12, abs=1e-12)
    assert found.df == expected.dof


@quick
@given(samples, samples)
def test_a_distribution_frozen_in_full_gives_the_exact_distance(reference: np.ndarray, current: np.ndarray) -> None:
    distance = Ecdf.of(np.sort(reference)).distance(np.sort(current))

    assert distance == pytest.approx(stats.ks_2samp(reference, current, method="asymp").statistic, abs=1e-12)


@quick
@given(st.integers(0, 10_000), st.integers(10, 30_000), st.integers(10, 3_000), st.floats(-2, 2))
def test_a_frozen_distance_is_less_than_a_4096th_too_small(seed: int, n: int, m: int, shift: float) -> None:
    random = np.random.default_rng(seed)
    reference, current = random.normal(size=n).round(random.integers(1, 8)), random.normal(shift, 1, m)

    distance = Ecdf.of(np.sort(reference)).distance(np.sort(current))

    true = stats.ks_2samp(reference, current, method="asymp").statistic
    assert true - 1 / INTERVALS < distance <= true + 1e-12


@quick
@given(st.floats(0, 1), st.integers(5, 10**7), st.integers(5, 10**7))
def test_the_p_of_a_distance_is_the_limiting_distribution(distance: float, n: int, m: int) -> None:
    expected = stats.kstwobign.sf(distance * np.sqrt(n * m / (n + m)))

    assert statistics.kolmogorov_p(distance, n, m) == pytest.approx(expected, abs=1e-6)


@quick
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_adjusted_p_are_those_of_benjamini_and_hochberg(p_values: list[float]) -> None:
    assert statistics.adjusted(p_values) == pytest.approx(list(stats.false_discovery_control(p_values)), abs=1e-12)


def test_a_p_that_is_unknown_stays_unknown_and_does_not_count() -> None:
    assert statistics.adjusted([None, 0.01, None, 0.04]) == [None, 0.02, None, 0.04]
    assert statistics.adjusted([None]) == [None]


@quick
@given(st.integers(0, 60), st.integers(0, 60), st.integers(100, 10_000), st.integers(100, 10_000))
def test_rare_cells_are_tested_by_the_binomial(reference: int, current: int, n: int, m: int) -> None:
    binomial = stats.binom(reference + current, m / (n + m))
    expected = min(1.0, 2 * min(binomial.cdf(current), binomial.sf(current - 1)))

    assert statistics.rare_p(reference, current, n, m) == pytest.approx(expected, abs=1e-9)


@quick
@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300), st.booleans()), min_size=1, max_size=15).filter(
        lambda cells: sum(r for r, _, _ in cells) > 0 and sum(q for _, q, _ in cells) > 0
    )
)
def test_merged_cells_hold_every_row_once_and_expect_five(cells: list[tuple[int, int, bool]]) -> None:
    r, q, ordered = (np.array(part) for part in zip(*cells, strict=True))

    groups, rare = statistics.merged(r, q, ordered)

    assert sorted([cell for group in groups for cell in group] + rare) == list(np.flatnonzero(r + q))
    for side in (r, q):
        for group in groups:
            assert (r + q)[group].sum() * side.sum() / (r + q).sum() >= statistics.EXPECTED * (1 - 1e-12)


def test_minimum_rows_are_those_whose_index_stays_below_the_limit() -> None:
    assert statistics.minimum_rows(10, 0.1) == 217  # 21.67 / 0.1
    random, below = np.random.default_rng(3), 0
    for _ in range(1000):
        counts = random.multinomial(217, [0.1] * 10)
        below += statistics.psi([10**7] * 10, counts) < 0.1
    assert below >= 975


@pytest.mark.parametrize("size", [50, 1000])
def test_one_null_batch_in_twenty_has_a_p_below_a_twentieth(size: int) -> None:
    random, runs = np.random.default_rng(size), 2000
    hits = sum(
        statistics.psi_test(random.multinomial(20_000, [0.1] * 10), random.multinomial(size, [0.1] * 10)).p < 0.05
        for _ in range(runs)
    )

    assert 0.03 <= hits / runs <= 0.07


def test_clusters_that_are_rows_give_the_p_of_independent_rows() -> None:
    r, q = np.array([400, 300, 300]), np.array([60, 80, 60])
    covariance = sum(
        (np.diag(side / side.sum()) - np.outer(side, side) / side.sum() ** 2) / side.sum() for side in (r, q)
    )

    plain, grouped = statistics.psi_test(r, q), statistics.psi_test(r, q, covariance)

    assert grouped.df == pytest.approx(plain.df, rel=0.05)
    assert grouped.p == pytest.approx(plain.p, rel=0.1)


@pytest.mark.parametrize(
    ("reference", "current"), [([1, 2], [1, 2, 3]), ([0, 0], [1, 2]), ([1, -1], [1, 1]), ([1, np.nan], [1, 1])]
)
def test_counts_that_cannot_be_are_refused(reference: list[float], current: list[float]) -> None:
    with pytest.raises(UsageError):
        statistics.psi(reference, current)
