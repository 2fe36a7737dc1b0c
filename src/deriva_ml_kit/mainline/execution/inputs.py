"""Are the inputs of an execution there? Asked of the catalog before anything is written, all faults at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from deriva_ml.execution.execution_configuration import ExecutionConfiguration

from deriva_ml_kit.errors import Fault, Faults
from deriva_ml_kit.mainline.validation.checks import report_on
from deriva_ml_kit.mainline.validation.report import AssetSpecResult, DatasetSpecResult

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML


def check(ml: DerivaML, configuration: ExecutionConfiguration) -> None:
    """Check that every dataset, version and asset exists and is what it is used as.

    Raises:
        Faults: Some are not; every one is named.
    """
    if not (configuration.datasets or configuration.assets):
        return
    report = report_on(ml, configuration)
    faults = [fault for result in report.dataset_results for fault in _dataset_faults(result)]
    faults += [fault for result in report.asset_results for fault in _asset_faults(result)]
    if faults:
        raise Faults(faults, message="The execution cannot start, its inputs are not there. Nothing was written.")


def _dataset_faults(result: DatasetSpecResult) -> Iterator[Fault]:
    rid = result.spec.rid
    if "rid_not_found" in result.reasons:
        yield Fault("no such RID in this catalog", column="dataset", value=rid)
    elif "not_a_dataset" in result.reasons:
        yield Fault(f"is a row of {result.actual_table}, not a dataset", column="dataset", value=rid)
    elif "version_not_found" in result.reasons:
        there = ", ".join(reversed(result.available_versions or [])) or "none"
        yield Fault(
            f"the dataset has no such version; there are: {there}",
            column="dataset",
            value=f"{rid}@{result.spec.version}",
        )


def _asset_faults(result: AssetSpecResult) -> Iterator[Fault]:
    rid = result.spec.rid
    if "rid_not_found" in result.reasons:
        yield Fault("no such RID in this catalog", column="asset", value=rid)
    elif "not_an_asset" in result.reasons:
        yield Fault(f"is a row of {result.actual_table}, which is not an asset table", column="asset", value=rid)
