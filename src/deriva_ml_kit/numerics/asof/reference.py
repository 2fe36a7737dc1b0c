"""Which value belongs to which event, by looking at every pair: the definition, in the slowest way."""

from __future__ import annotations

import numpy as np

from deriva_ml_kit.numerics.asof.columnar import NONE, Integers, Values


def rows_of(code: Integers, time: Integers, values: Values) -> Integers:
    """See `columnar.rows_of`; takes time in proportion to events times values, and finds no ties."""
    known = values.time if values.known is None else values.known
    every = np.arange(len(values.code))
    rank = np.zeros(len(every)) if values.tie_break is None else values.tie_break(every)
    found = np.full(len(code), NONE, dtype=np.int64)
    for event in range(len(code)):
        usable = [
            row
            for row in every
            if values.code[row] == code[event] and values.time[row] <= time[event] and known[row] <= time[event]
        ]
        if usable:
            found[event] = max(usable, key=lambda row: (values.time[row], known[row], rank[row]))
    return found
