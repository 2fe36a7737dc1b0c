"""Whether the rows of an experiment can be judged at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chisquare

from deriva_ml_kit.numerics.assignment import Arms


def misassigned(units: Sequence[str], found: Sequence[Any], arms: Arms) -> NDArray[np.bool_]:
    """Which rows stand in another arm than the salt gives, or should not take part, shape (rows,)."""
    return np.asarray(np.asarray(found, dtype=object) != arms.of_all(units))


def in_several_arms(units: Sequence[str], found: Sequence[Any]) -> list[str]:
    """Units with rows in more than one arm, sorted."""
    arms = Counter(unit for unit, _ in set(zip(units, found, strict=True)))
    return sorted(unit for unit, count in arms.items() if count > 1)


def sample_ratio(units: Mapping[str, int], weights: Mapping[str, float]) -> float:
    """Chi-squared p-value of the numbers of units in the arms against their weights.

    A sample-ratio mismatch means that units were lost, or counted twice, in one arm more than in the other: whatever
    caused it also acts on the metric (Fabijan et al., KDD 2019).

    Args:
        units: Arm to its number of units; an arm that is missing has none.
        weights: Arm to its part of the units, together 1.
    """
    counted = np.array([units.get(arm, 0) for arm in weights], dtype=float)
    if not counted.sum():
        return 1.0
    return float(chisquare(counted, counted.sum() * np.array(list(weights.values()))).pvalue)
