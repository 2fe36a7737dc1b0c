"""Who has looked at a test dataset before: counted from the catalog, not from memory."""

from __future__ import annotations

from typing import Literal

from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.mainline.asset.asset import Asset
from deriva_ml_kit.mainline.execution.origins import inputs
from deriva_ml_kit.mainline.execution.record import records_of
from deriva_ml_kit.ops.evaluation.documents import Look
from deriva_ml_kit.ops.kinds import MODELS, AssetType, WorkflowType


def looks(ml: DerivaML, dataset_rid: str, model: Asset) -> list[Look]:
    """Earlier evaluations on a dataset, in any version, whatever became of them; oldest first.

    These are executions of type Testing that had the dataset and a model as inputs, or made a report.

    Args:
        ml: The catalog.
        dataset_rid: The test dataset.
        model: The model that is evaluated now.
    """
    evaluations = [
        record.execution_rid
        for record in ml.find_executions(dataset=dataset_rid, dataset_role="input", sort=True)
        if record.workflow and WorkflowType.EVALUATION in record.workflow.workflow_type
    ]
    evaluations.reverse()
    if not evaluations:
        return []
    used = inputs(ml, evaluations)
    models = {each.asset_rid: each.execution_rid for each in ml.find_assets(MODELS, AssetType.MODEL_FILE)}
    reports = {each.execution_rid: each.asset_rid for each in ml.find_assets(MODELS, AssetType.EVALUATION_REPORT)}
    family = _workflow_names(ml, {rid for rid in (*models.values(), model.execution_rid) if rid})
    own = family.get(model.execution_rid or "")

    def relation(rid: str | None) -> Literal["model", "family", "other"]:
        if rid == model.asset_rid:
            return "model"
        trained_by = family.get(models.get(rid or "") or "")
        return "family" if trained_by is not None and trained_by == own else "other"

    found = []
    for execution in evaluations:
        asked = next((each.rid for each in used.get(execution, []) if each.rid in models), None)
        if asked is None and execution not in reports:  # tests of something else, such as of the data
            continue
        found.append(
            Look(
                execution_rid=execution,
                report_rid=reports.get(execution),
                model_rid=asked,
                relation=relation(asked),
            )
        )
    return found


def _workflow_names(ml: DerivaML, executions: set[str]) -> dict[str, str]:
    """The name of the workflow of each execution."""
    return {each.execution_rid: each.workflow.name for each in records_of(ml, sorted(executions)) if each.workflow}
