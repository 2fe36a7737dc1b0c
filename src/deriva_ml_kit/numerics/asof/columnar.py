"""Which value belongs to which event, by sorting: exact, O(n log n), with numpy.

A value can be used from its availability on, the later of its event time and its known time. Values are sorted by key
and availability; the best one so far, by (event time, known time, tie-break), is a running maximum over them; an event
finds its place by binary search. Key and time are packed into one integer, because sorting those is what numpy does
fastest, and because a running maximum over them begins anew with each key.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
# Numbers of rows to integers that order them; asked only about rows that are tied otherwise.
TieBreak = Callable[[Integers], NDArray[np.generic]]
NONE = -1


class TiedRows(Exception):
    """Nothing decides which of some rows is the newest."""

    def __init__(self, rows: Integers) -> None:
        super().__init__(f"{len(rows)} rows are tied")
        self.rows = rows


@dataclass(frozen=True)
class Values:
    """Rows of values; no field has nulls.

    Attributes:
        code: Key, 0 … `codes` - 1; shape (n,).
        time: Event time, µs; shape (n,).
        known: Known time, µs; shape (n,); None where values are known when they hold.
        tie_break: Orders rows that are alike otherwise; None where there must be none.
        codes: Number of keys.
    """

    code: Integers
    time: Integers
    known: Integers | None
    tie_break: TieBreak | None
    codes: int


def rows_of(code: Integers, time: Integers, values: Values) -> Integers:
    """The row of `values` for each event, -1 where there is none.

    Args:
        code: Key of each event, -1 where no value has it; shape (m,).
        time: Time of each event, µs; shape (m,).
        values: What to choose from.

    Raises:
        TiedRows: Rows have the same key and times, and nothing decides.
    """
    found = np.full(len(code), NONE, dtype=np.int64)
    asking = np.flatnonzero(code >= 0)
    if not len(values.code) or not len(asking):
        return found
    if values.known is None:
        places, needles = _packed(values.code, values.time, code[asking], time[asking], values.codes)
        order, places = _sorted(places, [], values.tie_break)
        newest = order
    else:
        available = np.maximum(values.time, values.known)
        places, needles = _packed(values.code, available, code[asking], time[asking], values.codes)
        order, places = _sorted(places, [values.time, values.known], values.tie_break)
        newest = order[_running_best(_packed(values.code, values.time, code[:0], time[:0], values.codes)[0][order])]
    by_place = np.argsort(needles)  # neighbours look into the same part of memory
    at = np.empty(len(asking), dtype=np.int64)
    at[by_place] = np.searchsorted(places, needles[by_place], side="right") - 1
    rows = newest[np.maximum(at, 0)]
    found[asking] = np.where((at >= 0) & (values.code[rows] == code[asking]), rows, NONE)
    return found


def _packed(
    code: Integers, time: Integers, event_code: Integers, event_time: Integers, codes: int
) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    """(key, time) of values and of events as one integer each, in the same order; 0 of a key is before its values."""
    low, high = int(time.min()), int(time.max())
    steps = high - low + 2
    if codes * steps > 2**64:  # too wide for an integer: ranks for times
        order = np.argsort(time)
        distinct, place = np.unique(time[order], return_inverse=True)
        event_time = np.searchsorted(distinct, event_time, side="right") - 1
        time = np.empty_like(time)
        time[order] = place
        low, high, steps = 0, len(distinct) - 1, len(distinct) + 1
    kind = np.int64 if codes * steps < 2**63 else np.uint64
    width = kind(steps)
    values = code.astype(kind) * width + (time - (low - 1)).astype(kind)
    events = event_code.astype(kind) * width + (np.clip(event_time, low - 1, high) - (low - 1)).astype(kind)
    return values, events


def _sorted(
    places: NDArray[np.generic], finer: Sequence[Integers], tie_break: TieBreak | None
) -> tuple[Integers, NDArray[np.generic]]:
    """Row numbers by place, then by the finer keys, then by the tie-break; and the places in that order."""
    order = np.argsort(places)
    places = places[order]
    alike = _runs([places])
    if not len(alike):
        return order, places
    rows = order[alike]
    keys = [places[alike], *(key[rows] for key in finer)]
    if finer:
        by_key = np.lexsort(keys[::-1])
        rows, keys = rows[by_key], [key[by_key] for key in keys]
        order[alike] = rows
    tied = _runs(keys)
    if not len(tied):
        return order, places
    rows, keys = rows[tied], [key[tied] for key in keys]
    if tie_break is None:
        raise TiedRows(rows)
    keys.append(tie_break(rows))
    by_key = np.lexsort(keys[::-1])
    if len(still := _runs([key[by_key] for key in keys])):
        raise TiedRows(rows[by_key][still])
    order[alike[tied]] = rows[by_key]
    return order, places


def _runs(keys: Sequence[NDArray[np.generic]]) -> Integers:
    """Numbers of the rows that have a neighbour with the same keys."""
    same = np.ones(max(len(keys[0]) - 1, 0), dtype=bool)
    for key in keys:
        same &= key[1:] == key[:-1]
    member = np.zeros(len(keys[0]), dtype=bool)
    member[1:] |= same
    member[:-1] |= same
    return np.flatnonzero(member)


def _running_best(place: NDArray[np.generic]) -> Integers:
    """For each row the number of the row that is best so far; of equals the later one."""
    best = np.maximum.accumulate(place)
    return np.maximum.accumulate(np.where(place == best, np.arange(len(place)), 0))
