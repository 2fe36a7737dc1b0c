"""Runs by name: `+experiment=NAME` chooses an option of each group, and what it is for."""

from hydra_zen import make_config, store

from configs.base import DerivaModelConfig

experiment = store(group="experiment", package="_global_")

experiment(
    make_config(
        hydra_defaults=["_self_", {"override /model_config": "digits"}, {"override /datasets": "digits"}],
        description="The digit classifier on all digits, judged on the held-out fifth",
        bases=(DerivaModelConfig,),
    ),
    name="my_experiment",
)
