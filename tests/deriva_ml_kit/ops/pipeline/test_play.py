"""A pipeline on a real catalog: only what changed runs again, what failed is gone on from, a run is made again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from deriva.core import HatracStore

from deriva_ml_kit.cli.ops import mirror_runs, reproduce, run_pipeline
from deriva_ml_kit.errors import Faults, Undecidable, UsageError
from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.mainline.execution import nested
from deriva_ml_kit.ops.documents import fetch
from deriva_ml_kit.ops.pipeline import records
from deriva_ml_kit.ops.pipeline.definition import read
from deriva_ml_kit.ops.pipeline.inputs import inputs_of
from deriva_ml_kit.ops.pipeline.play import Player
from deriva_ml_kit.ops.pipeline.results import PipelineRecord
from deriva_ml_kit.ops.tracking.record import RunRecord
from deriva_ml_kit.ops.tracking.recorded import recorded
from deriva_ml_kit.ops.tracking.runs import frame, known_runs

pytestmark = pytest.mark.catalog

PIPELINE = """
name = "tumours"
description = "A test"
[parameters]
rate = 0.5
[[stages]]
name = "check"
command = "python src/scripts/step.py check"
code = ["src/scripts/step.py"]
commits = ["made.txt"]
[[stages]]
name = "train"
command = \"\"\"python src/scripts/train.py --hostname {hostname} --catalog-id {catalog_id} --workflow-type Training
  --dataset {dataset.testing} --rate {parameter.rate}\"\"\"
code = ["src/scripts/train.py"]
datasets = ["testing"]
makes = ["Model_File"]
[[stages]]
name = "judge"
command = "python src/scripts/step.py judge {train.Model_File}"
code = ["src/scripts/step.py"]
needs = ["train"]
"""
# What it is to do stands in a folder beside the repository: it changes without a commit.
STEP = """
import sys, time
from pathlib import Path
name, told = sys.argv[1], Path("../told")
with (told / "played").open("a") as played:
    played.write(" ".join(sys.argv[1:]) + "\\n")
if name == "check":
    Path("made.txt").write_text("made")
word = (told / name).read_text() if (told / name).exists() else ""
if word == "wait":
    (told / "waiting").touch()
    time.sleep(60)
sys.exit(1 if word == "fail" else 0)
"""
TRAIN = """
from pathlib import Path
from deriva_ml_kit import script
from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.ops.tracking.record import record_run

def main(args):
    ml = DerivaML(args.hostname, args.catalog_id)
    workflow = ml.create_workflow(name="train", workflow_type=args.workflow_type)
    with ml.create_execution(datasets=[args.dataset], workflow=workflow, description="Train") as exe:
        rows = sorted(exe.datasets[0].list_dataset_members()["Tumour"], key=lambda row: row["RID"])
        with record_run(exe, parameters={"rate": args.rate}, seeds={"order": 1}, tags={"who": "test"}) as run:
            mean = sum(row["mean_radius"] for row in rows) / len(rows)
            for step in range(3):
                run.value("loss", args.rate ** step)
            run.metrics(mean=mean)
        Path(exe.asset_file_path("Execution_Asset", "model.json", asset_types="Model_File")).write_text(str(mean))
        lines = [f"{row['RID']},{row['mean_radius'] / mean}" for row in rows]
        file = exe.asset_file_path("Execution_Asset", "predictions.csv", asset_types="Prediction_File")
        Path(file).write_text("\\n".join(["Tumour,score", *lines]))
    exe.commit_output_assets()
    return {"execution_rid": exe.execution_rid}

PARSER = script.parser("Train")
PARSER.add_argument("--dataset")
PARSER.add_argument("--rate", type=float)
if __name__ == "__main__":
    script.run(main, PARSER)
"""


@dataclass(frozen=True)
class Project:
    """A repository with a pipeline."""

    root: Path
    told: Path
    ml: Any

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.root, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def write(self, name: str, text: str) -> None:
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", name)

    def player(self, **more: Any) -> Player:
        file = self.root / "pipeline.toml"
        return Player(self.ml, self.root, file, read(file), **more)

    def planned(self, **more: Any) -> dict[str, tuple[str, str]]:
        return {each.stage: (str(each.state), each.why) for each in self.player(**more).plan()}

    def played(self) -> list[str]:
        """What the steps were called with since the last time."""
        file = self.told / "played"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return lines

    def executions(self) -> int:
        return len(list(self.ml.find_executions()))

    def status(self, rid: str | None) -> str:
        return str(self.ml.lookup_execution(rid).status.value)


@pytest.fixture(scope="module")
def project(hospital: Any, tmp_path_factory: pytest.TempPathFactory) -> Project:
    base = tmp_path_factory.mktemp("pipeline")
    made = Project(base / "project", base / "told", hospital.ml)
    made.root.mkdir()
    made.told.mkdir()
    made.git("init", "-q", "-b", "main")
    made.git("config", "user.name", "Tester")
    made.git("config", "user.email", "tester@example.org")
    where = {"hostname": hospital.ml.host_name, "catalog_id": str(hospital.ml.catalog_id)}
    made.write("src/configs/catalog.json", json.dumps(where))
    made.write("src/configs/datasets.toml", f'testing = "{hospital.testing}"\n')
    made.write("src/scripts/step.py", STEP)
    made.write("src/scripts/train.py", TRAIN)
    made.write("pipeline.toml", PIPELINE)
    return made


def states(player: Player) -> list[str]:
    return [f"{each.stage} {each.state}" for each in player.played.results]


@pytest.fixture(scope="module")
def trained(project: Project) -> str:
    """RID of the training; on the way to it, a stage fails and the pipeline goes on there."""
    before = project.executions()
    assert [state for state, _ in project.planned().values()] == ["to run"] * 3
    assert project.executions() == before

    (project.told / "judge").write_text("fail")
    first = project.player()
    failed = first.play().failed
    assert states(first) == ["check ran", "train ran", "judge failed"]
    assert failed is not None
    assert failed.exit_code == 1
    assert project.status(first.played.execution) == "Failed"
    assert len(project.played()) == 2
    assert project.git("log", "-1", "--format=%s") == "Stage check of pipeline tumours"

    (project.told / "judge").unlink()
    second = project.player()
    assert second.play().failed is None
    assert states(second) == ["check reused", "train reused", "judge ran"]
    (rid,) = second.played.results[1].executions
    (model,) = [each for each in project.ml.list_execution_assets(rid, "Output") if each.filename == "model.json"]
    assert project.played() == [f"judge {model.asset_rid}"]
    assert project.status(second.played.execution) == "Uploaded"
    for parent in (first, second):
        assert parent.played.execution is not None
        assert nested.children(project.ml, parent.played.execution) == [rid]
    return rid


def test_what_has_not_changed_is_not_run_and_nothing_is_written(project: Project, trained: str) -> None:
    before = project.executions()
    player = project.player()
    played = player.play()
    assert states(player) == ["check reused", "train reused", "judge reused"]
    assert played.execution is None
    assert project.played() == []
    assert project.executions() == before


def test_the_parent_says_what_became_of_each_stage(project: Project, trained: str) -> None:
    (parent,) = [rid for rid in nested.parents(project.ml, trained) if project.status(rid) == "Uploaded"]
    outputs = {each.filename: each.asset_rid for each in project.ml.list_execution_assets(parent, "Output")}
    record = fetch(project.ml, outputs["pipeline.json"], PipelineRecord).document
    assert [(each.stage, str(each.state)) for each in record.stages] == [
        ("check", "reused"),
        ("train", "reused"),
        ("judge", "ran"),
    ]
    workflow = project.ml.lookup_execution(parent).workflow
    assert workflow.workflow_type == ["Pipeline"]
    assert workflow.url.endswith("path=/pipeline.toml")


@pytest.mark.parametrize(
    ("file", "changed", "expected"),
    [
        ("pipeline.toml", ("rate = 0.5", "rate = 0.2"), {"train": "changed: its command", "judge": "after train"}),
        (
            "src/scripts/step.py",
            ("import sys", "import  sys"),
            dict.fromkeys(("check", "judge"), "changed: src/scripts/step.py"),
        ),
        ("src/configs/datasets.toml", ("testing =", "other = 'x'\ntesting ="), {}),
    ],
)
def test_what_depends_on_a_change_runs_again_and_says_why(
    project: Project, trained: str, file: str, changed: tuple[str, str], expected: dict[str, str]
) -> None:
    text = (project.root / file).read_text()
    assert changed[0] in text
    project.write(file, text.replace(*changed))
    try:
        planned = {stage: why for stage, (state, why) in project.planned().items() if state == "to run"}
    finally:
        project.git("reset", "-q", "--hard", "HEAD~1")
    assert planned == expected


def test_where_nobody_says_what_a_stage_is_made_of_all_of_src_counts(project: Project) -> None:
    pipeline = read(project.root / "pipeline.toml")
    stage = pipeline.stages[1].model_copy(update={"code": None})
    given = inputs_of(project.ml, project.root, pipeline, stage, {})
    all_of_src = {
        "src/configs/catalog.json",
        "src/configs/datasets.toml",
        "src/scripts/step.py",
        "src/scripts/train.py",
    }
    assert given.code.keys() == all_of_src
    named = stage.model_copy(
        update={"code": (), "command": ("run ./src/scripts/step.py --to=pipeline.toml /etc/hosts",)}
    )
    assert inputs_of(project.ml, project.root, pipeline, named, {}).code.keys() == {
        "src/scripts/step.py",
        "pipeline.toml",
    }


def test_a_stage_can_be_asked_for_and_uncommitted_changes_are_refused(project: Project, trained: str) -> None:
    assert project.planned(again=["judge"])["judge"] == ("to run", "as you asked")
    with pytest.raises(UsageError, match="No stage is called juge"):
        project.planned(again=["juge"])
    (project.root / "new.txt").write_text("x")
    try:
        with pytest.raises(UsageError, match=r"differ from the last commit.*new\.txt"):
            project.player()
    finally:
        (project.root / "new.txt").unlink()


def test_what_a_stage_left_is_reused_only_as_long_as_it_is_there(project: Project, trained: str) -> None:
    found = records.last(project.ml, "tumours", "train")
    assert found is not None
    assert records.gone(project.ml, found) is None
    (model,) = [each for each in found.outputs if each.filename == "model.json"]
    (project.told / "gone.txt").write_text("gone")
    store = HatracStore("https", project.ml.host_name, project.ml.credential)
    url = store.put_loc(f"{model.url.rpartition('/')[0]}/gone.txt", str(project.told / "gone.txt"))
    moved = found.model_copy(update={"outputs": (model.model_copy(update={"url": url}),)})
    assert records.gone(project.ml, moved) == f"model.json ({model.rid}) is another file in the object store"
    store.del_obj(url)
    assert records.gone(project.ml, moved) == f"model.json ({model.rid}) is gone from the object store"
    # The same file is the same asset, whichever run made it: who reads only that has nothing to do again.
    again = found.model_copy(update={"executions": ("0-0000",), "outputs": (model,)})
    assert again.left() != found.left()
    assert again.left({"Model_File"}) == found.left({"Model_File"}) != found.left({"Prediction_File"})
    assert again.left({"Model_File", "execution"}) == again.left()
    absent = found.model_copy(update={"outputs": (model.model_copy(update={"rid": "0-0000"}),)})
    assert records.gone(project.ml, absent) == "model.json (0-0000) is gone from the catalog"
    version = found.model_copy(update={"datasets": ("0-0000@1.0.0",)})
    assert records.gone(project.ml, version) == "dataset 0-0000@1.0.0 is gone"


def test_a_missing_input_is_named_before_anything_is_written(project: Project, trained: str) -> None:
    text = (project.root / "pipeline.toml").read_text()
    new = 'code = ["src/scripts/stop.py"]\nfiles = ["no.csv"]\ndatasets = ["testin"]\ntables = ["hospital:Tumor"]\n'
    project.write("pipeline.toml", text.replace('code = ["src/scripts/step.py"]\ncommits', new + "commits", 1))
    before = project.executions()
    try:
        with pytest.raises(Faults) as refused:
            project.player().play()
    finally:
        project.git("reset", "-q", "--hard", "HEAD~1")
    assert {fault.value for fault in refused.value.faults} == {
        "src/scripts/stop.py",
        "no.csv",
        "testin",
        "hospital:Tumor",
    }
    assert "did you mean 'testing'" in str(refused.value)
    assert project.executions() == before


def test_an_interrupted_stage_is_marked_and_gone_on_from(project: Project, trained: str) -> None:
    (project.told / "judge").write_text("wait")
    text = (project.root / "src/scripts/step.py").read_text()
    project.write("src/scripts/step.py", text + "# changed\n")

    def interrupt() -> None:
        while not (project.told / "waiting").exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    player = project.player()
    with pytest.raises(KeyboardInterrupt):
        player.play()
    thread.join()
    assert states(player) == ["check ran", "train reused", "judge interrupted"]
    assert project.status(player.played.execution) == "Aborted"
    (project.told / "judge").unlink()
    again = project.player()
    assert again.play().failed is None
    assert states(again) == ["check reused", "train reused", "judge ran"]


def test_a_run_is_made_again_and_the_two_are_compared(
    project: Project, trained: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.root)
    (project.root / "src/scripts/train.py").write_text("raise SystemExit('not what ran')")  # left alone, and not used
    try:
        done = reproduce.main(asked(reproduce, trained))
    finally:
        project.git("checkout", "-q", "--", ".")
    assert (done["verdict"], done.exit_code) == ("reproduced", 0)
    assert {"metric mean", "predictions predictions.csv", "file model.json"} <= set(done["equal"])
    assert done["libraries"] == "the same"
    assert done["again"] != trained
    assert project.git("worktree", "list").count("\n") == 0
    again = recorded(project.ml, done["again"])
    assert again.datasets == recorded(project.ml, trained).datasets
    assert nested.children(project.ml, done["report"]) == [done["again"]]
    used = {each.filename for each in project.ml.list_execution_assets(done["report"], "Input")}
    assert {"predictions.csv", "model.json"} <= used

    runs = frame(known_runs(project.ml, workflow_type="Training"))
    assert list(runs.loc[[trained, done["again"]], "parameter.rate"]) == [0.5, 0.5]
    assert runs.loc[trained, "metric.mean"] == runs.loc[done["again"], "metric.mean"]
    assert runs.loc[trained, "datasets"].endswith("@0.2.0")


def test_the_record_of_a_run_says_where_it_ran(project: Project, trained: str) -> None:
    (run,) = known_runs(project.ml, [trained])
    record = fetch(project.ml, run.documents["run-record.json"].asset_rid, RunRecord).document
    assert record.curves["loss"].values == (1.0, 0.5, 0.25)
    assert record.seeds == {"order": 1}
    assert record.hardware.cores >= 1
    assert record.code is not None
    assert record.code.script == "src/scripts/train.py"
    assert record.code.commit == run.commit == project.git("rev-list", "-1", run.commit or "")
    assert "numpy" in record.environment.packages
    assert str(Path.home()) not in record.text()


def test_what_cannot_be_made_again_says_why(
    project: Project, hospital: Any, trained: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(project.root)
    shown = reproduce.main(asked(reproduce, trained, "--dry-run"))
    assert shown["command"].split()[1:2] == ["src/scripts/train.py"]
    (elsewhere,) = rows_with(project.ml.catalog, "deriva-ml", "Execution", "Description", ["Split"])
    with pytest.raises(Undecidable, match="does not have"):
        reproduce.main(asked(reproduce, elsewhere["RID"], "--dry-run"))
    report = next(each for each in project.ml.find_executions(workflow_type="Reproduction"))
    with pytest.raises(Undecidable, match="no file of a repository"):
        reproduce.main(asked(reproduce, report.execution_rid, "--dry-run"))
    workflow = hospital.workflow().model_copy(update={"dirty_paths": ["models/a.py"]})
    dirty = project.ml.create_execution(workflow=workflow, description="Dirty")
    with pytest.raises(Undecidable, match=r"uncommitted changes in models/a\.py"):
        reproduce.main(asked(reproduce, dirty.execution_rid))
    monkeypatch.chdir(tmp_path)
    place = ("--hostname", project.ml.host_name, "--catalog-id", str(project.ml.catalog_id))
    with pytest.raises(Undecidable, match="in no git repository"):
        reproduce.main(asked(reproduce, trained, *place))


def test_runs_are_copied_once_and_again_when_they_changed(
    project: Project, trained: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from mlflow.tracking import MlflowClient  # noqa: PLC0415  (takes seconds)

    monkeypatch.chdir(project.root)
    store = tmp_path / "runs"
    words = ("--to", str(store), "--experiment", "tumours", "--execution", trained)
    assert mirror_runs.main(asked(mirror_runs, *words, "--dry-run"))["new"] == [trained]
    assert not store.exists()
    assert mirror_runs.main(asked(mirror_runs, *words))["new"] == [trained]
    again = mirror_runs.main(asked(mirror_runs, *words))
    assert (again["new"], again["changed"], again["unchanged"]) == ([], [], 1)
    project.ml.lookup_execution(trained).description = "Train the first model"
    assert mirror_runs.main(asked(mirror_runs, *words))["changed"] == [trained]

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    client = MlflowClient(store.as_uri())
    experiment = client.get_experiment_by_name("tumours")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.data.params == {"rate": "0.5", "seed.order": "1"}
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.note.content"] == "Train the first model"
    assert run.data.tags["deriva.url"].endswith(f"/id/{project.ml.catalog_id}/{trained}")
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [(each.step, each.value) for each in history] == [(0, 1.0), (1, 0.5), (2, 0.25)]
    assert "mean" in run.data.metrics
    (used,) = run.inputs.dataset_inputs
    assert f"{used.dataset.name}@{used.dataset.digest}" in recorded(project.ml, trained).datasets


def test_the_workflow_file_is_written_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.root)
    file = project.root / ".github/workflows/train.yml"
    try:
        run_pipeline.main(asked(run_pipeline, "pipeline.toml", "--write-ci"))
        assert "run-pipeline pipeline.toml" in file.read_text()
        run_pipeline.main(asked(run_pipeline, "pipeline.toml", "--write-ci"))
        file.write_text("mine")
        with pytest.raises(UsageError, match="is there and differs"):
            run_pipeline.main(asked(run_pipeline, "pipeline.toml", "--write-ci"))
    finally:
        file.unlink()


def asked(module: Any, *words: str) -> Any:
    """A command line of a subcommand, taken apart."""
    import argparse  # noqa: PLC0415

    parser = argparse.ArgumentParser()
    module.add(parser.add_subparsers())
    return parser.parse_args([module.__name__.rpartition(".")[2].replace("_", "-"), *words])
