"""Rows that come in clusters, such as the images of one subject, say less than as many independent rows.

How much less is estimated from the clusters themselves, on both sides: the covariance of the shares of cells between
clusters, which is frozen with the baseline. Whole clusters are the unit, as in a bootstrap of clusters, of which this
is the limit; it needs no rows of the baseline and no random numbers (Rao and Scott 1981).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deriva_ml_kit.numerics.drift.statistics import Floats

FEWEST = 20  # clusters on each side; fewer do not show how much they differ


def covariance(cells: NDArray[np.intp], count: int, clusters: NDArray[np.intp]) -> Floats:
    """Covariance of the shares of cells, over clusters.

    Args:
        cells: Cell of each row.
        count: How many cells there are.
        clusters: Cluster of each row, 0, 1, …

    Returns:
        Matrix count x count: k / (k - 1) times the sum over the k clusters of e e', e being a cluster's rows per cell
        less what its size would have it hold, as a share of all rows.
    """
    k, rows = int(clusters.max()) + 1, len(cells)
    counts = np.bincount(clusters * count + cells, minlength=k * count).reshape(k, count).astype(float)
    residuals = (counts - counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / rows) / rows
    answer: Floats = residuals.T @ residuals * (k / max(k - 1, 1))
    return answer


def design_effect(matrix: Floats, counts: NDArray[np.int64]) -> float:
    """How many times the variance of independent rows the shares have, on average over cells; at least 1."""
    there = counts > 0
    rows, shares = counts.sum(), counts[there] / counts.sum()
    if len(shares) < 2:
        return 1.0
    return max(1.0, float(np.sum(np.diag(matrix)[there] / shares) * rows / (len(shares) - 1)))


def grouped(matrix: Floats, groups: list[list[int]]) -> Floats:
    """The covariance of the shares of groups of cells."""
    to_groups = np.zeros((len(groups), len(matrix)))
    for index, group in enumerate(groups):
        to_groups[index, group] = 1
    answer: Floats = to_groups @ matrix @ to_groups.T
    return answer
