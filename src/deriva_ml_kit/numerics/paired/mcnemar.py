"""McNemar's test of two shares of right answers to the same records, and its form for records in groups."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import binom, chi2

from deriva_ml_kit.numerics.paired.metrics import Floats

Method = Literal["exact", "mid-p", "chi-squared", "corrected"]


def mcnemar(only_one: int, only_other: int, method: Method = "mid-p") -> float:
    """Two-sided p-value of equal shares of right answers.

    Only records count that one model has right and the other has wrong. `exact` is the binomial test, which keeps its
    level always and is too careful; `mid-p` nearly always keeps it, and is the one to take for any number (Fagerland,
    Lydersen and Laake 2013, BMC Medical Research Methodology 13:91); `chi-squared` (McNemar 1947) and `corrected`
    (Edwards 1948) approximate them from about 25 such records.

    Args:
        only_one: Records that only the first model has right.
        only_other: Records that only the second has right.
        method: How it is computed.

    Raises:
        ValueError: Negative numbers.
    """
    if min(only_one, only_other) < 0:
        raise ValueError(f"Numbers of records cannot be negative: {only_one}, {only_other}.")
    total, fewer = only_one + only_other, min(only_one, only_other)
    if total == 0:
        return 1.0
    if method in ("exact", "mid-p"):
        middle = float(binom.pmf(fewer, total, 0.5)) if method == "mid-p" else 0.0
        if only_one == only_other:
            return 1 - middle / 2
        return 2 * float(binom.cdf(fewer, total, 0.5)) - middle
    apart = abs(only_one - only_other) - (method == "corrected")
    return float(chi2.sf(apart**2 / total, 1))


def clustered_mcnemar(differences: npt.ArrayLike) -> float:
    """Two-sided p-value where records belong to groups (Obuchowski 1998, Statistics in Medicine 17:1495).

    Args:
        differences: (groups,) of each group, how many records more the first model has right than the second.

    Returns:
        The p-value; 1 where no group differs. Every record alone, it is McNemar's chi-squared.
    """
    d: Floats = np.asarray(differences, dtype=float)
    squares = float((d**2).sum())
    return float(chi2.sf(d.sum() ** 2 / squares, 1)) if squares else 1.0
