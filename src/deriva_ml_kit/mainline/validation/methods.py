"""What a DerivaML says about the inputs of an execution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from deriva_ml.core.base import DerivaML as ReleasedDerivaML
from deriva_ml.dataset.aux_classes import DatasetSpec as ReleasedSpec
from deriva_ml.execution.execution_configuration import ExecutionConfiguration as ReleasedConfiguration

from deriva_ml_kit.mainline.dataset.spec import DatasetSpec
from deriva_ml_kit.mainline.execution.configuration import ExecutionConfiguration
from deriva_ml_kit.mainline.validation.checks import dataset_results, report_on
from deriva_ml_kit.mainline.validation.report import (
    DatasetSpecValidationReport,
    ExecutionConfigurationValidationReport,
)

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML


class ValidationMethods(ReleasedDerivaML):  # type: ignore[misc]  # the release is untyped
    """What a DerivaML says about the inputs of an execution."""

    def validate_execution_configuration(
        self: DerivaML, config: ReleasedConfiguration | Mapping[str, Any]
    ) -> ExecutionConfigurationValidationReport:
        """Say whether an execution could start: whether its inputs are there, and are what they are used as.

        Nothing is fetched or written, and the answer takes a handful of requests however many inputs there are.

        Args:
            config: The configuration, or its fields.

        Raises:
            pydantic.ValidationError: These are no fields of a configuration.
        """
        made = config if isinstance(config, ReleasedConfiguration) else ExecutionConfiguration.model_validate(config)
        return report_on(self, made)

    def validate_dataset_specs(
        self: DerivaML, specs: Sequence[ReleasedSpec | str | Mapping[str, Any]]
    ) -> DatasetSpecValidationReport:
        """Say whether datasets exist in certain versions.

        Args:
            specs: Each a DatasetSpec, `RID@VERSION`, or the fields of a DatasetSpec.

        Raises:
            pydantic.ValidationError: These are no fields of a DatasetSpec.
            DerivaMLConfigurationError: A text is not `RID@VERSION`.
        """
        results = dataset_results(self, [_spec(spec) for spec in specs])
        return DatasetSpecValidationReport(all_valid=all(result.valid for result in results), results=results)


def _spec(given: ReleasedSpec | str | Mapping[str, Any]) -> ReleasedSpec:
    if isinstance(given, ReleasedSpec):
        return given
    return DatasetSpec.from_shorthand(given) if isinstance(given, str) else DatasetSpec.model_validate(given)
