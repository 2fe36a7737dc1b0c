"""Rows are loaded as they were given, all or none; what is wrong with them comes all at once, with its line."""

from __future__ import annotations

import csv
import io
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deriva_ml_kit.errors import Fault
from deriva_ml_kit.tools.invoke import call_of, invoke
from deriva_ml_kit.tools.rows.file import Given, rows_of

catalog_test = pytest.mark.catalog

json_values = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
json_rows = st.lists(st.dictionaries(st.text(min_size=1), json_values, max_size=4), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@given(json_rows, st.sampled_from([None, 1, "\t"]), st.booleans())
@settings(deadline=None, max_examples=60)
def test_rows_of_json_are_those_that_were_written(
    folder: Path, rows: list[dict[str, Any]], indent: Any, lines: bool
) -> None:
    text = "\n".join(map(json.dumps, rows)) if lines else json.dumps(rows, indent=indent)
    file = folder / ("rows.jsonl" if lines else "rows.json")
    file.write_text(text, encoding="utf-8")

    found = list(rows_of(file))

    assert [row.values for row in found if isinstance(row, Given)] == rows
    for row in found:
        assert isinstance(row, Given)
        assert text.splitlines()[row.line - 1].strip().startswith(("{", "[{"))


@given(st.text(alphabet='[]{}",:0 \n\t1ae\\ud8', max_size=40), st.sampled_from([".json", ".jsonl", ".csv"]))
@settings(deadline=None, max_examples=150)
def test_any_text_gives_rows_or_faults_with_lines(folder: Path, text: str, suffix: str) -> None:
    file = folder / f"any{suffix}"
    file.write_text(text, encoding="utf-8")

    found = list(rows_of(file))

    assert all(1 <= (each.line or 0) <= text.count("\n") + 1 for each in found)
    if not any(isinstance(each, Given) for each in found):
        assert found or suffix != ".csv"


def test_null_is_as_good_as_nothing(folder: Path) -> None:
    (folder / "null.jsonl").write_text('{"A": null, "B": ""}\n', encoding="utf-8")

    assert list(rows_of(folder / "null.jsonl")) == [Given(1, {"B": ""})]


def test_a_name_given_twice_is_a_fault(folder: Path) -> None:
    (folder / "twice.json").write_text('[{"A": 1},\n {"A": 1, "A": 2}]', encoding="utf-8")

    _, fault = rows_of(folder / "twice.json")
    assert isinstance(fault, Fault)
    assert (fault.line, "'A' is given twice" in fault.message) == (2, True)


COLUMNS = [
    {"name": "Name", "nullok": False},
    {"name": "Age", "type": "int4", "default": 40},
    {"name": "Height", "type": "float4"},
    {"name": "Tags", "type": "text[]"},
    {"name": "Notes", "type": "jsonb"},
    {"name": "Seen", "type": "timestamptz"},
    {"name": "Sure", "type": "boolean"},
    {"name": "Sex"},
    {"name": "Parent"},
]


@pytest.fixture(scope="module")
def lab(own: Any) -> Any:
    """Ask on a catalog with a table Subject, which refers to terms and to a table Family."""
    own("create_vocabulary", table="Sex", comment="As told")
    own("add_term", table="Sex", name="female", description="Female", synonyms=["F", "woman"])
    own("create_table", table="Family", columns=[{"name": "Name"}])
    own.family = own("load_rows", table="Family", rows=[{"Name": "Smith"}])["first_rids"][0]
    links = [
        {"columns": ["Sex"], "references_table": "Sex"},
        {"columns": ["Parent"], "references_table": "Family"},
    ]
    own("create_table", table="Subject", columns=COLUMNS, foreign_keys=links, keys=["Name", ["Age", "Height"]])
    own("create_table", table="Number", columns=[{"name": "N", "type": "int4"}])
    return own


Load = Callable[..., dict[str, Any]]


@pytest.fixture
def load(lab: Any, tmp_path: Path) -> Load:
    """Load rows, or a file of a name and a text, and get the answer, or the error."""

    def load(table: str = "Subject", *, name: str = "", text: str = "", **arguments: Any) -> dict[str, Any]:
        if name:
            (tmp_path / name).write_text(text, encoding="utf-8")
            arguments["file"] = name
        outcome = invoke("load_rows", lab.where | {"table": table} | arguments, call_of("load_rows", tmp_path))
        return outcome.document["error"] if outcome.failure else outcome.document

    return load


def stored(lab: Any, table: str, **filters: Any) -> list[dict[str, Any]]:
    rows = lab("get_entities", table=table, filters=filters)["entities"]
    return [{name: value for name, value in row.items() if name != "RID"} for row in rows]


@catalog_test
def test_a_csv_file_becomes_rows(lab: Any, load: Load, noted: Any) -> None:
    text = (
        "Name,Age,Tags,Notes,Seen,Sure,Sex,Parent,Height\n"
        f'csv one,,"[""x"", null]","{{""a"": 1}}",2026-01-31T09:30:00Z,yes,F,{lab.family},1.75\n'
        '"csv\ntwo",7,,,,,female,,\n'
    )
    would = load(name="people.csv", text=text, dry_run=True)
    assert (would["would_write"], would["rows_written"], would["execution_rid"]) == (2, 0, None)
    assert stored(lab, "Subject", Name="csv one") == []

    made = load(name="people.csv", text=text)
    assert (made["rows_read"], made["rows_written"], made["resolved_terms"]) == (2, 2, {"F": "female"})
    one, two = stored(lab, "Subject", Name={"op": "contains", "value": "csv"})
    assert one == {
        "Name": "csv one",
        "Age": 40,
        "Height": 1.75,
        "Tags": ["x", None],
        "Notes": {"a": 1},
        "Seen": "2026-01-31T09:30:00+00:00",
        "Sure": True,
        "Sex": "female",
        "Parent": lab.family,
    }
    assert (two["Name"], two["Age"], two["Tags"], two["Parent"]) == ("csv\ntwo", 7, None, None)
    assert noted(made["execution_rid"]) == [{"schema": "lab", "table": "Subject", "rids": made["first_rids"]}]


@catalog_test
def test_the_input_file_is_an_input_of_the_execution(lab: Any, load: Load, tmp_path: Path) -> None:
    made = load("Number", name="numbers.csv", text="N\n1\n2\n")

    kept = lab("deriva_ml_lookup_asset", asset_rid=made["input_rid"])
    [link] = kept["executions"]
    assert (kept["filename"], link["rid"], link["asset_role"]) == ("numbers.csv", made["execution_rid"], "Input")
    told = lab("deriva_ml_get_execution", execution_rid=made["execution_rid"])["description"]
    assert "2 rows of lab:Number, from numbers.csv (6 bytes, SHA-256 " in told


@catalog_test
@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl"])
def test_json_becomes_rows(lab: Any, load: Load, name: str) -> None:
    rows = [{"Name": f"{name} 1", "Age": 4.0, "Notes": "text", "Tags": []}, {"Name": f"{name} 2", "Age": None}]
    text = "\n".join(map(json.dumps, rows)) if name.endswith("l") else json.dumps(rows, indent=2)

    assert load(name=name, text=text)["rows_written"] == 2
    first, second = stored(lab, "Subject", Name={"op": "contains", "value": name})
    assert (first["Age"], first["Notes"], first["Tags"]) == (4, "text", [])
    assert (second["Age"], second["Notes"]) == (40, None)


@catalog_test
def test_all_faults_of_a_file_come_at_once_and_nothing_is_written(lab: Any, load: Load) -> None:
    load(rows=[{"Name": "there"}])
    text = (
        "Name,Agee,Age,Tags,Seen,Sure,Sex,Parent\n"
        "f1,1,x,1,2026-01-31,maybe,femal,1-ZZZZ\n"
        ",,1e3,[1],,,,\n"
        "f1,,,,,,,\n"
        "there,,,,,,,\n"
        "f2\n"
    )
    error = load(name="faulty.csv", text=text)

    places = {(fault.get("line"), fault.get("column")) for fault in error["faults"]}
    assert places == {
        *((2, name) for name in ("Agee", "Age", "Tags", "Seen", "Sure", "Sex", "Parent")),
        *((3, name) for name in ("Name", "Age")),
        (4, "Name"),
        (5, "Name"),
        (6, None),
    }
    assert {fault["file"] for fault in error["faults"]} == {"faulty.csv"}
    said = " ".join(fault["message"] for fault in error["faults"])
    for part in ("'Age'", "'female'", "no Family has the RID 1-ZZZZ", "also on line 2", "has a row with there"):
        assert part in said
    assert stored(lab, "Subject", Name=["f1", "f2"]) == []


@catalog_test
def test_rows_of_a_call_are_checked_by_their_types(load: Load) -> None:
    rows = [
        {"Name": True, "Age": "x", "Tags": "y", "Sure": 1, "Seen": "2026-01-31T00:00:00", "Height": [1]},
        {"Name": {"first": "x"}, "RID": "1-ABCD", "Height": 1e300},
        {"Age": 3_000_000_000},
    ]
    error = load(rows=rows)

    places = {(fault["line"], fault["column"]) for fault in error["faults"]}
    assert places == {
        *((1, name) for name in ("Name", "Age", "Tags", "Sure", "Seen", "Height")),
        *((2, name) for name in ("Name", "RID", "Height")),
        *((3, name) for name in ("Name", "Age")),
    }
    error = load(name="half.jsonl", text='{"Name": "half \\ud800"}')
    assert "half a character" in error["faults"][0]["message"]


@catalog_test
def test_rows_that_are_there_are_skipped_when_asked(lab: Any, load: Load) -> None:
    first = load(rows=[{"Name": "again 1", "Age": 1, "Height": 0.1}])
    more = [{"Name": "again 2"}, {"Name": "again 1"}, {"Name": "again 3", "Age": 1, "Height": 0.1}]
    second = load(rows=more, on_existing="skip")
    third = load(rows=more, on_existing="skip")

    assert (first["rows_written"], second["rows_written"], second["rows_skipped"]) == (1, 1, 2)
    assert (third["rows_written"], third["rows_skipped"], third["execution_rid"]) == (0, 3, None)
    assert len(stored(lab, "Subject", Name={"op": "contains", "value": "again"})) == 2


@catalog_test
def test_a_key_can_be_named_where_the_table_has_none(load: Load) -> None:
    assert load("Number", rows=[{"N": 77}], on_existing="skip")["code"] == "bad_argument"
    assert load("Number", rows=[{"N": 77}], on_existing="skip", key="N")["rows_written"] == 1
    assert load("Number", rows=[{"N": 77}, {"N": 78}], on_existing="skip", key="N")["rows_skipped"] == 1
    assert load("Number", rows=[{"N": 78}], key=["N"])["code"] == "bad_argument"
    assert load("Number", rows=[{"N": 1}], key=["M"])["candidates"] == ["N"]
    assert "lists or JSON" in load(rows=[{"Name": "x"}], key=["Tags"])["message"]


@catalog_test
@pytest.mark.parametrize(
    ("table", "way"),
    [
        ("Sex", "add_term"),
        ("Execution_Asset", "asset_file_path"),
        ("Dataset", "deriva_ml_create_dataset"),
        ("Workflow", "themselves"),
    ],
)
def test_other_tables_are_refused_with_the_way_to_go(load: Load, table: str, way: str) -> None:
    error = load(table, rows=[{"Name": "x"}])

    assert error["code"] == "bad_argument"
    assert way in error["remedy"]


@catalog_test
def test_files_are_those_of_the_project(load: Load, tmp_path: Path) -> None:
    (tmp_path / "number.csv").write_text("N\n1\n")
    (tmp_path / "number.xlsx").write_text("N\n1\n")

    assert load("Number", file="numbr.csv")["candidates"] == ["number.csv"]
    assert "not in the project" in load("Number", file="../number.csv")["message"]
    assert "CSV" in load("Number", file="number.xlsx")["remedy"]
    assert load("Number")["code"] == load("Number", file="number.csv", rows=[])["code"] == "bad_argument"


@catalog_test
def test_ten_thousand_rows_take_seconds_and_what_a_cancelled_load_wrote_is_recorded(
    lab: Any, tmp_path: Path, noted: Any
) -> None:
    table = io.StringIO()
    csv.writer(table).writerows([["N"], *([n] for n in range(10_000, 20_000))])
    (tmp_path / "many.csv").write_text(table.getvalue())
    stop = threading.Event()
    reported: list[float] = []

    def report(done: float, total: float | None, _: str) -> None:
        if total is not None:
            reported.append(done)
            if done == 2000:
                stop.set()

    def load(**fields: Any) -> Any:
        call = call_of("load_rows", tmp_path, report=report, **fields)
        asked = {"table": "Number", "file": "many.csv", "key": ["N"], "on_existing": "skip"}
        return invoke("load_rows", lab.where | asked, call)

    cancelled = load(stop=stop)
    assert cancelled.failure is not None
    assert cancelled.failure.code == "cancelled"
    assert "3000 of 10000 rows are in Number" in cancelled.failure.message
    execution = cancelled.failure.message.partition("execution ")[2].split()[0]
    lines = noted(execution)
    assert sum(len(line.get("rids", ())) for line in lines) == 3000
    assert "failed" in lines[-1]

    began = time.monotonic()
    rest = load()
    assert rest.document["rows_written"] == 7000
    assert time.monotonic() - began < 30  # 2 s on an idle machine
    assert reported[-1] == 6000
    wanted = {"op": ">=", "value": 10_000}
    assert lab("get_entities", table="Number", filters={"N": wanted}, limit=1)["total"] == 10_000
