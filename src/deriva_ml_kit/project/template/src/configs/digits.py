"""Hyperparameters of the digit classifier, with the values of docs/design/model/digit-classifier.md.

The keys are the arguments of `train_digits`: `model_config.epochs=3` sets one for a run. One module a model.
"""

from hydra_zen import builds, store
from models.digits import train_digits

DigitsConfig = builds(
    train_digits,
    hidden_units=64,
    learning_rate=0.005,
    batch_size=32,
    epochs=40,
    seed=20,
    zen_partial=True,  # deriva-ml-run gives the arguments that are left: ml_instance and execution
)

store(DigitsConfig, group="model_config", name="default_model")
store(DigitsConfig, group="model_config", name="digits")
