"""An empirical distribution, frozen at 4097 of its points: enough to know any Kolmogorov-Smirnov distance to 1/4096."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

INTERVALS = 4096


class Ecdf(BaseModel):
    """What is frozen of a sample.

    Attributes:
        rows: How many finite values there were.
        points: Some of the values, ascending, the least and the largest among them (all of them if they are few).
        at: Rows at each point.
        between: Rows strictly between each point and the one before it.

    The three arrays are base64 of zlib of little-endian float64 (points) and int64 (at, between).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: int
    points: str
    at: str
    between: str

    @classmethod
    def of(cls, ordered: NDArray[np.float64]) -> Ecdf:
        """Freeze finite values, which must be ascending."""
        n = len(ordered)
        taken = np.round(np.linspace(0, n - 1, min(n, INTERVALS + 1))).astype(np.intp)
        points = np.unique(ordered[taken])
        upto, below = np.searchsorted(ordered, points, "right"), np.searchsorted(ordered, points, "left")
        between = below - np.concatenate(([0], upto[:-1]))
        return cls(rows=n, points=pack(points), at=pack(upto - below), between=pack(between))

    def distance(self, ordered: NDArray[np.float64]) -> float:
        """Kolmogorov-Smirnov distance to other finite values, which must be ascending.

        Both distributions are compared at each point and just before it. Between two points this one rises by less than
        1/4096, so that the true distance is this one or larger by less than 1/4096.
        """
        points, at, between = unpack(self.points, float), unpack(self.at, int), unpack(self.between, int)
        upto = np.cumsum(at + between)
        mine = np.stack([upto, upto - at]) / self.rows
        theirs = np.stack([np.searchsorted(ordered, points, side) for side in ("right", "left")]) / len(ordered)
        return float(np.abs(mine - theirs).max())


def pack(values: NDArray[Any]) -> str:
    """An array as text; see `Ecdf`."""
    kind = "<f8" if values.dtype.kind == "f" else "<i8"
    return base64.b64encode(zlib.compress(np.ascontiguousarray(values, dtype=kind).tobytes(), 9)).decode()


def unpack(text: str, kind: type[float] | type[int]) -> NDArray[Any]:
    """The array of a text."""
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype="<f8" if kind is float else "<i8")
