"""Checking rows: each fault is found, with its line and column, and good rows come out as values to store."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deriva_ml_kit.errors import Fault
from deriva_ml_kit.features.check import Checked, check_rows
from deriva_ml_kit.features.schema import Column, FeatureShape, Kind, Vocabulary, comparable, parse
from deriva_ml_kit.features.table import Header, Row

GRADES = Vocabulary.of("Grade", [("Good", ["fine", "ok"]), ("Bad", ["poor", "ok"]), ("Unsure", [])])
TARGET = Column("Image", Kind.TARGET, required=True, refers_to="Image")
GRADE = Column("Grade", Kind.TERM, required=True, refers_to="Grade")
SCORE = Column("Score", Kind.FLOAT, bits=32)
MASK = Column("Mask", Kind.ASSET, refers_to="Mask")
COUNT = Column("Count", Kind.INTEGER, required=True, bits=16, default=1)
SHAPE = FeatureShape(TARGET, "Quality", "Execution_Image_Quality", (GRADE, SCORE, MASK, COUNT), {"Grade": GRADES})


@dataclass
class Holding:
    """A catalog's content as sets; counts the questions asked."""

    tables: Mapping[str, set[str]] = field(
        default_factory=lambda: {"Image": {f"1-000{letter}" for letter in "ABCDEFGH"}, "Mask": {"2-000M"}}
    )
    stored: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0

    def rids(self, table: str, rids: Collection[str]) -> set[str]:
        self.asked += 1
        return self.tables[table] & set(rids)

    def values(self, targets: Collection[str]) -> Iterable[Mapping[str, Any]]:
        return [row for row in self.stored if row["Image"] in targets]


def check(*rows: tuple[str, ...], names: tuple[str, ...] = ("Image", "Grade", "Score"), **known: Any) -> list[Any]:
    records = [Header(1, names)]
    records += [Row(line, dict(zip(names, row, strict=True))) for line, row in enumerate(rows, start=2)]
    return list(check_rows(records, SHAPE, Holding(**known)))


def faults(results: list[Any]) -> list[tuple[int | None, str | None, str]]:
    return [(fault.line, fault.column, fault.message) for fault in results if isinstance(fault, Fault)]


def test_a_good_row_becomes_values_with_the_terms_own_name_and_the_columns_defaults() -> None:
    assert check(("1-000A", "fine", "0.5"), ("1-000B", " Bad ", "")) == [
        Checked(2, {"Image": "1-000A", "Grade": "Good", "Score": 0.5, "Mask": None, "Count": 1}, present=False),
        Checked(3, {"Image": "1-000B", "Grade": "Bad", "Score": None, "Mask": None, "Count": 1}, present=False),
    ]


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [
        (("1-000A", "Goood", "0.5"), "Grade", "'Goood' is no term of Grade; did you mean 'Good'"),
        (("1-000A", "good", "0.5"), "Grade", "did you mean 'Good'"),
        (("1-000A", "zebra", "0.5"), "Grade", "known: Bad, Good, Unsure, fine, ok, poor"),
        (("1-000A", "ok", "0.5"), "Grade", "synonym of Bad and of Good"),
        (("1-000A", "", "0.5"), "Grade", "is empty, and a value is required"),
        (("", "Good", "0.5"), "Image", "is empty, and a value is required"),
        (("1-000A", "Good", "high"), "Score", "'high' is not a number"),
        (("1-000A", "Good", "nan"), "Score", "'nan' is not a number"),
        (("1-000A", "Good", "1e39"), "Score", "out of the range"),
        (("1-000A", "Good", "1e-60"), "Score", "out of the range"),
        (("1-ZZZZ", "Good", "0.5"), "Image", "no Image has the RID 1-ZZZZ"),
    ],
)
def test_each_wrong_cell_is_named_with_line_and_column(row: tuple[str, ...], column: str, words: str) -> None:
    [(line, found, message)] = faults(check(row))
    assert (line, found) == (2, column)
    assert words in message


def test_all_faults_of_all_rows_are_reported_and_good_rows_among_them_come_through() -> None:
    results = check(("1-ZZZZ", "Goood", "x"), ("1-000A", "Good", "1"), ("1-000B", "", "1"))
    assert [(line, column) for line, column, _ in faults(results)] == [
        (2, "Grade"),
        (2, "Score"),
        (2, "Image"),
        (4, "Grade"),
    ]
    assert [result.line for result in results if isinstance(result, Checked)] == [3]


def test_the_second_row_about_a_record_is_a_fault_that_names_the_first() -> None:
    results = check(("1-000A", "Good", ""), ("1-000B", "Good", ""), ("1-000A", "Bad", ""))
    assert [(line, column) for line, column, _ in faults(results)] == [(4, "Image")]
    assert "also on line 2" in faults(results)[0][2]


def test_unknown_and_missing_columns_are_reported_once_for_the_header_and_the_rest_is_still_checked() -> None:
    results = check(("Good", "x"), ("Goood", "y"), names=("Grade", "Imagge"))
    assert [(line, column) for line, column, _ in faults(results)] == [(1, "Imagge"), (1, "Image"), (3, "Grade")]
    assert "did you mean 'Image'" in faults(results)[0][2]


def test_an_unknown_asset_is_a_fault() -> None:
    names = ("Image", "Grade", "Mask")
    assert check(("1-000A", "Good", "2-000M"), names=names)[0].values["Mask"] == "2-000M"
    [(_, column, message)] = faults(check(("1-000A", "Good", "2-000X"), names=names))
    assert (column, message) == ("Mask", "no Mask has the RID 2-000X")


def test_a_row_that_the_catalog_holds_is_marked_and_one_with_another_value_is_not() -> None:
    stored = [
        {"Image": "1-000A", "Grade": "Good", "Score": 0.1, "Mask": None, "Count": 1},
        {"Image": "1-000B", "Grade": "Bad", "Score": None, "Mask": None, "Count": 1},
    ]
    results = check(("1-000A", "fine", "0.1"), ("1-000B", "Good", ""), ("1-000C", "Good", ""), stored=stored)
    assert [result.present for result in results] == [True, False, False]


def test_the_catalog_is_asked_once_per_batch_not_once_per_row() -> None:
    known = Holding({"Image": {f"1-{n:04}" for n in range(1000)}})
    rows = [Row(n + 2, {"Image": f"1-{n:04}", "Grade": "Good"}) for n in range(1000)]
    assert len(list(check_rows([Header(1, ("Image", "Grade")), *rows], SHAPE, known, batch=250))) == 1000
    assert known.asked == 4


GOOD_ROW = st.tuples(st.sampled_from(["Good", "fine", "Bad", "poor"]), st.floats(-1e6, 1e6, width=32))
BAD_ROW = st.tuples(st.sampled_from(["Goood", "", "ok"]), st.floats(-1e6, 1e6, width=32))


@settings(max_examples=60)
@given(rows=st.lists(st.one_of(GOOD_ROW, BAD_ROW), max_size=8), batch=st.integers(1, 5))
def test_every_row_ends_as_values_or_as_a_fault_in_the_order_of_the_file(
    rows: list[tuple[str, float]], batch: int
) -> None:
    names = ("Image", "Grade", "Score")
    records: list[Header | Row | Fault] = [Header(1, names)]
    for line, ((grade, score), letter) in enumerate(zip(rows, "ABCDEFGH", strict=False), start=2):
        records.append(Row(line, dict(zip(names, (f"1-000{letter}", grade, repr(score)), strict=True))))
    results = list(check_rows(records, SHAPE, Holding(), batch=batch))
    assert [result.line for result in results] == list(range(2, len(rows) + 2))
    for result, (grade, score) in zip(results, rows, strict=True):
        assert isinstance(result, Checked) == (grade not in ("Goood", "", "ok"))
        if isinstance(result, Checked):
            assert result.values["Score"] == score
            assert result.values["Grade"] in GRADES.names


@pytest.mark.parametrize(
    ("kind", "bits", "text", "value"),
    [
        (Kind.TEXT, 0, " as it is ", " as it is "),
        (Kind.INTEGER, 16, "-32768", -32768),
        (Kind.INTEGER, 64, " 9223372036854775807 ", 2**63 - 1),
        (Kind.FLOAT, 64, "-.5e3", -500.0),
        (Kind.BOOLEAN, 0, "Yes", True),
        (Kind.BOOLEAN, 0, "f", False),
        (Kind.DATE, 0, "2024-02-29", "2024-02-29"),
        (Kind.TIMESTAMP, 0, "2024-02-29 10:00", "2024-02-29T10:00:00"),
        (Kind.TIMESTAMPTZ, 0, "2024-02-29T10:00:00Z", "2024-02-29T10:00:00+00:00"),
        (Kind.JSON, 0, '{"a": [1, null]}', {"a": [1, None]}),
    ],
)
def test_cells_of_each_kind_are_understood(kind: Kind, bits: int, text: str, value: Any) -> None:
    assert parse(Column("c", kind, bits=bits), text) == value


@pytest.mark.parametrize(
    ("kind", "bits", "text"),
    [
        (Kind.TEXT, 0, "a\0b"),
        (Kind.INTEGER, 16, "32768"),
        (Kind.INTEGER, 64, "9" * 5000),
        (Kind.INTEGER, 32, "1.0"),
        (Kind.INTEGER, 32, "1_000"),
        (Kind.INTEGER, 32, "٣"),
        (Kind.FLOAT, 64, "1e999"),
        (Kind.FLOAT, 64, "inf"),
        (Kind.FLOAT, 64, "0,5"),
        (Kind.BOOLEAN, 0, "maybe"),
        (Kind.BOOLEAN, 0, "2"),
        (Kind.DATE, 0, "2023-02-29"),
        (Kind.DATE, 0, "29.02.2024"),
        (Kind.DATE, 0, "20240229"),
        (Kind.TIMESTAMP, 0, "2024-02-29T10:00:00Z"),
        (Kind.TIMESTAMPTZ, 0, "2024-02-29T10:00:00"),
        (Kind.TIMESTAMPTZ, 0, "yesterday"),
        (Kind.JSON, 0, "{a: 1}"),
        (Kind.JSON, 0, "[NaN]"),
    ],
)
def test_cells_of_the_wrong_type_are_refused(kind: Kind, bits: int, text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(Column("c", kind, bits=bits), text)


@settings(max_examples=60)
@given(number=st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_a_number_equals_what_a_float4_column_gives_back(number: float) -> None:
    assert comparable(SCORE, parse(SCORE, repr(number))) == comparable(SCORE, float(f"{number:.9g}"))


def test_moments_are_equal_when_only_the_zone_is_written_differently() -> None:
    column = Column("When", Kind.TIMESTAMPTZ)
    assert comparable(column, "2024-02-29T10:00:00+00:00") == comparable(column, "2024-02-29T11:00:00+01:00")
