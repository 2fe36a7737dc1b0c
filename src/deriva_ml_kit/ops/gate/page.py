"""A page for a gate: the verdict, its checks, and the gains with their bounds."""

from __future__ import annotations

from deriva_ml_kit.ops import charts, page
from deriva_ml_kit.ops.charts import Interval
from deriva_ml_kit.ops.documents import Stored
from deriva_ml_kit.ops.evaluation.documents import EvaluationReport
from deriva_ml_kit.ops.gate.documents import Check, GateReport, Status

TONES = {
    Status.PASS: page.Tone.GOOD,
    Status.FAIL: page.Tone.BAD,
    Status.UNDECIDED: page.Tone.OPEN,
    Status.NOTE: page.Tone.WARN,
}
SHOWN = 12  # RIDs of a check; the report has all


def gate_page(report: GateReport, evaluations: dict[str, Stored[EvaluationReport]]) -> str:
    """The page as HTML text.

    Args:
        report: What the gate found.
        evaluations: Name (`candidate`, `incumbent`) to evaluation, as far as there are any.
    """
    failed = [check for check in report.checks if check.status is Status.FAIL]
    open_ = [check for check in report.checks if check.status is Status.UNDECIDED]
    told = [f"{len(report.checks)} checks: {len(failed)} failed, {len(open_)} could not be made."]
    told += [f"{check.id}: {check.what}." for check in (failed or open_)[:3]]
    sections = [page.Section("Checks", "", [_checks(report.checks)])]
    sections += [_metrics(evaluations)] if evaluations else []
    return page.render(
        f"Gate of {report.candidate_rid}",
        report.verdict,
        " ".join(told),
        sections,
        tone=TONES[Status(report.verdict)],
        facts={
            "candidate": f"{report.candidate_rid} (MD5 {report.candidate_md5})",
            "incumbent": report.incumbent_rid or "none: gains are over the baseline",
            "dataset": report.dataset,
            "criteria": f"{report.criteria_rid} (SHA-256 {report.criteria_digest[:16]}…)",
        },
    )


def _checks(checks: tuple[Check, ...]) -> page.Table:
    rows = []
    for check in checks:
        evidence = ", ".join(check.evidence[:SHOWN]) + (" …" if len(check.evidence) > SHOWN else "")
        remedy = f" {check.remedy}" if check.remedy and check.status is not Status.PASS else ""
        rows.append(
            [
                check.id,
                page.Mark(check.status, TONES[check.status]),
                check.what + "." + remedy,
                check.value,
                check.limit,
                evidence,
            ]
        )
    return page.Table(["check", "status", "what was found", "value", "limit", "evidence"], rows)


def _metrics(evaluations: dict[str, Stored[EvaluationReport]]) -> page.Section:
    some = next(iter(evaluations.values())).document
    parts = [
        charts.intervals(
            name,
            [
                Interval(
                    who,
                    each.document.metrics[name].lower,
                    each.document.metrics[name].value,
                    each.document.metrics[name].upper,
                )
                for who, each in evaluations.items()
                if name in each.document.metrics
            ],
            limits={"baseline": baseline.baseline},
        )
        for name, baseline in some.metrics.items()
    ]
    text = f"With intervals of {some.confidence:.0%}, on {some.records} records in {some.groups} groups."
    return page.Section("Metrics", text, parts)
