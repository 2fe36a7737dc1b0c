"""What a run is made of, before it is played; and a whole run, typed in a small repository of its own."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bench as bench_module
import pytest
from bench import Bench, bench
from omegaconf import OmegaConf
from project_of_configs import write_project

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.mainline import AssetSpec, DatasetSpec
from deriva_ml_kit.runner import job
from deriva_ml_kit.runner.configs import DatasetSpecConfig, DerivaMLConfig
from deriva_ml_kit.runner.job import connect_to, described, roles_of, source_of
from deriva_ml_kit.tiers.receipt import local_receipts

HERE = Path(__file__).resolve()


def train(epochs: int = 1, *, ml_instance: Any, execution: Any) -> None:
    """Train on nothing."""


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    """As decorators of other files do."""
    return functools.wraps(function)(lambda **arguments: function(**arguments))  # noqa: PLW0108  (a wrapper)


class Trainer:
    def __call__(self, ml_instance: Any, execution: Any) -> None:
        """Train on nothing."""


@pytest.mark.parametrize(
    "function", [train, functools.partial(functools.partial(train, epochs=2)), logged(train), Trainer(), Trainer]
)
def test_the_code_that_ran_is_the_functions_own_file(function: Any) -> None:
    assert source_of(function) == HERE


@pytest.mark.parametrize("function", [len, functools.partial(print)])
def test_a_function_without_a_file_is_refused(function: Any) -> None:
    with pytest.raises(UsageError, match="is in no file, so a run could not say which code ran"):
        source_of(function)


def test_a_partial_is_described_as_hydra_zen_would_build_it() -> None:
    partial = functools.partial(functools.partial(train, epochs=2, seed=1), epochs=3)

    assert described(partial) == {"_target_": f"{__name__}.train", "epochs": 3, "seed": 1}


@pytest.mark.parametrize(
    ("given", "roles"),
    [
        ({"training": DatasetSpec(rid="1-AAAA", version="1.0.0")}, {"1-AAAA": "training"}),
        (OmegaConf.create({"training": {"rid": "1-AAAA", "version": "1.0.0"}}), {"1-AAAA": "training"}),
        (OmegaConf.create({"training": "1-AAAA@1.0.0"}), {"1-AAAA": "training"}),
        ([DatasetSpecConfig(rid="1-AAAA", version="1.0.0")], {}),
        (["1-AAAA@1.0.0"], {}),
    ],
)
def test_datasets_come_by_role_or_as_a_list_in_any_form(given: Any, roles: dict[str, str]) -> None:
    specs, found = roles_of(given)

    assert [(spec.rid, str(spec.version)) for spec in specs] == [("1-AAAA", "1.0.0")]
    assert found == roles


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"training": "1-AAAA"}, "datasets.training: 1-AAAA names no dataset and version"),
        ([{"rid": "1-AAAA", "version": "one"}], "datasets.0: 1-AAAA@one names no dataset and version"),
        ({"a": "1-AAAA@1.0.0", "b": "1-AAAA@2.0.0"}, "datasets.a and datasets.b are the same dataset, 1-AAAA"),
    ],
)
def test_what_names_no_dataset_is_told_with_its_place(given: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        roles_of(given)


def test_no_datasets_are_no_fault() -> None:
    assert roles_of([]) == roles_of(None) == roles_of({}) == ([], {})


def test_a_connection_is_described_outside_hydra_too() -> None:
    given: dict[str, Any] = {}
    kind: Any = lambda **arguments: given.update(arguments)  # noqa: E731

    connect_to(DerivaMLConfig(hostname="h", catalog_id=7, domain_schemas=["a"]), kind, Path("/hydra"))

    assert given["hostname"] == "h"
    assert given["catalog_id"] == "7"
    assert given["domain_schemas"] == {"a"}
    assert given["hydra_runtime_output_dir"] == Path("/hydra")
    assert not [name for name, value in given.items() if value is None]


MODEL = '''
"""Learns three digits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from bench import DIGITS, MODEL, WIDTH, Softmax, read

from deriva_ml_kit.tiers import Records, evidence

if TYPE_CHECKING:
    from deriva_ml_kit import DerivaML, Execution


def train(
    learning_rate: float = 0.5, epochs: int = 40, *, ml_instance: DerivaML, execution: Execution
) -> dict[str, float]:
    """Learn three digits."""
    ev = evidence()
    rids, x, digits = read(execution.datasets[0])
    y = np.array([DIGITS.index(digit) for digit in digits])
    train, test = np.arange(len(x)) % 4 != 0, np.arange(len(x)) % 4 == 0
    ev.data(
        Records(x[train], digits[train], rids=rids[train]),
        Records(x[test], digits[test], rids=rids[test]),
        classes=DIGITS,
    )
    model = Softmax(np.zeros((WIDTH + 1, len(DIGITS))))
    for _ in ev.epochs(epochs):
        for rows in ev.batches(np.array_split(np.flatnonzero(train), 3)):
            ev.loss(model.step(x[rows], y[rows], learning_rate))
    predicted = model.predict(x[test])
    ev.predictions(digits[test], predicted, rids=rids[test])

    def trial(rows, epochs):
        fresh = Softmax(np.zeros((WIDTH + 1, len(DIGITS))))
        losses = [fresh.step(x[train][rows], y[train][rows], learning_rate) for _ in range(epochs)]
        return losses, fresh.predict(x[train][rows])

    ev.trial(trial)
    ev.reload(MODEL, lambda path: Softmax(np.load(path)).predict, x[test])
    np.save(execution.asset_file_path("Execution_Asset", MODEL, asset_types="Model_File"), model.weights)
    record = ml_instance.feature_record_class("Image", "Predicted")
    execution.add_features([record(Image=rid, Digit=digit) for rid, digit in zip(rids[test], predicted)])
    return {"accuracy": float(np.mean(np.array(predicted) == digits[test]))}
'''


class Project:
    """The repository, and what is typed in it."""

    def __init__(self, root: Path, lab: Bench) -> None:
        self.root = write_project(root)
        self.lab = lab
        (root / "src/models/digits.py").write_text(MODEL)
        (root / "src/configs/catalog.json").write_text(
            json.dumps({"hostname": lab.hostname, "catalog_id": lab.catalog_id})
        )
        (root / "src/configs/datasets.toml").write_text(f'digits = "{lab.dataset}@{lab.version}"\n')
        self.git("init", "-q", "-b", "main")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "A project")

    def git(self, *arguments: str) -> str:
        command = ["git", "-c", "user.name=T", "-c", "user.email=t@example.org", *arguments]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=True).stdout.strip()

    def type_in(self, *words: str) -> subprocess.CompletedProcess[str]:
        support = str(Path(bench_module.__file__).parent)
        return subprocess.run(
            [sys.executable, "-m", "deriva_ml_kit.runner.command", *words],
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": support},
        )


@pytest.fixture(scope="module")
def project(local_host: Any, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("run") / "project", bench(local_host.hostname))


@pytest.mark.catalog
def test_a_run_goes_through_its_tiers_as_it_is_typed(project: Project, tmp_path: Path) -> None:
    experiment = "+experiment=my_experiment"
    early = project.type_in(experiment, "model_config.epochs=40")
    assert early.returncode == 2
    assert early.stderr.startswith("error: Tier 2 ")
    assert "Traceback" not in early.stderr

    dry = project.type_in(experiment, "dry_run=true", "model_config.epochs=40", "--json")
    assert dry.returncode == 0, dry.stderr
    (line,) = dry.stdout.splitlines()
    first = json.loads(line)
    assert (first["tier"], first["verdict"], first["execution_rid"]) == (1, "pass", None)
    assert first["next"] == f"uv run deriva-ml-run {experiment} model_config.epochs=40 --json"
    assert Path(first["receipt"]).is_file()
    assert project.git("status", "--porcelain") == ""
    (receipt,) = local_receipts(project.root)
    assert receipt.config["model_config"]["epochs"] == 40
    assert receipt.code.script == "src/models/digits.py"
    assert [(each.role, each.rid) for each in receipt.datasets] == [("training", project.lab.dataset)]

    real = project.type_in(*first["next"].split()[3:])
    assert real.returncode == 0, real.stderr
    second = json.loads(real.stdout)
    assert (second["tier"], second["verdict"]) == (2, "pass")
    assert second["metrics"]["accuracy"] > 0.9
    assert second["next"] == f"uv run deriva-ml-run {experiment} --json dry_run=true"
    ml = project.lab.connect(tmp_path)
    row = ml.catalog.get(f"/entity/deriva-ml:Execution/RID={second['execution_rid']}").json()[0]
    assert row["Description"] == "Quick digits [overrides: +experiment=my_experiment, model_config.epochs=40]"
    workflow = ml.lookup_workflow(second["workflow_rid"])
    assert workflow.name == "Train digits"
    assert workflow.url.endswith("path=/src/models/digits.py")
    assert workflow.checksum == project.git("hash-object", "src/models/digits.py")
    recorded = {asset.filename for asset in ml.list_execution_assets(second["execution_rid"], "Output")}
    assert {"hydra-hydra-config.yaml", "hydra-hydra-overrides.yaml", "configuration.json"} <= recorded


@pytest.mark.catalog
def test_a_run_is_played_without_hydra_by_main_lines_function(
    local_host: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = bench(local_host.hostname)
    root = Project(tmp_path / "project", lab).root
    monkeypatch.syspath_prepend(str(root / "src"))
    from models.digits import train  # type: ignore[import-not-found]  # noqa: PLC0415

    (root / "outputs").mkdir()
    (root / "outputs/left.txt").write_text("by a run")
    workflow = job.located(_workflow(), root / "src/models/digits.py", dry_run=False)
    config = DerivaMLConfig(hostname=lab.hostname, catalog_id=lab.catalog_id, working_dir=str(tmp_path / "work"))
    played = job.run_model(
        config,
        {"training": lab.spec},
        [AssetSpec(rid=lab.asset)],
        "By hand",
        workflow,
        functools.partial(train, epochs=30),
        dry_run=True,
    )

    assert played.receipt.config == {"model_config": {"_target_": "models.digits.train", "epochs": 30}}
    assert (played.tier, str(played.receipt.verdict)) == (1, "pass")
    assert played.receipt.assets == (lab.asset,)


def _workflow() -> Any:
    from deriva_ml_kit.mainline import Workflow  # noqa: PLC0415

    return Workflow(name="By hand", workflow_type="Training", url="https://example.org/x.py", checksum="1", version="1")
