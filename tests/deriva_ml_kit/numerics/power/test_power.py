from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deriva_ml_kit.errors import Faults, UsageError
from deriva_ml_kit.numerics.power.planning import design_effect, inflation, whole_weeks
from deriva_ml_kit.numerics.power.units import (
    detectable_mean_change,
    detectable_rate_change,
    power_for_means,
    power_for_rates,
    units_for_means,
    units_for_rates,
)
from deriva_ml_kit.numerics.sequential.boundaries import boundaries, crossing

GOLDEN = json.loads((Path(__file__).parents[3] / "data/ops/sample_sizes.json").read_text())


@pytest.mark.parametrize("case", GOLDEN["rates"], ids=str)
def test_units_for_rates_are_those_of_statsmodels(case: dict[str, Any]) -> None:
    asked = {name: value for name, value in case.items() if name != "units"}
    assert units_for_rates(**asked) == pytest.approx(case["units"], rel=1e-6)


@pytest.mark.parametrize("case", GOLDEN["means"], ids=str)
def test_units_for_means_are_those_of_statsmodels(case: dict[str, Any]) -> None:
    asked = {name: value for name, value in case.items() if name != "units"}
    assert units_for_means(**asked) == pytest.approx(case["units"], rel=1e-6)


@pytest.mark.parametrize("effect", [0.02, -0.02])
def test_units_power_and_detectable_effect_are_the_same_question(effect: float) -> None:
    units = units_for_rates(0.1, effect, ratio=2)
    assert power_for_rates(0.1, effect, units, ratio=2) == pytest.approx(0.8, abs=1e-4)
    assert detectable_rate_change(0.1, units, ratio=2, rise=effect > 0) == pytest.approx(effect, rel=1e-4)
    units = units_for_means(effect, 0.2)
    assert power_for_means(effect, 0.2, units) == pytest.approx(0.8, abs=1e-4)
    assert detectable_mean_change(0.2, units) == pytest.approx(abs(effect), rel=1e-4)


@pytest.mark.parametrize(
    ("given", "columns"),
    [
        ({"effect": 0.0}, {"effect"}),
        ({"effect": 0.95}, {"effect"}),
        ({"effect": float("nan")}, {"effect"}),
        ({"baseline": 0.0}, {"baseline"}),
        ({"baseline": 1.0, "effect": -0.1}, {"baseline"}),
        ({"power": 1.2}, {"power"}),
        ({"power": 0.05}, {"power"}),
        ({"power": 0.01}, {"power"}),
        ({"alpha": 0.0}, {"alpha"}),
        ({"alpha": 1.0}, {"alpha", "power"}),
        ({"ratio": 0.0}, {"ratio"}),
        ({"alpha": -1.0, "effect": 0.0, "baseline": 7.0}, {"alpha", "effect", "baseline"}),
    ],
)
def test_what_has_no_answer_is_refused_with_everything_that_is_wrong(
    given: dict[str, float], columns: set[str]
) -> None:
    with pytest.raises(Faults) as refused:
        units_for_rates(**{"baseline": 0.1, "effect": 0.01, **given})
    assert {fault.column for fault in refused.value.faults} == columns


def test_so_are_means_without_spread_and_too_few_units() -> None:
    with pytest.raises(Faults, match="sd"):
        units_for_means(1, 0)
    with pytest.raises(Faults, match="can be found with so few"):
        detectable_rate_change(0.9, 5)


def test_clusters_cost_units() -> None:
    assert design_effect(1, 0.5) == 1
    assert design_effect(20, 0.05) == pytest.approx(1.95)  # 1 + (m - 1) ICC, Donner and Klar 2000
    assert design_effect(20, 0.05, 0.5) == pytest.approx(1 + (1.25 * 20 - 1) * 0.05)
    for wrong in ((0.5, 0.1), (2, 1.1), (2, 0.1, -1)):
        with pytest.raises(UsageError, match="design effect"):
            design_effect(*wrong)


def test_looks_cost_units_and_these_give_the_power_back() -> None:
    assert inflation(1, alpha=0.05, power=0.8) == pytest.approx(1, abs=1e-9)
    needed, at = inflation(10, alpha=0.05, power=0.9), np.arange(1, 11) / 10
    assert 1.02 < needed < 1.05
    fixed = 1.959964 + 1.281552  # drift of the fixed test; its other tail is 1e-7
    drift = fixed * needed**0.5
    assert crossing(at, boundaries(at, 0.05, planned=1), drift=drift).power == pytest.approx(0.9, abs=1e-4)
    with pytest.raises(UsageError, match="0 looks"):
        inflation(0, alpha=0.05, power=0.8)


def test_runtimes_are_whole_weeks() -> None:
    assert [whole_weeks(units, 100) for units in (1, 700, 701)] == [1, 1, 2]
    assert whole_weeks(1, 100, least=2) == 2
    with pytest.raises(UsageError, match="0 units a day"):
        whole_weeks(1, 0)
