"""Whether an evaluation still says what the catalog and its own predictions say."""

from __future__ import annotations

import math

from deriva_ml_kit.numerics.paired.metrics import of_task, value
from deriva_ml_kit.ops.evaluation.predictions import label_text
from deriva_ml_kit.ops.evaluation.records import Records
from deriva_ml_kit.ops.gate.evidence import Side


def differences(side: Side, records: Records) -> str | None:
    """How the predictions and the report of a model do not fit the catalog; None where they do."""
    assert side.report is not None
    assert side.predicted is not None
    report, predicted = side.report.document, side.predicted
    if predicted.rids != tuple(sorted(records.truth)):
        other = sorted(set(predicted.rids) ^ records.truth.keys())
        return f"the predictions of {side.report.rid} are not of the members of {records.dataset}: {', '.join(other)}"
    true = [label_text(records.truth[rid]) for rid in predicted.rids]
    if true != [label_text(each) for each in predicted.answers.truth]:
        return f"the labels in {side.report.rid} are not those of {records.dataset}"
    clusters = None if records.clusters is None else tuple(records.clusters[rid] for rid in predicted.rids)
    if clusters != predicted.clusters:
        return f"the groups in {side.report.rid} are not those of {records.dataset}"
    again = {metric.name: value(metric, predicted.answers) for metric in of_task(report.task)}
    if away := [name for name, said in report.metrics.items() if not _same(said.value, again.get(name, math.inf))]:
        return f"{', '.join(away)} of {side.report.rid} do not follow from its predictions"
    return None


def _same(one: float, other: float) -> bool:
    return (math.isnan(one) and math.isnan(other)) or math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
