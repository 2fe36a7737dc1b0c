"""The checks themselves: a handful of requests, however many inputs there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from deriva.core.ermrest_model import Table
from deriva_ml.dataset.aux_classes import DatasetSpec
from deriva_ml.execution.execution_configuration import ExecutionConfiguration
from deriva_ml.execution.workflow import Workflow as ReleasedWorkflow

from deriva_ml_kit.mainline.asset.spec import AssetSpec
from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.mainline.catalog.rids import tables_of
from deriva_ml_kit.mainline.catalog.rows import Row
from deriva_ml_kit.mainline.execution.configuration import assets_of
from deriva_ml_kit.mainline.execution.consumed import Versions
from deriva_ml_kit.mainline.validation.report import (
    AssetSpecResult,
    CrossSpecIssue,
    DatasetSpecResult,
    ExecutionConfigurationValidationReport,
    WorkflowSpecResult,
)

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML

SHOWN_VERSIONS = 20


def report_on(ml: DerivaML, config: ExecutionConfiguration) -> ExecutionConfigurationValidationReport:
    """Everything that can be said about a configuration; see `DerivaML.validate_execution_configuration`."""
    assets = assets_of(config)
    workflow = _workflow_rid(config.workflow)
    known = tables_of(
        ml, [*(s.rid for s in config.datasets), *(s.rid for s in assets), *([workflow] if workflow else [])]
    )
    datasets = dataset_results(ml, config.datasets, known)
    files = _asset_results(ml, assets, known)
    workflow_result = _workflow_result(ml, workflow, known) if workflow else None
    issues = list(_issues(config.datasets, assets, workflow))
    valid = [result.valid for result in datasets] + [result.valid for result in files]
    if workflow_result:
        valid.append(workflow_result.valid)
    return ExecutionConfigurationValidationReport(
        all_valid=all(valid) and not issues,
        dataset_results=datasets,
        asset_results=files,
        workflow_result=workflow_result,
        cross_spec_issues=issues,
    )


def dataset_results(
    ml: DerivaML, specs: Sequence[DatasetSpec], known: dict[str, Table] | None = None
) -> list[DatasetSpecResult]:
    """What can be said about datasets as inputs.

    Args:
        ml: The catalog.
        specs: The datasets, each in a version.
        known: Tables of their RIDs, if they have been asked for.
    """
    known = tables_of(ml, [spec.rid for spec in specs]) if known is None else known
    rids = {spec.rid for spec in specs if spec.rid in known and _is_dataset(ml, known[spec.rid])}
    rows = {row["RID"]: row for row in rows_with(ml.catalog, ml.ml_schema, "Dataset", "RID", rids)}
    versions = Versions.of(ml, rids)
    return [_dataset_result(spec, known.get(spec.rid), rows.get(spec.rid), versions) for spec in specs]


def _dataset_result(spec: DatasetSpec, table: Table | None, row: Row | None, versions: Versions) -> DatasetSpecResult:
    if table is None:
        return DatasetSpecResult(spec=spec, valid=False, reasons=["rid_not_found"])
    if row is None:
        return DatasetSpecResult(spec=spec, valid=False, reasons=["not_a_dataset"], actual_table=table.name)
    there = [str(version["Version"]) for version in versions.newest_first(spec.rid)]
    found = str(spec.version) in there
    return DatasetSpecResult(
        spec=spec,
        valid=found,
        reasons=[] if found else ["version_not_found"],
        warnings=["dataset_deleted"] if row["Deleted"] else [],
        available_versions=None if found else there[:SHOWN_VERSIONS],
        resolved_version=str(spec.version) if found else None,
        dataset_name=row["Description"] if found else None,
    )


def _asset_results(ml: DerivaML, specs: Collection[AssetSpec], known: dict[str, Table]) -> list[AssetSpecResult]:
    tables = {table for spec in specs if (table := known.get(spec.rid)) is not None and ml.model.is_asset(table)}
    names: dict[str, str | None] = {}
    for table in tables:
        rids = {spec.rid for spec in specs if known.get(spec.rid) is table}
        rows = rows_with(ml.catalog, table.schema.name, table.name, "RID", rids, wanted=["RID", "Filename"])
        names |= {row["RID"]: row["Filename"] for row in rows}
    return [_asset_result(spec, known.get(spec.rid), names) for spec in specs]


def _asset_result(spec: AssetSpec, table: Table | None, names: dict[str, str | None]) -> AssetSpecResult:
    if table is None:
        return AssetSpecResult(spec=spec, valid=False, reasons=["rid_not_found"])
    if spec.rid not in names:
        return AssetSpecResult(spec=spec, valid=False, reasons=["not_an_asset"], actual_table=table.name)
    return AssetSpecResult(spec=spec, valid=True, asset_table=table.name, filename=names[spec.rid])


def _workflow_result(ml: DerivaML, rid: str, known: dict[str, Table]) -> WorkflowSpecResult:
    table = known.get(rid)
    if table is None:
        return WorkflowSpecResult(rid=rid, valid=False, reasons=["rid_not_found"])
    if table.name != "Workflow" or table.schema.name != ml.ml_schema:
        return WorkflowSpecResult(rid=rid, valid=False, reasons=["not_a_workflow"], actual_table=table.name)
    (row,) = rows_with(ml.catalog, ml.ml_schema, "Workflow", "RID", [rid])
    return WorkflowSpecResult(rid=rid, valid=True, workflow_name=row["Name"])


def _issues(
    datasets: Collection[DatasetSpec], assets: Collection[AssetSpec], workflow: str | None
) -> Iterator[CrossSpecIssue]:
    versions: dict[str, list[str]] = {}
    for spec in datasets:
        versions.setdefault(spec.rid, []).append(str(spec.version))
    for rid, named in versions.items():
        if len(distinct := sorted(set(named))) > 1:
            detail = f"Dataset {rid} is an input in several versions: {', '.join(distinct)}."
            yield CrossSpecIssue(issue="version_conflict", rids=[rid], detail=detail)
        elif len(named) > 1:
            detail = f"Dataset {rid} in version {named[0]} is given {len(named)} times."
            yield CrossSpecIssue(issue="duplicate_rid", rids=[rid], detail=detail)
    for rid, times in Counter(spec.rid for spec in assets).items():
        if times > 1:
            detail = f"Asset {rid} is given {times} times."
            yield CrossSpecIssue(issue="duplicate_rid", rids=[rid], detail=detail)
    roles = {"dataset": versions.keys(), "asset": {spec.rid for spec in assets}, "workflow": {workflow} - {None}}
    for rid in dict.fromkeys([*versions, *(spec.rid for spec in assets)]):
        if len(played := [role for role, rids in roles.items() if rid in rids]) > 1:
            detail = f"{rid} is given as {' and as '.join(played)}; a row is one of them."
            yield CrossSpecIssue(issue="role_conflict", rids=[rid], detail=detail)


def _workflow_rid(workflow: ReleasedWorkflow | str | None) -> str | None:
    if workflow is None or isinstance(workflow, str):
        return workflow
    rid: Any = getattr(workflow, "workflow_rid", None) or workflow.rid
    return str(rid) if rid else None


def _is_dataset(ml: DerivaML, table: Table) -> bool:
    return bool(table.name == "Dataset" and table.schema.name == ml.ml_schema)
