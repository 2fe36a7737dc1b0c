"""Evidence against "no more often than": what `concurrent` and `ceiling` have in common.

Both multiply likelihood ratios, window by window, of odds that are ψ > 1 times as high as they may be, and average over
a few ψ with fixed weights. Where nothing is worse than it may be, the product grows by chance above 1/alpha with
probability alpha at most, whenever one looks (Ville's inequality).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from deriva_ml_kit.errors import UsageError

Floats = NDArray[np.float64]

# Powers of the ratio that matters, and how much is bet on each: most on that ratio itself, the rest on less, which
# takes longer to find, and on far more, which is found at once.
POWERS = np.array([0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0])
BETS = np.array([0.02, 0.04, 0.7, 0.1, 0.05, 0.04, 0.03, 0.02])


@dataclass(frozen=True)
class Evidence:
    """What speaks for harm after each window.

    Attributes:
        log_e: Logarithm of the e-value after each window, shape (windows,).
        p: Always-valid p-value after each window: falls only; harm is shown where it is at most alpha.
    """

    log_e: Floats
    p: Floats

    def found(self, alpha: float) -> int | None:
        """The first window, counted from 0, at which the p-value is at most alpha; None where it is at none."""
        below = np.flatnonzero(self.p <= alpha)
        return int(below[0]) if below.size else None


def ratios(ratio: float) -> Floats:
    """The odds ratios that are bet on, with most of the weight on this one.

    Raises:
        UsageError: The ratio is not above 1.
    """
    if not (np.isfinite(ratio) and ratio > 1):
        raise UsageError(f"The ratio that is to be found is {ratio:g}, and must be above 1.")
    return np.asarray(ratio**POWERS)


def evidence(log_ratios: Floats) -> Evidence:
    """From the logarithm of each window's likelihood ratios, shape (windows, ratios)."""
    log_e = logsumexp(np.cumsum(log_ratios, axis=0), axis=1, b=BETS)
    return Evidence(log_e, np.exp(-np.maximum.accumulate(np.maximum(log_e, 0))))


def counts(name: str, events: object, trials: object) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of each window, as integers.

    Raises:
        UsageError: They are not whole, negative, more events than trials, or of different lengths.
    """
    hits, runs = np.atleast_1d(np.asarray(events, dtype=float)), np.atleast_1d(np.asarray(trials, dtype=float))
    if hits.shape != runs.shape or hits.ndim != 1:
        raise UsageError(f"{name}: {hits.shape} windows of events and {runs.shape} of trials do not go together.")
    wrong = ~((hits >= 0) & (hits <= runs) & (hits % 1 == 0) & (runs % 1 == 0))
    if wrong.any():
        window = int(np.flatnonzero(wrong)[0])
        raise UsageError(f"{name}: window {window} has {hits[window]:g} events in {runs[window]:g} trials.")
    return hits.astype(np.int64), runs.astype(np.int64)
