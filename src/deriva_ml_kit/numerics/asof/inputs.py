"""Frames of events and values, looked at before they are joined: every fault at once; keys and times as integers.

Nothing is cast silently: an int32 key and an int64 key, a text and a number, a time without zone and one with it are
faults that name both types.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deriva_ml_kit.errors import Fault, Faults
from deriva_ml_kit.numerics.asof.columnar import Integers

TEXT = "text"
EMPTY = "empty"
EVENTS, VALUES = "events", "values"
UTC_NAMES = frozenset({"UTC", "Etc/UTC", "UTC+00:00"})
# Keys that lie close together number themselves.
SPARSE = 4


@dataclass(frozen=True)
class Column:
    """One column of one of the two frames.

    Attributes:
        side: `events` or `values`.
        name: Its name.
        data: Its values.
    """

    side: str
    name: str
    data: pd.Series[Any]

    def fault(self, message: str, remedy: str | None = None) -> Fault:
        """Something that is wrong with it."""
        return Fault(message, file=self.side, column=self.name, value=str(self.data.dtype), remedy=remedy)


def present(frame: pd.DataFrame, side: str, names: Sequence[str]) -> list[Fault]:
    """Columns that are not there, or there twice."""
    faults = []
    for name in dict.fromkeys(names):
        count = int((frame.columns == name).sum())
        if count != 1:
            what = "there is no such column" if not count else f"there are {count} columns of this name"
            have = f"it has {', '.join(map(str, frame.columns[:20]))}"
            faults.append(Fault(what, file=side, column=name, remedy=have))
    return faults


def comparable(events: Column, values: Column) -> list[Fault]:
    """Keys of different types."""
    kinds = [_kind(column.data) for column in (events, values)]
    if EMPTY in kinds or kinds[0] == kinds[1]:
        return [
            column.fault("keys are texts or numbers, and this is a mixture")
            for column, kind in zip((events, values), kinds, strict=True)
            if kind == "mixed"
        ]
    return [
        Fault(
            f"the keys are of different types: {events.name} of the events is {kinds[0]}, "
            f"{values.name} of the values is {kinds[1]}",
            column=events.name,
            remedy="convert one of them, such as frame[key].astype('Int64')",
        )
    ]


def utc(column: Column) -> list[Fault]:
    """What is wrong with a column of times, other than nulls."""
    kind = column.data.dtype
    if len(column.data) and column.data.isna().all() and not isinstance(kind, pd.DatetimeTZDtype):
        return [column.fault("all times are missing")]
    if isinstance(kind, np.dtype) and kind.kind == "M":
        return [column.fault("a time without zone is no moment", "say which it is: .dt.tz_localize('UTC')")]
    if not isinstance(kind, pd.DatetimeTZDtype):
        return [column.fault("these are no times", "pd.to_datetime(…, utc=True)")]
    if str(kind.tz) not in UTC_NAMES:
        return [column.fault("times are compared in UTC", ".dt.tz_convert('UTC')")]
    if kind.unit == "ns":
        finer = int((column.data.dropna().astype("int64") % 1000 != 0).sum())
        if finer:
            return [column.fault(f"{finer} times are finer than a microsecond", ".dt.floor('us')")]
    return []


def decisive(tie_break: Column) -> list[Fault]:
    """What keeps a column from deciding between rows."""
    if missing([tie_break]):
        return missing([tie_break])
    kind = _kind(tie_break.data)
    orders = kind in (TEXT, EMPTY, "object of int") or tie_break.data.dtype.kind in "iuM"
    return [] if orders else [tie_break.fault("ties are broken by integers, texts or times")]


def missing(columns: Sequence[Column]) -> list[Fault]:
    """Columns with nulls, each with the number of them."""
    return [
        column.fault(f"{count} of {len(column.data)} are missing")
        for column in columns
        if (count := int(column.data.isna().sum()))
    ]


def microseconds(times: pd.Series[Any]) -> Integers:
    """Times as integers, µs since 1970; what nulls become is not to be looked at."""
    converted: Integers = times.dt.as_unit("us").dt.tz_localize(None).to_numpy().view("int64")
    return converted


def codes(events: pd.Series[Any], values: pd.Series[Any]) -> tuple[Integers, Integers, int]:
    """Keys as numbers from 0 on: of the events, of the values, how many there are; -1 for nulls and unknown ones."""
    if dense := _dense(events, values):
        return dense
    number, known = pd.factorize(values, use_na_sentinel=True)
    missing = events.isna().to_numpy()
    found = np.full(len(events), -1, dtype=np.int64)
    if len(known):
        found[~missing] = pd.Index(known).get_indexer(pd.Index(events[~missing]))
    return found, number.astype(np.int64), len(known)


def refuse(faults: Sequence[Fault]) -> None:
    """Raise what was found.

    Raises:
        Faults: Something was.
    """
    if faults:
        raise Faults(faults, message="The values cannot be joined to the events.")


def _dense(events: pd.Series[Any], values: pd.Series[Any]) -> tuple[Integers, Integers, int] | None:
    plain = [series.to_numpy() for series in (events, values) if isinstance(series.dtype, np.dtype)]
    if len(plain) < 2 or any(array.dtype.kind not in "iu" for array in plain) or not len(plain[1]):
        return None
    asked, held = plain
    low, high = int(held.min()), int(held.max())
    count = high - low + 1
    if count > SPARSE * len(held) or high >= 2**62 or low < -(2**62):
        return None
    known = (asked >= low) & (asked <= high)
    found: NDArray[np.int64] = np.where(known, asked, low).astype(np.int64) - low
    found[~known] = -1
    return found, held.astype(np.int64) - low, count


def _kind(keys: pd.Series[Any]) -> str:
    """What a column's values are, whatever holds them: nullable or not, texts as objects or not."""
    if isinstance(keys.dtype, pd.CategoricalDtype):
        return _kind(keys.cat.categories.to_series())
    if isinstance(keys.dtype, pd.StringDtype):
        return TEXT
    if keys.dtype == object:
        inferred = pd.api.types.infer_dtype(keys, skipna=True)
        return {"string": TEXT, "empty": EMPTY, "integer": "object of int"}.get(inferred, "mixed")
    return str(keys.dtype).lower()
