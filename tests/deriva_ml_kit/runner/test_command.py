"""`deriva-ml-run` as it is typed, without a catalog: help, menu, configurations, mistakes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from project_of_configs import write_project

JOB = """\
_target_: deriva_ml_kit.runner.job.run_model
deriva_ml:
  hostname: localhost:8443
  catalog_id: '1'
  domain_schemas: null
  default_schema: null
  project_name: null
  cache_dir: null
  working_dir: null
  hydra_runtime_output_dir: null
  ml_schema: deriva-ml
  logging_level: 30
  deriva_logging_level: 30
  use_minid: null
  clean_execution_dir: true
datasets:
  training:
    rid: 1-D1G5
    version: 0.4.0
    materialize: true
    description: ''
    exclude_tables: null
    timeout: null
    fetch_concurrency: 8
    reachability_concurrency: 8
    _target_: deriva_ml_kit.mainline.DatasetSpec
assets: []
workflow:
  name: Train digits
  workflow_type: Training
  description: A test
  _target_: deriva_ml_kit.mainline.Workflow
model_config:
  _target_: models.digits.train
  _partial_: true
  learning_rate: 0.01
  epochs: 3
  optimizer: adam
  layers: null
description: Quick digits
dry_run: false
ml_class: null
script_config: null
tier: 3
override_tier: it's urgent
parent_execution: null
sequence: null
swept: null
"""
MENU = """\
deriva_ml
  * deriva_ml=default_deriva    no catalog yet (catalog.json), or --host and --catalog
    deriva_ml=production        data.example.org, catalog 42

datasets
  * datasets=default_dataset    All digits; training 1-D1G5@0.4.0
    datasets=described          As a list; 1-AAA@1.0.0
    datasets=listed             1-AAA@1.0.0
    datasets=unmade             training not made yet

assets
  * assets=default_asset        none
    assets=kept                 3-WMG
    assets=weights              Weights; 3-WMG

workflow
  * workflow=default_workflow   A test; type Training

model_config
  * model_config=default_model  Train on nothing
    model_config=quick          Train on nothing; epochs=3

experiment
    +experiment=my_experiment   Quick digits

multirun
    +multirun=lr_sweep          Which learning rate?
                                +experiment=my_experiment
                                model_config.learning_rate=0.001,0.1
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_project(tmp_path_factory.mktemp("project"))
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    return root


def type_in(
    folder: Path, *words: str, options: tuple[str, ...] = (), **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the program in a folder, without a network that it could reach."""
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "ALL_PROXY"), "http://127.0.0.1:9")
    command = [sys.executable, *options, "-m", "deriva_ml_kit.runner.command", *words]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | nowhere | variables
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=env)


def test_help_teaches_and_imports_nothing_that_takes_long(tmp_path: Path) -> None:
    done = type_in(tmp_path, "--help", options=("-X", "importtime"))

    assert done.returncode == 0
    assert "deriva-ml-run +experiment=my_experiment dry_run=true" in done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "argparse" in imported
    assert not imported & {"hydra", "hydra_zen", "omegaconf", "deriva_ml", "pydantic", "numpy", "pandas"}


def test_the_menu_lists_what_config_files_offer_without_the_library(project: Path) -> None:
    done = type_in(project, "--list-configs", options=("-X", "importtime"))

    assert done.stdout.startswith(MENU), done.stderr
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "hydra" in imported
    assert "deriva_ml" not in imported
    assert type_in(project, "--info").stdout == done.stdout


def test_the_menu_is_data_for_programs(project: Path) -> None:
    found = json.loads(type_in(project, "--info", "--json").stdout)

    assert found["experiment"] == [
        {"typed": "+experiment=my_experiment", "default": False, "description": "Quick digits"}
    ]
    assert [option["typed"] for option in found["datasets"] if option["default"]] == ["datasets=default_dataset"]
    assert found["multirun"][0]["overrides"] == ["+experiment=my_experiment", "model_config.learning_rate=0.001,0.1"]


def test_a_configuration_is_shown_as_the_run_would_have_it(project: Path) -> None:
    words = ["--host", "localhost:8443", "+experiment=my_experiment", "--catalog", "1", "--cfg", "job"]
    done = type_in(project, *words, "--tier", "3", "--override-tier", "it's urgent")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == JOB
    assert not (project / "outputs").exists()


def test_flags_of_hydra_reach_it(project: Path) -> None:
    package = type_in(project, "--cfg", "job", "--resolve", "--package", "model_config", "model_config.epochs=7")
    folders = type_in(project, "--cfg", "hydra", "-p", "hydra.run")
    defaults = type_in(project, "--info", "defaults")

    assert package.stdout.splitlines()[:5] == [
        "# @package model_config",
        "_target_: models.digits.train",
        "_partial_: true",
        "learning_rate: 0.01",
        "epochs: 7",
    ]
    assert f"dir: {project}/outputs/runs/" in folders.stdout
    assert "model_config/default_model" in defaults.stdout


def test_of_a_sweep_the_first_job_is_shown(project: Path) -> None:
    done = type_in(project, "+multirun=lr_sweep", "dry_run=true", "--cfg", "job", "--package", "model_config")

    assert "learning_rate: 0.001" in done.stdout
    assert done.stderr == "# the first of 2 jobs\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["my_experiment"], "my_experiment: is no KEY=VALUE; write +experiment=my_experiment"),
        (["--catlog", "1"], "unknown option --catlog; did you mean --catalog?"),
        (["--cfg", "jobs"], "--cfg jobs: there are job, hydra, all"),
        (["--tier", "4"], "argument --tier: invalid choice: 4"),
        (["-c", "src/config"], "There is no folder src/config of config files."),
        (["datasets=unmade"], "src/configs/datasets.toml has no pin 'later'"),
        (["+multirun=nothing"], "+multirun=nothing: there is no sweep of that name; known: lr_sweep."),
    ],
)
def test_a_mistake_ends_with_2_and_a_message_also_for_programs(project: Path, words: list[str], said: str) -> None:
    done = type_in(project, *words, "--json")

    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["error"]["message"]


def test_config_files_may_stand_elsewhere_and_find_the_modules_beside_them(tmp_path: Path) -> None:
    root = write_project(tmp_path / "elsewhere")

    done = type_in(tmp_path, "-c", str(root / "src/configs"), "--cfg", "job", "--package", "model_config")

    assert "_target_: models.digits.train" in done.stdout, done.stderr


def test_main_lines_own_program_goes_first_where_it_is_installed(tmp_path: Path) -> None:
    package = tmp_path / "deriva_ml"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "run_model.py").write_text(
        "import sys\ndef main():\n    print('main line', sys.argv[1:])\n    return 3\n"
    )

    done = type_in(tmp_path, "--help", PYTHONPATH=str(tmp_path))

    assert (done.returncode, done.stdout) == (3, "main line ['--help']\n")
