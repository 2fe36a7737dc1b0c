"""Development datasets: every class, pinned, grown without losing members, every refusal before anything is written."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from deriva.core.ermrest_model import Column, Schema, Table, builtin_types
from deriva_ml.schema import create_ml_catalog

from deriva_ml_kit.datasets.dev import make_dev_dataset, plan_dev_dataset, preview
from deriva_ml_kit.datasets.pins import read_pins
from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.mainline import Dataset, DerivaML, DerivaMLConfigurationError
from deriva_ml_kit.sampling import CannotSample

from .conftest import add_image

pytestmark = pytest.mark.catalog

GRADED = {"element_table": "Image", "label": "Diagnosis"}


def snaptime(ml: Any) -> str:
    return str(ml.catalog.get("/").json()["snaptime"])


def test_a_dataset_is_made_found_again_and_grown(clinic: Any, ml: Any, execution: Any):
    wanted: dict[str, Any] = GRADED | {"source": clinic.source, "size": 24, "floor": 6}
    plan = plan_dev_dataset(ml, name="Grown", **wanted)
    assert preview(ml, plan).status == "dry run"
    made = make_dev_dataset(ml, execution, plan)
    assert (made.status, made.size, made.kept, made.added, made.short) == ("made", 24, 0, 24, ())
    assert all(count >= 6 for count in made.counts.values())
    assert made.available == {grade: len(rids) for grade, rids in sorted(clinic.of_grade.items())}
    held = set(ml.lookup_dataset(made.rid).list_members("Image"))
    assert Counter(clinic.grade[rid] for rid in held) == made.counts
    assert ml.lookup_dataset(made.rid).dataset_rid == made.rid
    assert made.pin == f"{made.rid}@{ml.lookup_dataset(made.rid).current_version}"

    before = snaptime(ml)
    again = plan_dev_dataset(ml, name="Grown", **wanted)
    assert again.unchanged
    assert make_dev_dataset(ml, execution, again).pin == made.pin
    assert snaptime(ml) == before

    grown = make_dev_dataset(ml, execution, plan_dev_dataset(ml, name="Grown", **wanted | {"size": 30}))
    assert (grown.status, grown.rid, grown.kept, grown.added, grown.removed) == ("changed", made.rid, 24, 6, 0)
    assert grown.version != made.version
    assert held < set(ml.lookup_dataset(made.rid).list_members("Image"))
    inputs = ml.catalog.get(f"/entity/deriva-ml:Dataset_Execution/Execution={execution.execution_rid}").json()
    assert {clinic.source, made.rid} <= {row["Dataset"] for row in inputs}


def test_subjects_stay_whole_and_edge_cases_come_with_theirs(clinic: Any, ml: Any, execution: Any):
    edge = clinic.of_grade["Severe"][0]
    plan = plan_dev_dataset(
        ml,
        element_table="Image",
        label="Diagnosis",
        source=clinic.source,
        size=40,
        floor=4,
        group_by="Subject",
        edge_cases=[edge],
        name="Whole subjects",
    )
    made = make_dev_dataset(ml, execution, plan)
    held = set(ml.lookup_dataset(made.rid).list_members("Image"))
    assert edge in held
    subjects = {clinic.subject[rid] for rid in held}
    assert held == {rid for rid, subject in clinic.subject.items() if subject in subjects}
    assert "whole groups by Subject" in plan.recipe


def test_without_a_source_the_whole_table_is_drawn_from(clinic: Any, ml: Any):
    wanted: dict[str, Any] = GRADED | {"size": 30}
    with pytest.raises(CannotSample) as refused:
        plan_dev_dataset(ml, **wanted)
    assert f"{clinic.twice} has 2 labels: Mild, None" in str(refused.value)
    assert f"records have no label: {clinic.spare}" in str(refused.value)
    plan = plan_dev_dataset(ml, newest=True, missing="drop", **wanted)
    assert sum(plan.sample.available.values()) == len(clinic.grade) + 1


def test_everything_that_stands_against_it_is_said_before_anything_is_written(clinic: Any, ml: Any):
    before = snaptime(ml)
    with pytest.raises(CannotSample) as refused:
        plan_dev_dataset(
            ml,
            element_table="Image",
            label="Diagnosis",
            source=clinic.source,
            size=10,
            floor=5,
            edge_cases=[clinic.spare],
        )
    assert "the least size that works here is 15" in str(refused.value)
    assert f"not among the labelled records of the source: {clinic.spare}" in str(refused.value)
    with pytest.raises(UsageError, match="tables with members: Image"):
        plan_dev_dataset(ml, element_table="Visit", label="Site", source=clinic.source)
    assert snaptime(ml) == before


def test_a_source_that_has_grown_changes_only_what_the_quotas_ask_for(clinic: Any, ml: Any, execution: Any):
    [workflow] = ml.catalog.get(f"/entity/deriva-ml:Execution/RID={execution.execution_rid}").json()
    wanted: dict[str, Any] = GRADED | {"size": 30, "floor": 5, "name": "Table", "newest": True}
    first = make_dev_dataset(ml, execution, plan_dev_dataset(ml, missing="drop", **wanted))
    for _ in range(6):
        add_image(ml, None, "B", ("Severe",), workflow["RID"])
    second = make_dev_dataset(ml, execution, plan_dev_dataset(ml, missing="drop", **wanted))
    gained = second.counts["Severe"] - first.counts["Severe"]
    assert gained > 0
    assert (second.added, second.removed, second.kept) == (gained, gained, 30 - gained)
    assert len(set(ml.lookup_dataset(second.rid).list_members("Image"))) == 30


def test_what_was_cut_short_is_completed_by_the_next_run(
    clinic: Any, ml: Any, execution: Any, monkeypatch: pytest.MonkeyPatch
):
    wanted: dict[str, Any] = GRADED | {"source": clinic.source, "size": 20, "name": "Cut short"}

    def cut(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Dataset, "release", cut)
        with pytest.raises(KeyboardInterrupt):
            make_dev_dataset(ml, execution, plan_dev_dataset(ml, **wanted))
    plan = plan_dev_dataset(ml, **wanted)
    assert (plan.add, plan.remove, plan.unchanged) == ((), (), False)
    made = make_dev_dataset(ml, execution, plan)
    assert (made.status, made.version, made.kept) == ("changed", "0.2.0", 20)
    assert plan_dev_dataset(ml, **wanted).unchanged


def test_a_catalog_without_room_for_changes_is_refused_before_anything_is_written(local_host: Any, tmp_path: Path):
    catalog = create_ml_catalog(local_host.hostname, project_name="plain")
    catalog.getCatalogModel().create_schema(Schema.define("plain"))
    ml = DerivaML(local_host.hostname, catalog.catalog_id, working_dir=tmp_path)
    table = Table.define("Note", column_defs=[Column.define("Kind", builtin_types.text)])
    ml.model.schemas["plain"].create_table(table)
    ml = DerivaML(local_host.hostname, catalog.catalog_id, working_dir=tmp_path)
    ml.pathBuilder.schemas["plain"].tables["Note"].insert([{"Kind": kind} for kind in "aaaaabbbbb"])
    before = snaptime(ml)
    with pytest.raises(DerivaMLConfigurationError, match="upgrade-catalog"):
        plan_dev_dataset(ml, element_table="Note", label="Kind", size=6, floor=2)
    assert snaptime(ml) == before


def test_the_program_makes_it_too_and_is_named_as_its_workflow(clinic: Any, ml: Any, local_host: Any, tmp_path: Path):
    program = [sys.executable, "-m", "deriva_ml_kit.cli.main", "make-dev-dataset"]
    where = ["--hostname", clinic.hostname, "--catalog-id", clinic.catalog_id, "--workflow-type", "Dataset_Management"]
    what = ["--element-table", "Image", "--label", "Diagnosis", "--source", clinic.source, "--name", "By program"]
    command = [*program, *where, *what, "--size", "20", "--json"]
    done = subprocess.run(command, cwd=tmp_path, env=local_host.env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert read_pins(tmp_path / "src/configs/datasets.toml") == {"development": result["pin"]}
    [execution] = ml.catalog.get(f"/entity/deriva-ml:Execution/RID={result['execution_rid']}").json()
    [workflow] = ml.catalog.get(f"/entity/deriva-ml:Workflow/RID={execution['Workflow']}").json()
    assert workflow["URL"].startswith("pkg:pypi/deriva-ml-kit@")
    assert workflow["URL"].endswith("#deriva_ml_kit/cli/make_dev_dataset.py")
