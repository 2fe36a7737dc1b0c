"""A small project of config files, as a person might have written it; its model needs no library."""

from __future__ import annotations

from pathlib import Path

FILES = {
    "src/configs/__init__.py": "",
    "src/configs/base.py": """
from hydra_zen import store
from deriva_ml_kit.runner import create_model_config

DerivaModelConfig = create_model_config(description="Digits")
store(DerivaModelConfig, name="deriva_model")
""",
    "src/configs/deriva.py": """
from pathlib import Path
from hydra_zen import store
from deriva_ml_kit.runner import DerivaMLConfig, store_connection

store_connection(Path(__file__).with_name("catalog.json"))
store(DerivaMLConfig(hostname="data.example.org", catalog_id="42"), group="deriva_ml", name="production")
""",
    "src/configs/datasets.py": """
from pathlib import Path
from hydra_zen import store
from deriva_ml_kit.runner import DatasetSpecConfig, store_datasets, with_description

PINS = Path(__file__).with_name("datasets.toml")
store_datasets("default_dataset", pins=PINS, roles={"training": "digits"}, description="All digits", made_by="make it")
store_datasets("unmade", pins=PINS, roles={"training": "later"})
SPECS = [DatasetSpecConfig(rid="1-AAA", version="1.0.0")]
store(with_description(SPECS, "As a list"), group="datasets", name="described")
store(SPECS, group="datasets", name="listed")
""",
    "src/configs/datasets.toml": 'digits = "1-D1G5@0.4.0"\n',
    "src/configs/assets.py": """
from hydra_zen import store
from deriva_ml_kit.runner import AssetSpecConfig, with_description

store([], group="assets", name="default_asset")
store(with_description(["3-WMG"], "Weights"), group="assets", name="weights")
store([AssetSpecConfig(rid="3-WMG", cache=True)], group="assets", name="kept")
""",
    "src/configs/workflow.py": """
from hydra_zen import store
from deriva_ml_kit.runner import WorkflowConfig

store(
    WorkflowConfig(name="Train digits", workflow_type="Training", description="A test"),
    group="workflow",
    name="default_workflow",
)
""",
    "src/configs/digits.py": """
from hydra_zen import builds, store
from models.digits import train

Config = builds(train, populate_full_signature=True, zen_partial=True)
store(Config, group="model_config", name="default_model")
store(Config(epochs=3), group="model_config", name="quick")
""",
    "src/configs/experiments.py": """
from hydra_zen import make_config, store
from configs.base import DerivaModelConfig

experiment = store(group="experiment", package="_global_")
experiment(
    make_config(
        hydra_defaults=["_self_", {"override /model_config": "quick"}],
        description="Quick digits",
        bases=(DerivaModelConfig,),
    ),
    name="my_experiment",
)
""",
    "src/configs/multiruns.py": """
from deriva_ml_kit.runner import multirun_config

multirun_config(
    "lr_sweep",
    overrides=["+experiment=my_experiment", "model_config.learning_rate=0.001,0.1"],
    description="## Which learning rate?\\n\\nIt's a question.",
)
""",
    "src/models/__init__.py": "",
    "src/models/digits.py": '''
from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

if TYPE_CHECKING:
    from deriva_ml_kit import DerivaML, Execution


def train(
    learning_rate: Annotated[float, Field(gt=0)] = 0.01,
    epochs: int = 10,
    optimizer: Literal["adam", "sgd"] = "adam",
    layers: list[int] | None = None,
    *,
    ml_instance: DerivaML,
    execution: Execution,
) -> dict[str, float]:
    """Train on nothing."""
    return {"epochs": epochs}
''',
    ".gitignore": "outputs/\n__pycache__/\n",
}


def write_project(root: Path, **changed: str) -> Path:
    """Write the project's files; `changed` replaces some, by the name of the config file."""
    files = FILES | {f"src/configs/{name}.py": text for name, text in changed.items()}
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root
