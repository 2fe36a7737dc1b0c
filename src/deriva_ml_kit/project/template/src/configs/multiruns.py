"""Sweeps by name: `+multirun=NAME` makes one execution for the sweep, with a child for each combination of values."""

from deriva_ml_kit.runner import multirun_config

multirun_config(
    "lr_sweep",
    overrides=["+experiment=my_experiment", "model_config.learning_rate=0.0005,0.005,0.05"],
    description="Which learning rate? See docs/design/experiment/learning-rate.md.",
)
