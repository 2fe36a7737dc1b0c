"""Which arm a unit belongs to: the same one for ever, on every machine, without a table of who got what.

A unit (a subject, a user) falls on a point of [0, 1) that depends on nothing but its name and the salt of the
experiment: the first 53 bits of SHA-256 of `salt:unit`. Other salts give independent points, so the arms of one
experiment say nothing about those of another. Anybody can compute it again, which is how a log is checked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deriva_ml_kit.errors import UsageError

BITS = 53  # what a float holds


def bucket(salt: str, unit: str) -> float:
    """The point of one unit, in [0, 1)."""
    return float(buckets(salt, [unit])[0])


def buckets(salt: str, units: Iterable[str]) -> NDArray[np.float64]:
    """The points of units, in [0, 1), in their order.

    Raises:
        UsageError: The salt is empty or has a colon, or a unit is no text. A number is refused because it is written
            in several ways: 7 and 7.0 would fall on different points.
    """
    _check(salt)
    head, sha256 = f"{salt}:".encode(), hashlib.sha256
    try:
        digests = b"".join([sha256(head + unit.encode()).digest() for unit in units])
    except AttributeError as error:
        raise UsageError("Units are text, and there is one that is not.", remedy="Read the column as text.") from error
    heads = np.frombuffer(digests, dtype=">u8")[::4]  # the first 8 of 32 bytes
    return np.asarray((heads >> np.uint64(64 - BITS)) / 2**BITS, dtype=np.float64)


@dataclass(frozen=True)
class Arms:
    """The arms of an experiment or a rollout.

    A unit takes part where its point under the salt `<salt>/share` is below `share`, and falls into an arm by its point
    under `salt`. These are independent, so whoever takes part goes on to, in the same arm, when the share is raised.

    Attributes:
        salt: Of this experiment alone.
        weights: Arm to its part of those who take part; together 1. Their order counts: an arm that comes first keeps
            its units when its weight is raised.
        share: Part of all units that takes part.

    Raises:
        UsageError: The salt is none, the weights are not positive or do not add up to 1, or the share is not in
            (0, 1].
    """

    salt: str
    weights: Mapping[str, float]
    share: float = 1.0

    def __post_init__(self) -> None:
        _check(self.salt)
        if not self.weights or not all(weight > 0 for weight in self.weights.values()):
            raise UsageError(f"Each arm needs a weight above 0: {dict(self.weights)}.")
        if abs(sum(self.weights.values()) - 1) > 1e-9:
            raise UsageError(f"The weights of the arms add up to {sum(self.weights.values()):g} and not to 1.")
        if not 0 < self.share <= 1:
            raise UsageError(f"The share of the units that take part is {self.share:g}, and must be in (0, 1].")

    def of(self, unit: str) -> str | None:
        """The arm of a unit; None where it does not take part."""
        arm: str | None = self.of_all([unit])[0]
        return arm

    def of_all(self, units: Iterable[str]) -> NDArray[Any]:
        """The arms of units, in their order: names, None where a unit does not take part."""
        units = list(units)
        edges = np.cumsum(list(self.weights.values()))[:-1]
        names = np.array([*self.weights, None], dtype=object)
        arms = np.searchsorted(edges, buckets(self.salt, units), side="right")
        if self.share < 1:
            arms[buckets(f"{self.salt}/share", units) >= self.share] = len(self.weights)
        return names[arms]

    def with_share(self, share: float) -> Arms:
        """The same arms for another share of the units."""
        return replace(self, share=share)


def _check(salt: str) -> None:
    if not salt or ":" in salt:
        raise UsageError(f"A salt is a text without a colon, and {salt!r} is not.")
