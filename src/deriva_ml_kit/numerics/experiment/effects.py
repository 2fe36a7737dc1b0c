"""How a metric differs between two arms.

A unit that was assigned is one observation, whatever the number of its rows: rows of one unit are not independent, and
taking them for so makes differences out of nothing. A ratio of two sums over units (clicks by views, errors by
requests) gets its variance by the delta method (Deng, Knoblich and Lu, KDD 2018).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike


class Kind(StrEnum):
    """How rows become the metric.

    Rate: the share of units with at least one row in which the column is not 0. Mean: what a unit brings in all its
    rows, averaged over units. Ratio: the sum of the column by the sum of another, or by the number of rows.
    """

    RATE = "rate"
    MEAN = "mean"
    RATIO = "ratio"


@dataclass(frozen=True)
class Estimate:
    """A metric in one arm.

    Attributes:
        units: Their number.
        value: The estimate; nan without units.
        variance: Of the estimate; nan with fewer than two units.
    """

    units: int
    value: float
    variance: float


@dataclass(frozen=True)
class Effect:
    """A metric in two arms.

    Attributes:
        control: In the first.
        treated: In the second.
        pooled: Variance of the difference if both arms are one population.
        kind: Of the metric.
    """

    control: Estimate
    treated: Estimate
    pooled: float
    kind: Kind

    @property
    def difference(self) -> float:
        """Treated minus control."""
        return self.treated.value - self.control.value

    @property
    def variance(self) -> float:
        """Of the difference: by the arms on their own or by both together, whichever is larger.

        A small arm without a single event has no variance of its own, and its difference would have no uncertainty:
        with arms of 5 and 95 % that makes a difference of nothing in up to half of all tests of rare events.
        """
        return float(np.maximum(self.treated.variance + self.control.variance, self.pooled))

    @property
    def null_variance(self) -> float:
        """Of the difference where there is none: known of rates (both arms together), otherwise `variance`."""
        return self.pooled if self.kind is Kind.RATE else self.variance

    @property
    def z(self) -> float:
        """The difference in its standard errors under no difference; nan where these are 0 or unknown."""
        return self.difference / self.null_variance**0.5 if self.null_variance > 0 else float("nan")


def effect(
    units: ArrayLike, treated: ArrayLike, values: ArrayLike, kind: Kind, denominators: ArrayLike | None = None
) -> Effect:
    """How a metric differs.

    Args:
        units: The unit of each row, shape (rows,).
        treated: Whether its row is of the treated arm, shape (rows,); the same for all rows of a unit.
        values: The column, shape (rows,), finite.
        kind: How rows become the metric.
        denominators: Of a ratio; where not given, rows are counted.

    Returns:
        The metric in both arms, over units.
    """
    counted = np.ones(len(np.asarray(values))) if denominators is None else np.asarray(denominators, dtype=float)
    rows = pd.DataFrame(
        {
            "unit": np.asarray(units),
            "treated": np.asarray(treated, dtype=bool),
            "value": np.asarray(values, dtype=float),
            "counted": counted,
        }
    )
    if kind is Kind.RATE:
        rows["value"] = (rows["value"] != 0).astype(float)
    together: Mapping[str, str] = {"value": "max" if kind is Kind.RATE else "sum", "counted": "sum"}
    by_unit = rows.groupby(["unit", "treated"], sort=False).agg(together).reset_index()
    one, other = (_estimate(by_unit[by_unit["treated"] == arm], kind) for arm in (False, True))
    both = _estimate(by_unit, kind)
    if not (one.units and other.units):
        return Effect(one, other, float("nan"), kind)
    return Effect(one, other, both.variance * both.units * (1 / one.units + 1 / other.units), kind)


def _estimate(rows: pd.DataFrame, kind: Kind) -> Estimate:
    """Of one arm, from one row a unit."""
    n, values = len(rows), rows["value"].to_numpy(dtype=float)
    if n == 0:
        return Estimate(0, float("nan"), float("nan"))
    if kind is not Kind.RATIO:
        return Estimate(n, float(values.mean()), _variance(values) / n)
    counted = rows["counted"].to_numpy(dtype=float)
    if counted.sum() == 0:
        return Estimate(n, float("nan"), float("nan"))
    ratio = values.sum() / counted.sum()
    return Estimate(n, float(ratio), _variance(values - ratio * counted) / (n * counted.mean() ** 2))


def _variance(values: np.ndarray) -> float:
    return float(values.var(ddof=1)) if len(values) > 1 else float("nan")
