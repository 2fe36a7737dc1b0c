"""make_dev_dataset.py: a development dataset is in the catalog and pinned, again and again the same."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.catalog

TYPE = "Dataset_Management"


@pytest.fixture
def graded(gallery: Any, feature: str) -> Iterator[str]:
    """A feature with values: eight healthy images, three glaucomas, one cataract."""
    tables = gallery.ml.pathBuilder.schemas["gallery"].tables
    ml_tables = gallery.ml.pathBuilder.schemas["deriva-ml"].tables
    [workflow] = ml_tables["Workflow"].insert(
        [{"Name": "Grading", "URL": f"https://example.org/{feature}", "Workflow_Type": "Annotation"}]
    )
    [execution] = ml_tables["Execution"].insert([{"Workflow": workflow["RID"]}])
    grades = ["Healthy"] * 8 + ["Glaucoma"] * 3 + ["Cataract"]
    values = [
        {"Image": image, "Execution": execution["RID"], "Feature_Name": feature, "Diagnosis": grade}
        for image, grade in zip(gallery.images, grades, strict=True)
    ]
    tables[f"Execution_Image_{feature}"].insert(values)
    yield feature


def arguments(feature: str, *more: object) -> list[object]:
    what = ["--element-table", "Image", "--label", feature, "--name", f"Dev {feature}", "--floor", 2]
    return ["--workflow-type", TYPE, "--create-workflow-type", *what, "--json", *more]


def test_it_is_made_pinned_found_again_and_grown(gallery: Any, project: Any, graded: str) -> None:
    first = project.run("dev", *arguments(graded, "--size", 6))
    assert first.code == 0, first.err
    result = first.result
    assert (result["status"], result["size"], result["short"]) == ("made", 6, ["Cataract"])
    assert result["counts"] == {"Cataract": 1, "Glaucoma": 2, "Healthy": 3}
    pins = project.folder / "src/configs/datasets.toml"
    assert tomllib.loads(pins.read_text()) == {"development": result["pin"]}
    [execution] = gallery.rows(f"deriva-ml:Execution/RID={result['execution_rid']}")
    [workflow] = gallery.rows(f"deriva-ml:Workflow/RID={execution['Workflow']}")
    assert execution["Status"] == "Completed"
    assert workflow["URL"].endswith("src/scripts/make_dev_dataset.py")
    [link] = gallery.rows(f"deriva-ml:Dataset_Dataset_Type/Dataset={result['rid']}")
    assert link["Dataset_Type"] == "Development"

    before = gallery.snaptime
    again = project.run("dev", *arguments(graded, "--size", 6))
    assert (again.code, again.result["status"], again.result["pin"]) == (0, "unchanged", result["pin"])
    assert gallery.snaptime == before

    edge = gallery.images[7]
    grown = project.run("dev", *arguments(graded, "--size", 9, "--edge-case", edge)).result
    assert (grown["status"], grown["rid"], grown["size"]) == ("changed", result["rid"], 9)
    assert grown["kept"] >= 5
    members = {row["Image"] for row in gallery.rows(f"gallery:Dataset_Image/Dataset={grown['rid']}")}
    assert edge in members
    assert len(members) == 9
    assert tomllib.loads(pins.read_text())["development"] == grown["pin"] != result["pin"]


def test_edge_cases_are_named_in_the_script(gallery: Any, project: Any, graded: str) -> None:
    edge = gallery.images[5]
    project.edit(
        "dev", lambda text: text.replace("dict[str, str] = {}", f'dict[str, str] = {{"{edge}": "the darkest"}}')
    )
    result = project.run("dev", *arguments(graded, "--size", 5)).result
    assert edge in {row["Image"] for row in gallery.rows(f"gallery:Dataset_Image/Dataset={result['rid']}")}


def test_a_dry_run_says_what_it_would_hold_and_writes_nothing(gallery: Any, project: Any, graded: str) -> None:
    before = gallery.snaptime
    done = project.run("dev", *arguments(graded, "--size", 6, "--dry-run"))
    assert (done.code, done.result["status"], done.result["size"], done.result["pin"]) == (0, "dry run", 6, None)
    assert gallery.snaptime == before
    assert not (project.folder / "src/configs").exists()


def test_all_that_stands_against_it_is_said_at_once(gallery: Any, project: Any, graded: str) -> None:
    before = gallery.snaptime
    done = project.run("dev", *arguments(graded, "--size", 4, "--edge-case", "9-ZZZZ"))
    assert done.code == 2
    said = [fault["message"] + fault.get("remedy", "") for fault in done.result["error"]["faults"]]
    assert len(said) == 2
    assert "9-ZZZZ" in said[0]
    assert "the least size that works here is 5" in said[1]
    assert gallery.snaptime == before


def test_a_file_that_cannot_take_the_pin_is_refused_before_anything_is_made(
    gallery: Any, project: Any, graded: str
) -> None:
    (project.folder / "pins.toml").write_text("[development]\nx = 1\n")
    before = gallery.snaptime
    done = project.run("dev", *arguments(graded, "--size", 6, "--pins", "pins.toml"))
    assert (done.code, done.result["error"]["type"]) == (2, "UsageError")
    assert gallery.snaptime == before
