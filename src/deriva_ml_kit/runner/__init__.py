"""Runs: what a config file is made of, what plays a configuration, what a script needs around its own code.

Names are imported when first asked for: config files, templates and notebooks each need a few of them, and the library
takes seconds.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deriva_ml_kit.runner.config import read_config
    from deriva_ml_kit.runner.configs import (
        AssetSpecConfig,
        BaseConfig,
        DatasetSpecConfig,
        DerivaMLConfig,
        DescribedList,
        WorkflowConfig,
        create_model_config,
        store_connection,
        store_datasets,
        with_description,
    )
    from deriva_ml_kit.runner.inputs import Inputs, check_inputs, ensure_workflow_type
    from deriva_ml_kit.runner.job import run_model
    from deriva_ml_kit.runner.loading import load_configs
    from deriva_ml_kit.runner.multiruns import (
        MultirunSpec,
        get_all_multirun_configs,
        get_multirun_config,
        list_multirun_configs,
        multirun_config,
    )
    from deriva_ml_kit.runner.notebook import (
        get_notebook_configuration,
        notebook_config,
        render_notebook_config,
        run_notebook,
    )
    from deriva_ml_kit.runner.outputs import Outputs

# Module -> names that it defines.
_HOMES = {
    "config": ("read_config",),
    "configs": (
        "AssetSpecConfig",
        "BaseConfig",
        "DatasetSpecConfig",
        "DerivaMLConfig",
        "DescribedList",
        "WorkflowConfig",
        "create_model_config",
        "store_connection",
        "store_datasets",
        "with_description",
    ),
    "inputs": ("Inputs", "check_inputs", "ensure_workflow_type"),
    "job": ("run_model",),
    "loading": ("load_configs",),
    "multiruns": (
        "MultirunSpec",
        "get_all_multirun_configs",
        "get_multirun_config",
        "list_multirun_configs",
        "multirun_config",
    ),
    "notebook": ("get_notebook_configuration", "notebook_config", "render_notebook_config", "run_notebook"),
    "outputs": ("Outputs",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AssetSpecConfig",
    "BaseConfig",
    "DatasetSpecConfig",
    "DerivaMLConfig",
    "DescribedList",
    "Inputs",
    "MultirunSpec",
    "Outputs",
    "WorkflowConfig",
    "check_inputs",
    "create_model_config",
    "ensure_workflow_type",
    "get_all_multirun_configs",
    "get_multirun_config",
    "get_notebook_configuration",
    "list_multirun_configs",
    "load_configs",
    "multirun_config",
    "notebook_config",
    "read_config",
    "render_notebook_config",
    "run_model",
    "run_notebook",
    "store_connection",
    "store_datasets",
    "with_description",
]


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
