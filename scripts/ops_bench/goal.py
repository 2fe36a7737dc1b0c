"""A goal and what was measured; times of the same work done side by side."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Goal:
    """One line of the table.

    Attributes:
        capability: Such as `drift`.
        goal: What was to be reached, with its limit.
        measured: What was measured, with its unit, and the ratio against the alternative in the same run.
        met: Whether it was; None where it could not be measured here, and `measured` says why.
    """

    capability: str
    goal: str
    measured: str
    met: bool | None


def seconds(work: Callable[[], Any], runs: int = 3) -> float:
    """Median seconds of some runs."""
    taken = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def peak_mb() -> float:
    """Largest resident size of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def wilson(hits: int, runs: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    share = hits / runs
    middle = share + z * z / (2 * runs)
    half = z * ((share * (1 - share) + z * z / (4 * runs)) / runs) ** 0.5
    scale = 1 + z * z / runs
    return (middle - half) / scale, (middle + half) / scale
