"""What an execution notes in the catalog beside its outputs: durations, inputs with versions, parts, datasets."""

import json
import re
from pathlib import Path

import pytest
from deriva_ml import DerivaML as ReleasedDerivaML
from deriva_ml.core.definitions import Status
from deriva_ml.core.filespec import FileSpec
from deriva_ml.dataset.aux_classes import VersionPart
from deriva_ml.execution import Execution as ReleasedExecution
from deriva_ml.execution import ExecutionConfiguration as ReleasedConfiguration
from deriva_ml.execution.workflow import Workflow as ReleasedWorkflow

from deriva_ml_kit.mainline import DatasetSpec, DerivaMLDataError, DerivaMLException, DerivaMLExecutionError, Execution
from deriva_ml_kit.mainline.asset.asset import Asset
from deriva_ml_kit.mainline.asset.spec import AssetSpec
from deriva_ml_kit.mainline.execution.collection import DatasetCollection
from deriva_ml_kit.mainline.execution.configuration import ExecutionConfiguration
from deriva_ml_kit.mainline.execution.status import ExecutionStatus

pytestmark = pytest.mark.catalog

DURATION = re.compile(r"\d+\.\d+H \d+\.\d+min \d+(\.\d+)?sec")


def row_of(ml, rid: str) -> dict:
    (row,) = ml.catalog.get(f"/entity/deriva-ml:Execution/RID={rid}").json()
    return row


@pytest.fixture
def dataset(ml) -> str:
    """A dataset with the versions 0.1.0 and 0.2.0, which nobody made."""
    rid = ReleasedDerivaML.create_dataset(ml, [], "d")
    ReleasedDerivaML.increment_dataset_version(ml, rid, VersionPart.minor)
    return str(rid)


def test_status_and_durations_of_a_run_are_read_by_both_generations(ml, workflow) -> None:
    exe = ml.create_execution(description="phases", workflow=workflow)
    assert (exe.status, row_of(ml, exe.execution_rid)["Status"]) == (ExecutionStatus.Created, "Pending")
    with exe:
        assert (exe.status, row_of(ml, exe.execution_rid)["Status"]) == (ExecutionStatus.Running, "Running")
        Path(exe.asset_file_path("Execution_Asset", "out.txt", "Output_File")).write_text("out")
    assert (exe.status, row_of(ml, exe.execution_rid)["Status"]) == (ExecutionStatus.Stopped, "Stopped")
    assert exe.start_time < exe.stop_time
    exe.commit_output_assets()

    row, record = row_of(ml, exe.execution_rid), exe.execution_record
    assert (exe.status, record.status, row["Status"]) == (*[ExecutionStatus.Uploaded] * 2, Status.completed.value)
    assert row["Duration"] == row["Execution_Duration"] == record.duration
    for took in (record.duration, record.download_duration, record.upload_duration):
        assert DURATION.fullmatch(took), took
    assert [asset.filename for asset in exe.list_assets("Output") if asset.asset_table == "Execution_Asset"] == [
        "out.txt"
    ]
    assert exe.uploaded_assets.keys() == {"deriva-ml/Execution_Asset"}
    with pytest.raises(DerivaMLExecutionError, match="complete"):
        exe.abort()


# A bug of the release: it calls an execution Completed whose outputs nobody has uploaded yet.
def test_the_release_says_completed_before_anything_is_uploaded(ml, workflow, tmp_path) -> None:
    with ml.create_execution(description="ours", workflow=workflow) as exe:
        pass
    assert row_of(ml, exe.execution_rid)["Status"] == "Stopped"
    plain = ReleasedDerivaML(ml.host_name, ml.catalog_id, working_dir=ml.working_dir, use_minid=False)
    named = {"name": "T", "workflow_type": "Training", "url": workflow.url, "checksum": "c0ffee", "version": "1"}
    theirs = ReleasedWorkflow(**named, git_root=tmp_path)
    with ReleasedExecution(ReleasedConfiguration(description="theirs"), plain, workflow=theirs) as released:
        pass
    assert row_of(ml, released.execution_rid)["Status"] == "Completed"


def test_outputs_may_be_committed_before_the_work_ends(ml, workflow) -> None:
    with ml.create_execution(description="inside", workflow=workflow) as exe:
        Path(exe.asset_file_path("Execution_Asset", "out.txt", "Output_File")).write_text("inside")
        exe.commit_output_assets()
    assert exe.status is exe.execution_record.status is ExecutionStatus.Uploaded
    assert DURATION.fullmatch(exe.execution_record.duration)
    assert ml.list_executions() == []


def test_an_execution_is_given_up_by_a_call(ml, workflow) -> None:
    with ml.create_execution(description="given up", workflow=workflow) as exe:
        exe.abort()
    assert exe.status is exe.execution_record.status is ExecutionStatus.Aborted
    assert isinstance(Execution.from_registry(ml_object=ml, execution_rid=exe.execution_rid), Execution)


def test_the_version_of_an_input_dataset_is_noted(ml, workflow, dataset) -> None:
    with ml.create_execution(datasets=[f"{dataset}@0.2.0"], description="uses", workflow=workflow) as exe:
        assert exe.datasets.keys() == [dataset] == exe.dataset_rids
        assert exe.datasets[dataset] is exe.datasets[0]
        assert (dataset in exe.datasets, exe.datasets[0] in exe.datasets, len(exe.datasets)) == (True, True, 1)
        with pytest.raises(KeyError, match=dataset):
            exe.datasets["9-ZZZZ"]
    link = f"/attribute/L:=deriva-ml:Dataset_Execution/Execution={exe.execution_rid}"
    assert ml.catalog.get(f"{link}/(Dataset_Version)=(deriva-ml:Dataset_Version:RID)/Version").json() == [
        {"Version": "0.2.0"}
    ]
    assert [each.dataset_rid for each in exe.list_input_datasets()] == [dataset]
    found = ml.find_executions(dataset=DatasetSpec(rid=dataset, version="0.2.0"), dataset_role="input")
    assert [record.execution_rid for record in found] == [exe.execution_rid]


def test_an_input_can_be_noted_without_being_fetched(ml, workflow, dataset) -> None:
    with ml.create_execution(description="notes", workflow=workflow) as exe:
        exe.add_input_dataset(dataset)
        exe.add_input_dataset(dataset, "0.1.0")
        exe.add_input_dataset(dataset)
        with pytest.raises(DerivaMLDataError, match=r"no such version: .*@7\.0\.0"):
            exe.add_input_dataset(dataset, "7.0.0")
    rows = ml.catalog.get(f"/entity/deriva-ml:Dataset_Execution/Execution={exe.execution_rid}").json()
    assert [(row["Dataset"], row["Dataset_Version"] is None) for row in rows] == [(dataset, False)]


def test_runs_of_a_sweep_are_parts_of_their_parent(ml, workflow) -> None:
    parent, first, second = (ml.create_execution(description=name, workflow=workflow) for name in "pab")
    parent.add_nested_execution(second, 2)
    parent.add_nested_execution(first.execution_rid, 1)
    assert [child.execution_rid for child in parent.list_execution_children()] == [
        first.execution_rid,
        second.execution_rid,
    ]
    assert [each.execution_rid for each in first.list_execution_parents()] == [parent.execution_rid]
    assert (parent.is_parent(), parent.is_nested(), first.is_nested()) == (True, False, True)


def test_a_dataset_is_made_by_the_execution_and_is_no_input_of_it(ml, workflow) -> None:
    with ml.create_execution(description="makes", workflow=workflow) as exe:
        made = exe.create_dataset([], version="1.0.0", description="new")
        as_released = exe.create_dataset([], "described as in the release")
    assert (str(made.current_version), made.description) == ("1.0.0", "new")
    assert (str(as_released.current_version), as_released.description) == ("0.1.0", "described as in the release")
    assert exe.list_input_datasets() == []
    made_by = ml.find_executions(dataset=made.dataset_rid, dataset_role="output")
    assert [record.execution_rid for record in made_by] == [exe.execution_rid]


def test_files_that_stay_where_they_are_become_a_dataset(ml, workflow, tmp_path) -> None:
    (tmp_path / "tree" / "below").mkdir(parents=True)
    for name in ("a.txt", "below/b.txt"):
        (tmp_path / "tree" / name).write_text(name)
    files = list(FileSpec.create_filespecs(tmp_path / "tree", "a tree"))
    with ml.create_execution(description="files", workflow=workflow) as exe:
        made = exe.add_files(files, description="a tree", root_name="the tree")
    assert made.description == "the tree"
    assert len(ml.catalog.get(f"/entity/deriva-ml:Dataset_Dataset/Dataset={made.dataset_rid}").json()) == 1


def test_a_dry_run_has_no_links_and_makes_no_dataset(ml, workflow, dataset) -> None:
    before = ml.catalog.get("/").json()["snaptime"]
    with ml.create_execution(datasets=[f"{dataset}@0.1.0"], description="dry", workflow=workflow, dry_run=True) as exe:
        exe.add_input_dataset(dataset)
        exe.add_nested_execution("9-ZZZZ")
        assert exe.execution_record is None
        assert (exe.is_nested(), exe.is_parent(), exe.list_assets(), list(exe.list_execution_children())) == (
            False,
            False,
            [],
            [],
        )
        assert [each.dataset_rid for each in exe.list_input_datasets()] == [dataset]
        for call in (
            lambda: exe.create_dataset([], description="d"),
            lambda: exe.add_files([]),
            lambda: exe.add_dataset_members(dataset, []),
            lambda: exe.increment_dataset_version(dataset, VersionPart.minor),
        ):
            with pytest.raises(DerivaMLExecutionError, match="dry run writes nothing"):
                call()
    assert exe.status is ExecutionStatus.Stopped
    exe.commit_output_assets()
    assert ml.catalog.get("/").json()["snaptime"] == before


def test_measures_are_appended_to_one_file(ml, workflow, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "metrics.jsonl").write_text("of another run\n")
    with ml.create_execution(description="measures", workflow=workflow) as exe:
        for epoch in range(3):
            with exe.metrics_file().open("a") as file:
                file.write(json.dumps({"epoch": epoch}) + "\n")
    exe.commit_output_assets()

    (asset,) = [each for each in exe.list_assets() if each.filename == "metrics.jsonl"]
    assert asset.asset_types == ["Metrics_File"]
    assert asset.download(tmp_path / "fetched").read_text().splitlines() == [f'{{"epoch": {n}}}' for n in range(3)]


def test_an_asset_is_taken_from_the_cache_unless_it_was_damaged(ml, workflow, tmp_path, monkeypatch) -> None:
    with ml.create_execution(description="makes", workflow=workflow) as exe:
        Path(exe.asset_file_path("Execution_Asset", "weights.bin", "Model_File")).write_bytes(b"weights")
    exe.commit_output_assets()
    (rid,) = [asset.asset_rid for asset in exe.list_assets("Output") if asset.filename == "weights.bin"]
    fetched: list[str] = []
    download = Asset.download
    monkeypatch.setattr(Asset, "download", lambda self, to: (fetched.append(self.asset_rid), download(self, to))[1])
    config = ExecutionConfiguration(assets=[AssetSpec(rid=rid, cache=True)], description="uses")

    for _ in range(2):
        exe = ml.create_execution(config, workflow=workflow)
        (path,) = exe.asset_paths["Execution_Asset"]
        assert (path.read_bytes(), path.asset_types) == (b"weights", ["Model_File"])
        path.write_bytes(b"changed by the run")
    assert fetched == [rid]
    assert [(asset.asset_rid, asset.filename) for asset in exe.list_assets("Input")] == [(rid, "weights.bin")]
    (kept,) = (Path(ml.cache_dir) / "assets").rglob("weights.bin")
    kept.write_bytes(b"damaged")
    assert exe.download_asset(rid, tmp_path / "to", use_cache=True).read_bytes() == b"weights"
    assert fetched == [rid, rid]


def test_a_snapshot_takes_dry_runs_only(ml, workflow) -> None:
    then = ml.catalog_snapshot(f"{ml.catalog_id}@{ml.catalog.get('/').json()['snaptime']}")
    with pytest.raises(DerivaMLException, match="snapshot"):
        then.create_execution(description="then", workflow=workflow)
    with then.create_execution(description="then", workflow=workflow, dry_run=True) as exe:
        assert exe.execution_rid == "0000"


def test_a_collection_is_a_list_that_knows_rids() -> None:
    assert DatasetCollection([]) == []
    assert (DatasetCollection([]).values(), DatasetCollection([]).items(), DatasetCollection([])[:1]) == ([], [], [])
    assert repr(DatasetCollection([])) == "DatasetCollection([])"
