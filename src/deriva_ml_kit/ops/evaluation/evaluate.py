"""Evaluate a model on a version of a test dataset: everything is checked first, then it is an execution.

found = evaluate(ml, "3-WXYZ", "2-B4C8@1.0.0", table="Tumour", label="Label", cluster="Patient")
found.report.metrics["balanced_accuracy"].lower
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from deriva_ml_kit.errors import Fault, Faults, UsageError
from deriva_ml_kit.mainline import DerivaML, Workflow
from deriva_ml_kit.mainline.asset.asset import Asset
from deriva_ml_kit.numerics.paired.compare import interval
from deriva_ml_kit.numerics.paired.metrics import Answers, constant, of_task, value
from deriva_ml_kit.numerics.paired.resampling import Groups
from deriva_ml_kit.ops.evaluation import predictions
from deriva_ml_kit.ops.evaluation.documents import EvaluationReport, Latency, MetricValue, Task
from deriva_ml_kit.ops.evaluation.leaks import exposure
from deriva_ml_kit.ops.evaluation.looks import looks
from deriva_ml_kit.ops.evaluation.predictions import Predicted, label_text
from deriva_ml_kit.ops.evaluation.records import Records, read_records
from deriva_ml_kit.ops.frames import read_frame
from deriva_ml_kit.ops.kinds import AssetType, WorkflowType
from deriva_ml_kit.ops.operation import operation
from deriva_ml_kit.ops.serving.model import Load, Model, fetch_model

REPORT = "evaluation.json"
CONFIDENCE = 0.95
_TIMED = 30  # records that are predicted alone
PROGRAM = ("Evaluation of a model", WorkflowType.EVALUATION, __name__)


@dataclass(frozen=True)
class Evaluation:
    """An evaluation that was made.

    Attributes:
        report: What it found; without metrics in a dry run.
        execution_rid: Its execution; None in a dry run.
        report_rid: Asset of the report, likewise.
        predictions_rid: Asset of the predictions, likewise.
    """

    report: EvaluationReport
    execution_rid: str | None
    report_rid: str | None
    predictions_rid: str | None

    def summary(self) -> dict[str, Any]:
        """What a command prints."""
        report = self.report
        return {
            "model_rid": report.model_rid,
            "dataset": report.dataset,
            "records": report.records,
            "groups": report.groups,
            "metrics": {name: each.model_dump() for name, each in report.metrics.items()},
            "earlier_looks": [each.model_dump() for each in report.looks],
            "warnings": warnings(report),
            "execution_rid": self.execution_rid,
            "evaluation_rid": self.report_rid,
            "predictions_rid": self.predictions_rid,
        }


def warnings(report: EvaluationReport) -> list[str]:
    """What somebody who reads a report should know."""
    same = [each.execution_rid for each in report.looks if each.relation == "model"]
    family = [each.execution_rid for each in report.looks if each.relation == "family"]
    found = []
    if not report.metrics:
        found.append("a dry run computes no metrics: whoever sees them is counted")
    if same:
        found.append(f"this model was evaluated on this dataset before, by {', '.join(same)}")
    if family:
        found.append(
            f"models of the same workflow were evaluated on this dataset {len(family)} times before, by "
            f"{', '.join(family)}: who chooses by a test dataset tunes on it"
        )
    return found


def evaluate(
    ml: DerivaML,
    model_rid: str,
    dataset: str,
    *,
    table: str,
    label: str,
    cluster: str | None = None,
    frame: pd.DataFrame | None = None,
    task: Task | None = None,
    load: Load | None = None,
    workflow: Workflow | None = None,
    dry_run: bool = False,
) -> Evaluation:
    """Evaluate a model.

    Args:
        ml: The catalog.
        model_rid: Asset of the model.
        dataset: `RID@VERSION` of the test dataset.
        table: Table of its records.
        label: Column or feature of the truth.
        cluster: Column or table of what belongs together, such as Subject.
        frame: The model's columns of each record, with a column RID; the rows of the table where not given.
        task: Kind of answers; told from the model and the labels where not given.
        load: Reads the model's file; joblib's where not given.
        workflow: Of a script of the project.
        dry_run: Check and predict, but write nothing, and compute no metrics: looks at them are counted.

    Raises:
        UsageError: There is no such model, dataset, version, table or column; or the version is in development.
        Faults: Records without or with several labels, columns that the model needs, test records in the training data.
    """
    asset = ml.lookup_asset(model_rid)
    records = read_records(ml, dataset, table=table, label=label, cluster=cluster)
    if found := exposure(ml, asset, records).leaks:
        raise Faults(
            [Fault(str(each)) for each in found],
            message=f"Model {model_rid} cannot be evaluated on {records.dataset}: training has seen some of it. "
            "Nothing was written.",
            remedy="Take another test dataset, or train without these records.",
        )
    model = fetch_model(ml, model_rid, load=load)
    inputs = _inputs(ml, records, frame)
    predicted = predict(model, inputs, records, task)
    metrics = {} if dry_run else metrics_of(predicted)
    report = _report(ml, asset, records, predicted, metrics=metrics, latency=_latency(model, inputs))
    what = f"Evaluate {model_rid} ({asset.filename}) on {records.dataset}"
    with operation(
        ml,
        what,
        workflow=workflow,
        program=PROGRAM,
        datasets=[records.dataset],
        assets=[model_rid],
        dry_run=dry_run,
    ) as doing:
        doing.keep(report, REPORT)
        predictions.write(doing.file(predictions.NAME, AssetType.PREDICTION_FILE), predicted)
    if dry_run:
        return Evaluation(report, None, None, None)
    return Evaluation(report, doing.rid, doing.rids[REPORT], doing.rids[predictions.NAME])


def _inputs(ml: DerivaML, records: Records, frame: pd.DataFrame | None) -> pd.DataFrame:
    """The model's columns, by RID in the order of the records.

    Raises:
        UsageError: They are not those of the records.
    """
    given = read_frame(records.dataset, ml, table=records.table).frame if frame is None else frame
    if "RID" not in given.columns:
        raise UsageError("The records for the model have no column RID, so nobody knows whose they are.")
    if given["RID"].duplicated().any():
        twice = sorted(given.loc[given["RID"].duplicated(), "RID"].unique())
        raise UsageError(f"There are several rows for a record: {', '.join(twice)}.")
    if missing := sorted(records.truth.keys() - set(given["RID"])):
        raise Faults(
            [Fault("is a member of the dataset, and the model gets no row of it", value=rid) for rid in missing]
        )
    return given.set_index("RID").loc[list(records.truth)]


def predict(model: Model, inputs: pd.DataFrame, records: Records, task: Task | None = None) -> Predicted:
    """What a model says of records.

    Args:
        model: The model.
        inputs: Its columns, a row a record in their order.
        records: The records.
        task: Kind of answers; told from the model and the labels where not given.

    Raises:
        UsageError: A regression with labels or answers that are no numbers.
        Faults: Columns are missing.
    """
    truth = list(records.truth.values())
    said = model.predict(inputs)
    numeric = all(isinstance(each, int | float) and not isinstance(each, bool) for each in truth)
    kind = task or ("regression" if numeric and model.classes is None else "classification")
    clusters = tuple(records.clusters[rid] for rid in records.truth) if records.clusters is not None else None
    if kind == "regression":
        try:
            answers = Answers(np.array(truth, dtype=float), said.astype(float))
        except (TypeError, ValueError) as error:
            raise UsageError(f"A regression needs numbers: {error}", remedy="Is it a classification?") from error
        return Predicted(tuple(records.truth), answers, clusters)
    labels = np.array([label_text(each) for each in truth], dtype=object)
    given = np.array([label_text(each) for each in said], dtype=object)
    known = tuple(label_text(each) for each in model.classes or ())
    classes = known + tuple(sorted({*labels, *given} - set(known)))
    shares = model.scores(inputs)
    scores = None
    if shares is not None:  # a class that the model does not know has no chance with it
        scores = np.zeros((len(labels), len(classes)))
        scores[:, : len(known)] = shares.to_numpy()
    return Predicted(tuple(records.truth), Answers(labels, given, scores, classes), clusters)


def _report(
    ml: DerivaML,
    asset: Asset,
    records: Records,
    predicted: Predicted,
    *,
    metrics: dict[str, MetricValue],
    latency: Latency | None,
) -> EvaluationReport:
    answers = predicted.answers
    definitions = [
        each.md5
        for each in (ml.list_execution_assets(asset.execution_rid, "Output") if asset.execution_rid else ())
        if AssetType.FEATURE_DEFINITIONS in each.asset_types
    ]
    return EvaluationReport(
        model_rid=asset.asset_rid,
        model_md5=asset.md5,
        training_rid=asset.execution_rid,
        dataset=records.dataset,
        snapshot=records.snapshot,
        table=records.table,
        label=records.label,
        cluster=records.cluster,
        task="classification" if answers.classes else "regression",
        classes=answers.classes,
        records=len(answers),
        groups=Groups.of(predicted.clusters, len(answers)).count,
        confidence=CONFIDENCE,
        metrics=metrics,
        features_md5=definitions[0] if definitions else None,
        looks=tuple(looks(ml, records.rid, asset)),
        latency=latency,
        predictions=predictions.NAME,
    )


def metrics_of(predicted: Predicted) -> dict[str, MetricValue]:
    """All metrics of predictions, with intervals and baselines."""
    answers = predicted.answers
    plain = constant(answers)
    found = {}
    for metric in of_task("classification" if answers.classes else "regression"):
        got = interval(metric, answers, predicted.clusters, alpha=(1 - CONFIDENCE) / 2)
        found[metric.name] = MetricValue(
            value=got.value, lower=got.lower, upper=got.upper, baseline=value(metric, plain)
        )
    return found


def _latency(model: Model, inputs: pd.DataFrame) -> Latency | None:
    """How long single records take; None for a model that cannot do them alone."""
    taken = []
    for at in range(min(_TIMED, len(inputs))):
        row = inputs.iloc[[at]]
        began = time.perf_counter()
        try:
            model.predict(row)
        except Exception:  # such as one that compares records of a batch
            return None
        taken.append(1000 * (time.perf_counter() - began))
    taken = taken[1:] or taken  # the first one warms up
    return Latency(
        records=len(taken), median_ms=statistics.median(taken), p95_ms=float(np.quantile(np.array(taken), 0.95))
    )
