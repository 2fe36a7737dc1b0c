"""A program that plays sweeps of a small model, each job a real execution; what it does is told by its configuration.

    python sweep_driver.py HOSTNAME CATALOG FOLDER [--new-sweep] OVERRIDE…

FOLDER holds the git repository `project` and everything that is written. A job appends its number to `played`, and
does what FOLDER/<number> says: `fail`, `die`, `exit`, `interrupt`, `refuse`; nothing there, and it succeeds.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hydra_zen import ZenStore, builds, make_config
from omegaconf import DictConfig

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.mainline import DerivaML, ExecutionConfiguration, Workflow
from deriva_ml_kit.mainline.execution import nested
from deriva_ml_kit.runner.sweep import Order, Result, play
from deriva_ml_kit.tiers.receipt import Code


def train(learning_rate: float = 0.1, epochs: int = 3, slow: bool = False) -> None:
    """Stand for a model's function."""


def job(  # noqa: PLR0917  (the keys of a run)
    deriva_ml: Any = None,
    model_config: Any = None,
    description: str = "",
    dry_run: bool = False,
    parent_execution: str | None = None,
    swept: Any = None,
    sequence: int | None = None,
    workflow: str = "w",
) -> None:
    """Name the keys of a run."""


def configure(hostname: str, catalog_id: str, folder: Path) -> None:
    """Fill Hydra's store."""
    store = ZenStore(overwrite_ok=True)
    small = builds(train, populate_full_signature=True, zen_partial=True)
    large = builds(train, learning_rate=0.5, populate_full_signature=True, zen_partial=True)
    place = {"hostname": hostname, "catalog_id": catalog_id, "folder": str(folder)}
    base = builds(
        job, deriva_ml=place, populate_full_signature=True, hydra_defaults=["_self_", {"model_config": "small"}]
    )
    store(base, name="deriva_model")
    store(small, group="model_config", name="small")
    store(large, group="model_config", name="large")
    for name, more in (("plain", []), ("parallel", [{"override /hydra/launcher": "joblib"}])):
        defaults = [{"override /model_config": "large"}, *more, "_self_"]
        store(make_config(hydra_defaults=defaults, bases=(base,)), group="experiment", package="_global_", name=name)
    store.add_to_hydra_store(overwrite_ok=True)


def connect(config: DictConfig) -> tuple[DerivaML, Workflow]:
    """The catalog and what runs."""
    place = config.deriva_ml
    ml = DerivaML(place.hostname, str(place.catalog_id), working_dir=Path(place.folder, "work"))
    url = f"https://example.org{place.folder}/{config.workflow}"
    workflow = Workflow(name="Sweep", workflow_type="Training", url=url, checksum="", version="1")
    return ml, workflow


def run(config: DictConfig) -> SimpleNamespace:
    """Play one job."""
    folder, number = Path(config.deriva_ml.folder), int(config.sequence)
    with (folder / "played").open("a") as played:
        played.write(f"{number}\n")
    what = folder / str(number)
    word = what.read_text() if what.exists() else ""
    if word == "refuse":
        raise UsageError("No receipt of tier 1 fits.", remedy="Play tier 1 first.")
    if config.dry_run:
        act(word)
        return SimpleNamespace(execution_rid=None, metrics={"learning_rate": config.model_config.learning_rate})
    ml, workflow = connect(config)
    exe = ml.create_execution(ExecutionConfiguration(description=f"job {number}"), workflow=workflow)
    nested.add(ml, config.parent_execution, exe.execution_rid, number)
    with exe:
        act(word)
        if config.model_config.slow and number == 0:
            time.sleep(2)
        Path(exe.asset_file_path("Execution_Asset", f"{number}.txt", "Output_File")).write_text("done")
    exe.commit_output_assets()
    metrics = {"learning_rate": config.model_config.learning_rate, "process": os.getpid(), "ended": time.time()}
    return SimpleNamespace(execution_rid=exe.execution_rid, metrics=metrics)


def act(word: str) -> None:
    """Do what a test asked for."""
    if word == "fail":
        raise ValueError("no such luck")
    if word == "exit":
        sys.exit("enough")
    if word == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "interrupt":
        os.kill(os.getpid(), signal.SIGINT)


def order(folder: Path, overrides: list[str], *, afresh: bool = False, as_json: bool = False) -> Order:
    """The sweep of a command line."""
    project = folder / "project"
    git = ["git", "rev-parse", "HEAD"]
    commit = subprocess.run(git, cwd=project, capture_output=True, text=True, check=True).stdout.strip()
    code = Code(commit=commit, dirty=False, repository=str(project), script="model.py")
    return Order(
        config_name="deriva_model",
        overrides=overrides,
        task=run,
        connect=connect,
        code=code,
        name="lr_sweep",
        afresh=afresh,
        as_json=as_json,
    )


def main() -> int:
    """Play what the command line says."""
    hostname, catalog_id, folder, *rest = sys.argv[1:]
    import sweep_driver  # noqa: PLC0415  (by its name, so that workers find it)

    sweep_driver.configure(hostname, catalog_id, Path(folder))
    overrides = [each for each in rest if each != "--new-sweep"]
    result: Result = play(sweep_driver.order(Path(folder), overrides, afresh="--new-sweep" in rest, as_json=True))
    print(json.dumps(result.as_json()))
    return result.exit_code


if __name__ == "__main__":
    sys.exit(main())
