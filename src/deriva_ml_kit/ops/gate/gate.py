"""The gate: judge a candidate by criteria from before its training, write down why, and be able to do so again.

found = gate(ml, "3-CAND", incumbent_rid="3-PROD")
found.report.verdict  # pass, fail, cannot decide
again(ml, found.report_rid).differences  # () as long as the catalog says the same
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from deriva_ml_kit.mainline import DerivaML, Workflow
from deriva_ml_kit.numerics.paired.compare import RESAMPLES
from deriva_ml_kit.ops.documents import fetch
from deriva_ml_kit.ops.gate.checks import judge
from deriva_ml_kit.ops.gate.documents import Check, GateReport, Status
from deriva_ml_kit.ops.gate.evidence import Evidence, gather
from deriva_ml_kit.ops.kinds import WorkflowType
from deriva_ml_kit.ops.operation import operation

REPORT = "gate.json"
SEED = 0
PROGRAM = ("Gate of a model", WorkflowType.PROMOTION, __name__)


@dataclass(frozen=True)
class Gated:
    """A gate that was made.

    Attributes:
        report: What it found.
        execution_rid: Its execution; None in a dry run.
        report_rid: Asset of the report, likewise.
    """

    report: GateReport
    execution_rid: str | None
    report_rid: str | None

    def summary(self) -> dict[str, Any]:
        """What a command prints."""
        report = self.report
        return {
            "verdict": report.verdict,
            "candidate_rid": report.candidate_rid,
            "incumbent_rid": report.incumbent_rid,
            "dataset": report.dataset,
            "criteria_rid": report.criteria_rid,
            "checks": [each.model_dump(mode="json") for each in report.checks],
            "execution_rid": self.execution_rid,
            "gate_rid": self.report_rid,
        }


@dataclass(frozen=True)
class Again:
    """A gate that was made again.

    Attributes:
        before: The report in the catalog.
        now: What follows from the catalog now.
        differences: What is not the same, in words.
    """

    before: GateReport
    now: GateReport
    differences: tuple[str, ...]


def gate(
    ml: DerivaML,
    candidate_rid: str,
    *,
    incumbent_rid: str | None,
    criteria_rid: str | None = None,
    workflow: Workflow | None = None,
    dry_run: bool = False,
) -> Gated:
    """Judge a candidate.

    Args:
        ml: The catalog.
        candidate_rid: Asset of the candidate.
        incumbent_rid: Asset of the model that it is to replace; None where there is none.
        criteria_rid: Asset of the criteria; those that the training had as an input where not given.
        workflow: Of a script of the project.
        dry_run: Judge, but write nothing.

    Raises:
        UsageError: A RID is of something else; the test records cannot be read.
        Undecidable: Nobody knows by which criteria.
    """
    evidence = gather(ml, candidate_rid, criteria_rid=criteria_rid, incumbent_rid=incumbent_rid)
    report = _report(evidence, resamples=RESAMPLES, seed=SEED)
    used = (
        candidate_rid,
        incumbent_rid,
        report.criteria_rid,
        report.evaluation_rid,
        report.incumbent_evaluation_rid,
    )
    against = f"against {incumbent_rid}" if incumbent_rid else "without an incumbent"
    with operation(
        ml,
        f"Gate of {candidate_rid} {against}: {report.verdict}",
        workflow=workflow,
        program=PROGRAM,
        assets=[rid for rid in used if rid],
        dry_run=dry_run,
    ) as doing:
        doing.keep(report, REPORT)
    return Gated(report, None, None) if dry_run else Gated(report, doing.rid, doing.rids[REPORT])


def again(ml: DerivaML, report_rid: str) -> Again:
    """Make a gate again, from the catalog alone, and compare; nothing is written.

    Raises:
        UsageError: The RID is of no gate.
    """
    before = fetch(ml, report_rid, GateReport).document
    evidence = gather(
        ml,
        before.candidate_rid,
        criteria_rid=before.criteria_rid,
        incumbent_rid=before.incumbent_rid,
        evaluations={
            before.candidate_rid: before.evaluation_rid,
            str(before.incumbent_rid): before.incumbent_evaluation_rid,
        },
    )
    now = _report(evidence, resamples=before.resamples, seed=before.seed)
    return Again(before, now, tuple(_differences(before, now)))


def _report(evidence: Evidence, *, resamples: int, seed: int) -> GateReport:
    checks = judge(evidence, resamples=resamples, seed=seed)
    candidate, incumbent = evidence.candidate, evidence.incumbent
    return GateReport(
        verdict=_verdict(checks),
        candidate_rid=candidate.rid,
        candidate_md5=candidate.md5,
        incumbent_rid=incumbent.rid if incumbent else None,
        criteria_rid=evidence.criteria.rid,
        criteria_digest=evidence.criteria.document.digest(),
        dataset=evidence.records.dataset,
        evaluation_rid=candidate.report.rid if candidate.report else None,
        incumbent_evaluation_rid=incumbent.report.rid if incumbent and incumbent.report else None,
        resamples=resamples,
        seed=seed,
        checks=tuple(checks),
    )


def _verdict(checks: list[Check]) -> Literal["pass", "fail", "cannot decide"]:
    found = {check.status for check in checks}
    if Status.FAIL in found:
        return "fail"
    return "cannot decide" if Status.UNDECIDED in found else "pass"


def _differences(before: GateReport, now: GateReport) -> list[str]:
    found = [
        f"{name} was {getattr(before, name)} and is {getattr(now, name)}"
        for name in ("verdict", "candidate_md5", "criteria_digest", "dataset")
        if getattr(before, name) != getattr(now, name)
    ]
    then, there = ({check.id: check for check in report.checks} for report in (before, now))
    for name in sorted(then.keys() | there.keys()):
        if name not in then or name not in there:
            found.append(f"check {name} is {'new' if name in there else 'gone'}")
        elif not then[name].agrees(there[name]):
            found.append(f"check {name}: was {_told(then[name])}, is {_told(there[name])}")
    return found


def _told(check: Check) -> str:
    return f"{check.status} ({check.what})"
