from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.numerics.sequential.boundaries import UNREACHABLE, boundaries, crossing
from deriva_ml_kit.numerics.sequential.spending import Spending

PUBLISHED = json.loads((Path(__file__).parents[3] / "data/ops/boundaries.json").read_text())["tables"]


@pytest.mark.parametrize("table", PUBLISHED, ids=lambda table: table["name"])
def test_published_tables_are_reproduced(table: dict[str, Any]) -> None:
    found = boundaries(table["times"], table["alpha"], planned=1, spending=Spending(table["spending"]))
    np.testing.assert_allclose(found, table["bounds"], atol=table["digits"])


increasing = st.lists(st.floats(0.01, 1), min_size=1, max_size=12).map(np.cumsum)


@settings(max_examples=40, deadline=None)
@given(at=increasing, alpha=st.floats(0.001, 0.3), spending=st.sampled_from(Spending))
def test_the_level_is_spent_as_planned_whatever_the_times(at: Any, alpha: float, spending: Spending) -> None:
    bounds = boundaries(at, alpha, planned=at[-1], spending=spending)
    crossed = crossing(at, bounds)
    spent = np.cumsum(crossed.upper + crossed.lower)
    np.testing.assert_allclose(spent, 2 * spending(alpha / 2, at / at[-1]), atol=1e-7)
    np.testing.assert_allclose(crossed.upper, crossed.lower, atol=1e-9)
    assert crossing(at, bounds, drift=3 / np.sqrt(at[-1])).power > spent[-1]


def test_the_recursion_agrees_with_the_multivariate_normal() -> None:
    at = np.array([0.2, 0.35, 0.7, 1.0])
    bounds = boundaries(at, 0.05, planned=1, spending=Spending.POCOCK)
    law = multivariate_normal(2 * np.sqrt(at), np.sqrt(np.minimum.outer(at, at) / np.maximum.outer(at, at)), seed=1)
    stayed = law.cdf(bounds, lower_limit=-bounds)
    assert crossing(at, bounds, drift=2.0).power == pytest.approx(1 - stayed, abs=2e-4)


def test_thirty_looks_do_not_underflow() -> None:
    found = boundaries(np.arange(1, 31) / 30, 0.05, planned=1)
    assert found[0] == found[1] == UNREACHABLE
    assert np.all(np.diff(found[1:]) < 0)
    assert crossing(np.arange(1, 31) / 30, found).power == pytest.approx(0.05, abs=1e-9)


def test_a_last_look_before_the_horizon_spends_what_is_left() -> None:
    at = [0.3, 0.7]
    early, last = boundaries(at, 0.05, planned=1), boundaries(at, 0.05, planned=1, final=True)
    assert early[0] == last[0] and early[1] > last[1]
    assert crossing(at, early).power < 0.05 == pytest.approx(crossing(at, last).power, abs=1e-9)


def test_an_overrun_spends_no_more_than_alpha_and_uses_the_information_that_is_there() -> None:
    at = [0.5, 1.3, 1.5]
    found = boundaries(at, 0.05, planned=1)
    assert found[2] == np.inf
    assert crossing(at, found).power == pytest.approx(0.05, abs=1e-9)
    assert found[1] != pytest.approx(boundaries([0.5, 1.0], 0.05, planned=1)[1], abs=1e-4)


def test_a_second_look_at_the_same_data_has_nothing_to_spend() -> None:
    twice = boundaries([0.5, 0.5, 1.0], 0.05, planned=1)
    once = boundaries([0.5, 1.0], 0.05, planned=1)
    assert twice[1] == np.inf
    np.testing.assert_array_equal(twice[[0, 2]], once)


def test_an_end_without_new_data_spends_what_the_look_before_has_left() -> None:
    ended = boundaries([0.5, 0.8, 0.8], 0.05, planned=1, final=True)
    np.testing.assert_array_equal(ended[:2], boundaries([0.5, 0.8], 0.05, planned=1))
    assert ended[2] == boundaries([0.5, 0.8], 0.05, planned=1, final=True)[1] < ended[1]
    assert ended[2] == pytest.approx(boundaries([0.5, 0.8, 0.8005], 0.05, planned=1, final=True)[2], abs=0.02)
    assert boundaries([0.8, 0.8], 0.05, planned=1, final=True)[1] == pytest.approx(1.959964, abs=1e-6)


def test_one_look_is_the_fixed_test() -> None:
    assert boundaries([7.0], 0.05, planned=7)[0] == pytest.approx(1.959964, abs=1e-6)


@pytest.mark.parametrize(
    ("at", "alpha", "planned", "told"),
    [([0.5, 0.4], 0.05, 1, "must not fall"), ([], 0.05, 1, "Information"), ([0], 0.05, 1, "above 0"),
     ([0.5], 0, 1, "alpha is 0"), ([0.5], 0.05, 0, "planned information is 0"), ([np.nan], 0.05, 1, "Information")],
)  # fmt: skip
def test_what_can_have_no_boundary_is_refused(at: list[float], alpha: float, planned: float, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        boundaries(at, alpha, planned=planned)
