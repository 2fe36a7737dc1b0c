"""The run itself; experiments build on it."""

from hydra_zen import store

from deriva_ml_kit.runner import create_model_config

DerivaModelConfig = create_model_config(description="A model of @name@")

store(DerivaModelConfig, name="deriva_model")
