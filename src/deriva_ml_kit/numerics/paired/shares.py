"""Bounds of shares, and of the difference of two paired ones, that do not collapse where every record is right.

A bootstrap of 20 right answers out of 20 knows no wrong one and calls the share certain. These bounds do not.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from deriva_ml_kit.numerics.paired.metrics import Floats
from deriva_ml_kit.numerics.paired.resampling import Groups


def design_effect(values: Floats, groups: Groups) -> float:
    """How many times larger the variance of a mean is because records belong together; at least 1.

    The variance of sums of groups against that of single records (Kish 1965, Survey Sampling, 5.4). Where no record
    differs from the mean there is nothing to estimate it from, and it is the mean size of a group, the worst case of
    groups of one size.

    Args:
        values: (n,) of each record.
        groups: Of these records.
    """
    n, count = len(values), groups.count
    if count == n:
        return 1.0
    residuals = values - values.mean()
    alone = float((residuals**2).sum())
    if alone == 0 or count < 2:
        return n / count
    together = float((groups.sums(residuals[:, None]) ** 2).sum()) * count / (count - 1)
    return max(1.0, together / alone)


def wilson(share: float, size: float, alpha: float) -> tuple[float, float]:
    """Bounds of a share, each with one-sided error alpha (Wilson 1927, Journal of the ASA 22:209).

    Args:
        share: Observed share.
        size: Number of records, or what they are worth: it need not be whole.
        alpha: Error of each bound.
    """
    z = float(norm.isf(alpha))
    middle = share + z * z / (2 * size)
    half = z * math.sqrt(share * (1 - share) / size + z * z / (4 * size * size))
    scale = 1 + z * z / size
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def tango(only_one: float, only_other: float, size: float, alpha: float) -> tuple[float, float]:
    """Score bounds of the difference of two paired shares, each with one-sided error alpha.

    Tango 1998, Statistics in Medicine 17:891. A difference is within the bounds if the score test does not reject it.

    Args:
        only_one: Records that only the first model has right; it need not be whole.
        only_other: Records that only the second has right.
        size: Number of records.
        alpha: Error of each bound.
    """
    z = float(norm.isf(alpha))
    observed = (only_one - only_other) / size

    def score(difference: float) -> float:
        b = -only_one - only_other + (2 * size - only_one + only_other) * difference
        c = -only_other * difference * (1 - difference)
        wrong = (math.sqrt(max(0.0, b * b - 8 * size * c)) - b) / (4 * size)  # share that only the other has right
        variance = size * (2 * wrong + difference * (1 - difference))
        apart = only_one - only_other - size * difference
        return apart / math.sqrt(max(variance, 1e-300))

    edge = 1 - 1e-12
    lower = -1.0 if score(-edge) < z else float(brentq(lambda at: score(at) - z, -edge, observed))
    upper = 1.0 if score(edge) > -z else float(brentq(lambda at: score(at) + z, observed, edge))
    return lower, upper


def mean_of_shares(shares: Floats, bounds: list[tuple[float, float]]) -> tuple[float, float]:
    """Bounds of the mean of independent shares from the bounds of each (Zou and Donner 2008, Statistics in Medicine
    27:1693, whose method for differences holds for any linear combination).

    Args:
        shares: (k,) observed shares.
        bounds: Lower and upper bound of each.
    """
    ends = np.asarray(bounds, dtype=float)
    mean = float(shares.mean())
    below = math.sqrt(float(((shares - ends[:, 0]) ** 2).sum())) / len(shares)
    above = math.sqrt(float(((ends[:, 1] - shares) ** 2).sum())) / len(shares)
    return max(0.0, mean - below), min(1.0, mean + above)
