"""Exact tails of the binomial and the hypergeometric distribution, without scipy."""

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
    log_term = _log_ways(trials, successes) + successes * math.log(chance) + (trials - successes) * math.log1p(-chance)
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


def overlap_at_least(hits: int, count: int, rare: int, alarms: int) -> float:
    """Return the probability that `alarms` records drawn of `count` hold `hits` or more of the `rare` ones."""
    most = min(rare, alarms)
    least = max(hits, 0, rare + alarms - count)
    whole = _log_ways(count, alarms)
    return min(
        1.0,
        math.fsum(
            math.exp(_log_ways(rare, k) + _log_ways(count - rare, alarms - k) - whole) for k in range(least, most + 1)
        ),
    )


def _log_ways(count: int, chosen: int) -> float:
    return math.lgamma(count + 1) - math.lgamma(chosen + 1) - math.lgamma(count - chosen + 1)
