"""Whether one of two arms that run at the same time fails more often than the other: exact, and valid at every look.

In each window the failures of both arms together are taken as given; if the arms are alike, how many of them fell on
the treated arm is hypergeometric, whatever the failure rate is in that window. A likelihood ratio of Fisher's
noncentral hypergeometric distribution then needs no estimate of the rate, and rates that change from window to window
(nights, an outage of a service behind both) are no evidence. The null hypothesis is "not more often": a better arm is
safe, too.

Requests are taken as independent. Where they come in bundles (several of one unit fail together), count units.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, logsumexp

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.numerics.sequential.odds import Evidence, counts, evidence, ratios


def more_failures(
    treated_failures: ArrayLike,
    treated: ArrayLike,
    control_failures: ArrayLike,
    control: ArrayLike,
    *,
    ratio: float = 2.0,
) -> Evidence:
    """Evidence that the treated arm fails more often than the control arm.

    Args:
        treated_failures: In each window, shape (windows,).
        treated: Requests of the treated arm in each window; a window without requests in an arm is no evidence.
        control_failures: Of the control arm.
        control: Requests of the control arm; more of them help: at a stage of 5 % take the other 95 %.
        ratio: The odds ratio that should be found soonest, fixed before the start: 2 for a doubled failure rate.

    Returns:
        After each window. Stop the treated arm where `p` is at most alpha: over all windows, however many, and all
        looks an arm that is not worse is stopped with probability alpha at most.

    Raises:
        UsageError: Counts that cannot be, or a ratio of 1 or below.
    """
    worse, exposed = counts("treated", treated_failures, treated)
    others, rest = counts("control", control_failures, control)
    if len(worse) != len(others):
        raise UsageError(f"There are {len(worse)} windows of the treated arm and {len(others)} of the control arm.")
    psi = ratios(ratio)
    windows = np.stack([worse, exposed, others, rest], axis=1).tolist()
    each = [_log_ratio(one, of_one, other, of_other, ratio) for one, of_one, other, of_other in windows]
    return evidence(np.array(each).reshape(len(each), len(psi)))


@lru_cache(4096)  # a rollout asks for its earlier windows again after each
def _log_ratio(worse: int, exposed: int, others: int, rest: int, ratio: float) -> NDArray[np.float64]:
    """Of one window: log of P(worse | all failures, ψ) / P(worse | all failures, 1), for each ψ."""
    log_psi = np.log(ratios(ratio))
    failures = worse + others
    support = np.arange(max(0, failures - rest), min(failures, exposed) + 1)
    log_ways = _log_choose(exposed, support) + _log_choose(rest, failures - support)
    log_ways -= logsumexp(log_ways)
    return np.asarray(worse * log_psi - logsumexp(log_ways[None, :] + support * log_psi[:, None], axis=1))


def _log_choose(of: int, some: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(gammaln(of + 1) - gammaln(some + 1) - gammaln(of - some + 1))
