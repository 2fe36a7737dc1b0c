"""Population stability index, chi-squared, Kolmogorov-Smirnov: from counts to a number and its calibrated p.

Counts are of cells in the same order on both sides. A cell that is empty on both sides is as if it were not there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from deriva_ml_kit.errors import UsageError

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

EXPECTED = 5.0  # rows that a cell must be able to expect before the chi-squared approximation holds (Cochran 1954)


class Test(NamedTuple):
    """A statistic, its degrees of freedom and its p."""

    statistic: float
    df: float
    p: float


def psi(reference: ArrayLike, current: ArrayLike) -> float:
    """Population stability index: the sum over cells of (q - r) ln(q / r), r and q shares of reference and current.

    If a cell is empty on one side, 0.5 rows are added to every cell of both sides (Jeffreys), so that the index stays
    finite and does not depend on which side lacks it.

    Raises:
        UsageError: Not the same cells, negative counts, or a side without rows.
    """
    r, q = _cells(reference, current)
    if (r == 0).any() or (q == 0).any():
        r, q = r + 0.5, q + 0.5
    r, q = r / r.sum(), q / q.sum()
    return float(np.sum((q - r) * np.log(q / r)))


def is_smoothed(reference: ArrayLike, current: ArrayLike) -> bool:
    """Whether `psi` adds 0.5 rows to each cell of these counts."""
    r, q = _cells(reference, current)
    return bool((r == 0).any() or (q == 0).any())


def chi_squared(reference: ArrayLike, current: ArrayLike) -> Test:
    """Pearson's chi-squared of the 2 x cells contingency table, without continuity correction.

    Both sides are samples: their margins give the expected counts. One cell alone has statistic 0 and p 1.
    """
    r, q = _cells(reference, current)
    if len(r) < 2:
        return Test(0.0, 0, 1.0)
    table = np.stack([r, q]).astype(float)
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / table.sum()
    statistic = float(np.sum((table - expected) ** 2 / expected))
    return Test(statistic, len(r) - 1, float(special.chdtrc(len(r) - 1, statistic)))


def psi_test(reference: ArrayLike, current: ArrayLike, covariance: Floats | None = None) -> Test:
    """The index with its p if both sides come from one distribution.

    Without drift psi is distributed as (1/n + 1/m) chi2(cells - 1) (Yurdakul 2018). The scale used here carries the
    term of second order too, without which batches of 50 rows alarm twice as often as they should:
    E[psi] = (cells - 1)(1/n + 1/m) + (1/n^2 + 1/m^2) (sum 1/p - cells) / 2, p the shares of both sides together.

    Args:
        reference: Rows per cell, n together.
        current: Rows per cell, m together.
        covariance: Covariance (cells x cells) of the difference of shares, where rows are not independent; the scale
            and the degrees of freedom then come from its eigenvalues (Rao and Scott 1981, after Satterthwaite).
    """
    r, q = np.asarray(reference), np.asarray(current)
    there = (r + q) > 0
    value = psi(r, q)
    if there.sum() < 2:
        return Test(value, 0, 1.0)
    r, q = r[there], q[there]
    n, m, cells = r.sum(), q.sum(), len(r)
    shares = (r + q) / (n + m)
    df = float(cells - 1)
    scale = 1 / n + 1 / m
    if covariance is not None:
        root = np.sqrt(shares)
        eigen = np.linalg.eigvalsh(covariance[np.ix_(there, there)] / np.outer(root, root)).clip(min=0)
        total, squares = eigen.sum(), (eigen**2).sum()
        if total <= 0:
            return Test(value, df, 0.0 if value > 0 else 1.0)
        scale, df = squares / total, total**2 / squares
    second = (1 / n**2 + 1 / m**2) * (np.sum(1 / shares) - cells) / 2
    scale *= 1 + second / ((cells - 1) * (1 / n + 1 / m))
    return Test(value, df, float(special.chdtrc(df, value / scale)))


def rare_p(reference: float, current: float, n: float, m: float) -> float:
    """Two-sided p that cells too rare for chi-squared hold as much of both sides.

    Given their rows together, those of the current side are binomial with share m / (n + m).
    """
    both = reference + current
    share = m / (n + m)
    at_least = float(special.betainc(current, both - current + 1, share)) if current > 0 else 1.0
    at_most = float(special.betaincc(current + 1, both - current, share)) if current < both else 1.0
    return min(1.0, 2 * min(at_least, at_most))


def kolmogorov_p(distance: float, n: float, m: float) -> float:
    """Asymptotic p of a two-sample Kolmogorov-Smirnov distance between n and m rows."""
    return float(special.kolmogorov(math.sqrt(n * m / (n + m)) * distance))


def adjusted(p_values: Sequence[float | None]) -> list[float | None]:
    """p-values adjusted for their number by Benjamini and Hochberg (1995); None stays None and does not count."""
    known = [index for index, p in enumerate(p_values) if p is not None]
    given = np.array([p_values[index] for index in known], dtype=float)
    order = np.argsort(given)[::-1]
    ranks = np.arange(len(given), 0, -1)
    running = np.minimum.accumulate(np.minimum(given[order] * len(given) / ranks, 1.0))
    answer: list[float | None] = [None] * len(p_values)
    for position, value in zip(order, running, strict=True):
        answer[known[position]] = float(value)
    return answer


def minimum_rows(cells: int, limit: float, level: float = 0.99) -> int:
    """Rows at which, against a large other side, the index without drift stays below `limit` (99 % of the time)."""
    return math.ceil(float(special.chdtri(max(cells - 1, 1), 1 - level)) / limit)


def merged(reference: Counts, current: Counts, ordered: NDArray[np.bool_]) -> tuple[list[list[int]], list[int]]:
    """Cells put together until each can expect 5 rows on both sides.

    Args:
        reference: Rows per cell.
        current: Rows per cell.
        ordered: Which cells are intervals of about equal mass, in order: these are merged with their neighbours, others
            with each other, so that a value that was rare and is frequent now does not vanish in a large cell.

    Returns:
        Groups of cells (positions), and the cells that are too rare even together.
    """
    both = reference + current
    n, m = int(reference.sum()), int(current.sum())
    needed = EXPECTED * (n + m) / min(n, m)
    groups: list[list[int]] = []
    waiting: list[int] = []
    for cell in np.flatnonzero(ordered & (both > 0)).tolist():
        waiting.append(cell)
        if both[waiting].sum() >= needed:
            groups.append(waiting)
            waiting = []
    if waiting and groups:
        groups[-1] += waiting
        waiting = []
    single = np.flatnonzero(~ordered & (both > 0)).tolist()
    groups += [[cell] for cell in single if both[cell] >= needed]
    rare = waiting + [cell for cell in single if both[cell] < needed]
    if rare and both[rare].sum() >= needed:
        groups.append(rare)
        rare = []
    return groups, rare


def _cells(reference: ArrayLike, current: ArrayLike) -> tuple[Floats, Floats]:
    r, q = np.asarray(reference, dtype=float), np.asarray(current, dtype=float)
    if r.shape != q.shape or r.ndim != 1:
        raise UsageError(f"Counts of {r.shape} and {q.shape} cells cannot be compared.")
    if not (np.isfinite(r).all() and np.isfinite(q).all()) or (r < 0).any() or (q < 0).any():
        raise UsageError("Counts must be finite and not negative.")
    if not (r.sum() > 0 and q.sum() > 0):
        raise UsageError("A side without rows cannot be compared.")
    there = (r + q) > 0
    return r[there], q[there]
