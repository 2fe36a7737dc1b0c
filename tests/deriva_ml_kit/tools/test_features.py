"""Features as tools: described, made; values chosen and paged as the library chooses them all at once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from deriva.core.ermrest_model import Column, ForeignKey, Table, builtin_types

from deriva_ml_kit.mainline import DerivaML, FeatureRecord

DIAGNOSIS = {"target_table": "Image", "feature_name": "Diagnosis"}
SELECTORS = {
    "none": None,
    "newest": FeatureRecord.select_newest,
    "latest": FeatureRecord.select_latest,
    "first": FeatureRecord.select_first,
    "majority_vote": FeatureRecord.select_majority_vote(),
}


def paged(ask: Any, tool: str, field: str, **arguments: Any) -> list[dict[str, Any]]:
    """All rows of an answer, a page after the other."""
    found, cursor = [], None
    while True:
        page = ask(tool, **arguments, cursor=cursor)
        assert page["truncated"] == (page["next_cursor"] is not None)
        found += page[field]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def values(records: Any, column: str) -> list[tuple[Any, ...]]:
    """What tells values apart, of answers or of the library's records."""
    rows = [record if isinstance(record, dict) else record.model_dump() for record in records]
    return sorted((row[column], row["Execution"], row["RCT"], row.get("Grade")) for row in rows)


def test_a_feature_is_described_by_its_columns(ask):
    found = ask("deriva_ml_get_feature", **DIAGNOSIS)

    columns = {column["name"]: column for column in found["columns"]}
    assert {name: (one["kind"], one["type"], one["required"], one["refers_to"]) for name, one in columns.items()} == {
        "Grade": ("term", "text", True, "clinic:Grade"),
        "Confidence": ("value", "float8", False, None),
        "Sure": ("value", "boolean", False, None),
    }
    assert (found["feature_table"], found["target_column"]) == ("Execution_Image_Diagnosis", "Image")
    assert (found["values"], found["targets_with_value"], found["targets_without_value"]) == (4, 3, 2)
    assert 'list_vocabulary_terms(hostname="' in found["next_step"]
    assert 'schema="clinic", table="Grade")' in found["next_step"]


def test_features_are_listed(ask):
    found = paged(ask, "deriva_ml_list_features", "features", limit=1)

    assert [(one["target_table"], one["feature_name"]) for one in found] == [
        ("Image", "Diagnosis"),
        ("Subject", "Severity"),
    ]
    assert (found[0]["term_columns"], found[0]["value_columns"]) == (["Grade"], ["Confidence", "Sure"])
    assert ask("deriva_ml_list_features", table="Subject")["features"] == found[1:]


@pytest.mark.parametrize("limit", [1, 100])
@pytest.mark.parametrize("selector", SELECTORS)
def test_pages_of_values_are_what_the_library_gives_at_once(ask, clinic, selector, limit):
    expected = [*clinic.ml.feature_values("Image", "Diagnosis", selector=SELECTORS[selector])]

    found = paged(ask, "deriva_ml_list_feature_values", "records", **DIAGNOSIS, selector=selector, limit=limit)

    assert values(found, "Image") == values(expected, "Image")
    assert len({row["RID"] for row in found}) == len(found)


@pytest.mark.parametrize("dataset", ["images", "subjects", "left", "inmost", "right", "nested"])
@pytest.mark.parametrize("about", [("Image", "Diagnosis"), ("Subject", "Severity")])
def test_values_of_a_dataset_are_those_of_its_members_and_of_nested_ones(ask, clinic, dataset, about):
    rid = clinic.datasets[dataset].rid
    table, feature = about
    held = clinic.ml.lookup_dataset(rid)
    members = held.list_dataset_members(recurse=True)[table]

    found = ask("deriva_ml_list_feature_values", target_table=table, feature_name=feature, dataset_rid=rid)

    assert values(found["records"], table) == values(held.feature_values(table, feature), table)
    assert found["total"] == found["count"] == len(found["records"])
    assert found["targets_with_value"] + found["targets_without_value"] == len({row["RID"] for row in members})


def test_missing_labels_come_with_the_way_to_write_them(ask, clinic):
    found = ask("deriva_ml_list_feature_values", **DIAGNOSIS, dataset_rid=clinic.datasets["images"].rid)
    complete = ask("deriva_ml_list_feature_values", **DIAGNOSIS, dataset_rid=clinic.datasets["left"].rid)

    assert found["targets_without_value"] == 1
    assert "skills/create-feature/scripts/populate_feature_values.py" in found["next_step"]
    assert "--target-table Image --feature-name Diagnosis" in found["next_step"]
    assert complete["targets_without_value"] == 0
    assert complete["next_step"].startswith("deriva_ml_denormalize_dataset(")


def test_values_of_runs_are_counted_by_run(ask, clinic):
    runs = [clinic.rids["evening"], clinic.rids["morning"]]
    found = ask("deriva_ml_list_feature_values", **DIAGNOSIS, execution_rids=runs)
    one = ask("deriva_ml_list_feature_values", **DIAGNOSIS, execution_rids=runs[:1])
    none = ask("deriva_ml_list_feature_values", target_table="Subject", feature_name="Severity", execution_rids=runs)

    assert found["executions"] == [{"execution_rid": rid, "values": 2} for rid in runs]
    assert {row["Execution"] for row in one["records"]} == {runs[0]}
    assert [each["values"] for each in none["executions"]] == [0, 1]
    assert f'deriva_ml_get_execution(hostname="{clinic.ml.host_name}"' in none["next_step"]


def test_the_newest_value_of_an_execution_or_of_a_workflow(ask, clinic):
    def chosen(**arguments: str) -> list[tuple[Any, ...]]:
        return values(ask("deriva_ml_list_feature_values", **DIAGNOSIS, **arguments)["records"], "Image")

    def library(selector: Any) -> list[tuple[Any, ...]]:
        return values(clinic.ml.feature_values("Image", "Diagnosis", selector=selector), "Image")

    morning = clinic.rids["morning"]
    assert chosen(selector="by_execution", selector_execution_rid=morning) == library(
        FeatureRecord.select_by_execution(morning)
    )
    for workflow in ("Grading", clinic.rids["Grading"]):
        assert chosen(selector="by_workflow", selector_workflow=workflow) == library(
            FeatureRecord.select_by_workflow("Grading", container=clinic.ml)
        )


def test_a_count_without_values(ask):
    found = ask("deriva_ml_list_feature_values", **DIAGNOSIS, selector="newest", preflight_count=True)

    assert (found["total"], found["count"], found["records"], found["truncated"]) == (3, 0, [], False)


def test_rows_of_a_page_name_the_next(ask):
    page = ask("deriva_ml_list_feature_values", **DIAGNOSIS, limit=3)
    rest = ask("deriva_ml_list_feature_values", **DIAGNOSIS, after_rid=page["next_after_rid"])

    assert page["next_after_rid"] == page["next_cursor"] == page["records"][-1]["RID"]
    assert rest["count"] == 1


def test_executions_that_are_none_are_all_named(refuse, clinic):
    rids = [clinic.rids["morning"], "1-ZZZZ", clinic.rids["Ann"]]
    error = refuse("deriva_ml_list_feature_values", **DIAGNOSIS, execution_rids=rids)

    assert error["code"] == "not_found"
    assert error["candidates"]
    assert "1-ZZZZ" in error["message"]
    assert f"{clinic.rids['Ann']} (a row of Subject)" in error["message"]
    assert clinic.rids["morning"] not in error["message"]


@pytest.mark.parametrize(
    ("arguments", "code", "says", "candidates"),
    [
        ({"target_table": "Imag"}, "not_found", "'Imag'", ["Image"]),
        ({"feature_name": "Diagnose"}, "not_found", "Table Image has no feature 'Diagnose'", ["Diagnosis"]),
        ({"target_table": "Subject"}, "not_found", "Table Subject has no feature 'Diagnosis'", ["Severity"]),
        ({"selector": "by_workflow"}, "bad_argument", "needs selector_workflow", None),
        ({"selector_execution_rid": "1-2A3B"}, "bad_argument", "needs selector='by_execution'", None),
        ({"selector": "by_workflow", "selector_workflow": "Gradin"}, "not_found", "'Gradin'", ["Grading"]),
        ({"execution_rids": []}, "bad_argument", "execution_rids", None),
        ({"cursor": "x"}, "bad_argument", "'x'", None),
    ],
)
def test_what_does_not_fit_is_named(refuse, arguments, code, says, candidates):
    error = refuse("deriva_ml_list_feature_values", **(DIAGNOSIS | arguments))

    assert error["code"] == code
    assert says in error["message"]
    assert error.get("candidates") == candidates


def test_what_is_no_dataset_is_said(refuse, clinic):
    error = refuse("deriva_ml_list_feature_values", **DIAGNOSIS, dataset_rid=clinic.rids["morning"])

    assert (error["code"], error["message"]) == (
        "not_found",
        f"{clinic.rids['morning']} is a row of Execution, not a dataset.",
    )


@pytest.fixture(scope="module")
def lab(own: Any) -> Any:
    """Scans of eyes: scans can be members of datasets, eyes cannot; a feature of eyes has a value for either side."""
    ml = DerivaML(**own.where)
    schema = ml.model.model.schemas["lab"]
    schema.create_table(Table.define("Eye", [Column.define("Name", builtin_types.text)]))
    key = ForeignKey.define(["Eye"], "lab", "Eye", ["RID"])
    schema.create_table(Table.define("Scan", [Column.define("Eye", builtin_types.text)], fkey_defs=[key]))
    for vocabulary, terms in (("Side", ("left", "right")), ("Grade", ("low", "high"))):
        ml.create_vocabulary(vocabulary, vocabulary)
        for term in terms:
            ml.add_term(vocabulary, term, description=term)
    ml.add_term("Feature_Name", "Acuity", description="How well it sees", synonyms=["Sight"])
    tables = {name: table for each in ml.model.model.schemas.values() for name, table in each.tables.items()}
    associates = [(name, tables[name].key_by_columns(["RID"])) for name in ("Execution", "Eye")]
    associates += [(name, tables[name].key_by_columns(["Name"])) for name in ("Feature_Name", "Side")]
    grade = ("Grade", False, tables["Grade"].key_by_columns(["Name"]))
    table = Table.define_association(associates, metadata=[grade], table_name="Execution_Eye_Acuity")
    name = next(column for column in table["column_definitions"] if column["name"] == "Feature_Name")
    name["default"] = "Acuity"
    schema.create_table(table)
    ml.add_dataset_element_type("Scan")
    ml = DerivaML(**own.where)
    rows = ml.pathBuilder.schemas["lab"].tables
    eyes = [row["RID"] for row in rows["Eye"].insert([{"Name": name} for name in "abcd"])]
    scans = [row["RID"] for row in rows["Scan"].insert([{"Eye": eye} for eye in [*eyes, *eyes]])]
    # More versions of a workflow than one request can name.
    workflows = [{"Name": "Reading", "URL": f"https://example.org/{n}.py", "Checksum": str(n)} for n in range(501)]
    found = ml.pathBuilder.schemas["deriva-ml"].tables
    made = sorted(row["RID"] for row in found["Workflow"].insert(workflows))
    runs = found["Execution"].insert([{"Workflow": made[0]}, {"Workflow": made[-1]}])
    given = [
        {"Eye": eye, "Execution": run["RID"], "Side": side, "Grade": grade}
        for eye in eyes[:3]
        for run, grade in zip(runs, ("low", "high"), strict=True)
        for side in ("left", "right")
    ]
    rows["Execution_Eye_Acuity"].insert([value | {"Feature_Name": "Acuity"} for value in given])
    inner, outer = ml.create_dataset([], "Some"), ml.create_dataset([], "More")
    ml.add_dataset_members(inner, {"Scan": scans[:2]})
    ml.add_dataset_members(outer, {"Scan": [scans[1], scans[5], scans[3]], "Dataset": [inner]})
    return SimpleNamespace(ml=ml, eyes=eyes, inner=inner, outer=outer)


ACUITY = {"target_table": "Eye", "feature_name": "Acuity"}


@pytest.mark.parametrize("limit", [1, 100])
@pytest.mark.parametrize("selector", ["none", "newest"])
@pytest.mark.parametrize("dataset", ["inner", "outer"])
def test_records_that_are_no_members_are_reached_through_those_that_are(own, lab, dataset, selector, limit):
    rid = getattr(lab, dataset)
    arguments = ACUITY | {"dataset_rid": rid, "selector": selector}
    expected = [*lab.ml.lookup_dataset(rid).feature_values("Eye", "Acuity", selector=SELECTORS[selector])]

    found = paged(own, "deriva_ml_list_feature_values", "records", **arguments, limit=limit)
    count = own("deriva_ml_list_feature_values", **arguments)

    assert values(found, "Eye") == values(expected, "Eye")
    # Two eyes with values; of each, two sides from two runs.
    assert len({row["RID"] for row in found}) == len(found) == (8 if selector == "none" else 4)
    assert (count["targets_with_value"], count["targets_without_value"]) == {"inner": (2, 0), "outer": (2, 1)}[dataset]


def test_a_workflow_may_have_any_number_of_versions(own, lab):
    arguments = ACUITY | {"selector": "by_workflow", "selector_workflow": "Reading"}
    found = paged(own, "deriva_ml_list_feature_values", "records", **arguments, limit=2)
    newest = own("deriva_ml_list_feature_values", **ACUITY, selector="newest")

    assert found == newest["records"]
    assert own("deriva_ml_list_feature_values", **arguments)["targets_with_value"] == 3


def test_each_qualifier_has_a_value_of_its_own(own, lab):
    found = own("deriva_ml_list_feature_values", **ACUITY, selector="newest", limit=2)

    assert {row["Eye"] for row in found["records"]} == set(lab.eyes[:2])
    assert [row["Side"] for row in found["records"]] == ["left", "right"] * 2
    assert {row["Grade"] for row in found["records"]} == {"high"}
    assert (found["total"], found["truncated"]) == (None, True)
    columns = own("deriva_ml_get_feature", **ACUITY)["columns"]
    assert {column["name"]: column["kind"] for column in columns} == {"Side": "qualifier", "Grade": "term"}


SCORE = {
    "target_table": "Scan",
    "feature_name": "Predicted_Grade",
    "terms": ["Grade"],
    "metadata": [
        {"name": "Confidence", "type": "float8", "comment": "From 0 to 1"},
        {"name": "Seconds", "type": "int4", "optional": False},
    ],
    "comment": "What the model says",
}


def test_a_feature_is_made_once_and_recorded(own, lab, noted):
    planned = own("deriva_ml_create_feature", **SCORE, dry_run=True)
    before = own("deriva_ml_list_features")["total"]
    made = own("deriva_ml_create_feature", **SCORE)
    again = own("deriva_ml_create_feature", **SCORE)
    found = own("deriva_ml_get_feature", target_table="Scan", feature_name="Predicted_Grade")

    assert (planned["created"], planned["execution_rid"], before) == (True, None, 1)
    assert made["created"]
    assert made["columns"] == planned["columns"] == found["columns"] == again["columns"]
    assert {one["name"]: one["required"] for one in found["columns"]} == {
        "Grade": True,
        "Confidence": False,
        "Seconds": True,
    }
    assert (again["created"], again["execution_rid"]) == (False, None)
    (term,) = own("list_vocabulary_terms", table="Feature_Name", containing="Predicted_Grade")["terms"]
    record = noted(made["execution_rid"])
    assert {"schema": "lab", "table": "Execution_Scan_Predicted_Grade", "made": "table"} in record
    assert {"schema": "deriva-ml", "table": "Feature_Name", "rids": [term["RID"]]} in record
    workflow = lab.ml.lookup_execution(made["execution_rid"]).workflow
    assert list(workflow.workflow_type) == ["Feature_Creation"]


def test_a_feature_that_is_there_is_no_other(own, lab, refuse):
    own("deriva_ml_create_feature", **SCORE)
    error = refuse("deriva_ml_create_feature", **own.where, **(SCORE | {"terms": ["Side"], "optional": ["Side"]}))

    assert error["code"] == "conflict"
    assert "it lacks Side" in error["message"]
    assert "it has Grade, too" in error["message"]


def test_a_synonym_of_a_feature_s_name_is_that_feature(own, lab):
    found = own("deriva_ml_create_feature", target_table="Scan", feature_name="Sight", terms=["Grade"], dry_run=True)

    assert (found["feature_name"], found["feature_table"]) == ("Acuity", "Execution_Scan_Acuity")
    assert found["notes"] == ["'Sight' is a synonym of 'Acuity' in the vocabulary Feature_Name."]


def test_all_that_is_wrong_with_a_feature_is_said_at_once(own, lab, refuse):
    metadata = [{"name": "RCT"}, {"name": "feature"}, {"name": "Score", "type": "double"}, {"name": "é" * 32}]
    error = refuse(
        "deriva_ml_create_feature",
        **own.where,
        target_table="Scann",
        feature_name="No name",
        terms=["Grad", "Scan"],
        assets=["Side"],
        metadata=metadata,
        optional=["Confidence"],
    )

    assert error["code"] == "bad_argument"
    assert [(fault["column"], fault["value"]) for fault in error["faults"]] == [
        ("feature_name", "No name"),
        ("target_table", "Scann"),
        ("assets", "Side"),
        ("terms", "Grad"),
        ("terms", "Scan"),
        ("metadata", "RCT"),
        ("metadata", "feature"),
        ("optional", "Confidence"),
        ("metadata", "double"),
        ("metadata", "é" * 32),
    ]
    assert error["faults"][-2]["remedy"] == "did you mean 'float8'?"
    assert error["candidates"] == ["Grade", "Scan"]


def test_a_feature_holds_something(own, lab, refuse):
    error = refuse("deriva_ml_create_feature", **own.where, target_table="Scan", feature_name="Empty")

    assert "no column for a value" in error["faults"][0]["message"]
