"""The join of events and values: every event gets the newest value that had happened and was known at its time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deriva_ml_kit.errors import Fault, Faults, UsageError
from deriva_ml_kit.numerics.asof import columnar, duck, inputs
from deriva_ml_kit.numerics.asof.columnar import NONE, Integers, TiedRows, Values
from deriva_ml_kit.numerics.asof.inputs import EVENTS, VALUES, Column

Engine = Literal["numpy", "duckdb"]
# Rows of values from which DuckDB does it: numpy needs some 100 bytes a row beside the frames.
MANY = 20_000_000
ENGINES: Mapping[Engine, Callable[..., Integers]] = {"numpy": columnar.rows_of, "duckdb": duck.rows_of}
# A feature in which numbers or truth values are missing keeps its type: that of a column must not depend on its rows.
NULLABLE = {"i": "Int64", "u": "UInt64", "b": "boolean"}
SHOWN_KEYS = 10


@dataclass(frozen=True)
class AsOfJoin:
    """What a join gave.

    Attributes:
        frame: The events, same rows in the same order and with the same index, and a column for each feature.
        rows: Feature (`entity:name`) to the row number of `values` that each event got, -1 for none; shape (m,).
        voided: Feature to the number of events whose newest value was older than `max_age`.
        null_keys: Events without a key; they match nothing.
        null_times: Events, and rows of values, without a time; dropped because that was asked for.
        late: Rows of values that were known only after their event time.
        engine: What has done it.
    """

    frame: pd.DataFrame
    rows: Mapping[str, Integers]
    voided: Mapping[str, int]
    null_keys: int
    null_times: tuple[int, int]
    late: int
    engine: Engine

    @property
    def matched(self) -> dict[str, int]:
        """Feature to the number of events that got a value."""
        return {name: int((rows >= 0).sum()) for name, rows in self.rows.items()}


def as_of_join(
    events: pd.DataFrame,
    values: pd.DataFrame,
    *,
    entity: str,
    features: Sequence[str],
    key: str,
    time: str,
    event_time: str,
    value_key: str | None = None,
    known_time: str | None = None,
    tie_break: str | None = None,
    max_age: timedelta | Mapping[str, timedelta] | None = None,
    skip_null: bool | Collection[str] = False,
    drop_null_time: bool = False,
    engine: Engine | None = None,
) -> AsOfJoin:
    """Give each event the newest value as of its time.

    Of the values with the event's key, with `event_time` and `known_time` not after the event's time, it is the one
    with the greatest (event_time, known_time, tie_break). Neither frame has to be sorted, neither is changed.

    Args:
        events: One row for each event.
        values: One row for each value, or several features that were measured together.
        entity: What the keys are about; features become columns `entity:feature`.
        features: Columns of `values`.
        key: Column of `events` with the key. Null keys match nothing.
        time: Column of `events` with the time as of which values are wanted: with zone UTC, any unit to the µs.
        event_time: Column of `values`: when the value held. Likewise.
        value_key: Column of `values` with the key; called like that of the events where not given.
        known_time: Column of `values`: when it was known. Without it, a value counts as known when it holds.
        tie_break: Column of `values`, integers, texts or times without nulls: of rows with equal key and times, the
            greatest counts. Without it, such rows are a fault.
        max_age: A value may be this much older than the event and not more; for all features, or some by column name.
        skip_null: Take the newest value that is not null, of all features or of some; otherwise a null that is newest
            is the answer.
        drop_null_time: Values without a time are left out, events without one get no values; otherwise both are faults.
        engine: By default numpy, and DuckDB from 20 million values on.

    Raises:
        Faults: What is wrong with the frames; or the keys of rows that are tied.
        UsageError: A column of the events is called like a feature; `max_age` is negative.
    """
    ages = _ages(features, max_age)
    names = _names(events, entity, features)
    asked = _Asked(events, key, time)
    held = _Held(values, value_key or key, event_time, known_time, tie_break)
    _check(asked, held, features, drop_null_time=drop_null_time)
    using: Engine = engine or ("duckdb" if len(values) > MANY else "numpy")
    choose = _Choice(asked, held, ENGINES[using])
    skipping = features if skip_null is True else skip_null or ()
    rows = {
        name: choose.rows(values[feature].notna().to_numpy() if feature in skipping else None)
        for feature, name in zip(features, names, strict=True)
    }
    voided = {}
    for feature, name in zip(features, names, strict=True):
        rows[name], voided[name] = choose.young_enough(rows[name], ages.get(feature))
    columns = {name: _taken(values[feature], rows[name]) for feature, name in zip(features, names, strict=True)}
    return AsOfJoin(
        frame=events.assign(**columns),
        rows=rows,
        voided=voided,
        null_keys=int(asked.keys.isna().sum()),
        null_times=(int(choose.timeless.sum()), int((~choose.timed).sum())),
        late=int((choose.known > choose.happened)[choose.timed].sum()) if choose.known is not None else 0,
        engine=using,
    )


@dataclass(frozen=True)
class _Asked:
    """The events."""

    frame: pd.DataFrame
    key: str
    time: str

    @property
    def keys(self) -> pd.Series[Any]:
        return self.frame[self.key]

    def times(self) -> list[Column]:
        return [Column(EVENTS, self.time, self.frame[self.time])]


@dataclass(frozen=True)
class _Held:
    """The values."""

    frame: pd.DataFrame
    key: str
    event_time: str
    known_time: str | None
    tie_break: str | None

    def times(self) -> list[Column]:
        names = [self.event_time, self.known_time] if self.known_time else [self.event_time]
        return [Column(VALUES, name, self.frame[name]) for name in names]

    def order(self, rows: Integers) -> Integers:
        """Integers that are in the order of the tie-break."""
        return np.asarray(pd.factorize(self.frame[self.tie_break].iloc[rows], sort=True)[0], dtype=np.int64)


class _Choice:
    """Chooses rows of the values for the events; what all features share is worked out once."""

    def __init__(self, asked: _Asked, held: _Held, find: Callable[..., Integers]) -> None:
        self.held, self.find = held, find
        self.timeless = asked.times()[0].data.isna().to_numpy()
        self.timed = ~np.logical_or.reduce([column.data.isna().to_numpy() for column in held.times()])
        self.asked_at, self.happened, *known = (inputs.microseconds(each.data) for each in asked.times() + held.times())
        self.known = known[0] if known else None
        codes, self.codes, self.count = inputs.codes(asked.keys, held.frame[held.key])
        self.asking = np.where(self.timeless, NONE, codes)
        self._of_all: Integers | None = None

    def rows(self, only: NDArray[np.bool_] | None = None) -> Integers:
        """The row for each event, -1 for none; of all rows that have key and times, or only of some of them.

        Raises:
            Faults: Some are tied.
        """
        if only is None and self._of_all is not None:
            return self._of_all
        usable = np.flatnonzero(self.timed & (self.codes >= 0) & (True if only is None else only))
        every = len(usable) == len(self.codes)

        def part(column: Integers) -> Integers:
            return column if every else column[usable]

        values = Values(
            code=part(self.codes),
            time=part(self.happened),
            known=None if self.known is None else part(self.known),
            tie_break=(lambda rows: self.held.order(usable[rows])) if self.held.tie_break is not None else None,
            codes=self.count,
        )
        try:
            found = self.find(self.asking, self.asked_at, values)
        except TiedRows as tied:
            raise _tied(self.held, usable[tied.rows]) from tied
        found = found if every else np.where(found >= 0, usable[found], NONE) if len(usable) else found
        if only is None:
            self._of_all = found
        return found

    def young_enough(self, rows: Integers, age: timedelta | None) -> tuple[Integers, int]:
        """The rows that are not older than that, and how many were."""
        if age is None:
            return rows, 0
        limit = age // timedelta(microseconds=1)
        old = rows >= 0
        old[old] = self.asked_at[old] - self.happened[rows[old]] > limit
        return np.where(old, NONE, rows), int(old.sum())


def _check(asked: _Asked, held: _Held, features: Sequence[str], *, drop_null_time: bool) -> None:
    """Refuse what cannot be joined."""
    wanted = [held.key, held.event_time, *features, *(name for name in (held.known_time, held.tie_break) if name)]
    inputs.refuse(
        inputs.present(asked.frame, EVENTS, [asked.key, asked.time]) + inputs.present(held.frame, VALUES, wanted)
    )
    times = asked.times() + held.times()
    keys = Column(EVENTS, asked.key, asked.keys), Column(VALUES, held.key, held.frame[held.key])
    faults = inputs.comparable(*keys) + [fault for column in times for fault in inputs.utc(column)]
    if held.tie_break:
        faults += inputs.decisive(Column(VALUES, held.tie_break, held.frame[held.tie_break]))
    inputs.refuse(faults)
    if not drop_null_time and (missing := inputs.missing(times)):
        raise Faults(missing, message="Times are missing.", remedy="To go on without them: drop_null_time=True.")


def _ages(features: Sequence[str], given: timedelta | Mapping[str, timedelta] | None) -> Mapping[str, timedelta]:
    ages = given if isinstance(given, Mapping) else {} if given is None else dict.fromkeys(features, given)
    for feature, age in ages.items():
        if feature not in features or age < timedelta(0):
            raise UsageError(
                f"max_age of {feature} is {age}.", remedy=f"Give a duration from 0 up, for {', '.join(features)}."
            )
    return ages


def _names(events: pd.DataFrame, entity: str, features: Sequence[str]) -> list[str]:
    """What the features are called beside the events' own columns."""
    names = [f"{entity}:{feature}" for feature in features]
    twice = sorted({name for name in names if names.count(name) > 1 or name in events.columns})
    if twice or not names:
        what = f"There would be two columns {', '.join(twice)}." if twice else "No feature was asked for."
        raise UsageError(what, remedy="Name each feature once, and no column of the events like one.")
    return names


def _taken(column: pd.Series[Any], rows: Integers) -> Any:
    """A feature's values in the order of the events, null where there is none."""
    kind = column.dtype
    nullable = NULLABLE.get(kind.kind) if isinstance(kind, np.dtype) else None
    return column.astype(pd.api.types.pandas_dtype(nullable or kind)).array.take(rows, allow_fill=True)


def _tied(held: _Held, rows: Integers) -> Faults:
    """The keys of rows among which nothing decides."""
    names = [held.key, *(column.name for column in held.times())]
    groups = held.frame.iloc[rows].groupby(names, sort=True, observed=True).size()
    faults = []
    for place, count in groups.items():
        key, *times = place if isinstance(place, tuple) else (place,)
        when = ", ".join(f"{name} {time}" for name, time in zip(names[1:], times, strict=True))
        faults.append(Fault(f"{count} rows with {when}", file=VALUES, column=held.key, value=str(key)))
    if held.tie_break:
        remedy = f"Name a column that tells them apart; {held.tie_break} does not."
    else:
        remedy = "Say which of them counts: tie_break names a column of which the greatest does."
    return Faults(faults, message="Several values of a key hold at the same time.", remedy=remedy, shown=SHOWN_KEYS)
