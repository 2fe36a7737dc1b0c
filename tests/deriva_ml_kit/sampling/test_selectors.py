"""Functions that choose rows of a data frame: main line's names, positions that are right, the same in any order."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deriva_ml_kit.sampling import CannotSample, SelectionFunction, random_split, stratified_split

SIZES = {"Training": 6, "Testing": 3}


def frame(labels: list[str | None]) -> pd.DataFrame:
    return pd.DataFrame({"Image.RID": [f"1-{n:04X}" for n in range(len(labels))], "Grade.Name": labels})


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=9, max_size=30), st.integers(0, 1000))
def test_the_same_rows_are_chosen_whatever_their_order(labels, seed: int):
    df = frame(labels)
    turned = df.iloc[::-1].reset_index(drop=True)
    for select in (random_split, stratified_split("Grade.Name")):
        first, second = select(df, SIZES, seed), select(turned, SIZES, seed)
        for part, size in SIZES.items():
            assert len(first[part]) == size
            assert set(df["Image.RID"].iloc[first[part]]) == set(turned["Image.RID"].iloc[second[part]])


def test_positions_count_the_rows_that_are_left_out_too():
    """Main line counts them without: its parts then hold other rows than were chosen, some of them without a value."""
    labels = [None, "a", None, "b", "a", "b", "a", None, "b", "a", "b", "a"]
    df = frame(labels)
    chosen = stratified_split("Grade.Name", missing="drop")(df, SIZES, 1)
    assert all(df["Grade.Name"].iloc[positions].notna().all() for positions in chosen.values())
    included = stratified_split("Grade.Name", missing="include")(df, {"Training": 8, "Testing": 4}, 1)
    assert df["Grade.Name"].iloc[included["Testing"]].isna().sum() == 1


def test_rows_without_rids_are_told_apart_by_all_their_columns():
    df = pd.DataFrame({"x": range(20)})
    chosen = random_split(df, {"A": 5}, 1)["A"]
    turned = df.iloc[::-1].reset_index(drop=True)
    assert set(df["x"].iloc[chosen]) == set(turned["x"].iloc[random_split(turned, {"A": 5}, 1)["A"]])


def test_what_does_not_go_is_a_value_error_with_the_reason():
    df = frame(["a", None, "b"])
    with pytest.raises(ValueError, match=r"1 of 3 rows have no value of Grade\.Name"):
        stratified_split("Grade.Name")(df, {"A": 1}, 1)
    with pytest.raises(ValueError, match=r"no column Grade\.Nam; columns: Image\.RID, Grade\.Name"):
        stratified_split("Grade.Nam")(df, {"A": 1}, 1)
    with pytest.raises(CannotSample, match="not 'ignore'"):
        stratified_split("Grade.Name", missing="ignore")
    with pytest.raises(ValueError, match="4 records are asked for"):
        random_split(df, {"A": 4}, 1)


def test_they_are_selection_functions():
    assert isinstance(random_split, SelectionFunction)
    assert isinstance(stratified_split("x"), SelectionFunction)
