"""What can be run by name composes: seconds, no catalog."""

import inspect

import pytest
from hydra import compose, initialize
from hydra_zen import instantiate, store

from deriva_ml_kit.runner import get_all_multirun_configs, load_configs

load_configs("configs")
store.add_to_hydra_store(overwrite_ok=True)
EXPERIMENTS = sorted(name for group, name in store["experiment"])


@pytest.fixture(autouse=True)
def hydra():
    with initialize(version_base="1.3", config_path=None):
        yield


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_calls_its_model_with_arguments_that_it_has(name):
    config = compose("deriva_model", overrides=[f"+experiment={name}"])

    model = instantiate(config["model_config"])
    inspect.signature(model.func).bind(**model.keywords, ml_instance=None, execution=None)
    assert config.description


def test_another_dataset_takes_the_role_of_training():
    given = ["datasets.training.rid=2-ABCD", "datasets.training.version=0.2.0", "model_config.epochs=3"]
    config = compose("deriva_model", overrides=["+experiment=my_experiment", *given])

    assert (config.datasets.training.rid, config.datasets.training.version) == ("2-ABCD", "0.2.0")
    assert config["model_config"].epochs == 3


@pytest.mark.parametrize("name", sorted(get_all_multirun_configs()))
def test_the_first_job_of_a_sweep_composes(name):
    sweep = get_all_multirun_configs()[name]
    first = [override.partition(",")[0] for override in sweep.overrides]

    assert compose("deriva_model", overrides=first)["model_config"]
    assert sweep.description
