"""How much of the level may be used up to a time (Lan and DeMets, Biometrika 70, 1983).

Times are information over planned information: 1 is the horizon.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri


class Spending(StrEnum):
    """Named by the boundaries that they resemble.

    O'Brien-Fleming spends hardly anything early and costs hardly any power; Pocock spends evenly, stops earlier and
    needs more units.
    """

    OBRIEN_FLEMING = "obrien-fleming"
    POCOCK = "pocock"

    def __call__(self, alpha: float, times: ArrayLike) -> NDArray[np.float64]:
        """What may be spent up to each time, of a one-sided level alpha; all of it from time 1 on."""
        return FUNCTIONS[self](alpha, np.clip(np.asarray(times, dtype=float), 0, 1))


def _obrien_fleming(alpha: float, times: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        return np.asarray(2 * ndtr(ndtri(alpha / 2) / np.sqrt(times)))


def _pocock(alpha: float, times: NDArray[np.float64]) -> NDArray[np.float64]:
    return alpha * np.log1p((np.e - 1) * times)


FUNCTIONS: dict[Spending, Callable[[float, NDArray[np.float64]], NDArray[np.float64]]] = {
    Spending.OBRIEN_FLEMING: _obrien_fleming,
    Spending.POCOCK: _pocock,
}
