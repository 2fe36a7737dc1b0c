"""The cells that a column is counted in, chosen once from the baseline and then frozen.

A categorical or boolean column has a cell for each level; a numeric one with few distinct values a cell for each value;
any other numeric one intervals (a, b] of equal mass. A value that alone holds more than a bin's mass (an atom, such as
0) gets a cell of its own. To these come, in this order, cells for everything else, null, -inf and +inf.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deriva_ml_kit.numerics.drift.columns import Levels, Numbers
from deriva_ml_kit.numerics.drift.statistics import Counts, Floats

DISTINCT = 20  # at most as many values are cells by themselves
SPECIAL = ("other", "null", "-inf", "+inf")


def few_values(ordered: Floats) -> Floats | None:
    """The distinct values if they are at most 20 and recur, else None."""
    found: list[float] = []
    position = 0
    while position < len(ordered):
        if len(found) == min(DISTINCT, max(1, len(ordered) // 5)):
            return None
        found.append(float(ordered[position]))
        position = int(np.searchsorted(ordered, ordered[position], "right"))
    return np.array(found)


def interval_edges(ordered: Floats, bins: int) -> Floats:
    """Inner edges of intervals (a, b], at quantiles; around an atom v stand the edges just below v and v.

    Between atoms there are as many intervals as their mass is worth, at least one where there is any. Beyond the
    outermost atom there is a cell even if the baseline has nothing there.
    """
    n = len(ordered)
    candidates = np.unique(ordered[np.linspace(0, n - 1, 2 * bins + 1).astype(np.intp)])
    low, high = np.searchsorted(ordered, candidates, "left"), np.searchsorted(ordered, candidates, "right")
    atoms = np.flatnonzero(high - low > n / bins)
    edges: list[float] = []
    begin = 0
    for atom, end in [*((float(candidates[i]), int(low[i])) for i in atoms), (None, n)]:
        part = ordered[begin:end]
        if len(part):
            count = max(1, round(bins * len(part) / n))
            inner = (
                np.unique(part[[-(-len(part) * j // count) - 1 for j in range(1, count)]]) if count > 1 else part[:0]
            )
            edges += inner[inner < part[-1]].tolist()
        if atom is not None:
            with np.errstate(over="ignore"):
                edges += [float(np.nextafter(atom, -np.inf)), atom]
            begin = int(np.searchsorted(ordered, atom, "right"))
    distinct = np.unique(np.array(edges, dtype=np.float64))
    finite: Floats = distinct[np.isfinite(distinct)]
    return finite


def count_numbers(read: Numbers, values: Floats, edges: Floats | None) -> Counts:
    """Rows per cell: of each value if `edges` is None, else of each interval; then the special cells."""
    ordered = read.ordered
    if edges is None:
        counts = np.searchsorted(ordered, values, "right") - np.searchsorted(ordered, values, "left")
    else:
        counts = np.diff(np.concatenate(([0], np.searchsorted(ordered, edges, "right"), [len(ordered)])))
    other = len(ordered) - counts.sum()
    return np.array([*counts, other, read.nulls, read.negative_infinite, read.positive_infinite], dtype=np.int64)


def count_levels(read: Levels, levels: tuple[str, ...]) -> Counts:
    """Rows per cell: of each level, then the special cells."""
    counts = [read.counts.get(level, 0) for level in levels]
    return np.array([*counts, read.rows - read.nulls - sum(counts), read.nulls, 0, 0], dtype=np.int64)


def cell_of_numbers(read: Numbers, values: Floats, edges: Floats | None) -> NDArray[np.intp]:
    """The cell of each row, in the order of `count_numbers`."""
    rows = read.values
    if edges is None:
        special = len(values)
        cells = np.searchsorted(values, rows).clip(max=max(special - 1, 0))
        known = values[cells] == rows if special else np.zeros(len(rows), dtype=bool)
        cells = np.where(known, cells, special)
    else:
        special = len(edges) + 1
        cells = np.searchsorted(edges, rows, "left")
    for offset, here in ((1, np.isnan(rows)), (2, np.isneginf(rows)), (3, np.isposinf(rows))):
        cells[here] = special + offset
    return cells


def cell_of_levels(read: Levels, levels: tuple[str, ...]) -> NDArray[np.intp]:
    """The cell of each row, in the order of `count_levels`."""
    position = {level: index for index, level in enumerate(levels)}
    cells: NDArray[Any] = np.array([*(position.get(name, len(levels)) for name in read.names), len(levels) + 1])
    return cells[read.codes]  # code -1, null, is the last


def interval_labels(edges: tuple[float, ...]) -> list[str]:
    """Names of the intervals, such as `<= 1.5`, `1.5 … 2` and `> 7`; around an atom `< 0`, `0` and `> 0`."""
    if not edges:
        return ["any value"]
    atoms = {high for low, high in pairwise(edges) if high == np.nextafter(low, np.inf)}
    # The edge just below an atom is called by the atom.
    names = [f"{high if high in atoms else low:.4g}" for low, high in pairwise([*edges, np.nan])]
    found = [f"{'<' if len(edges) > 1 and edges[1] in atoms else '<='} {names[0]}"]
    for position, high in enumerate(edges[1:], start=1):
        found.append(names[position] if high in atoms else f"{names[position - 1]} … {names[position]}")
    return [*found, f"> {names[-1]}"]
