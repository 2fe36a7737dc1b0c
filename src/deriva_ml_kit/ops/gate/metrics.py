"""The checks of metrics: limits, and gains over incumbent and baseline, each by the bound of its interval."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from deriva_ml_kit.numerics.paired.compare import Comparison, compare, interval
from deriva_ml_kit.numerics.paired.mcnemar import clustered_mcnemar, mcnemar
from deriva_ml_kit.numerics.paired.metrics import METRICS, Answers, Direction, constant
from deriva_ml_kit.numerics.paired.resampling import Groups
from deriva_ml_kit.ops.evaluation.predictions import Predicted
from deriva_ml_kit.ops.evaluation.records import Records
from deriva_ml_kit.ops.gate.documents import Check, Requirement, Status
from deriva_ml_kit.ops.gate.evidence import Evidence, Side
from deriva_ml_kit.ops.gate.intact import differences


def metric_checks(evidence: Evidence, *, resamples: int, seed: int) -> Iterator[Check]:
    """Limits and gains; nothing where there are no sound predictions."""
    candidate = evidence.candidate
    if candidate.predicted is None or candidate.report is None or differences(candidate, evidence.records):
        return
    alpha = evidence.criteria.document.alpha
    answers, clusters = candidate.predicted.answers, candidate.predicted.clusters
    incumbent = _sound(evidence.incumbent, evidence.records)
    for place, required in enumerate(evidence.criteria.document.requirements):
        metric = METRICS[required.metric]
        if metric.task != candidate.report.document.task:
            yield Check(
                id=f"limit.{metric.name}",
                status=Status.FAIL,
                what=f"{metric.name} is of no {candidate.report.document.task}",
                evidence=(candidate.report.rid,),
            )
            continue
        if required.limit is not None:
            got = interval(metric, answers, clusters, alpha=alpha, resamples=resamples, seed=seed)
            yield _limit(required, got.value, got.lower, got.upper, candidate.report.rid)
        if incumbent is not None and required.min_gain is not None:
            rids = (candidate.report.rid, incumbent[0])
            ours, theirs = _aligned(answers, incumbent[1].answers)
            if not np.array_equal(ours.truth, theirs.truth):
                yield Check(
                    id=f"gain.{metric.name}",
                    status=Status.FAIL,
                    what="the two evaluations are of different tasks",
                    evidence=rids,
                    remedy="Evaluate both as a classification, or as a regression: --task",
                )
                continue
            gain = compare(metric, ours, theirs, clusters, alpha=alpha, resamples=resamples, seed=seed)
            further = _of_accuracies(ours, theirs, clusters) if metric.name == "accuracy" else ""
            yield _gain(f"gain.{metric.name}", required.min_gain, gain, "incumbent", *rids, further=further)
        if place == 0:
            least = 0.0 if evidence.incumbent is not None else max(0.0, required.min_gain or 0.0)
            gain = compare(metric, answers, constant(answers), clusters, alpha=alpha, resamples=resamples, seed=seed)
            yield _gain(f"baseline.{metric.name}", least, gain, "baseline", candidate.report.rid)


def _sound(side: Side | None, records: Records) -> tuple[str, Predicted] | None:
    if side is None or side.report is None or side.predicted is None or differences(side, records):
        return None
    return side.report.rid, side.predicted


def _aligned(one: Answers, other: Answers) -> tuple[Answers, Answers]:
    """Both over the classes of either."""
    classes = one.classes + tuple(name for name in other.classes if name not in one.classes)
    found = []
    for answers in (one, other):
        scores = answers.scores
        if scores is not None:
            scores = np.zeros((len(answers), len(classes)))
            for at, name in enumerate(answers.classes):
                scores[:, classes.index(name)] = answers.scores[:, at]  # type: ignore[index]
        found.append(Answers(answers.truth, answers.predicted, scores, classes))
    return found[0], found[1]


def _of_accuracies(ours: Answers, theirs: Answers, clusters: Sequence[str] | None) -> str:
    """McNemar's test, which many know and ask for; the decision is the bound's."""
    right, other = (each.true_codes == each.predicted_codes for each in (ours, theirs))
    counts = int((right & ~other).sum()), int((other & ~right).sum())
    if clusters is None:
        name, p = "McNemar's mid-p", mcnemar(*counts)
    else:
        groups = Groups.of(clusters, len(ours))
        name, p = "McNemar's test for groups", clustered_mcnemar(groups.sums((right * 1.0 - other)[:, None])[:, 0])
    return f"; {counts[0]} records only the candidate has right, {counts[1]} only the incumbent, {name} {p:.3g}"


def _limit(required: Requirement, value: float, lower: float, upper: float, report: str) -> Check:
    higher = required.direction is Direction.HIGHER
    bound = lower if higher else upper
    limit = float(required.limit or 0.0)
    met = bound >= limit if higher else bound <= limit  # NaN is neither
    what = f"{required.metric} is {value:.4g}, its {'lower' if higher else 'upper'} bound {bound:.4g}"
    return Check(
        id=f"limit.{required.metric}",
        status=Status.PASS if met else Status.FAIL,
        what=what if not math.isnan(bound) else f"{required.metric} is not defined on these predictions",
        value=bound,
        limit=limit,
        evidence=(report,),
        remedy=None if met else "A better model; or, where only the bound misses it, a larger test dataset.",
    )


def _gain(name: str, least: float, found: Comparison, over: str, *evidence: str, further: str = "") -> Check:
    met = found.lower > least  # NaN is not
    what = (
        f"{found.candidate:.4g} against {found.reference:.4g} of the {over}: a gain of {found.gain:.4g}, "
        f"its lower bound {found.lower:.4g}; of equal models by chance p = {found.p_value:.3g}{further}"
    )
    return Check(
        id=name,
        status=Status.PASS if met else Status.FAIL,
        what=what if not math.isnan(found.lower) else f"the gain over the {over} is not defined on these predictions",
        value=found.lower,
        limit=least,
        evidence=evidence,
        remedy=None if met else "A better model; or, where only the bound misses it, a larger test dataset.",
    )
