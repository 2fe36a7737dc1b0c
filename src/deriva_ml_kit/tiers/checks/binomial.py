"""Exact tails of the binomial distribution, without scipy."""

from __future__ import annotations

import math


def at_least(successes: int, trials: int, chance: float) -> float:
    """Return the probability of `successes` or more in `trials`, each succeeding with probability `chance`."""
    if successes <= 0:
        return 1.0
    if chance <= 0.0 or successes > trials:
        return 0.0
    if chance >= 1.0:
        return 1.0
    if successes <= trials * chance:  # sum the shorter side
        return 1.0 - at_least(trials - successes + 1, trials, 1.0 - chance)
    log_term = (
        math.lgamma(trials + 1)
        - math.lgamma(successes + 1)
        - math.lgamma(trials - successes + 1)
        + successes * math.log(chance)
        + (trials - successes) * math.log1p(-chance)
    )
    term = total = math.exp(log_term)
    for count in range(successes, trials):  # beyond the mean terms fall quickly
        term *= (trials - count) / (count + 1) * chance / (1.0 - chance)
        total += term
        if term < total * 1e-17:
            break
    return min(1.0, total)


def at_most(successes: int, trials: int, chance: float) -> float:
    """Return the probability of `successes` or fewer."""
    return at_least(trials - successes, trials, 1.0 - chance)
