"""Models as trainings, evaluations and gates leave them, complete or with something broken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
from hospital import MODEL_FILE, Hospital, classifier

from deriva_ml_kit.ops.documents import Document
from deriva_ml_kit.ops.evaluation.documents import EvaluationReport
from deriva_ml_kit.ops.gate.documents import GateCriteria, GateReport, Requirement
from deriva_ml_kit.ops.kinds import AssetType, WorkflowType
from deriva_ml_kit.ops.operation import operation

# What a training keeps beside its model. The registry looks at what there is, not into it.
OUTPUTS = (
    AssetType.BASELINE_PROFILE,
    AssetType.FEATURE_DEFINITIONS,
    AssetType.GOLDEN_RECORDS,
    AssetType.RUN_RECORD,
)
PROGRAM = ("Test", WorkflowType.EVALUATION, "deriva_ml_kit.ops.operation")


def criteria(of: Hospital, reason: str = "") -> str:
    """Register criteria; gives their RID."""
    document = GateCriteria(
        dataset=of.testing,
        table="Tumour",
        label="Label",
        reason=reason,
        requirements=(Requirement(metric="accuracy", direction="higher", minimum=0.9, min_gain=0.0),),  # type: ignore[arg-type]
    )
    with operation(of.ml, "Criteria", program=PROGRAM) as doing:
        doing.keep(document, "criteria.json")
    return doing.rids["criteria.json"]


def train(
    of: Hospital,
    given: tuple[str, ...] = (),
    *,
    seed: int = 0,
    without: AssetType | None = None,
    datasets: list[str] | None = None,
    workflow: Any = None,
    fail: bool = False,
) -> str:
    """A training with all its outputs but one; gives the RID of the model."""
    execution = of.ml.create_execution(
        workflow=workflow or of.workflow(),
        datasets=[of.training] if datasets is None else datasets,
        assets=list(given),
        description="Train",
    )
    with execution:
        path = execution.asset_file_path("Execution_Asset", MODEL_FILE, asset_types=str(AssetType.MODEL_FILE))
        joblib.dump((seed, classifier(of, seed=seed)), path)
        for kind in OUTPUTS:
            if kind is not without:
                name = f"{kind.lower()}.json"
                file = Path(execution.asset_file_path("Execution_Asset", name, asset_types=str(kind)))
                file.write_text(f'{{"kind": "{kind}", "seed": {seed}}}', encoding="utf-8")
    execution.commit_output_assets()
    if fail:
        execution.update_status("Failed", error="broken off")
    outputs = of.ml.list_execution_assets(execution.execution_rid, "Output")
    return next(str(each.asset_rid) for each in outputs if each.filename == MODEL_FILE)


def evaluate(of: Hospital, model: str, *, dataset: str | None = None, md5: str | None = None) -> str:
    """A report on a model; gives its RID."""
    report = EvaluationReport(
        model_rid=model,
        model_md5=md5 or of.ml.lookup_asset(model).md5,
        training_rid=None,
        dataset=dataset or of.testing,
        snapshot="",
        table="Tumour",
        label="Label",
        cluster=None,
        task="classification",
        classes=("benign", "malignant"),
        records=169,
        groups=85,
        confidence=0.95,
        metrics={},
        features_md5=None,
        looks=(),
        latency=None,
        predictions="predictions.csv",
    )
    return kept(of, report, model)


def gate(of: Hospital, model: str, incumbent: str | None) -> str:
    """The report of a gate that a model passed; gives its RID."""
    report = GateReport(
        verdict="pass",
        candidate_rid=model,
        candidate_md5=of.ml.lookup_asset(model).md5,
        incumbent_rid=incumbent,
        criteria_rid="",
        criteria_digest="",
        dataset=of.testing,
        evaluation_rid=None,
        incumbent_evaluation_rid=None,
        resamples=0,
        seed=0,
        checks=(),
    )
    return kept(of, report, model)


def kept(of: Hospital, document: Document, model: str) -> str:
    """Keep a document as the output of an execution that used a model."""
    with operation(of.ml, str(document.KIND), program=PROGRAM) as doing:
        doing.uses(of.ml.lookup_asset(model))
        doing.keep(document, "report.json")
    return doing.rids["report.json"]


def complete(of: Hospital, given: tuple[str, ...], seed: int) -> str:
    """A model to which nothing is missing."""
    model = train(of, given, seed=seed)
    evaluate(of, model)
    return model
