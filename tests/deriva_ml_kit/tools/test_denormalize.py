"""Tables side by side as a tool: page by page the rows that main line gives as a whole."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.catalog

TOOL = "deriva_ml_denormalize_dataset"


def pages(ask: Any, limit: int, **arguments: Any) -> list[dict[str, Any]]:
    found = [ask(TOOL, limit=limit, **arguments)]
    while found[-1]["truncated"]:
        assert found[-1]["count"] > 0
        found.append(ask(TOOL, limit=limit, cursor=found[-1]["next_cursor"], **arguments))
    return found


@pytest.mark.parametrize(
    ("dataset", "limit", "options"),
    [
        ("images", 1, {"include_tables": ["Image", "Image_Diagnosis"]}),
        ("images", 2, {"include_tables": ["Image", "Grade"], "row_per": "Image", "via": ["Image_Diagnosis"]}),
        ("images", 1, {"include_tables": ["Image", "Grade"], "row_per": "Image", "via": ["Image_Diagnosis"]}),
        ("subjects", 2, {"include_tables": ["Subject", "Image", "Image_Diagnosis"]}),
        ("right", 3, {"include_tables": ["Subject", "Observation", "Image", "Image_Diagnosis"]}),
        ("nested", 2, {"include_tables": ["Subject", "Image"]}),
        ("nested", 4, {"include_tables": ["Image", "Image_Diagnosis", "Grade"]}),
    ],
)
def test_pages_are_the_whole_in_parts(ask: Any, clinic: Any, dataset: str, limit: int, options: Any) -> None:
    rid = clinic.datasets[dataset].rid
    arguments = dict(options)
    whole = clinic.ml.lookup_dataset(rid).get_denormalized_as_dict(
        arguments.pop("include_tables"), ignore_unrelated_anchors=True, **arguments
    )

    found = pages(ask, limit, dataset_rid=rid, ignore_unrelated_anchors=True, **options)

    rows = [row for page in found for row in page["rows"]]
    assert rows == list(whole)
    assert max(page["count"] for page in found) <= limit
    assert {page["total"] for page in found} == ({None} if options.get("via") else {len(rows)})


def test_without_tables_those_of_the_members_and_their_features_are_taken(ask: Any, clinic: Any) -> None:
    found = ask(TOOL, dataset_rid=clinic.datasets["nested"].rid)

    assert found["include_tables"] == ["Image", "Subject", "Execution_Image_Diagnosis"]
    assert found["row_per"] == "Execution_Image_Diagnosis"
    assert found["members"] == {"Image": 5, "Subject": 1}
    [left_out] = found["left_out"]
    assert left_out["table"] == "Execution_Subject_Severity"
    assert "Execution_Image_Diagnosis or of Execution_Subject_Severity" in left_out["why"]
    severity = ask(TOOL, dataset_rid=clinic.datasets["nested"].rid, row_per="Severity")
    assert severity["include_tables"] == ["Execution_Subject_Severity", "Subject"]


def test_what_has_no_label_is_counted_and_the_next_step_labels_it(ask: Any, clinic: Any) -> None:
    arguments = {"dataset_rid": clinic.datasets["images"].rid, "include_tables": ["Image", "Image_Diagnosis"]}
    first, last = pages(ask, 4, **arguments)

    lacking = {"records_of": "Image", "nothing_in": "Execution_Image_Diagnosis", "count": 1}
    assert first["unmatched"] == [lacking | {"on_this_page": 0}]
    assert last["unmatched"] == [lacking | {"on_this_page": 1}]
    assert last["rows"][0]["Image.RID"] == clinic.rids["e.txt"]
    assert "--target-table Image --feature-name Diagnosis" in first["next_step"]
    labelled = ask(TOOL, **(arguments | {"dataset_rid": clinic.datasets["left"].rid}))
    assert (labelled["unmatched"], labelled["next_step"]) == ([], None)


def test_only_how_much_it_would_be(ask: Any, clinic: Any) -> None:
    found = ask(TOOL, dataset_rid=clinic.datasets["images"].rid, preflight_count=True)

    assert (found["total"], found["rows"], found["truncated"]) == (5, [], False)
    assert {"name": "Image.Size", "type": "int4"} in found["columns"]


def test_a_version_is_the_dataset_as_it_was(own: Any) -> None:
    where = {"dataset_types": [], "description": "Empty at first"}
    rid = own("deriva_ml_create_dataset", **where)["dataset_rid"]

    found = own(TOOL, dataset_rid=rid, version="0.1.0")
    assert (found["total"], found["version"]) == (0, "0.1.0")
    assert "deriva_ml_add_dataset_members" in found["next_step"]


@pytest.mark.parametrize(
    ("arguments", "code", "candidates"),
    [
        ({"include_tables": ["Image", "Imagr"]}, "not_found", ["Image"]),
        ({"include_tables": ["Image_Diagnos"]}, "not_found", ["Image_Diagnosis", "Execution_Image_Diagnosis"]),
        ({"include_tables": ["Image", "Grade"]}, "bad_argument", ["row_per=Grade", "row_per=Image"]),
        (
            {"include_tables": ["Image", "Grade"], "row_per": "Image"},
            "bad_argument",
            ["via=Observation", "via=Subject", "via=Execution_Image_Diagnosis", "via=Execution_Subject_Severity"],
        ),
        ({"include_tables": ["Image", "Image_Diagnosis"], "row_per": "Image"}, "bad_argument", []),
        ({"include_tables": ["Image"], "via": ["Image.Foo"]}, "bad_argument", []),
        ({"version": "9.9.9"}, "not_found", ["0.3.0", "0.2.0", "0.1.0"]),
        ({"cursor": "!!"}, "bad_argument", []),
    ],
)
def test_what_cannot_be_done_is_told_with_what_can(
    refuse: Any, clinic: Any, arguments: Any, code: str, candidates: list[str]
) -> None:
    error = refuse(TOOL, dataset_rid=clinic.datasets["images"].rid, **arguments)

    assert (error["code"], error.get("candidates", [])) == (code, candidates)
    assert error["remedy"]


def test_a_row_that_is_no_dataset_is_named(refuse: Any, clinic: Any) -> None:
    error = refuse(TOOL, dataset_rid=clinic.rids["a.txt"])

    assert (error["code"], "is a row of Image" in error["message"]) == ("not_found", True)


def test_members_that_have_nothing_to_do_with_the_tables_are_told(ask: Any, refuse: Any, clinic: Any) -> None:
    arguments = {"dataset_rid": clinic.datasets["inmost"].rid, "include_tables": ["Execution_Metadata"]}

    error = refuse(TOOL, **arguments)
    assert error["code"] == "bad_argument"
    assert "ignore_unrelated_anchors=true" in error["remedy"]
    assert ask(TOOL, ignore_unrelated_anchors=True, **arguments)["total"] == 0
