"""Sweeps on a real catalog: one parent, made before the launch; errors stay where they are; nothing is done twice."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import sweep_driver

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.mainline import DerivaML, create_ml_catalog
from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.runner.sweep import Result, play
from deriva_ml_kit.runner.sweep.folder import SWEEPS, held
from deriva_ml_kit.runner.sweep.jobs import expand, hydra_at_work
from deriva_ml_kit.runner.sweep.play import traces_of

THREE = "model_config.learning_rate=0.1,0.2,0.3"
DRIVER = Path(sweep_driver.__file__)


@pytest.fixture(scope="module")
def catalog_id(local_host: Any) -> str:
    return str(create_ml_catalog(local_host.hostname, project_name="sweeps").catalog_id)


@dataclass(frozen=True)
class Bench:
    """A repository, a catalog, and how to play sweeps there."""

    hostname: str
    catalog_id: str
    folder: Path
    ml: DerivaML

    def tell(self, number: int, word: str) -> None:
        """Let a job do something else than succeed; nothing: succeed again."""
        (self.folder / str(number)).write_text(word)

    def played(self) -> list[int]:
        """Numbers of the jobs that were begun since the last time."""
        file = self.folder / "played"
        numbers = [int(line) for line in file.read_text().split()] if file.exists() else []
        file.unlink(missing_ok=True)
        return numbers

    def play(self, *overrides: str, afresh: bool = False) -> Result:
        """Play in this process."""
        return play(sweep_driver.order(self.folder, list(overrides), afresh=afresh))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Play as a program."""
        command = [sys.executable, str(DRIVER), self.hostname, self.catalog_id, str(self.folder), *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def row(self, rid: str) -> dict[str, Any]:
        """An execution's row."""
        (row,) = rows_with(self.ml.catalog, "deriva-ml", "Execution", "RID", [rid])
        return dict(row)

    def children(self, rid: str) -> list[tuple[int, str, str]]:
        """Sequence, RID and status of the jobs' executions, as they were linked."""
        links = list(rows_with(self.ml.catalog, "deriva-ml", "Execution_Execution", "Execution", [rid]))
        found = [(link["Sequence"], link["Nested_Execution"]) for link in links]
        return [(number, child, self.row(child)["Status"]) for number, child in sorted(found)]

    def executions(self) -> int:
        """How many executions the catalog has."""
        path = "/aggregate/e:=deriva-ml:Execution/n:=cnt(e:RID)"
        return int(self.ml.catalog.get(path).json()[0]["n"])


@pytest.fixture
def bench(local_host: Any, catalog_id: str, tmp_path: Path) -> Bench:
    project = tmp_path / "project"
    project.mkdir()
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "First"]):
        person = ["-c", "user.name=T", "-c", "user.email=t@example.org"]
        subprocess.run(["git", *person, *command], cwd=project, check=True)
    sweep_driver.configure(local_host.hostname, catalog_id, tmp_path)
    ml = DerivaML(local_host.hostname, catalog_id, working_dir=tmp_path / "work")
    return Bench(local_host.hostname, catalog_id, tmp_path, ml)


def test_a_failed_job_stops_no_other_and_the_same_command_plays_it_again(bench: Bench) -> None:
    bench.tell(1, "fail")
    first = bench.play(THREE)

    assert first.exit_code == 1
    assert [row.status for row in first.rows] == ["passed", "failed", "passed"]
    assert first.rows[1].error == "ValueError: no such luck"
    assert [row.metrics.get("learning_rate") for row in first.rows] == [0.1, None, 0.3]
    assert first.parent_rid
    assert first.folder
    assert "no such luck" in (first.folder / "1" / "traceback.txt").read_text()
    parent = bench.row(first.parent_rid)
    assert (parent["Status"], parent["Status_Detail"]) == ("Failed", "2 of 3 jobs passed, 1 failed.")
    assert [(n, status) for n, _, status in bench.children(first.parent_rid)] == [
        (0, "Completed"),
        (1, "Failed"),
        (2, "Completed"),
    ]
    assert first.rows[1].execution_rid == bench.children(first.parent_rid)[1][1]
    table = json.loads((first.folder / "sweep.json").read_text())
    assert [job["status"] for job in table["jobs"]] == ["passed", "failed", "passed"]
    assert table["swept"] == ["model_config.learning_rate"]
    outputs = {asset.filename for asset in bench.ml.list_execution_assets(first.parent_rid, "Output")}
    assert {"sweep.json", "sweep.csv"} <= outputs
    assert bench.played() == [0, 1, 2]

    bench.tell(1, "")
    second = bench.play(THREE)
    assert bench.played() == [1]
    assert (second.exit_code, second.parent_rid, second.resumed) == (0, first.parent_rid, 2)
    assert [row.metrics["learning_rate"] for row in second.rows] == [0.1, 0.2, 0.3]
    assert bench.row(first.parent_rid)["Status"] == "Completed"
    assert [number for number, _, _ in bench.children(first.parent_rid)] == [0, 1, 1, 2]

    before = bench.executions()
    third = bench.play(THREE)
    assert (third.exit_code, third.resumed, bench.played(), bench.executions()) == (0, 3, [], before)
    assert [row.execution_rid for row in third.rows] == [row.execution_rid for row in second.rows]

    other = bench.play("model_config.learning_rate=0.1,0.2")
    assert other.parent_rid != first.parent_rid
    bench.played()
    again = bench.play("model_config.learning_rate=0.1,0.2", afresh=True)
    assert (bench.played(), again.resumed) == ([0, 1], 0)
    assert again.parent_rid not in (first.parent_rid, other.parent_rid)


def test_jobs_that_are_done_are_known_from_the_catalog_alone(bench: Bench) -> None:
    first = bench.play("model_config.learning_rate=0.4,0.5")
    assert first.folder
    assert first.parent_rid
    for file in sorted(first.folder.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    bench.ml.lookup_execution(first.parent_rid).update_status("Failed")
    bench.played()

    second = bench.play("model_config.learning_rate=0.4,0.5")
    assert bench.played() == []
    assert [row.execution_rid for row in second.rows] == [row.execution_rid for row in first.rows]
    assert (second.parent_rid, second.exit_code) == (first.parent_rid, 0)
    assert bench.row(first.parent_rid)["Status"] == "Completed"


def test_two_workers_share_one_parent_and_keep_the_order(bench: Bench) -> None:
    launcher = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    with bench.start(*launcher, "model_config.slow=true", "model_config.learning_rate=0.1,0.2,0.3,0.4") as program:
        out, err = program.communicate(timeout=120)
    assert program.returncode == 0, err
    result = json.loads(out)  # what the jobs print is not in front of it

    jobs = result["jobs"]
    assert len({job["metrics"]["process"] for job in jobs}) == 2
    assert jobs[0]["metrics"]["ended"] > jobs[1]["metrics"]["ended"]  # job 0 is the slow one
    parent = result["parent_execution_rid"]
    children = bench.children(parent)
    assert [number for number, _, _ in children] == [0, 1, 2, 3]
    assert [rid for _, rid, _ in children] == [job["execution_rid"] for job in jobs]
    assert {status for _, _, status in children} == {"Completed"}
    for _, rid, _ in children:
        (link,) = rows_with(bench.ml.catalog, "deriva-ml", "Execution_Execution", "Nested_Execution", [rid])
        assert link["Execution"] == parent
    workflows = {bench.row(rid)["Workflow"] for rid in [parent, *(job["execution_rid"] for job in jobs)]}
    assert len(workflows) == 1


def test_a_worker_that_dies_is_told_and_its_job_is_played_again(bench: Bench) -> None:
    launcher = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    bench.tell(1, "die")
    with bench.start(*launcher, "model_config.learning_rate=0.1,0.2") as program:
        out, err = program.communicate(timeout=120)
    assert program.returncode == 1, err
    first = json.loads(out)
    assert first["jobs"][1]["status"] == "killed"
    assert "TerminatedWorkerError" in first["error"]
    lost = first["jobs"][1]["execution_rid"]
    assert bench.row(lost)["Status"] == "Aborted"
    assert bench.row(first["parent_execution_rid"])["Status"] == "Failed"
    done = [job["number"] for job in first["jobs"] if job["status"] == "passed"]
    bench.played()

    bench.tell(1, "")
    second = bench.play("model_config.learning_rate=0.1,0.2")  # one after the other now: still the same sweep
    assert second.parent_rid == first["parent_execution_rid"]
    assert bench.played() == [number for number in (0, 1) if number not in done]
    assert second.passed


def test_an_interrupted_sweep_goes_on(bench: Bench) -> None:
    bench.tell(1, "interrupt")
    first = bench.play(THREE)
    assert (first.exit_code, first.interrupted) == (130, True)
    assert [row.status for row in first.rows] == ["passed", "interrupted", "not run"]
    assert first.parent_rid
    parent = bench.row(first.parent_rid)
    assert (parent["Status"], parent["Status_Detail"]) == (
        "Aborted",
        "Interrupted: 1 of 3 jobs passed, 1 interrupted, 1 not run.",
    )
    _goes_on(bench, first.parent_rid)


def test_a_killed_sweep_goes_on(bench: Bench) -> None:
    bench.tell(1, "die")
    if not (process := os.fork()):  # a process of its own, without the seconds that imports take
        try:
            bench.play(THREE)
        finally:
            os._exit(1)
    _, ended = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(ended) == -signal.SIGKILL
    (folder,) = (bench.folder / "project" / SWEEPS).glob("*/*/")
    assert bench.row(folder.name)["Status"] == "Running"
    _goes_on(bench, folder.name)


def _goes_on(bench: Bench, parent: str) -> None:
    bench.tell(1, "")
    bench.played()
    result = bench.play(THREE)
    assert (result.parent_rid, result.exit_code, bench.played()) == (parent, 0, [1, 2])
    assert [status for number, _, status in bench.children(parent) if number == 1] == ["Aborted", "Completed"]
    assert bench.row(parent)["Status"] == "Completed"


def test_a_sweep_that_is_being_played_is_not_played_twice(bench: Bench) -> None:
    first = bench.play("model_config.epochs=1,2")
    assert first.folder
    with held(first.folder.parent) as free:
        assert free
        with pytest.raises(UsageError, match="being played by another program"):
            bench.play("model_config.epochs=1,2")


def test_a_dry_run_plays_every_job_and_writes_nothing(bench: Bench) -> None:
    snaptime, before = bench.ml.catalog.get("/").json()["snaptime"], bench.executions()
    bench.tell(1, "refuse")
    result = bench.play(THREE, "dry_run=true")

    assert bench.played() == [0, 1, 2]
    assert [row.status for row in result.rows] == ["passed", "failed", "passed"]
    assert result.rows[1].error == "No receipt of tier 1 fits.\nPlay tier 1 first."
    assert (result.parent_rid, result.folder, result.exit_code) == (None, None, 1)
    assert (bench.ml.catalog.get("/").json()["snaptime"], bench.executions()) == (snaptime, before)
    assert not (bench.folder / "project" / SWEEPS).exists()

    bench.tell(1, "fail")
    failed = bench.play(THREE, "dry_run=true")
    (trace,) = traces_of(failed.folder, failed.rows) if failed.folder else [None]
    assert trace
    assert "no such luck" in trace.read_text()
    shutil.rmtree(trace.parent.parent)
    with pytest.raises(UsageError, match="Some jobs of this sweep are dry runs"):
        bench.play("dry_run=true,false")


def test_a_model_that_ends_the_program_ends_its_job_only(bench: Bench) -> None:
    bench.tell(0, "exit")
    result = bench.play("model_config.epochs=3,4")
    assert [row.status for row in result.rows] == ["failed", "passed"]
    assert result.rows[0].error == "the model's function ended the program (SystemExit: enough)"


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["+experiment=plain,parallel"], "hydra/launcher=joblib, but Hydra has chosen basic"),
        (["model_config.learning_rte=1,2"], "learning_rte"),
        (["hydra/launcher=submitit_slurm", THREE], "submitit_slurm is not installed"),
        (["model_config=small,huge"], "huge"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_written(bench: Bench, overrides: list[str], said: str) -> None:
    before = bench.executions()
    with pytest.raises(UsageError) as refused:
        bench.play(*overrides)
    assert said in str(refused.value)
    assert refused.value.remedy
    assert (bench.executions(), bench.played()) == (before, [])


@pytest.mark.parametrize(
    "overrides", [["hydra/launcher=joblib", "+experiment=plain,parallel"], ["+experiment=parallel", "dry_run=true"]]
)
def test_a_launcher_that_hydra_heeds_is_accepted(bench: Bench, overrides: list[str]) -> None:
    with hydra_at_work() as hydra:
        jobs = expand(hydra, "deriva_model", overrides)
    assert {job.config.hydra.runtime.choices["hydra/launcher"] for job in jobs} == {"joblib"}


def test_all_workflows_are_recorded_before_a_job_could_record_one_twice(bench: Bench) -> None:
    seen: list[int] = []

    def task(config: Any) -> Any:
        seen.append(len(bench.ml.find_workflows()))
        return sweep_driver.run(config)

    before = len(bench.ml.find_workflows())
    result = play(replace(sweep_driver.order(bench.folder, ["workflow=a,b", "model_config.epochs=1,2"]), task=task))
    assert seen == [before + 2] * 4
    assert len({bench.row(str(row.execution_rid))["Workflow"] for row in result.rows}) == 2


def test_processes_that_are_launched_import_what_this_one_can(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.syspath_prepend(bench.folder / "src")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    order = sweep_driver.order(bench.folder, ["model_config.epochs=1,2", "dry_run=true"])
    play(replace(order, task=lambda config: seen.append(os.environ["PYTHONPATH"])))
    assert seen[0].split(os.pathsep)[0] == str(bench.folder / "src")
    assert "PYTHONPATH" not in os.environ


def test_a_refused_sweep_writes_nothing(bench: Bench) -> None:
    def refuse(config: Any) -> None:
        raise UsageError(f"epochs={config.model_config.epochs} is not admitted.")

    before = bench.executions()
    order = sweep_driver.order(bench.folder, ["model_config.epochs=5,6"])
    with pytest.raises(UsageError, match="epochs=5 is not admitted"):
        play(replace(order, admit=refuse))
    assert (bench.executions(), bench.played()) == (before, [])
