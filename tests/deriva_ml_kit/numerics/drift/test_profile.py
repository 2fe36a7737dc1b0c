"""What a baseline holds, and that it is the same after it was written and read."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.numerics.drift import BaselineProfile, cells, compare, profile
from deriva_ml_kit.numerics.drift.columns import read_levels, read_numbers

quick = settings(deadline=None, max_examples=50)
numbers = st.lists(
    st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([0.0, 1.0, np.nan]), min_size=1, max_size=80
)


@quick
@given(numbers, st.integers(2, 20))
def test_every_row_is_in_one_cell_and_counted_as_it_was(values: list[float], bins: int) -> None:
    frame = pd.DataFrame({"x": values})

    column = profile(frame, bins=bins).columns[0]

    assert column.cell_counts().sum() == len(values)
    assert (column.count(read_numbers(frame["x"])) == column.cell_counts()).all()
    assert len(column.labels()) == len(column.cell_counts())
    assert list(column.edges or ()) == sorted(set(column.edges or ()))


@quick
@given(numbers, numbers)
def test_rows_are_assigned_to_the_cells_that_they_are_counted_in(before: list[float], after: list[float]) -> None:
    column = profile(pd.DataFrame({"x": before})).columns[0]
    read = read_numbers(pd.Series(after))

    each = cells.cell_of_numbers(read, *column._numeric_cells())

    assert (np.bincount(each, minlength=len(column.cell_counts())) == column.count(read)).all()


@quick
@given(st.lists(st.sampled_from(["a", "b", "c", "d", None]), min_size=1, max_size=50), st.integers(1, 5))
def test_levels_are_counted_the_same_whatever_pandas_calls_their_type(values: list[str | None], levels: int) -> None:
    frames = [pd.DataFrame({"x": pd.Series(values, dtype=dtype)}) for dtype in ("object", "category", "str")]

    made = [profile(frame, levels=levels, predictions="x").columns[0] for frame in frames]

    if any(values):
        assert {column.kind for column in made} == {"categorical"}
        assert len({(column.levels, column.counts, column.other, column.nulls) for column in made}) == 1
        assert made[0].cell_counts().sum() == len(values)
        assert len(made[0].levels) <= levels


def test_kinds_ranges_levels_and_nulls_are_there_for_a_request_schema() -> None:
    frame = pd.DataFrame(
        {
            "score": [0.5, np.nan, 1.5, -2.0] * 30,
            "age": [30, 40, 50, 60] * 30,
            "sex": ["F", "M", "F", None] * 30,
            "smoker": [True, False, True, True] * 30,
            "visits": pd.Series([1, 2, None, 3] * 30, dtype="Int64"),
        }
    )

    found = {column.name: column for column in profile(frame).columns}

    assert {name: column.kind for name, column in found.items()} == {
        "score": "numeric",
        "age": "integer",
        "sex": "categorical",
        "smoker": "boolean",
        "visits": "integer",
    }
    assert (found["score"].minimum, found["score"].maximum, found["score"].nullable) == (-2.0, 1.5, True)
    assert (found["age"].minimum, found["age"].maximum, found["age"].nullable) == (30, 60, False)
    assert (found["sex"].levels, found["sex"].nullable) == (("F", "M"), True)
    assert found["smoker"].levels == ("False", "True")
    assert (found["visits"].minimum, found["visits"].maximum, found["visits"].nulls) == (1, 3, 30)


def test_a_value_with_more_than_a_bin_of_mass_is_a_cell_of_its_own() -> None:
    values = np.concatenate([np.zeros(600), np.linspace(1, 2, 400)])

    column = profile(pd.DataFrame({"x": values})).columns[0]

    cells = dict(zip(column.labels(), column.cell_counts().tolist(), strict=True))
    assert (cells["< 0"], cells["0"]) == (0, 600)
    assert [count for label, count in cells.items() if "…" in label or label.startswith(">")] == [100] * 4
    signed = profile(pd.DataFrame({"x": np.concatenate([values, -values[600:]])})).columns[0]
    assert dict(zip(signed.labels(), signed.cell_counts().tolist(), strict=True))["0"] == 600


def test_bins_are_honoured_and_hold_equal_mass() -> None:
    column = profile(pd.DataFrame({"x": np.random.default_rng(0).normal(size=1000)}), bins=20).columns[0]

    assert column.counts == (50,) * 20


def test_identifiers_and_times_are_skipped_with_a_reason() -> None:
    frame = pd.DataFrame(
        {"RID": [f"1-{k}" for k in range(100)], "at": pd.date_range("2026-01-01", periods=100), "x": 1.0}
    )

    made = profile(frame)

    assert [column.name for column in made.columns] == ["x"]
    assert "identifiers" in made.skipped["RID"]
    assert "datetime64" in made.skipped["at"]
    assert compare(made, frame).additional == ()


def test_thirty_columns_take_less_than_2_mb_and_survive_writing() -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(20_000, 30))).add_prefix("x")

    made = profile(frame, clusters=random.integers(0, 500, len(frame)))

    text = made.model_dump_json()
    assert len(text) < 2_000_000
    assert BaselineProfile.model_validate_json(text) == made
    assert profile(frame.sample(frac=1, random_state=1)).model_dump_json() == profile(frame).model_dump_json()
    assert json.loads(text, parse_constant=pytest.fail)["rows"] == 20_000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"bins": 1}, "bins is 1"),
        ({"predictions": "y"}, "no column 'y'"),
        ({"predictions": [1]}, "1 predictions for 3 rows"),
        ({"clusters": [1, None, 2]}, "1 rows have no cluster"),
        ({"seasonal": ["x"]}, "need times"),
        ({"seasonal": ["z"]}, "no column 'z'"),
        ({"times": ["yesterday", "", "x"]}, "cannot be read"),
        ({"times": [None, None, None]}, "No row has a time"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        profile(pd.DataFrame({"x": [1.0, 2.0, 3.0]}), **arguments)


def test_no_rows_and_repeated_columns_are_refused() -> None:
    with pytest.raises(UsageError, match="no rows"):
        profile(pd.DataFrame({"x": []}))
    with pytest.raises(UsageError, match="several columns named 'x'"):
        profile(pd.DataFrame([[1, 2]], columns=["x", "x"]))


def test_levels_that_a_null_turned_into_floats_keep_their_names() -> None:
    assert read_levels(pd.Series([1.0, None, 2.5])).counts == {"1": 1, "2.5": 1}
