"""Are the inputs of an execution there? Asked of the catalog before anything is written, all faults at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from deriva_ml.core.exceptions import DerivaMLException
from deriva_ml.dataset.aux_classes import DatasetSpec
from deriva_ml.execution.execution_configuration import ExecutionConfiguration

from deriva_ml_kit.errors import Fault, Faults

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML


def check(ml: DerivaML, configuration: ExecutionConfiguration) -> None:
    """Check that every dataset, version and asset exists and is what it is used as.

    Raises:
        Faults: Some are not; every one is named.
    """
    faults = [fault for spec in configuration.datasets for fault in _dataset_faults(ml, spec)]
    faults += [fault for rid in configuration.assets for fault in _asset_faults(ml, str(rid))]
    if faults:
        raise Faults(faults, message="The execution cannot start, its inputs are not there. Nothing was written.")


def _dataset_faults(ml: DerivaML, spec: DatasetSpec) -> Iterator[Fault]:
    table = _table_of(ml, spec.rid)
    if table is None:
        yield Fault("no such RID in this catalog", column="dataset", value=spec.rid)
    elif table != "Dataset":
        yield Fault(f"is a row of {table}, not a dataset", column="dataset", value=spec.rid)
    else:
        versions = sorted(entry.dataset_version for entry in ml.dataset_history(spec.rid))
        if spec.version not in versions:
            there = ", ".join(str(version) for version in versions) or "none"
            yield Fault(
                f"the dataset has no such version; there are: {there}",
                column="dataset",
                value=f"{spec.rid}@{spec.version}",
            )


def _asset_faults(ml: DerivaML, rid: str) -> Iterator[Fault]:
    table = _table_of(ml, rid)
    if table is None:
        yield Fault("no such RID in this catalog", column="asset", value=rid)
    elif not ml.model.is_asset(table):
        yield Fault(f"is a row of {table}, which is not an asset table", column="asset", value=rid)


def _table_of(ml: DerivaML, rid: str) -> str | None:
    try:
        return str(ml.resolve_rid(rid).table.name)
    except DerivaMLException:
        return None
