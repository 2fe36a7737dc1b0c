"""The checks of a frame: every failure comes back, with its column, check, value and RID."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deriva_ml_kit.errors import Faults
from deriva_ml_kit.ops.pipeline.checks import ColumnRule, DataRules, Failure, counted, failures, read_rules

FRAME = pd.DataFrame(
    {
        "RID": ["1-A", "1-B", "1-C", "1-D"],
        "Age": [30, -1, 130, None],
        "Sex": ["female", "male", "m", "male"],
        "Code": ["AB1", "ab1", "CD2", "CD2"],
        "Seen": ["2026-01-01", "yesterday", "2026-01-03T10:00:00Z", "2026-01-04"],
        "Score": [0.5, np.inf, 0.25, 1.0],
    }
)
RULES = DataRules(
    columns={
        "Age": ColumnRule(type="integer", min=0, max=120),
        "Sex": ColumnRule(allowed=("female", "male")),
        "Code": ColumnRule(type="text", matches="[A-Z]{2}[0-9]", unique=True),
        "Seen": ColumnRule(type="time"),
        "Score": ColumnRule(type="number"),
        "Weight": ColumnRule(),
        "Height": ColumnRule(required=False),
    },
    min_rows=5,
)


def found(frame: pd.DataFrame, **columns: ColumnRule) -> set[tuple[str | None, str, str | None, str | None]]:
    return {(f.column, f.check, f.value, f.rid) for f in failures(frame, DataRules(columns=columns))}


def test_every_failure_is_named_by_column_check_value_and_rid() -> None:
    assert {(f.column, f.check, f.value, f.rid) for f in failures(FRAME, RULES)} == {
        (None, "rows", "4", None),
        ("Age", "null", None, "1-D"),
        ("Age", "min", "-1.0", "1-B"),
        ("Age", "max", "130.0", "1-C"),
        ("Sex", "allowed", "m", "1-C"),
        ("Code", "matches", "ab1", "1-B"),
        ("Code", "unique", "CD2", "1-C"),
        ("Code", "unique", "CD2", "1-D"),
        ("Seen", "type", "yesterday", "1-B"),
        ("Score", "type", "inf", "1-B"),
        ("Weight", "present", None, None),
    }
    assert counted(failures(FRAME, RULES))["Code: unique"] == 2


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    rules = DataRules(columns={"Sex": ColumnRule(type="text"), "RID": ColumnRule(unique=True)})
    assert failures(FRAME, rules) == []


@pytest.mark.parametrize(
    ("values", "kind", "wrong"),
    [
        ([1, 2.5, 3], "integer", {"2.5"}),
        (["1", 2, None], "number", {"1"}),
        ([True, 1], "number", {"True"}),
        ([True, False], "number", {"True", "False"}),
        ([True, "yes"], "boolean", {"yes"}),
        ([1, "a"], "text", {"1"}),
        ([2**60, 1], "integer", set()),
        ([np.nan, np.inf], "number", {"inf"}),
        ([], "number", set()),
        (pd.to_datetime(["2026-01-01"]), "time", set()),
    ],
)
def test_types_are_those_of_the_values(values: list[object], kind: str, wrong: set[str]) -> None:
    rule = ColumnRule(type=kind, null=True)
    assert {f.value for f in failures(pd.DataFrame({"x": values}), DataRules(columns={"x": rule}, min_rows=0))} == wrong


def test_nulls_may_be_allowed_or_counted() -> None:
    half = pd.DataFrame({"x": [1.0, None]})
    assert found(half, x=ColumnRule(null=True)) == set()
    assert found(half, x=ColumnRule(max_null_share=0.5)) == set()
    assert found(half, x=ColumnRule(max_null_share=0.4)) == {("x", "null", "0.5", None)}
    assert found(half, x=ColumnRule()) == {("x", "null", None, "1")}


def test_columns_together_and_others() -> None:
    frame = pd.DataFrame({"RID": ["a", "b", "c"], "x": [1, 1, 2], "y": [1, 1, 1]})
    rules = DataRules(columns={"x": ColumnRule()}, unique_together=(("x", "y"), ("x", "z")), other_columns=False)
    assert {(f.column, f.check, f.rid) for f in failures(frame, rules)} == {
        ("y", "other", None),
        ("x+y", "unique", "a"),
        ("x+y", "unique", "b"),
        ("x+z", "present", None),
    }


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)), max_size=30))
def test_range_failures_are_those_of_a_loop(values: list[float | None]) -> None:
    frame = pd.DataFrame({"x": pd.Series(values, dtype=float)})
    rule = ColumnRule(type="number", null=True, min=-1, max=1)
    expected = [
        Failure(column="x", check="min" if v < -1 else "max", value=str(v), limit="-1" if v < -1 else "1", rid=str(n))
        for n, v in enumerate(values)
        if v is not None and not -1 <= v <= 1
    ]
    made = failures(frame, DataRules(columns={"x": rule}, min_rows=0))
    assert sorted(made, key=lambda f: int(f.rid or 0)) == expected


def test_rules_are_read_and_all_that_is_wrong_with_them_is_told(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text('[columns.Age]\ntype = "integer"\nmin = 0\n[columns.Sex]\nallowed = ["a"]\n')
    assert read_rules(file).columns["Sex"].allowed == ("a",)
    file.write_text('[columns.Age]\ntype = "int"\n[columns.Sex]\nmin = 3\nmax = 1\n[columns.Name]\nminimum = 1\n')
    with pytest.raises(Faults) as refused:
        read_rules(file)
    assert {str(f.column).split(".")[1] for f in refused.value.faults} == {"Age", "Sex", "Name"}
