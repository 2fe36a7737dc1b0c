"""Two runs compared: numbers within a tolerance, tables by their key, files by what they hold."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deriva_ml_kit.ops.tracking.compare import Finding, Likeness, files, metrics, reproduced, tables

EQUAL, WITHIN, DIFFERS = Likeness.EQUAL, Likeness.WITHIN, Likeness.DIFFERS


def test_metrics_are_compared_by_name() -> None:
    first = {"accuracy": 0.9, "loss": 1.0, "seconds": 1.0, "nan": math.nan, "gone": 1.0, "zero": 0.0}
    again = {"accuracy": 0.9, "loss": 1.0 + 1e-9, "seconds": 7.0, "nan": math.nan, "new": 1.0, "zero": 0.1}
    found = {each.name: each.likeness for each in metrics(first, again, 1e-6, ["seconds"])}
    assert found == {
        "accuracy": EQUAL,
        "loss": WITHIN,
        "nan": EQUAL,
        "gone": Likeness.MISSING,
        "new": Likeness.NEW,
        "zero": DIFFERS,
    }


@settings(max_examples=50, deadline=None)
@given(st.floats(allow_nan=False), st.floats(allow_nan=False), st.floats(0, 0.5))
def test_the_likeness_of_numbers_does_not_depend_on_which_came_first(a: float, b: float, tolerance: float) -> None:
    one, two = (next(iter(metrics({"m": x}, {"m": y}, tolerance))).likeness for x, y in ((a, b), (b, a)))
    assert one is two
    assert (one is EQUAL) == (a == b)


def test_rows_are_brought_together_by_a_unique_first_column() -> None:
    first = pd.DataFrame({"RID": ["a", "b", "c"], "label": ["x", "y", None], "score": [0.1, 0.2, None]})
    assert tables(first, first[::-1].reset_index(drop=True), 0) == (EQUAL, None)
    near = first.assign(score=[0.1, 0.2 + 1e-9, None])
    assert tables(first, near, 1e-6) == (WITHIN, "score: 1 of 3 rows")
    assert tables(first, near, 0)[0] is DIFFERS
    assert tables(first, first.assign(label=["x", "z", None]), 1)[0] is DIFFERS
    assert tables(first, first[:2], 1) == (DIFFERS, "3 and 2 rows")
    assert tables(first, first.rename(columns={"score": "s"}), 1)[0] is DIFFERS
    assert tables(first.assign(label=[True, True, False]), first.assign(label=[True, False, False]), 1)[0] is DIFFERS


@pytest.mark.parametrize(
    ("name", "one", "two", "expected"),
    [
        ("p.csv", "RID,s\na,0.5\nb,0.25\n", "RID,s\nb,0.25\na,0.5\n", EQUAL),
        ("p.csv", "RID,s\na,0.5\n", "RID,s\na,0.50000001\n", WITHIN),
        ("p.csv", "RID,s\na,0.5\n", "RID,s\na,0.6\n", DIFFERS),
        ("p.csv", "", "RID,s\n", DIFFERS),
        ("p.json", '{"a": [1, 2.0]}', '{ "a": [1, 2] }', EQUAL),
        ("p.json", '{"a": [1, {"b": 2}]}', '{"a": [1, {"b": 3}]}', DIFFERS),
        ("p.json", '{"a": true}', '{"a": 1.5}', DIFFERS),
        ("p.jsonl", '{"a": 1}\n{"a": 2}\n', '{"a": 1}\n{"a": 2.0000000001}\n', WITHIN),
        ("p.json", "{", "[", DIFFERS),
        ("p.bin", "a", "b", DIFFERS),
    ],
)
def test_files_are_compared_by_what_they_hold(
    tmp_path: Path, name: str, one: str, two: str, expected: Likeness
) -> None:
    given = []
    for folder, text in (("first", one), ("again", two)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(text)
        given.append({name: (folder, tmp_path / folder / name)})
    (found,) = files(given[0], given[1], 1e-6, [name])
    assert (found.likeness, found.kind) == (expected, "predictions")


def test_files_with_one_checksum_are_equal_unread_and_missing_ones_are_told() -> None:
    nowhere = Path("/nowhere")
    found = list(files({"a": ("1", nowhere), "b": ("2", nowhere)}, {"a": ("1", nowhere), "c": ("3", nowhere)}, 0))
    assert [each.likeness for each in found] == [EQUAL, Likeness.MISSING, Likeness.NEW]


def finding(kind: str, likeness: Likeness) -> Finding:
    return Finding(kind=kind, name=json.dumps(kind), likeness=likeness)


@pytest.mark.parametrize(
    ("findings", "expected", "exact"),
    [
        ([], False, False),
        ([finding("metric", EQUAL), finding("file", DIFFERS)], True, False),
        ([finding("metric", WITHIN), finding("predictions", EQUAL), finding("file", EQUAL)], True, False),
        ([finding("metric", DIFFERS), finding("file", EQUAL)], False, False),
        ([finding("metric", EQUAL), finding("predictions", Likeness.MISSING)], False, False),
        ([finding("metric", EQUAL), finding("status", DIFFERS)], False, False),
        ([finding("file", EQUAL)], True, True),
        ([finding("file", DIFFERS)], False, False),
    ],
)
def test_metrics_and_predictions_decide_and_files_where_there_are_none(
    findings: list[Finding], expected: bool, exact: bool
) -> None:
    assert reproduced(findings) is expected
    assert reproduced(findings, exact=True) is exact
