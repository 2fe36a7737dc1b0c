"""Executions against a running host: what a dry run leaves alone, what a real one records, what a crash cannot lose."""

import dataclasses
import hashlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
import requests

from deriva_ml_kit.errors import Faults
from deriva_ml_kit.mainline import (
    DerivaMLConfigurationError,
    DerivaMLExecutionError,
    DerivaMLInvalidTerm,
    DerivaMLUploadError,
    ExecutionConfiguration,
)
from deriva_ml_kit.mainline.execution import leftovers
from deriva_ml_kit.mainline.execution.upload import Uploader

pytestmark = pytest.mark.catalog

NAMES = [
    "README",
    "model.best.pt",
    "x.tar.gz",
    "a b.txt",
    "ünïcode ☃.csv",
    "100%.txt",
    "semi;colon:@#?&=+.txt",
    ".hidden",
]


def rows(ml, path: str) -> list[dict]:
    return ml.catalog.get(path).json()


def snaptime(ml) -> str:
    return ml.catalog.get("/").json()["snaptime"]


def outputs_of(ml, rid: str, table: str = "deriva-ml:Execution_Asset") -> dict[str, dict]:
    schema, name = table.split(":")
    path = f"/entity/E:={schema}:{name}_Execution/Execution={rid}&Asset_Role=Output/A:={table}"
    return {row["Filename"]: row for row in rows(ml, path)}


def status_of(ml, rid: str) -> tuple[str, str]:
    (row,) = rows(ml, f"/entity/deriva-ml:Execution/RID={rid}")
    return row["Status"], row["Status_Detail"]


@pytest.fixture
def image_rids(ml) -> list[str]:
    """Two images that have no file worth the name."""
    made = [{"URL": f"/hatrac/none/{os.urandom(8).hex()}", "Filename": "x", "Length": 1, "MD5": "0"} for _ in range(2)]
    return [row["RID"] for row in ml.pathBuilder.schemas["lab"].Image.insert(made)]


def test_a_dry_run_writes_nothing_however_often_it_is_repeated(ml, workflow, image_rids, tmp_path) -> None:
    label = ml.feature_record_class("Image", "Label")
    with ml.create_execution(description="makes an input", workflow=workflow) as exe:
        Path(exe.asset_file_path("Execution_Asset", "input.txt", "Input_File")).write_text("input")
    exe.commit_output_assets()
    asset = next(iter(outputs_of(ml, exe.execution_rid).values()))["RID"]
    before = snaptime(ml)

    for _ in range(3):
        with ml.create_execution(assets=[asset], description="dry", workflow=workflow, dry_run=True) as exe:
            assert exe.asset_paths["Execution_Asset"][0].read_text() == "input"
            output = Path(exe.asset_file_path("Execution_Asset", "model.pt", "Model_File"))
            output.write_text("weights")
            assert exe.add_features([label(Image=image_rids[0], Digit="seven")]) == 1
            assert output.exists()
        report = exe.commit_output_assets()
        assert (report.total_uploaded, report.execution_rids) == (0, ["0000"])
        assert not output.exists()

    assert snaptime(ml) == before
    assert [path for path in (tmp_path / "work").rglob("*") if path.is_file()] == []


def test_files_of_any_name_arrive_with_their_content(ml, workflow) -> None:
    with ml.create_execution(description="names", workflow=workflow) as exe:
        for name in [*NAMES, "empty.bin"]:
            path = Path(exe.asset_file_path("Execution_Asset", name, "Model_File"))
            path.write_text("" if name == "empty.bin" else f"content of {name}")
    report = exe.commit_output_assets()

    arrived = outputs_of(ml, exe.execution_rid)
    assert report.per_table == {"deriva-ml:Execution_Asset": {"uploaded": len(NAMES) + 1, "failed": 0}}
    assert sorted(arrived) == sorted([*NAMES, "empty.bin"])
    for name in NAMES:
        path = exe.download_asset(arrived[name]["RID"], _folder(ml), update_catalog=False)
        assert (path.name, path.read_text()) == (name, f"content of {name}")
    assert status_of(ml, exe.execution_rid) == ("Completed", f"{len(NAMES) + 1} outputs are in the catalog.")


def _folder(ml) -> Path:
    folder = ml.working_dir / "fetched"
    folder.mkdir(exist_ok=True)
    return folder


def test_a_file_of_more_than_25_megabytes_arrives_in_chunks(ml, workflow) -> None:
    with (
        ml.create_execution(description="large", workflow=workflow) as exe,
        exe.asset_file_path("Execution_Asset", "large.bin", "Model_File").open("wb") as file,
    ):
        for block in range(27):
            file.write(bytes([block]) * 2**20)
    exe.commit_output_assets()

    assert outputs_of(ml, exe.execution_rid)["large.bin"]["Length"] == 27 * 2**20


def test_metadata_that_are_not_given_are_null_and_those_given_are_stored(ml, workflow) -> None:
    with ml.create_execution(description="metadata", workflow=workflow) as exe:
        Path(exe.asset_file_path("Image", "bare.png")).write_bytes(os.urandom(9))
        Path(exe.asset_file_path("Image", "full.png", Split="train/1", Position=3, description="d")).write_bytes(b"2")
    exe.commit_output_assets()

    found = outputs_of(ml, exe.execution_rid, "lab:Image")
    assert [found["bare.png"][name] for name in ("Split", "Position", "Description")] == [None, None, None]
    assert [found["full.png"][name] for name in ("Split", "Position", "Description")] == ["train/1", 3, "d"]


def test_the_same_file_in_two_executions_is_one_asset_and_an_output_of_both(ml, workflow) -> None:
    found = []
    for _ in range(2):
        with ml.create_execution(description="same", workflow=workflow) as exe:
            Path(exe.asset_file_path("Execution_Asset", "same.txt", "Output_File")).write_text("same")
        assert exe.commit_output_assets().total_uploaded == 1
        found.append(outputs_of(ml, exe.execution_rid)["same.txt"])

    assert found[0] == found[1]
    assert len(rows(ml, "/entity/deriva-ml:Execution_Asset/Filename=same.txt")) == 1


def test_an_existing_file_is_linked_under_the_name_that_it_shall_have(ml, workflow, tmp_path, monkeypatch) -> None:
    (tmp_path / "weights.bin").write_text("weights")
    monkeypatch.chdir(tmp_path)
    with ml.create_execution(description="link", workflow=workflow) as exe:
        exe.asset_file_path("Execution_Asset", "weights.bin", "Model_File", rename_file="final.bin")
    exe.commit_output_assets()

    assert outputs_of(ml, exe.execution_rid)["final.bin"]["Length"] == len("weights")
    assert (tmp_path / "weights.bin").read_text() == "weights"


def test_a_registered_file_that_was_never_written_stops_the_commit_and_can_be_written_then(ml, workflow) -> None:
    with ml.create_execution(description="forgot", workflow=workflow) as exe:
        Path(exe.asset_file_path("Execution_Asset", "there.txt", "Output_File")).write_text("there")
        forgotten = Path(exe.asset_file_path("Execution_Asset", "forgotten.txt", "Output_File"))

    with pytest.raises(DerivaMLUploadError, match=r"forgotten.txt: registered, but no file was written") as error:
        exe.commit_output_assets()
    assert (error.value.report.total_uploaded, error.value.report.total_failed) == (0, 1)
    assert status_of(ml, exe.execution_rid)[0] == "Failed"
    assert outputs_of(ml, exe.execution_rid) == {}

    forgotten.write_text("now")
    assert exe.commit_output_assets().total_uploaded == 2
    assert status_of(ml, exe.execution_rid)[0] == "Completed"


def test_a_file_that_was_not_registered_is_not_passed_over_in_silence(ml, workflow) -> None:
    with ml.create_execution(description="stray", workflow=workflow) as exe:
        known = Path(exe.asset_file_path("Execution_Asset", "known.txt", "Output_File"))
        known.write_text("known")
        known.with_name("stray.txt").write_text("stray")

    with pytest.raises(DerivaMLUploadError, match=r"stray.txt: not registered"):
        exe.commit_output_assets()


def test_terms_and_columns_are_checked_when_a_file_is_registered(ml, workflow) -> None:
    with ml.create_execution(description="checks", workflow=workflow, dry_run=True) as exe:
        with pytest.raises(DerivaMLInvalidTerm, match="Modell"):
            exe.asset_file_path("Execution_Asset", "m.pt", "Modell")
        with pytest.raises(DerivaMLConfigurationError, match=r"no column Spilt; its metadata columns are .*Split"):
            exe.asset_file_path("Image", "i.png", Spilt="x")
        with pytest.raises(DerivaMLConfigurationError, match="Digit is not an asset table"):
            exe.asset_file_path("Digit", "i.png")


def test_registering_files_asks_for_the_vocabulary_once(ml, workflow, monkeypatch) -> None:
    asked = []
    original = ml.list_vocabulary_terms
    monkeypatch.setattr(ml, "list_vocabulary_terms", lambda table: asked.append(table) or original(table))
    with ml.create_execution(description="terms", workflow=workflow, dry_run=True) as exe:
        for number in range(20):
            exe.asset_file_path("Image", f"{number}.png")

    assert len(asked) == 1


def test_outputs_can_be_committed_in_a_thread(ml, workflow) -> None:
    with ml.create_execution(description="thread", workflow=workflow) as exe:
        Path(exe.asset_file_path("Execution_Asset", "t.txt", "Output_File")).write_text("t")
    reports = []
    thread = threading.Thread(target=lambda: reports.append(exe.commit_output_assets()))
    thread.start()
    thread.join()

    assert [report.total_uploaded for report in reports] == [1]


def test_progress_is_told_after_each_file(ml, workflow) -> None:
    with ml.create_execution(description="progress", workflow=workflow) as exe:
        for number in range(4):
            Path(exe.asset_file_path("Image", f"p{number}.png")).write_bytes(os.urandom(10))
    told = []
    exe.commit_output_assets(progress_callback=told.append)

    assert [step.bytes_completed for step in told] == [10, 20, 30, 40]
    assert told[-1].percent_complete == 100


def test_an_error_inside_the_run_is_recorded_and_reaches_the_caller(ml, workflow) -> None:
    with pytest.raises(ZeroDivisionError), ml.create_execution(description="fails", workflow=workflow) as exe:
        1 / 0  # noqa: B018

    assert status_of(ml, exe.execution_rid) == ("Failed", "ZeroDivisionError: division by zero")


def test_inputs_that_do_not_exist_are_all_named_before_anything_is_written(ml, workflow, image_rids) -> None:
    with ml.create_execution(description="makes a dataset", workflow=workflow) as exe:
        dataset = exe.create_dataset([], "d").dataset_rid
    before = snaptime(ml)

    with pytest.raises(Faults) as error:
        ml.create_execution(
            datasets=[f"{dataset}@9.0.0", f"{image_rids[0]}@1.0.0", "9-ZZZZ@1.0.0"],
            assets=[dataset],
            description="wrong inputs",
            workflow=workflow,
        )

    assert [(fault.value, fault.message) for fault in error.value.faults] == [
        (f"{dataset}@9.0.0", "the dataset has no such version; there are: 0.1.0"),
        (image_rids[0], "is a row of Image, not a dataset"),
        ("9-ZZZZ", "no such RID in this catalog"),
        (dataset, "is a row of Dataset, which is not an asset table"),
    ]
    assert snaptime(ml) == before


def test_an_input_asset_and_a_dataset_are_fetched_and_recorded(ml, workflow) -> None:
    with ml.create_execution(description="source", workflow=workflow) as exe:
        Path(exe.asset_file_path("Image", "scan one.png")).write_bytes(os.urandom(20))
        dataset = exe.create_dataset([], "d").dataset_rid
    exe.commit_output_assets()
    image = next(iter(outputs_of(ml, exe.execution_rid, "lab:Image").values()))["RID"]
    exe.add_dataset_members(dataset, [image])
    version = ml.lookup_dataset(dataset).current_version

    configuration = ExecutionConfiguration(assets=[image], description="uses both")
    configuration.datasets.append(_spec(dataset, version))
    with ml.create_execution(configuration, workflow=workflow) as exe:
        (bag,) = exe.datasets
        members = bag.list_dataset_members()["Image"]
    exe.commit_output_assets()

    assert [member["RID"] for member in members] == [image]
    assert rows(ml, f"/attribute/deriva-ml:Dataset_Execution/Execution={exe.execution_rid}/Dataset") == [
        {"Dataset": dataset}
    ]
    inputs = rows(ml, f"/entity/lab:Image_Execution/Execution={exe.execution_rid}")
    assert [(row["Image"], row["Asset_Role"]) for row in inputs] == [(image, "Input")]


def _spec(rid, version):
    from deriva_ml_kit.mainline import DatasetSpec  # noqa: PLC0415

    return DatasetSpec(rid=rid, version=str(version))


def test_a_configuration_and_its_parts_cannot_both_be_given(ml, workflow) -> None:
    with pytest.raises(DerivaMLConfigurationError, match="description stand in the configuration"):
        ml.create_execution(ExecutionConfiguration(), description="again", workflow=workflow)


SCRIPT = """
    import os, signal, sys
    from pathlib import Path
    from deriva_ml_kit.mainline import DerivaML
    ml = DerivaML(sys.argv[1], sys.argv[2], working_dir=sys.argv[3])
    workflow = ml.create_workflow("Script", "Training", allow_dirty="--allow-dirty" in sys.argv)
    with ml.create_execution(description="runs as a script", workflow=workflow) as exe:
        print(exe.execution_rid, flush=True)
        label = ml.feature_record_class("Image", "Label")
        images = [row["RID"] for row in ml.catalog.get("/entity/lab:Image?limit=2").json()]
        exe.add_features(label(Image=rid, Digit="eight") for rid in images)
        for number in range(60):
            Path(exe.asset_file_path("Image", f"{number}.png")).write_text(f"{sys.argv[3]} {number}")
    done = []
    def progress(step):
        done.append(step)
        if len(done) == 25 and "--die" in sys.argv:
            os.kill(os.getpid(), signal.SIGKILL)
    exe.commit_output_assets(progress_callback=progress)
"""


@pytest.fixture
def script(lab, repository, tmp_path):
    """A committed script, run as a program of its own."""
    repository.write("train.py", textwrap.dedent(SCRIPT))
    repository.commit()

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        place = [lab.hostname, lab.catalog_id, str(tmp_path / "work")]
        command = [sys.executable, str(repository.root / "train.py"), *place, *options]
        return subprocess.run(command, cwd=repository.root, capture_output=True, text=True, check=False)

    return run


def test_an_upload_that_was_killed_is_completed_without_duplicates(script, ml, image_rids) -> None:
    killed = script("--die")
    assert killed.returncode == -signal.SIGKILL
    rid = killed.stdout.strip()
    assert outputs_of(ml, rid, "lab:Image") == {}

    report = ml.commit_pending_executions()

    assert (report.execution_rids, report.total_uploaded, report.total_failed) == ([rid], 62, 0)
    assert ml.commit_pending_executions().execution_rids == []
    arrived = outputs_of(ml, rid, "lab:Image")
    assert sorted(arrived) == sorted(f"{number}.png" for number in range(60))
    urls = [row["URL"] for row in arrived.values()]
    assert len(rows(ml, f"/entity/lab:Image/Filename=7.png&MD5={arrived['7.png']['MD5']}")) == 1
    for url in urls:
        versions = ml_versions(ml, url)
        assert len(versions) == 1, f"{url} was stored more than once"
    assert len(rows(ml, f"/entity/lab:Execution_Image_Label/Execution={rid}")) == 2
    assert status_of(ml, rid)[0] == "Completed"


def test_a_commit_that_broke_between_rows_and_links_is_completed_by_the_next(ml, workflow, monkeypatch) -> None:
    with ml.create_execution(description="breaks", workflow=workflow) as exe:
        Path(exe.asset_file_path("Image", "broken.png")).write_bytes(content := os.urandom(30))

    def break_off(*_):
        raise requests.ConnectionError("the server went away")

    with monkeypatch.context() as broken:
        broken.setattr(Uploader, "_link", break_off)
        with pytest.raises(DerivaMLUploadError, match="the server went away") as error:
            exe.commit_output_assets()
    assert "resume_execution" in str(error.value.remedy)

    ml.resume_execution(exe.execution_rid).commit_output_assets()

    (asset,) = rows(ml, f"/entity/lab:Image/MD5={hashlib.md5(content).hexdigest()}")
    assert outputs_of(ml, exe.execution_rid, "lab:Image")["broken.png"]["RID"] == asset["RID"]


def test_an_execution_that_still_runs_in_another_process_is_left_alone(ml, workflow) -> None:
    with ml.create_execution(description="runs", workflow=workflow) as exe:
        Path(exe.asset_file_path("Execution_Asset", "unfinished.txt", "Output_File")).write_text("unfinished")
    rid = exe.execution_rid
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        state = leftovers.read(ml.working_dir, rid)
        dataclasses.replace(state, pid=other.pid).write(exe.working_dir)

        assert ml.commit_pending_executions().execution_rids == []
        with pytest.raises(DerivaMLExecutionError, match=f"still running .process {other.pid}"):
            ml.resume_execution(rid)
        other.communicate(b"\n")

    assert ml.commit_pending_executions().execution_rids == [rid]


@pytest.mark.parametrize("rid", ["1-NONE", "..", ""])
def test_an_execution_of_which_nothing_is_here_cannot_be_resumed_and_nothing_is_touched(ml, tmp_path, rid) -> None:
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(DerivaMLExecutionError, match="holds nothing of execution"):
        ml.resume_execution(rid)
    assert sorted(tmp_path.rglob("*")) == before


def ml_versions(ml, url: str) -> list[str]:
    from deriva.core.hatrac_store import HatracStore  # noqa: PLC0415

    store = HatracStore("https", ml.host_name, ml.credential)
    return store.get(url.rsplit(":", 1)[0] + ";versions").json()


def test_a_dirty_run_that_is_allowed_is_recorded_with_its_paths(script, ml, repository) -> None:
    repository.write("notes.txt", "not committed")

    rid = script("--allow-dirty").stdout.strip()

    (execution,) = rows(ml, f"/entity/deriva-ml:Execution/RID={rid}")
    assert execution["Description"] == "runs as a script\n\nRun with uncommitted changes in: notes.txt"
    recorded = outputs_of(ml, rid, "deriva-ml:Execution_Metadata")
    with ml.create_execution(description="reads", workflow=execution["Workflow"], dry_run=True) as reader:
        path = reader.download_asset(recorded["configuration.json"]["RID"], _folder(ml))
    document = json.loads(path.read_text())
    assert document["workflow"]["dirty_paths"] == ["notes.txt"]
    assert document["description"] == "runs as a script"
