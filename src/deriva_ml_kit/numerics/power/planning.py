"""What looks and clusters cost in units, and how many whole weeks an experiment takes."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.numerics.sequential.boundaries import boundaries, crossing
from deriva_ml_kit.numerics.sequential.spending import Spending

DAYS = 7  # of a week: people behave differently on its days, so that an experiment takes whole ones


def design_effect(cluster_size: float, correlation: float, variation: float = 0.0) -> float:
    """How many times as many units it takes where clusters of them are assigned together.

    Args:
        cluster_size: Mean units of a cluster, 1 or more: images of a subject.
        correlation: Of units within a cluster (ICC), in [0, 1].
        variation: Coefficient of variation of the sizes (Eldridge, Ashby and Kerry, Int. J. Epidemiol. 35, 2006).

    Raises:
        UsageError: A value is out of its range.
    """
    if not (1 <= cluster_size < math.inf and 0 <= correlation <= 1 and 0 <= variation < math.inf):
        raise UsageError(
            f"A design effect needs a cluster size of 1 or more, a correlation in [0, 1] and a variation of 0 or more, "
            f"not {cluster_size:g}, {correlation:g} and {variation:g}."
        )
    return 1 + max((1 + variation**2) * cluster_size - 1, 0.0) * correlation


@lru_cache
def inflation(looks: int, *, alpha: float, power: float, spending: Spending = Spending.OBRIEN_FLEMING) -> float:
    """How many times as many units a test with equally spaced looks takes for the power of one with a fixed end.

    Raises:
        UsageError: There is no look, or alpha and power are out of their ranges.
    """
    if looks < 1 or not 0 < alpha < power < 1:
        raise UsageError(f"{looks} looks at a level of {alpha:g} cannot have a power of {power:g}.")
    at = np.arange(1, looks + 1) / looks
    bounds = boundaries(at, alpha, planned=1, spending=spending)
    fixed = float(-ndtri(alpha / 2))
    widest = fixed + float(ndtri(power)) + 5

    def missing_fixed(drift: float) -> float:
        return float(ndtr(drift - fixed) + ndtr(-drift - fixed)) - power

    def missing(drift: float) -> float:
        return crossing(at, bounds, drift=drift).power - power

    return float((brentq(missing, 0, widest) / brentq(missing_fixed, 0, widest)) ** 2)


def whole_weeks(units: float, per_day: float, *, least: int = 1) -> int:
    """Weeks until so many units have come.

    Args:
        units: Of all arms together.
        per_day: New units a day that take part.
        least: Weeks that it takes in any case.

    Raises:
        UsageError: Nobody comes.
    """
    if not 0 < per_day < math.inf:
        raise UsageError(f"{per_day:g} units a day: the experiment would never end.")
    return max(least, math.ceil(units / (per_day * DAYS)))
