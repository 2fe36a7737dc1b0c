"""Schemas, tables and rows as agents see them; a table made by a tool is the one that was asked for."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.catalog

NAMES = ["first", "second", "third", "last"]


def names(answer: dict[str, Any], column: str = "Name") -> list[Any]:
    return [row[column] for row in answer["entities"]]


def test_schemas_begin_with_the_domain(ask: Any) -> None:
    schemas = ask("list_schemas")["schemas"]

    assert [(each["schema"], each["kind"]) for each in schemas[:2]] == [
        ("clinic", "domain"),
        ("deriva-ml", "deriva-ml"),
    ]
    assert {each["kind"] for each in schemas[2:]} == {"system"}


def test_tables_say_what_they_are_for(ask: Any) -> None:
    kinds = {each["table"]: each["kind"] for each in ask("get_schema", schema="clinic")["tables"]}

    assert kinds["Subject"] == "domain"
    assert kinds["Grade"] == "vocabulary"
    assert kinds["Image"] == "asset"
    assert kinds["Execution_Image_Diagnosis"] == "feature"
    assert kinds["Dataset_Image"] == "dataset"
    assert kinds["Image_Execution"] == "association"
    own = {each["table"]: each["kind"] for each in ask("get_schema", schema="deriva-ml")["tables"]}
    assert own["Dataset"] == "dataset"
    assert own["Workflow"] == "system"


def test_a_schema_comes_in_pages(ask: Any) -> None:
    whole = ask("get_schema")["tables"]

    first = ask("get_schema", limit=4)
    rest = ask("get_schema", cursor=first["next_cursor"])
    assert first["truncated"]
    assert first["total"] == len(whole)
    assert [*first["tables"], *rest["tables"]] == whole
    assert not rest["truncated"]


def test_a_table_tells_columns_links_rows_and_features(ask: Any) -> None:
    found = ask("get_table", table="Observation")
    columns = {each["name"]: each for each in found["columns"]}

    assert columns["Subject"] | {"default": None} == {
        "name": "Subject",
        "type": "text",
        "nullok": False,
        "refers_to": "clinic:Subject",
        "default": None,
        "comment": None,
    }
    assert columns["Day"]["type"] == "date"
    assert found["row_count"] == len(NAMES)
    assert [key["referenced_table"] for key in found["foreign_keys"]] == ["Subject"]
    assert "Image" in {key["table"] for key in found["referenced_by"]}
    assert [each["feature_name"] for each in ask("get_table", table="Image")["features"]] == ["Diagnosis"]


@pytest.mark.parametrize(
    ("table", "filters", "found"),
    [
        ("Observation", {"Name": "third"}, ["third"]),
        ("Observation", {"Name": ["first", "last"]}, ["first", "last"]),
        ("Observation", {"Name": {"op": "in", "value": ["last"]}}, ["last"]),
        ("Observation", {"Name": {"op": "!=", "value": "first"}}, ["second", "third", "last"]),
        ("Observation", {"Name": {"op": "contains", "value": "IR"}}, ["first", "third"]),
        ("Observation", {"Name": {"op": "contains", "value": "."}}, []),
        ("Observation", {"Day": {"op": "<=", "value": "2026-01-30"}}, []),
        ("Observation", {"Day": "2026-01-31", "Name": {"op": ">", "value": "last"}}, ["second", "third"]),
        ("Subject", {"Smoker": True}, ["Ann"]),
        ("Subject", {"Smoker": None}, ["Ben", "Dan"]),
        ("Subject", {"Smoker": [False, None]}, ["Ben", "Cid", "Dan"]),
        ("Subject", {"Smoker": {"op": "!=", "value": True}}, ["Ben", "Cid", "Dan"]),
        ("Subject", {"Smoker": {"op": "!=", "value": None}}, ["Ann", "Cid"]),
        ("Image", {"Size": {"op": ">=", "value": 100}}, ["d.txt", "e.txt"]),
        ("Image", {"Note": 'says "no", twice\nand more'}, ["b.txt"]),
        ("Image", {"Note": ""}, ["a.txt"]),
    ],
)
def test_filters_choose_rows(ask: Any, table: str, filters: dict[str, Any], found: list[str]) -> None:
    answer = ask("get_entities", table=table, filters=filters)

    assert names(answer, "Filename" if table == "Image" else "Name") == found
    assert answer["total"] == len(found)


def test_rows_come_in_pages_with_the_columns_asked_for(ask: Any) -> None:
    first = ask("get_entities", table="Observation", columns=["Name"], limit=3)
    rest = ask("get_entities", table="Observation", columns=["Name"], limit=3, cursor=first["next_cursor"])

    assert names(first) + names(rest) == NAMES
    assert {frozenset(row) for row in first["entities"]} == {frozenset({"RID", "Name"})}
    assert (first["truncated"], rest["truncated"]) == (True, False)
    assert first["total"] == rest["total"] == len(NAMES)


def test_rows_can_be_counted_first(ask: Any) -> None:
    answer = ask("get_entities", table="Observation", preflight_count=True)

    assert (answer["total"], answer["entities"]) == (len(NAMES), [])
    assert "get_entities" in answer["next_step"]


def test_what_cannot_be_asked_for_is_said_all_at_once(refuse: Any) -> None:
    filters = {"Siz": 1, "Size": "many", "Note": {"op": "~", "value": 1}, "Length": [], "MD5": {"op": "<"}}
    error = refuse("get_entities", table="Image", filters=filters)

    assert error["code"] == "bad_argument"
    assert [fault["column"] for fault in error["faults"]] == list(filters)
    assert "'Size'" in error["faults"][0]["message"]


@pytest.mark.parametrize(
    ("tool", "arguments", "candidates"),
    [
        ("get_table", {"table": "Imag"}, ["Image"]),
        ("get_table", {"table": "Subject", "schema": "deriva-ml"}, ["clinic:Subject"]),
        ("get_schema", {"schema": "clinics"}, ["clinic"]),
        ("get_entities", {"table": "Image", "columns": ["Siz"]}, ["Size"]),
    ],
)
def test_names_that_are_not_there_have_candidates(
    refuse: Any, tool: str, arguments: dict[str, Any], candidates: list[str]
) -> None:
    error = refuse(tool, **arguments)

    assert (error["code"], error["candidates"]) == ("not_found", candidates)


def test_a_cursor_that_no_answer_gave_is_an_error(refuse: Any) -> None:
    for tool, table in (("get_entities", {"table": "Image"}), ("get_schema", {})):
        assert refuse(tool, cursor="no such place", **table)["code"] == "bad_argument"


VISIT = {
    "table": "Visit",
    "columns": [
        {"name": "Name", "nullok": False, "comment": "As on the form"},
        {"name": "Age", "type": "int4", "default": 40},
        {"name": "Tags", "type": "text[]"},
        {"name": "Before"},
        {"name": "Sex"},
    ],
    "foreign_keys": [
        {"columns": ["Sex"], "references_table": "Sex"},
        {"column": "Before", "referenced_schema": "lab", "referenced_table": "Person", "on_delete": "SET NULL"},
    ],
    "keys": ["Name", ["Age", "Sex"]],
    "comment": "When somebody came",
}


@pytest.fixture(scope="module")
def lab(own: Any) -> Any:
    own("create_vocabulary", table="Sex", comment="As told")
    own("create_table", table="Person", columns=[{"name": "Name"}])
    return own


def test_a_table_is_made_once_and_as_it_was_asked_for(lab: Any, noted: Any) -> None:
    would = lab("create_table", **VISIT, dry_run=True)
    assert (would["created"], would["dry_run"], would["execution_rid"]) == (False, True, None)
    assert "Visit" not in {each["table"] for each in lab("get_schema")["tables"]}

    made = lab("create_table", **VISIT)
    assert made["created"]
    assert noted(made["execution_rid"]) == [{"schema": "lab", "table": "Visit", "made": "table"}]
    found = lab("get_table", table="Visit")
    for part in ("columns", "foreign_keys"):
        assert found[part] == made[part] == would[part]
    assert sorted(map(str, found["keys"])) == sorted(map(str, made["keys"]))
    assert found["comment"] == VISIT["comment"]
    assert [key["referenced_columns"] for key in found["foreign_keys"]] == [["Name"], ["RID"]]

    again = lab("create_table", **VISIT)
    assert (again["created"], again["existed"], again["execution_rid"]) == (False, True, None)


@pytest.fixture
def refuse_table(lab: Any) -> Any:
    """Ask for a table that cannot be made; gives the error."""
    from deriva_ml_kit.tools.invoke import call_of, invoke  # noqa: PLC0415

    def refuse_table(**arguments: Any) -> dict[str, Any]:
        outcome = invoke("create_table", lab.where | arguments, call_of("create_table"))
        assert outcome.failure is not None, outcome.document
        return outcome.document["error"]

    return refuse_table


def test_a_table_that_is_another_is_a_conflict(lab: Any, refuse_table: Any) -> None:
    lab("create_table", table="Thing", columns=[{"name": "A", "type": "int4"}, {"name": "B"}], keys=["A"])

    error = refuse_table(table="Thing", columns=[{"name": "A"}, {"name": "C"}])
    assert error["code"] == "conflict"
    for part in ("type of A is 'int4'", "it has a column B", "it has no column C", "it has a key A"):
        assert part in error["message"]


def test_all_that_is_wrong_with_a_table_comes_at_once(refuse_table: Any) -> None:
    error = refuse_table(
        table="T" * 64,
        columns=[
            {"name": "RID"},
            {"name": "A", "type": "int44"},
            {"name": "A"},
            {"name": "N", "type": "int4"},
            {"name": "D", "type": "int4", "default": "forty"},
        ],
        foreign_keys=[
            {"columns": ["B"], "references_table": "Persom"},
            {"columns": ["A"], "references_table": "Person", "references_columns": "Name"},
            {"columns": ["N"], "references_table": "Sex"},
        ],
        keys=["C"],
    )

    said = [f"{fault.get('column')}: {fault['message']}; {fault.get('remedy')}" for fault in error["faults"]]
    for part in ("64 bytes", "RID", "'int4'", "two columns", "did you mean Person?", "no key of Person", "keys[0]"):
        assert any(part in line or part in str(fault) for line, fault in zip(said, error["faults"], strict=True)), part
    assert any("N: is of type int4" in line for line in said)
    assert any("D: default: 'forty' is not a whole number" in line for line in said)


def test_no_table_takes_the_name_of_one_of_derivamls(refuse_table: Any) -> None:
    [fault] = refuse_table(table="Execution", columns=[{"name": "A"}])["faults"]

    assert "DerivaML has a table" in fault["message"]


def test_tables_of_ones_own_are_made_in_the_domain(refuse_table: Any) -> None:
    error = refuse_table(table="Mine", schema="deriva-ml", columns=[{"name": "A"}])

    assert (error["code"], error["candidates"]) == ("bad_argument", ["lab"])
