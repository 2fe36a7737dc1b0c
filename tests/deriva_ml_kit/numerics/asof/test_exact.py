"""Both engines choose the rows that looking at every pair chooses, on random ties, nulls and late rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deriva_ml_kit.numerics.asof import columnar, duck, reference
from deriva_ml_kit.numerics.asof.columnar import Values
from deriva_ml_kit.numerics.asof.join import as_of_join

KEYS, TIMES = 3, st.integers(0, 6)
WIDE = 2**61  # together with keys, wider than an integer
A_VALUE = st.tuples(st.integers(0, KEYS - 1), TIMES, TIMES)
AN_EVENT = st.tuples(st.integers(-1, KEYS - 1), st.integers(-1, 7))


def arrays(rows: list[tuple[int, ...]], width: int) -> list[Any]:
    return list(np.array(rows, dtype=np.int64).reshape(-1, width).T)


def values_of(rows: list[tuple[int, ...]], *, known: bool, seed: int, scale: int = 1) -> Values:
    code, time, seen = arrays(rows, 3)
    rank = np.random.default_rng(seed).permutation(len(rows))
    return Values(code, time * scale, seen * scale if known else None, lambda asked: rank[asked], KEYS)


@settings(max_examples=150, deadline=None)
@given(st.lists(A_VALUE, max_size=25), st.lists(AN_EVENT, max_size=15), st.booleans(), st.integers(0, 99))
def test_numpy_chooses_what_the_definition_says(
    rows: list[tuple[int, ...]], asked: list[tuple[int, ...]], known: bool, seed: int
) -> None:
    values, (code, time) = values_of(rows, known=known, seed=seed), arrays(asked, 2)
    expected = reference.rows_of(code, time, values)
    assert columnar.rows_of(code, time, values).tolist() == expected.tolist()


@settings(max_examples=8, deadline=None)
@given(st.lists(A_VALUE, max_size=25), st.lists(AN_EVENT, max_size=15), st.booleans(), st.integers(0, 99))
def test_duckdb_chooses_what_the_definition_says(
    rows: list[tuple[int, ...]], asked: list[tuple[int, ...]], known: bool, seed: int
) -> None:
    values, (code, time) = values_of(rows, known=known, seed=seed), arrays(asked, 2)
    assert duck.rows_of(code, time, values).tolist() == reference.rows_of(code, time, values).tolist()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(A_VALUE, min_size=1, max_size=25),
    st.lists(AN_EVENT, max_size=15),
    st.booleans(),
    st.sampled_from([WIDE // 6, WIDE // 3]),
)
def test_times_that_fill_an_integer_do_not_matter(
    rows: list[tuple[int, ...]], asked: list[tuple[int, ...]], known: bool, scale: int
) -> None:
    values, (code, time) = values_of(rows, known=known, seed=1, scale=scale), arrays(asked, 2)
    time = np.clip(time, -1, 3) * scale
    expected = reference.rows_of(code, time, values)
    assert columnar.rows_of(code, time, values).tolist() == expected.tolist()


@pytest.mark.parametrize("keys", [lambda number: f"k{number}", lambda number: number * 10**9, lambda number: number])
@pytest.mark.parametrize("skip_null", [False, True])
def test_the_join_of_frames_is_that_of_their_rows(keys: Callable[[int], Any], skip_null: bool) -> None:
    """Nulls in keys, times and values; late rows; ties: against the definition, row by row."""
    random = np.random.default_rng(5)
    moments = pd.to_datetime(np.arange(40) * 3_600_000_000, unit="us", utc=True)

    def column(kind: np.ndarray, nulls: float) -> pd.Series[Any]:
        return pd.Series(kind).mask(random.random(len(kind)) < nulls)

    def of_keys(count: int) -> pd.Series[Any]:
        numbers = pd.Series([keys(int(number)) for number in random.integers(0, 6, count)])
        return column(numbers.convert_dtypes().array, 0.1)  # type: ignore[arg-type]

    held = pd.DataFrame(
        {
            "user": of_keys(200),
            "held": column(moments[random.integers(0, 40, 200)].to_numpy("M8[us]"), 0.05),
            "known": column(moments[random.integers(0, 40, 200)].to_numpy("M8[us]"), 0.05),
            "by": random.permutation(200),
            "x": column(random.normal(size=200), 0.3),
        }
    )
    asked = pd.DataFrame({"user": of_keys(100), "at": column(moments[random.integers(0, 40, 100)].to_numpy(), 0.05)})
    for frame, names in ((held, ["held", "known"]), (asked, ["at"])):
        for name in names:
            frame[name] = pd.to_datetime(frame[name], utc=True).dt.as_unit("us")
    options: dict[str, Any] = {"known_time": "known", "tie_break": "by", "skip_null": skip_null, "drop_null_time": True}
    columns: dict[str, Any] = {"features": ["x"], "key": "user", "time": "at", "event_time": "held"}
    expected = [
        _expected(held.dropna(subset=["x"]) if skip_null else held, user, at)
        for user, at in zip(asked["user"], asked["at"], strict=True)
    ]
    assert 0 < sum(row >= 0 for row in expected) < len(expected)
    engines: tuple[Any, ...] = ("numpy", "duckdb")
    for engine in engines:
        found = as_of_join(asked, held, entity="user", engine=engine, **columns, **options)
        assert found.rows["user:x"].tolist() == expected


def _expected(held: pd.DataFrame, user: Any, at: Any) -> int:
    if pd.isna(user) or pd.isna(at):
        return -1
    usable = held[(held["user"] == user).fillna(False) & (held["held"] <= at) & (held["known"] <= at)]
    return -1 if usable.empty else int(usable.sort_values(["held", "known", "by"]).index[-1])
