"""Which rows of the history belong to the same season as a batch, a period before it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.numerics.drift.profile import YEAR


def same_season(
    times: pd.Series[Any], first: pd.Timestamp, last: pd.Timestamp, *, days: float = YEAR, margin: float = 7
) -> NDArray[np.bool_] | None:
    """Rows of the window that lies one period before a batch.

    Args:
        times: Time of each row of the history.
        first: Time of the first row of the batch.
        last: Time of its last row.
        days: Length of the period.
        margin: Days that the window is wider on both sides, so that a batch of a day has enough to compare with.

    Returns:
        Which rows to profile as the seasonal baseline, or None if the history is too short to hold that window.

    Raises:
        UsageError: The batch ends before it begins, or a length is wrong.
    """
    if days <= 0 or margin < 0:
        raise UsageError(f"A season of {days:g} days with a margin of {margin:g} makes no sense.")
    at = pd.to_datetime(times, utc=True)
    begin, end = (pd.to_datetime(when, utc=True) for when in (first, last))
    if end < begin:
        raise UsageError(f"The batch ends ({last}) before it begins ({first}).")
    begin, end = begin - pd.Timedelta(days=days + margin), end - pd.Timedelta(days=days - margin)
    # The margin before the window may be missing; the window itself may not.
    if not len(at) or at.min() > begin + pd.Timedelta(days=margin) or at.max() < end - pd.Timedelta(days=margin):
        return None
    # A margin wider than the period would reach the batch itself, which must not be its own baseline.
    inside: NDArray[np.bool_] = ((at >= begin) & (at <= end) & (at < pd.to_datetime(first, utc=True))).to_numpy()
    return inside if inside.any() else None
