"""`ExecutionConfiguration`: inputs, workflow and description of an execution, with main line's fields."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from deriva_ml.execution.execution_configuration import ExecutionConfiguration as ReleasedConfiguration
from omegaconf import DictConfig
from pydantic import ConfigDict, Field, SerializeAsAny, field_validator

from deriva_ml_kit.mainline.asset.spec import AssetSpec
from deriva_ml_kit.mainline.dataset.spec import DatasetSpec


class ExecutionConfiguration(ReleasedConfiguration):  # type: ignore[misc]  # the release is untyped
    """What an execution has as inputs, and why it runs.

    Attributes:
        datasets: Each a DatasetSpec, or `RID@VERSION`.
        assets: Each an AssetSpec, or a RID.
        workflow: Workflow, or the RID of one that is recorded.
        description: What it is for.
        argv: The command that was typed.
        config_choices: What was chosen of each group of a Hydra configuration.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    datasets: list[SerializeAsAny[DatasetSpec]] = Field(default_factory=list)
    assets: list[AssetSpec] = Field(default_factory=list)
    config_choices: dict[str, str] = Field(default_factory=dict)

    @field_validator("datasets", mode="before")
    @classmethod
    def _validate_datasets(cls, value: Any) -> Any:
        return [_dataset(each) for each in value] if isinstance(value, list | tuple) else value

    @field_validator("assets", mode="before")
    @classmethod
    def validate_assets(cls, value: Any) -> Any:
        """Take RIDs, the release's AssetRID and what Hydra makes of them for AssetSpec."""
        return [_asset(each) for each in value]

    @staticmethod
    def load_configuration(path: Path) -> ExecutionConfiguration:
        """Read a configuration from a JSON file."""
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        read: ExecutionConfiguration = ExecutionConfiguration.model_validate(document)
        return read


def assets_of(configuration: ReleasedConfiguration) -> list[AssetSpec]:
    """The assets of a configuration, also of one of the release's, which has RIDs."""
    return [asset if isinstance(asset, AssetSpec) else AssetSpec(rid=str(asset)) for asset in configuration.assets]


def _dataset(given: Any) -> Any:
    if isinstance(given, str):
        return DatasetSpec.from_shorthand(given)
    if hasattr(given, "model_dump") and not isinstance(given, DatasetSpec):
        return given.model_dump()
    return dict(given) if isinstance(given, DictConfig) else given


def _asset(given: Any) -> Any:
    if isinstance(given, AssetSpec):
        return given
    if isinstance(given, dict | DictConfig):
        # Configurations that older releases of main line have stored name a role, which was never read.
        return {key: value for key, value in dict(given).items() if key != "asset_role"}
    return {"rid": str(getattr(given, "rid", given))}
