"""Confidence sequences and mSPRT: valid at every time at once, so that one may look and stop whenever one likes.

Of an estimate that is normal with a known or consistently estimated variance: a mean, a difference of rates, a ratio.
The mixture of likelihood ratios over normal effects of variance τ² (Robbins, Ann. Math. Stat. 41, 1970; as a test of
experiments: Johari et al., Oper. Res. 70, 2022; with estimated variances: Waudby-Smith et al., Ann. Stat. 52, 2024).
It is asymptotic: leave out looks with fewer than about 100 units an arm. `proportion_sequence` is exact.

Arguments broadcast: all times of many experiments in one call.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln, lambertw, log_ndtr, xlog1py, xlogy

from deriva_ml_kit.errors import UsageError

Floats = NDArray[np.float64]


def mixing_variance(variance: float, alpha: float) -> float:
    """The τ² for which the sequence is narrowest when the estimate has a variance (Howard et al., Ann. Stat. 49, 2021).

    Args:
        variance: Of the estimate, at the number of units that is planned.
        alpha: Level of the two-sided sequence.
    """
    _level(alpha)
    return float(variance * (-lambertw(-(alpha**2) / np.e, k=-1).real - 1))


def confidence_sequence(estimate: ArrayLike, variance: ArrayLike, alpha: float, tau2: float) -> tuple[Floats, Floats]:
    """Lower and upper limits, which all hold together with probability 1 - alpha.

    Args:
        estimate: At each time.
        variance: Of the estimate at each time, above 0.
        alpha: Level.
        tau2: Fixed beforehand; `mixing_variance`.
    """
    _level(alpha)
    centre, spread = np.asarray(estimate, dtype=float), np.asarray(variance, dtype=float)
    half = np.sqrt(spread * (spread + tau2) / tau2 * (np.log1p(tau2 / spread) - 2 * np.log(alpha)))
    return centre - half, centre + half


def lower_sequence(estimate: ArrayLike, variance: ArrayLike, alpha: float, tau2: float) -> Floats:
    """Lower limits alone, by a mixture over effects above the limit; closer than those of two sides."""
    _level(alpha)
    centre, spread = np.asarray(estimate, dtype=float), np.asarray(variance, dtype=float)
    level = -np.log(alpha) + 0.5 * np.log1p(tau2 / spread) - np.log(2)
    root = np.sqrt(2 * (level + np.log(2)))
    for _ in range(30):  # Newton, from the right on a convex function
        log_below = log_ndtr(root)
        density = np.exp(-0.5 * root**2 - log_below) / np.sqrt(2 * np.pi)
        root = root - (0.5 * root**2 + log_below - level) / (root + density)
    return np.asarray(centre - root * np.sqrt(spread * (spread + tau2) / tau2))


def log_evidence(estimate: ArrayLike, variance: ArrayLike, tau2: float) -> Floats:
    """Logarithm of the mSPRT's likelihood ratio against an effect of 0; alpha is reached at log(1 / alpha)."""
    centre, spread = np.asarray(estimate, dtype=float), np.asarray(variance, dtype=float)
    return np.asarray(centre**2 * tau2 / (2 * spread * (spread + tau2)) - 0.5 * np.log1p(tau2 / spread))


def p_values(estimate: ArrayLike, variance: ArrayLike, tau2: float) -> Floats:
    """Always-valid two-sided p-values: at each time (last axis) the least so far, at most 1."""
    return np.exp(-np.maximum.accumulate(np.maximum(log_evidence(estimate, variance, tau2), 0), axis=-1))


def proportion_sequence(events: ArrayLike, trials: ArrayLike, alpha: float) -> tuple[Floats, Floats]:
    """Exact limits of a probability: those that a mixture of binomials, uniform over rates, has not rejected.

    Args:
        events: So far, at each time.
        trials: So far, at each time; where there are none, the limits are 0 and 1.
        alpha: Level, of all times together.

    Raises:
        UsageError: There are more events than trials, or fewer than 0.
    """
    _level(alpha)
    hits, runs = np.broadcast_arrays(np.asarray(events, dtype=float), np.asarray(trials, dtype=float))
    if np.any(hits < 0) or np.any(hits > runs):
        raise UsageError("Events must be between 0 and the number of trials.")
    level = betaln(1 + hits, 1 + runs - hits) + np.log(alpha)
    share = hits / np.maximum(runs, 1)
    return _edge(hits, runs, level, share, 0.0), _edge(hits, runs, level, share, 1.0)


def _edge(hits: Floats, runs: Floats, level: Floats, inside: Floats, end: float) -> Floats:
    """Between the share and an end, where the likelihood falls to a level; by bisection."""
    inner, outer = inside.copy(), np.full_like(inside, end)
    for _ in range(60):
        middle = (inner + outer) / 2
        kept = xlogy(hits, middle) + xlog1py(runs - hits, -middle) >= level
        inner, outer = np.where(kept, middle, inner), np.where(kept, outer, middle)
    never = hits == 0 if end == 0 else hits == runs
    return np.where(never, end, outer)


def _level(alpha: float) -> None:
    if not 0 < alpha < 1:
        raise UsageError(f"alpha is {alpha:g}, and must be in (0, 1).")
