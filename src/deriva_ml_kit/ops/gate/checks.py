"""What a gate checks, from evidence alone: no catalog, no clock, and the same answer every time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from deriva_ml_kit.numerics.paired.compare import LEAST_GROUPS
from deriva_ml_kit.ops.evaluation.records import Records
from deriva_ml_kit.ops.gate.documents import Check, Status
from deriva_ml_kit.ops.gate.evidence import Evidence, Side
from deriva_ml_kit.ops.gate.intact import differences
from deriva_ml_kit.ops.gate.metrics import metric_checks

EVALUATE = "uv run deriva-ml-ops evaluate --model {} --criteria {}"


def judge(evidence: Evidence, *, resamples: int, seed: int) -> list[Check]:
    """All checks, in the order in which they are read.

    Args:
        evidence: What was gathered.
        resamples: Draws of the tests.
        seed: Of the draws.
    """
    found = [*_criteria(evidence), *_leaks(evidence), *_evaluation(evidence, evidence.candidate, "candidate")]
    if evidence.incumbent is not None:
        found += _evaluation(evidence, evidence.incumbent, "incumbent")
    else:
        found.append(
            Check(
                id="incumbent",
                status=Status.NOTE,
                what="there is no incumbent: gains are over the baseline, the best constant answer",
            )
        )
    found += _groups(evidence.records)
    found += metric_checks(evidence, resamples=resamples, seed=seed)
    return [*found, *_limits(evidence), *_looks(evidence)]


def _criteria(evidence: Evidence) -> Iterator[Check]:
    criteria, training, report = evidence.criteria, evidence.training, evidence.candidate.report
    if training is None:
        yield Check(
            id="criteria.before_training",
            status=Status.UNDECIDED,
            what=f"no execution is known to have made {evidence.candidate.rid}, so nobody knows when it was trained",
            evidence=(criteria.rid,),
            remedy="Judge a model that is the output of a training execution.",
        )
        return
    written = max(datetime.fromisoformat(criteria.created), evidence.criteria_changed)
    early = written < training.began
    yield Check(
        id="criteria.before_training",
        status=Status.PASS if early else Status.FAIL,
        what=f"the criteria were {'written' if early else 'written or changed'} at {written.isoformat()}, "
        f"the training began at {training.began.isoformat()}",
        evidence=(criteria.rid, training.rid),
        remedy=None if early else "Criteria that are younger than a training do not bind it: train again.",
    )
    if criteria.rid in training.criteria:
        yield Check(
            id="criteria.input",
            status=Status.PASS,
            what="the criteria are an input of the training",
            evidence=(criteria.rid, training.rid),
        )
    elif training.criteria:
        yield Check(
            id="criteria.input",
            status=Status.FAIL,
            what=f"the training had other criteria as inputs: {', '.join(training.criteria)}",
            evidence=(criteria.rid, training.rid, *training.criteria),
            remedy=f"Judge by those: --criteria {training.criteria[0]}",
        )
    else:
        yield Check(
            id="criteria.input",
            status=Status.NOTE,
            what="the criteria are no input of the training: only their age can bind it",
            evidence=(criteria.rid, training.rid),
            remedy="Give them to the next training as an input.",
        )
    if report is not None:
        early = written < datetime.fromisoformat(report.created)
        yield Check(
            id="criteria.before_metrics",
            status=Status.PASS if early else Status.FAIL,
            what=f"the criteria are {'older' if early else 'younger'} than the metrics of {report.created}",
            evidence=(criteria.rid, report.rid),
            remedy=None if early else "Who knows the metrics cannot state criteria: train another model.",
        )


def _leaks(evidence: Evidence) -> Iterator[Check]:
    side = evidence.candidate
    exposure = side.exposure
    for by in ("record", "group"):
        found = [leak for leak in exposure.leaks if leak.by == by]
        rids = sorted({rid for leak in found for rid in leak.rids})
        status, what, remedy = Status.PASS, f"training has seen no test {by} ({', '.join(exposure.datasets)})", None
        if found:
            status, what = Status.FAIL, "; ".join(map(str, found))
            remedy = "Take another test dataset, or train without these records."
        elif exposure.blind or not exposure.datasets:
            status = Status.UNDECIDED
            what = f"nobody knows what {side.rid} was trained on: its training has no dataset as an input"
            remedy = "Give the training its data as a released dataset."
            if exposure.blind:
                what = (
                    f"{', '.join(exposure.blind)} cannot be compared: they have no members of {evidence.records.table}"
                )
                remedy = "Register criteria with a cluster that both belong to, such as the table of the subjects."
        yield Check(
            id=f"leak.{by}",
            status=status,
            what=what,
            value=len(rids),
            limit=0,
            evidence=(side.rid, *rids),
            remedy=remedy,
        )
    if evidence.incumbent is not None and evidence.incumbent.exposure.leaks:
        rids = sorted({rid for leak in evidence.incumbent.exposure.leaks for rid in leak.rids})
        yield Check(
            id="leak.incumbent",
            status=Status.NOTE,
            what="the incumbent has an advantage: " + "; ".join(map(str, evidence.incumbent.exposure.leaks)),
            value=len(rids),
            evidence=(evidence.incumbent.rid, *rids),
        )


def _evaluation(evidence: Evidence, side: Side, name: str) -> Iterator[Check]:
    dataset, criteria = evidence.records.dataset, evidence.criteria.rid
    if side.report is None:
        others = "; ".join(f"{rid} is of {what}" for rid, what in sorted(side.others.items()))
        yield Check(
            id=f"evaluation.{name}",
            status=Status.UNDECIDED,
            what=f"{side.rid} was not evaluated on {dataset}" + (f": {others}" if others else ""),
            evidence=(side.rid, *sorted(side.others)),
            remedy=EVALUATE.format(side.rid, criteria),
        )
        return
    wrong = side.unreadable or differences(side, evidence.records)
    yield Check(
        id=f"evaluation.{name}",
        status=Status.FAIL if wrong else Status.PASS,
        what=wrong or f"{side.rid} was evaluated on all {len(evidence.records.truth)} records of {dataset}",
        evidence=(side.rid, side.report.rid),
        remedy=EVALUATE.format(side.rid, criteria) if wrong else None,
    )


def _groups(records: Records) -> Iterator[Check]:
    count = len(records.truth) if records.clusters is None else len(set(records.clusters.values()))
    enough = count >= LEAST_GROUPS
    yield Check(
        id="groups",
        status=Status.PASS if enough else Status.UNDECIDED,
        what=f"{count} {'records' if records.clusters is None else f'groups by {records.cluster}'}",
        value=count,
        limit=LEAST_GROUPS,
        evidence=(records.rid,),
        remedy=None if enough else "So few cannot show which model is better: take a larger test dataset.",
    )


def _limits(evidence: Evidence) -> Iterator[Check]:
    criteria, candidate = evidence.criteria.document, evidence.candidate
    if criteria.max_bytes is not None:
        fits = candidate.size is not None and candidate.size <= criteria.max_bytes
        yield Check(
            id="size",
            status=Status.PASS if fits else Status.FAIL,
            what=f"the file of {candidate.rid} has {candidate.size} bytes",
            value=candidate.size,
            limit=criteria.max_bytes,
            evidence=(candidate.rid,),
            remedy=None if fits else "A smaller model.",
        )
    if criteria.max_latency_ms is not None and candidate.report is not None:
        latency = candidate.report.document.latency
        fits = latency is not None and latency.p95_ms <= criteria.max_latency_ms
        yield Check(
            id="latency",
            status=Status.PASS if fits else Status.FAIL,
            what=f"95 % of {latency.records} single predictions took at most {latency.p95_ms:.3g} ms"
            if latency
            else "the model does not predict single records",
            value=latency.p95_ms if latency else None,
            limit=criteria.max_latency_ms,
            evidence=(candidate.report.rid,),
            remedy=None if fits else "A faster model, or a faster machine for the evaluation.",
        )


def _looks(evidence: Evidence) -> Iterator[Check]:
    report = evidence.candidate.report
    if report is None:
        return
    again = report.document.repeated
    named = ", ".join(f"{look.execution_rid} ({look.relation})" for look in again)
    yield Check(
        id="looks",
        status=Status.NOTE,
        what=f"{len(report.document.looks)} evaluations on {evidence.records.rid} came before this one"
        + (f"; of this model or its family: {named}" if again else ""),
        value=len(again),
        evidence=(report.rid, *(look.execution_rid for look in again)),
        remedy="Choose among models on a validation dataset, and look at the test dataset once." if again else None,
    )
