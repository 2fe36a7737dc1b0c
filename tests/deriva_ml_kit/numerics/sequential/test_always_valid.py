from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.numerics.sequential.always_valid import (
    confidence_sequence,
    log_evidence,
    lower_sequence,
    mixing_variance,
    p_values,
    proportion_sequence,
)

VILLE = json.loads((Path(__file__).parents[3] / "data/ops/always_valid.json").read_text())
N = np.array(VILLE["n"], dtype=float)
MEANS = np.array(VILLE["sums"]) / N


def test_the_normal_mixture_agrees_with_ville() -> None:
    lower, upper = confidence_sequence(MEANS, 1 / N, 0.05, 1 / VILLE["rho"])
    np.testing.assert_allclose(lower, VILLE["gaussian"]["lower"], atol=1e-9)
    np.testing.assert_allclose(upper, VILLE["gaussian"]["upper"], atol=1e-9)


def test_the_one_sided_mixture_agrees_with_ville() -> None:
    lower = lower_sequence(np.zeros(4), 1 / N, 0.05, 1 / VILLE["rho"])
    np.testing.assert_allclose(-lower[1:], VILLE["one_sided_margin"][1:], atol=1e-9)


def test_msprt_agrees_with_ville() -> None:
    np.testing.assert_allclose(log_evidence(MEANS, 1 / N, 0.1**2), VILLE["msprt_log_e"], atol=1e-9)


def test_binomial_limits_agree_with_ville() -> None:
    lower, upper = proportion_sequence(VILLE["hits"], N, 0.05)
    np.testing.assert_allclose(lower, VILLE["bernoulli"]["lower"], atol=1e-9)
    np.testing.assert_allclose(upper, VILLE["bernoulli"]["upper"], atol=1e-9)


def test_the_mixing_variance_makes_the_planned_interval_narrowest() -> None:
    def width(log_tau2: float) -> float:
        return float(confidence_sequence(0.0, 0.002, 0.05, np.exp(log_tau2))[1])

    best = minimize_scalar(width, bounds=(-15, 5), method="bounded", options={"xatol": 1e-9})
    assert mixing_variance(0.002, 0.05) == pytest.approx(np.exp(best.x), rel=1e-4)


def test_limits_and_p_values_tell_the_same() -> None:
    tau2 = mixing_variance(1 / 500, 0.05)
    path, variance = (
        np.cumsum(np.random.default_rng(3).normal(0.1, 1, 3000)) / np.arange(1, 3001),
        1 / np.arange(1, 3001),
    )
    lower, upper = confidence_sequence(path, variance, 0.05, tau2)
    p = p_values(path, variance, tau2)
    assert np.all(np.diff(p) <= 0) and p[0] <= 1
    np.testing.assert_array_equal(np.maximum.accumulate((lower > 0) | (upper < 0)), p < 0.05)


def test_the_level_holds_at_all_times_together() -> None:
    """Of 2000 paths of 1000 steps about 1 to 5 % may ever leave; looking at z = 1.96 every time, more than half do."""
    rng, at = np.random.default_rng(5), np.arange(1, 1001)
    paths = np.cumsum(rng.normal(size=(2000, 1000)), axis=1) / at
    tau2 = mixing_variance(1 / 500, 0.05)
    assert np.mean(p_values(paths, 1 / at, tau2)[:, -1] <= 0.05) < 0.05
    assert np.mean((lower_sequence(paths, 1 / at, 0.05, tau2) > 0).any(axis=1)) < 0.05
    assert np.mean((np.abs(paths) * np.sqrt(at) > 1.96).any(axis=1)) > 0.5


def test_no_trials_say_nothing_and_impossible_ones_are_refused() -> None:
    lower, upper = proportion_sequence([0, 0, 5], [0, 5, 5], 0.05)
    assert (lower[0], upper[0], lower[1], upper[2]) == (0, 1, 0, 1)
    assert lower[2] > 0 and upper[1] < 1
    with pytest.raises(UsageError, match="between 0 and the number"):
        proportion_sequence([6], [5], 0.05)
    with pytest.raises(UsageError, match="alpha is 1"):
        proportion_sequence([1], [5], 1)
