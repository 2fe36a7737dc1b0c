"""Every way to get a command line or a config file wrong has a message that says what to type; none shows a traceback.

Config files register in stores of the whole process, so each project is read by a process of its own, which answers
for many command lines.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from project_of_configs import write_project

ASK = """
import json, sys
from pathlib import Path
from omegaconf import OmegaConf
from deriva_ml_kit.errors import KitError
from deriva_ml_kit.runner import command, compose, loading

def answer(question):
    words, spec = compose.expand(question["words"])
    sweep = question.get("sweep", bool(spec))
    made = compose.composed(
        compose.Asked(folder, question.get("main", "deriva_model"), tuple(words), sweep), complete=True
    )
    return vars(made) | {"config": OmegaConf.to_container(made.config)}

folder = Path("src/configs")
answers = []
for question in json.load(sys.stdin):
    try:
        loading.load_folder(folder)
        command._fill_store(folder)
        answers.append(answer(question))
    except KitError as error:
        answers.append({"error": str(error), "exit_code": error.exit_code})
print(json.dumps(answers))
"""
HOST = ["deriva_ml.hostname=localhost:8443", "deriva_ml.catalog_id=1"]
REFUSED = "The command line does not fit the configuration; nothing was run:\n  "
UNREADABLE = "The command line cannot be read; nothing was run:\n  "
INCOMPLETE = "The configuration is incomplete; nothing was run:\n  "

# What is typed after the host and the catalog -> what is said.
SAID = {
    "my_experiment": UNREADABLE + "my_experiment: is no KEY=VALUE; write +experiment=my_experiment",
    "my_experimnt": UNREADABLE + "my_experimnt: is no KEY=VALUE; did you mean +experiment=my_experiment?",
    "lr_sweep": UNREADABLE + "lr_sweep: is no KEY=VALUE; write +multirun=lr_sweep",
    "zzz": UNREADABLE
    + "zzz: is no KEY=VALUE; write +experiment=NAME to choose an experiment, "
    + "or KEY=VALUE such as model_config.epochs=3",
    "description=[a": UNREADABLE
    + "description=[a: cannot be read (no viable alternative at input '[a'); "
    + "put the value into quotes: 'description=\"…\"'",
    "experiment=my_experiment": REFUSED
    + "experiment=my_experiment: an experiment is added to what is chosen already; write +experiment=my_experiment",
    "+experiment=my_experimen": REFUSED
    + "+experiment=my_experimen: experiment has no such option; did you mean 'my_experiment'? Options: my_experiment.",
    "model_config=zzz": REFUSED + "model_config=zzz: model_config has no such option; known: default_model, quick.",
    "assets=[3-WMG]": REFUSED + "assets=3-WMG: assets has no such option; known: default_asset, kept, weights.",
    "+datasets=listed": REFUSED + "+datasets=listed: datasets is chosen already; write datasets=listed",
    "modelconfig=quick": REFUSED
    + "modelconfig=quick: there is no key 'modelconfig'; did you mean 'model_config'? Keys: assets, datasets, "
    + "deriva_ml, description, dry_run, ml_class, model_config, override_tier, parent_execution, script_config, "
    + "sequence, swept, tier, workflow.",
    "model_config.epoch=3": REFUSED
    + "model_config.epoch=3: there is no key 'epoch' of model_config; did you mean 'epochs'? "
    + "Keys of model_config: epochs, layers, learning_rate, optimizer.",
    "+model_config.momentum=3": REFUSED
    + "model_config.momentum: train has no such parameter; "
    + "known: epochs, execution, layers, learning_rate, ml_instance, optimizer.",
    "model_config.epochs=many": REFUSED + "model_config.epochs: 'many' is not a whole number",
    "model_config.optimizer=adm": REFUSED + "model_config.optimizer: 'adm' is not one of 'adam', 'sgd'",
    "model_config.learning_rate=-1": REFUSED
    + "model_config.learning_rate: -1 is not a number: Input should be greater than 0",
    "model_config.layers=[a]": REFUSED + "model_config.layers: ['a'] is not a list of whole numbers or null, at 0",
    "model_config.epochs=1,2": REFUSED
    + "model_config.epochs=1,2: names several values; "
    + "add --multirun for a job of each; write model_config.epochs=[1,2] for one list",
    "dry_run=perhaps": REFUSED + "dry_run=perhaps: 'perhaps' is not true or false",
    "tier=4": REFUSED + "tier: 4 is not one of 1, 2, 3 or null",
    "description=${nothing}": REFUSED + "description: Interpolation key 'nothing' not found",
    "datasets.trainng.rid=1": REFUSED
    + "datasets.trainng.rid=1: there is no key 'trainng' of datasets; did you mean 'training'? "
    + "Keys of datasets: training.",
    "datasets.training.vresion=1": REFUSED
    + "datasets.training.vresion=1: there is no key 'vresion' of datasets.training; did you mean 'version'? "
    + "Keys of datasets.training: description, exclude_tables, fetch_concurrency, materialize, "
    + "reachability_concurrency, rid, timeout, version.",
    "datasets=listed datasets.training.rid=1": REFUSED
    + "datasets.training.rid=1: datasets is a list of 1, and has no 'training'; "
    + "write datasets.0… for its first, or register datasets by role with store_datasets",
    "~workflow.name": REFUSED + "~workflow.name: it cannot be taken away; write workflow.name=null",
    "datasets=unmade": INCOMPLETE
    + "datasets.training is missing: src/configs/datasets.toml has no pin 'later'; "
    + 'write later = "RID@VERSION" there; for one run: datasets.training.rid=RID datasets.training.version=VERSION',
    "+multirun=lr_swep": "+multirun=lr_swep: there is no sweep of that name; did you mean 'lr_sweep'?\n"
    + "multirun_config(…) in src/configs/multiruns.py registers one.",
    "+multirun=a +multirun=b": "Several sweeps are named: a, b.\nRun them one after another.",
    # Everything that is wrong, at once.
    "model_config.epoch=3 datasets.trainng.rid=4": REFUSED
    + "model_config.epoch=3: there is no key 'epoch' of model_config; did you mean 'epochs'? "
    + "Keys of model_config: epochs, layers, learning_rate, optimizer.\n"
    + "  datasets.trainng.rid=4: there is no key 'trainng' of datasets; did you mean 'training'? "
    + "Keys of datasets: training.",
}
FINE = (
    "",
    "+experiment=my_experiment",
    "+experiment=my_experiment datasets.training.rid=1-DEV datasets.training.version=0.1.0 model_config.epochs=3",
    "datasets=listed datasets.0.rid=1-DEV",
    "datasets.training=1-DEV@0.1.0",
    "datasets=described assets=weights",
    "deriva_ml=production",
    "++model_config.epochs=3",
    "+multirun=lr_sweep model_config.epochs=5,6 dry_run=true",
    "+multirun=lr_sweep model_config.learning_rate=0.5,0.6,0.7",
)


def ask(root: Path, questions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a process says that reads the project in a folder."""
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        cwd=root,
        input=json.dumps(questions),
        capture_output=True,
        text=True,
        check=False,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    assert done.returncode == 0, done.stderr
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    root = write_project(tmp_path_factory.mktemp("project"))
    questions = {line: {"words": [*HOST, *line.split()]} for line in (*SAID, *FINE)} | {
        "no catalog": {"words": []},
        "another main": {"words": [], "main": "deriva_modl"},
        "options of a sweep": {"words": [*HOST, "model_config=quick,quik"], "sweep": True},
        "values of a sweep": {"words": [*HOST, "model_config.epochs=1,x,2,y"], "sweep": True},
    }
    return dict(zip(questions, ask(root, [*questions.values()]), strict=True))


@pytest.mark.parametrize("line", SAID)
def test_a_mistake_is_answered_by_what_to_type_instead(answers: dict[str, Any], line: str) -> None:
    assert answers[line] == {"error": SAID[line], "exit_code": 2}


def test_the_seeds_command_for_a_small_dataset_works(answers: dict[str, Any]) -> None:
    made = answers[FINE[2]]

    assert made["choices"]["experiment"] == "my_experiment"
    assert made["config"]["datasets"]["training"]["rid"] == "1-DEV"
    assert made["config"]["datasets"]["training"]["version"] == "0.1.0"
    assert made["config"]["model_config"]["epochs"] == 3
    assert made["config"]["description"] == "Quick digits"


def test_datasets_are_given_as_a_list_by_role_or_in_short(answers: dict[str, Any]) -> None:
    listed, short, described = (answers[line]["config"]["datasets"] for line in FINE[3:6])

    assert listed[0]["rid"] == "1-DEV"
    assert short == {"training": "1-DEV@0.1.0"}
    assert described["items"][0]["rid"] == "1-AAA"
    assert described["description"] == "As a list"


def test_a_named_sweep_stands_for_its_overrides_and_what_is_typed_wins(answers: dict[str, Any]) -> None:
    assert answers[FINE[8]]["jobs"] == 4
    assert answers[FINE[9]]["jobs"] == 3
    assert answers[FINE[9]]["words"][-1] == "model_config.learning_rate=0.5"
    assert answers[FINE[8]]["config"]["dry_run"] is True


@pytest.mark.parametrize("line", ["", "deriva_ml=production", "++model_config.epochs=3"])
def test_what_is_right_is_composed(answers: dict[str, Any], line: str) -> None:
    assert answers[line]["config"]["deriva_ml"]["hostname"] == "localhost:8443"


def test_a_sweep_is_looked_at_in_all_its_values(answers: dict[str, Any]) -> None:
    assert answers["options of a sweep"]["error"] == REFUSED + (
        "model_config=quik: model_config has no such option; did you mean 'quick'? Options: default_model, quick."
    )
    assert answers["values of a sweep"]["error"] == REFUSED + (
        "model_config.epochs: 'x' is not a whole number\n  model_config.epochs: 'y' is not a whole number"
    )


def test_a_catalog_that_nobody_named_is_missing_once(answers: dict[str, Any]) -> None:
    assert answers["no catalog"]["error"] == INCOMPLETE + (
        "the catalog is missing: src/configs/catalog.json names none; "
        "make one with src/scripts/make_schema.py, or give --host HOST[:PORT] --catalog ID"
    )


def test_another_main_configuration_must_exist(answers: dict[str, Any]) -> None:
    assert answers["another main"]["error"] == (
        "--config-name deriva_modl: there is no main configuration of that name; did you mean 'deriva_model'?\n"
        'store(create_model_config(), name="deriva_modl") in src/configs/base.py registers one.'
    )


EXPERIMENT = """
from hydra_zen import make_config, store
from configs.base import DerivaModelConfig

store(
    make_config(
        hydra_defaults=["_self_", {{"override /{group}": "{option}"}}],
        {values}
        bases=(DerivaModelConfig,),
    ),
    group="experiment",
    package="_global_",
    name="my_experiment",
)
"""
UNFIT = "The config files do not fit together; nothing was run:\n  "
BROKEN = "The config files cannot be read; nothing was run:\n  "
# Which config file -> its text, and what is said.
FILES: dict[str, tuple[dict[str, str], str]] = {
    "unknown option": (
        {"experiments": EXPERIMENT.format(group="model_config", option="quik", values="")},
        UNFIT + "src/configs/experiments.py:7: model_config=quik: model_config has no such option; "
        "did you mean 'quick'? Options: default_model, quick.",
    ),
    "unknown key": (
        {"experiments": EXPERIMENT.format(group="model_config", option="quick", values='model_config={"epoch": 5},')},
        UNFIT + "src/configs/experiments.py:8: experiment/my_experiment: there is no key 'epoch'; "
        "did you mean model_config.epochs?",
    ),
    "wrong type": (
        {
            "experiments": EXPERIMENT.format(
                group="model_config", option="quick", values='model_config={"epochs": "x"},'
            )
        },
        REFUSED + "src/configs/experiments.py:8: model_config.epochs: 'x' is not a whole number",
    ),
    "no such module": (
        {"assets": "import numpyy\n"},
        BROKEN + "src/configs/assets.py:1: ModuleNotFoundError: No module named 'numpyy'; "
        "install it with `uv add numpyy`, or correct the name",
    ),
    "no such module of the project": (
        {"digits": "\nfrom models.digit import train\n"},
        BROKEN + "src/configs/digits.py:2: ModuleNotFoundError: No module named 'models.digit'; did you mean 'digits'?",
    ),
    "no such name": (
        {"digits": "\n\nfrom models.digits import trian\n"},
        BROKEN + "src/configs/digits.py:3: ImportError: cannot import name 'trian' from 'models.digits' "
        "({root}/src/models/digits.py); did you mean 'train'?",
    ),
    "no Python": (
        {"workflow": "x = 1\nstore(name=\n"},
        BROKEN + "src/configs/workflow.py:2: is no Python: '(' was never closed",
    ),
    "no such field": (
        {"datasets": 'from deriva_ml_kit.runner import DatasetSpecConfig\nDatasetSpecConfig(rid="1", vers="2")\n'},
        BROKEN + "src/configs/datasets.py:2: TypeError: DatasetSpecConfig.__init__() got an unexpected keyword "
        "argument 'vers'",
    ),
    "no pin": (
        {
            "datasets": "from pathlib import Path\nfrom deriva_ml_kit.runner import store_datasets\n"
            'pins = Path(__file__).with_name("datasets.toml")\npins.write_text(\'digits = "1-D1G5"\')\n'
            'store_datasets("default_dataset", pins=pins, roles={"training": "digits"})\n'
        },
        "{root}/src/configs/datasets.toml: digits = '1-D1G5' is no pin.\nWrite digits = \"RID@VERSION\".",
    ),
}


@pytest.mark.parametrize("mistake", FILES)
def test_a_mistake_in_a_config_file_is_told_with_file_and_line(tmp_path: Path, mistake: str) -> None:
    changed, said = FILES[mistake]

    (answer,) = ask(write_project(tmp_path, **changed), [{"words": [*HOST, "+experiment=my_experiment"]}])

    assert answer["error"] == said.replace("{root}", str(tmp_path))
