"""The check of labels as an execution, its page, and how a model did when it was evaluated, from the catalog."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.mainline import DerivaML, Workflow
from deriva_ml_kit.numerics import drift
from deriva_ml_kit.numerics.drift.accuracy import confidence
from deriva_ml_kit.ops import charts
from deriva_ml_kit.ops.charts import Line
from deriva_ml_kit.ops.documents import fetch
from deriva_ml_kit.ops.drift.documents import LabelReport
from deriva_ml_kit.ops.drift.labels import Reference
from deriva_ml_kit.ops.drift.plots import TONES
from deriva_ml_kit.ops.evaluation import predictions
from deriva_ml_kit.ops.evaluation.documents import EvaluationReport
from deriva_ml_kit.ops.frames import Origin
from deriva_ml_kit.ops.kinds import AssetType, WorkflowType
from deriva_ml_kit.ops.operation import operation
from deriva_ml_kit.ops.page import Section, Table, Tone, render

PROGRAM = ("Label monitoring", WorkflowType.MONITORING, __name__)
REPORT_FILE, PAGE_FILE = "label-report.json", "labels.html"
NAN = math.nan


def keep(
    ml: DerivaML,
    report: LabelReport,
    page: str,
    *,
    assets: Sequence[str] = (),
    workflow: Workflow | None = None,
    dry_run: bool = False,
) -> tuple[str | None, str | None]:
    """Write report and page as outputs of an execution; gives the RIDs of report and execution, none in a dry run.

    Args:
        ml: The catalog.
        report: What was found.
        page: Its page.
        assets: RIDs of logs and labels that lie in the catalog.
        workflow: Of a script in the project's repository; this program where not given.
        dry_run: Write nothing.
    """
    inputs = [*assets, *([report.evaluation_rid] if report.evaluation_rid else [])]
    with operation(
        ml,
        f"Labels of {', '.join(report.models) or 'no model'}: {report.verdict}",
        workflow=workflow,
        program=None if workflow else PROGRAM,
        assets=inputs,
        dry_run=dry_run,
    ) as doing:
        doing.keep(report, REPORT_FILE)
        doing.file(PAGE_FILE, AssetType.PAGE).write_text(page, encoding="utf-8")
    return doing.rids.get(REPORT_FILE), None if dry_run else doing.rid


def evaluated(ml: DerivaML, rid: str) -> Reference:
    """How a model did, and what its scores were worth, by the report of an evaluation.

    Raises:
        UsageError: It is no such report, or one of a regression.
    """
    stored = fetch(ml, rid, EvaluationReport)
    report = stored.document
    if report.task != "classification" or stored.execution_rid is None:
        raise UsageError(f"{rid} is the report of a {report.task}; labels are compared with classes.")
    outputs = ml.list_execution_assets(stored.execution_rid, "Output")
    file = next(each for each in outputs if each.filename == report.predictions)
    with tempfile.TemporaryDirectory(prefix="deriva-ml-ops-") as folder:
        answers = predictions.read(Path(file.download(folder)), report.classes).answers
    right = answers.truth == answers.predicted
    checked = None
    if answers.scores is not None:
        scores = pd.DataFrame(answers.scores, columns=list(report.classes))
        told = np.isfinite(answers.scores).all(axis=1)
        if told.sum() >= 50:  # ten groups of five
            checked = drift.calibration(confidence(scores[told], answers.predicted[told]), right[told])
    return Reference(int(right.sum()), len(right), checked, rid)


def origins(logs: Sequence[Origin], labels: Origin | None) -> list[str]:
    """RIDs of those that are assets."""
    return [str(each.rid) for each in (*logs, labels) if each is not None and each.kind == "asset"]


def page(report: LabelReport) -> str:
    """The page as HTML text."""
    realised, estimated = report.realised, report.estimated
    middle = [window.first + (window.last - window.first) / 2 for window in report.windows]
    lines = [
        Line(
            "by labels",
            middle,
            [_or_nan(each.realised.accuracy) for each in report.windows],
            [_or_nan(each.realised.lower) for each in report.windows],
            [_or_nan(each.realised.upper) for each in report.windows],
        )
    ]
    if any(each.estimated for each in report.windows):
        by_scores = [each.estimated.estimate if each.estimated else NAN for each in report.windows]
        lines.append(Line("by scores, without labels", middle, by_scores))
    rows = [
        [
            f"{each.first:%Y-%m-%d}",
            f"{each.last:%Y-%m-%d}",
            each.realised.rows,
            f"{each.realised.waiting:.0%}",
            each.realised.accuracy,
            each.realised.lower,
            each.realised.upper,
            each.estimated.estimate if each.estimated else None,
        ]
        for each in report.windows
    ]
    headers = ["from", "to", "labels", "waiting", "accuracy", "lower", "upper", "by scores"]
    sections = [
        Section(
            "Accuracy over time",
            "By scores: what the probabilities of the model let expect; blind to concept drift, where the same inputs "
            "come to mean something else.",
            [charts.lines("Accuracy", lines, limits={"evaluation": realised.reference}), Table(headers, rows)],
        )
    ]
    if report.changes:
        found = [[f"{c.time:%Y-%m-%d %H:%M}", f"{c.found:%Y-%m-%d %H:%M}", c.before, c.after] for c in report.changes]
        sections.append(
            Section("Changes", "", [Table(["since about", "found", "errors before", "errors after"], found)])
        )
    if report.notes:
        sections.append(Section("Please note", "\n\n".join(report.notes)))
    facts = {
        "model": ", ".join(report.models),
        "evaluation": report.evaluation_rid,
        "logs": ", ".join(each.name for each in report.logs),
        "labels": f"{realised.rows} of {report.predictions} predictions"
        + (f", after {report.median_delay_days:.1f} days (median)" if report.median_delay_days is not None else ""),
        "without labels": estimated
        and f"{estimated.estimate:.1%} expected ({estimated.lower:.1%} to "
        f"{estimated.upper:.1%}). {estimated.warning or ''}",
    }
    return render(
        f"Labels of {', '.join(report.models) or 'no model'}",
        report.verdict.replace("_", " "),
        report.reason,
        sections,
        tone=TONES.get(report.verdict, Tone.OPEN),
        facts={name: value for name, value in facts.items() if value},
    )


def _or_nan(value: float | None) -> float:
    return NAN if value is None else value
