"""Splits in the catalog: released parts without leaks, found again; samples; refusals before anything is written."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import numpy as np
import pytest

from deriva_ml_kit.datasets.split import random_split, split_dataset, subsample
from deriva_ml_kit.datasets.writing import datasets_of_type
from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.mainline import Dataset, ExecutionConfiguration, Workflow
from deriva_ml_kit.mainline.dataset.types import types_of
from deriva_ml_kit.sampling import CannotSample, leaks

pytestmark = pytest.mark.catalog

WORKFLOW = Workflow(
    name="Test", workflow_type="Dataset_Management", url="https://example.org/t.py", checksum="c0ffee", version="1"
)
STRATIFIED: dict[str, Any] = {"stratify_by_column": "Grade.Name", "include_tables": ["Image", "Grade"]}


def snaptime(ml: Any) -> str:
    return str(ml.catalog.get("/").json()["snaptime"])


def parts_of(ml: Any, result: Any) -> dict[str, set[str]]:
    infos = {"Training": result.training, "Testing": result.testing, "Validation": result.validation}
    return {name: set(ml.lookup_dataset(info.rid).list_members("Image")) for name, info in infos.items() if info}


def test_a_split_is_complete_released_and_whole_in_its_subjects(clinic: Any, ml: Any, execution: Any):
    result = split_dataset(
        ml, clinic.source, execution, val_size=0.2, group_by="Subject", testing_types=["Labeled"], reuse=False
    )
    parts = parts_of(ml, result)
    assert set().union(*parts.values()) == clinic.grade.keys()
    assert leaks(parts, clinic.subject) == []
    assert (result.source, result.element_table, result.seed, result.dry_run) == (clinic.source, "Image", 42, False)
    assert result.strategy == "random, whole groups by Subject"

    infos = [result.split, result.training, result.testing, result.validation]
    assert [info.count for info in infos] == [0, *(len(parts[name]) for name in ("Training", "Testing", "Validation"))]
    for info in infos:
        [row] = ml.catalog.get(f"/entity/deriva-ml:Dataset_Version/Dataset={info.rid}&Version={info.version}").json()
        assert row["Snapshot"]
        assert row["Execution"] == execution.execution_rid
        assert "dev" not in info.version
    types = types_of(ml, [info.rid for info in infos])
    assert {rid: sorted(terms) for rid, terms in types.items()} == {
        result.split.rid: ["Split"],
        result.training.rid: ["Split_Partition", "Training"],
        result.testing.rid: ["Labeled", "Split_Partition", "Testing"],
        result.validation.rid: ["Split_Partition", "Validation"],
    }
    assert set(ml.lookup_dataset(result.split.rid).list_dataset_children_rids()) == {info.rid for info in infos[1:]}

    links = ml.catalog.get(f"/entity/deriva-ml:Dataset_Execution/Execution={execution.execution_rid}").json()
    assert {row["Dataset"] for row in links} == {clinic.source, *(info.rid for info in infos)}


def test_what_was_asked_for_is_uploaded_with_the_execution(clinic: Any, ml: Any, execution: Any):
    result = split_dataset(ml, clinic.source, execution, test_size=10, seed=5, reuse=False)
    execution.commit_output_assets(clean_folder=False)
    name = f"split_config-{result.split.rid}.json"
    [row] = ml.catalog.get(f"/entity/deriva-ml:Execution_Metadata/Filename={name}").json()
    [path] = execution.working_dir.rglob(name)
    document = json.loads(path.read_text())
    assert (document["seed"], document["test_size"], len(document["parts"]["Testing"])) == (5, 10, 10)
    assert row["Length"] == path.stat().st_size


def test_the_same_split_is_found_again_and_another_is_not(clinic: Any, ml: Any, execution: Any):
    first = split_dataset(ml, clinic.source, execution, seed=7)
    count = len(ml.catalog.get("/entity/deriva-ml:Dataset").json())
    assert split_dataset(ml, clinic.source, execution, seed=7) == first
    assert len(ml.catalog.get("/entity/deriva-ml:Dataset").json()) == count
    other = split_dataset(ml, clinic.source, execution, seed=7, training_types=["Labeled"])
    assert other.split.rid != first.split.rid
    assert parts_of(ml, other) == parts_of(ml, first)


def test_a_dry_run_computes_the_same_and_writes_nothing(clinic: Any, ml: Any):
    before = snaptime(ml)
    plan = split_dataset(ml, clinic.source, None, test_size=0.25, val_size=6, dry_run=True)
    total = len(clinic.grade)
    assert (plan.testing.count, plan.validation.count) == (total // 4, 6)
    assert plan.training.count == total - total // 4 - 6
    assert {plan.split.rid, plan.training.version} == {"(dry run)"}
    assert subsample(ml, clinic.source, None, size=0.5, dry_run=True).subsample.count == total // 2
    with pytest.raises(UsageError, match="inside an execution"):
        split_dataset(ml, clinic.source, None)
    with ml.create_execution(ExecutionConfiguration(description="Dry"), workflow=WORKFLOW, dry_run=True) as exe:
        assert split_dataset(ml, clinic.source, exe, test_size=0.25, val_size=6) == plan
    assert snaptime(ml) == before


def test_grades_have_like_shares_in_all_parts(clinic: Any, ml: Any, execution: Any):
    result = split_dataset(ml, clinic.source, execution, test_size=0.25, **STRATIFIED)
    assert result.strategy == "stratified by Grade.Name"
    total = Counter(clinic.grade.values())
    for rids in parts_of(ml, result).values():
        have = Counter(clinic.grade[rid] for rid in rids)
        assert all(abs(have[grade] - count * len(rids) / total.total()) < 1 for grade, count in total.items())


def test_grades_and_subjects_together(clinic: Any, ml: Any):
    drawn: dict[str, set[str]] = {}

    def remember(df: Any, sizes: dict[str, int], seed: int) -> dict[str, np.ndarray]:
        found = random_split(df, sizes, seed)
        drawn.update({name: set(df["Image.RID"].iloc[rows]) for name, rows in found.items()})
        return found

    plan = split_dataset(ml, clinic.source, None, group_by="Subject", dry_run=True, **STRATIFIED)
    assert plan.strategy == "stratified by Grade.Name, whole groups by Subject"
    tables = {"include_tables": ["Image", "Grade"]}
    custom = split_dataset(ml, clinic.source, None, selection_fn=remember, dry_run=True, **tables)
    assert custom.strategy == "custom selection function"
    assert set().union(*drawn.values()) == clinic.grade.keys()
    with pytest.raises(CannotSample, match="records or groups are in several parts"):
        split_dataset(ml, clinic.source, None, selection_fn=remember, group_by="Subject", dry_run=True, **tables)


def test_rows_or_the_records_of_rows_are_split(clinic: Any, ml: Any, execution: Any):
    """An image with two grades, and one without: rows go to any part; as records they need one grade each."""
    source = execution.create_dataset(description="With two grades")
    source.add_dataset_members({"Image": [*sorted(clinic.grade)[:20], clinic.twice]}, description="Images")
    asked: dict[str, Any] = {
        "stratify_by_column": "Execution_Image_Diagnosis.Grade",
        "include_tables": ["Image", "Execution_Image_Diagnosis"],
        "row_per": "Execution_Image_Diagnosis",
        "element_table": "Image",
        "dry_run": True,
    }
    rows = split_dataset(ml, source.dataset_rid, None, partition_by="row", test_size=0.5, **asked)
    assert rows.training.count + rows.testing.count in {21, 22}  # the image with two grades: in one part, or in both
    with pytest.raises(CannotSample, match=f"{clinic.twice} has 2 labels: Mild, None"):
        split_dataset(ml, source.dataset_rid, None, partition_by="element", **asked)

    source.add_dataset_members({"Image": [clinic.spare]}, description="One without a grade")
    source.delete_dataset_members([clinic.twice])
    with pytest.raises(CannotSample, match=f"1 of 21 records have no label: {clinic.spare}"):
        split_dataset(ml, source.dataset_rid, None, partition_by="element", **asked)
    for policy, total in (("drop", 20), ("include", 21)):
        for unit in ("element", "row"):
            made = split_dataset(ml, source.dataset_rid, None, partition_by=unit, stratify_missing=policy, **asked)
            assert made.training.count + made.testing.count == total


def test_a_sample_is_a_released_dataset(clinic: Any, ml: Any, execution: Any):
    result = subsample(ml, clinic.source, execution, size=20, dataset_types=["Labeled"], description="Twenty")
    rids = set(ml.lookup_dataset(result.subsample.rid).list_members("Image"))
    assert len(rids) == result.subsample.count == 20
    assert sorted(ml.lookup_dataset(result.subsample.rid).dataset_types) == ["Labeled", "Subsample"]
    assert ml.lookup_dataset(result.subsample.rid).description == "Twenty"
    again = subsample(ml, clinic.source, execution, size=20)
    assert set(ml.lookup_dataset(again.subsample.rid).list_members("Image")) == rids


class Cut:
    """Interrupts before one of the calls that it watches."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def before(self, method: Any) -> Any:
        def call(*given: Any, **named: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
            return method(*given, **named)

        return call


@pytest.mark.parametrize("calls", range(1, 7))
def test_an_interrupted_split_is_completed_by_the_same_call(
    clinic: Any, ml: Any, execution: Any, monkeypatch: pytest.MonkeyPatch, calls: int
):
    def made() -> set[str]:
        return {*datasets_of_type(ml, "Split_Partition"), *datasets_of_type(ml, "Split")}

    before = made()
    cut = Cut(calls)
    for name in ("add_dataset_members", "release"):
        monkeypatch.setattr(Dataset, name, cut.before(getattr(Dataset, name)))
    with pytest.raises(KeyboardInterrupt):
        split_dataset(ml, clinic.source, execution, test_size=0.3, seed=1000 + calls)
    monkeypatch.undo()

    result = split_dataset(ml, clinic.source, execution, test_size=0.3, seed=1000 + calls)

    assert made() - before == {result.split.rid, result.training.rid, result.testing.rid}
    assert set().union(*parts_of(ml, result).values()) == clinic.grade.keys()


def test_labels_may_stand_in_a_features_table(clinic: Any, ml: Any, execution: Any):
    by_label = {
        "stratify_by_column": "Execution_Image_Diagnosis.Grade",
        "include_tables": ["Image", "Image_Diagnosis"],
    }
    result = split_dataset(ml, clinic.source, execution, test_size=0.25, reuse=False, **by_label)

    parts = parts_of(ml, result)
    assert set().union(*parts.values()) == clinic.grade.keys()
    everywhere = Counter(clinic.grade.values())
    tested = Counter(clinic.grade[rid] for rid in parts["Testing"])
    assert all(abs(tested[grade] - count / 4) <= 1 for grade, count in everywhere.items())


def test_a_record_with_two_labels_is_named(clinic: Any, ml: Any, execution: Any):
    dataset = execution.create_dataset(dataset_types=[], description="One was graded twice")
    dataset.add_dataset_members({"Image": [clinic.twice, *sorted(clinic.grade)[:5]]})
    by_label = {"stratify_by_column": "Execution_Image_Diagnosis.Grade", "include_tables": ["Image", "Image_Diagnosis"]}

    with pytest.raises(CannotSample, match=clinic.twice):
        split_dataset(ml, dataset.dataset_rid, None, dry_run=True, **by_label)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"stratify_by_column": "Grade.Name", "selection_fn": random_split}, ["exclude each other", "include_tables"]),
        ({"row_per": "Execution_Image_Diagnosis"}, ["partition_by='element'"]),
        ({"partition_by": "image"}, ["not 'image'"]),
        ({"partition_by": "row", "group_by": "Subject"}, ["tears them apart"]),
        ({"test_size": 1000}, ["is more than the"]),
        ({"test_size": 0.0, "val_size": -1}, ["test_size", "val_size"]),
        ({"element_table": "Subject"}, ["no members from Subject; tables with members: Image"]),
        (
            {"stratify_by_column": "Grade.Nam", "include_tables": ["Image", "Grade"]},
            ["no column Grade.Nam", "Grade.Name"],
        ),
    ],
)
def test_what_does_not_go_is_refused_before_anything_is_written(
    clinic: Any, ml: Any, execution: Any, arguments: dict[str, Any], words: list[str]
):
    before = snaptime(ml)
    with pytest.raises(CannotSample) as refused:
        split_dataset(ml, clinic.source, execution, **arguments)
    assert isinstance(refused.value, ValueError)
    assert all(word in str(refused.value) for word in words)
    assert snaptime(ml) == before


@pytest.mark.parametrize("size", [0, 1.5, True, 10_000])
def test_a_sample_of_no_possible_size_is_refused(clinic: Any, ml: Any, size: float):
    with pytest.raises(CannotSample):
        subsample(ml, clinic.source, None, size=size, dry_run=True)
