"""Whether a share is above its ceiling: of requests slower than 300 ms above 1 %, which is a p99 above 300 ms.

Counting slow requests is exact where estimating a quantile is not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.numerics.sequential.odds import Evidence, counts, evidence, ratios


def above_ceiling(events: ArrayLike, trials: ArrayLike, ceiling: float, *, ratio: float = 2.0) -> Evidence:
    """Evidence that events are more frequent than the ceiling, valid at every look.

    Args:
        events: Slow requests in each window, shape (windows,).
        trials: Requests in each window.
        ceiling: The share that is allowed, in (0, 1).
        ratio: The ratio of odds that should be found soonest.

    Returns:
        After each window; a share at or below the ceiling gives `p` of alpha or less with probability alpha at most,
        over all windows.

    Raises:
        UsageError: Counts that cannot be, a ceiling outside (0, 1), a ratio of 1 or below.
    """
    _share(ceiling)
    hits, runs = counts("requests", events, trials)
    psi = ratios(ratio)
    total = np.log1p(ceiling * (psi - 1))
    return evidence(np.asarray(hits[:, None] * np.log(psi) - runs[:, None] * total))


def exceeds(events: int, trials: int, ceiling: float) -> float:
    """Exact one-sided binomial p-value of a single look at a fixed number of trials.

    Raises:
        UsageError: Counts that cannot be, or a ceiling outside (0, 1).
    """
    _share(ceiling)
    counts("requests", events, trials)
    return float(binomtest(events, trials, ceiling, alternative="greater").pvalue) if trials else 1.0


def _share(ceiling: float) -> None:
    if not 0 < ceiling < 1:
        raise UsageError(f"The ceiling of a share is {ceiling:g}, and must be in (0, 1).")
