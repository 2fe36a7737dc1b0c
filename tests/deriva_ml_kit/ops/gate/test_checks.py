"""What a gate says of evidence; no catalog is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import numpy as np
import pytest
from answered import classification

from deriva_ml_kit.numerics.paired.metrics import Answers, of_task, value
from deriva_ml_kit.ops.documents import Stored
from deriva_ml_kit.ops.evaluation.documents import EvaluationReport, Latency, Look, MetricValue
from deriva_ml_kit.ops.evaluation.leaks import Exposure, Leak
from deriva_ml_kit.ops.evaluation.predictions import Predicted
from deriva_ml_kit.ops.evaluation.records import Records
from deriva_ml_kit.ops.gate.checks import judge
from deriva_ml_kit.ops.gate.documents import Check, GateCriteria, GateReport, Status
from deriva_ml_kit.ops.gate.evidence import Evidence, Side, Training
from deriva_ml_kit.ops.gate.page import gate_page

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
N = 120
RIDS = tuple(f"1-{number:04d}" for number in range(N))
CLUSTERS = {rid: f"P{number // 2}" for number, rid in enumerate(RIDS)}
CRITERIA = GateCriteria.model_validate(
    {
        "dataset": "2-TEST@1.0.0",
        "table": "Image",
        "label": "Kind",
        "cluster": "Patient",
        "requirements": [
            {"metric": "accuracy", "direction": "higher", "minimum": 0.7, "min_gain": 0.0},
            {"metric": "auc", "direction": "higher", "min_gain": -0.2},
            {"metric": "log_loss", "direction": "lower", "maximum": 2.0},
        ],
        "max_bytes": 1000,
        "max_latency_ms": 20,
    }
)


def metrics(answers: Answers) -> dict[str, MetricValue]:
    """Values alone: a gate makes its own intervals."""
    return {
        metric.name: MetricValue(value=value(metric, answers), lower=0, upper=1, baseline=0.5)
        for metric in of_task("classification")
    }


def evaluated(rid: str, answers: Answers) -> Side:
    predicted = Predicted(RIDS, answers, tuple(CLUSTERS.values()))
    report = EvaluationReport(
        model_rid=rid,
        model_md5="0" * 32,
        training_rid="3-TRAIN",
        dataset=CRITERIA.dataset,
        snapshot="1@2",
        table="Image",
        label="Kind",
        cluster="Patient",
        task="classification",
        classes=answers.classes,
        records=N,
        groups=N // 2,
        confidence=0.95,
        metrics=metrics(answers),
        features_md5=None,
        looks=(Look(execution_rid="4-EARLY", report_rid="4-REP", model_rid=rid, relation="model"),),
        latency=Latency(records=20, median_ms=1.0, p95_ms=2.0),
        predictions="predictions.csv",
    )
    made = (NOON + timedelta(hours=2)).isoformat()
    stored = Stored(report, f"{rid}-REPORT", "3-EVAL", made, "1" * 32)
    return Side(rid, "0" * 32, 900, stored, predicted, None, {}, Exposure(("2-TRAIN@1.0.0",), (), ()))


GOOD = classification(1, n=N, k=2, right=0.95)
PLAIN = classification(2, n=N, k=2, right=0.4)
TRUTH = dict(zip(RIDS, GOOD.truth.tolist(), strict=True))
EVIDENCE = Evidence(
    criteria=Stored(CRITERIA, "3-CRIT", "3-REG", NOON.isoformat(), "2" * 32),
    criteria_changed=NOON,
    training=Training("3-TRAIN", NOON + timedelta(hours=1), ("3-CRIT",)),
    candidate=evaluated("3-CAND", GOOD),
    incumbent=evaluated("3-PROD", PLAIN),
    records=Records(CRITERIA.dataset, "1@2", "Image", "Kind", "Patient", dict(TRUTH), dict(CLUSTERS), cast(Any, None)),
)


def checks(evidence: Evidence) -> dict[str, Check]:
    found = {check.id: check for check in judge(evidence, resamples=200, seed=0)}
    assert all(check.evidence or check.id == "incumbent" for check in found.values())
    assert all(check.remedy for check in found.values() if check.status in (Status.FAIL, Status.UNDECIDED))
    return found


def test_sound_evidence_passes_every_check() -> None:
    found = checks(EVIDENCE)
    assert {check.status for check in found.values()} == {Status.PASS, Status.NOTE}
    assert [name for name, check in found.items() if check.status is Status.NOTE] == ["looks"]
    assert "4-EARLY (model)" in found["looks"].what
    assert "McNemar's test for groups" in found["gain.accuracy"].what
    assert {
        "limit.accuracy",
        "gain.accuracy",
        "gain.auc",
        "baseline.accuracy",
        "limit.log_loss",
        "size",
        "latency",
    } <= {*found}
    assert checks(EVIDENCE) == found


def candidate(**changes: Any) -> Evidence:
    return replace(EVIDENCE, candidate=replace(EVIDENCE.candidate, **changes))


def reported(**changes: Any) -> Evidence:
    stored = EVIDENCE.candidate.report
    assert stored is not None
    return candidate(report=replace(stored, document=stored.document.model_copy(update=changes)))


def records(**changes: Any) -> Evidence:
    return replace(EVIDENCE, records=replace(EVIDENCE.records, **changes))


def lost(answers: Answers) -> Evidence:
    """A model whose probabilities for one record are missing."""
    assert answers.scores is not None
    scores = answers.scores.copy()
    scores[5] = np.nan
    return replace(EVIDENCE, candidate=evaluated("3-CAND", replace(answers, scores=scores)))


def seen(*leaks: Leak) -> Exposure:
    return Exposure(("2-TRAIN@1.0.0",), leaks, ())


def as_regression(side: Side) -> Side:
    assert side.report is not None
    numbers = Answers(np.arange(N, dtype=float), np.zeros(N))
    stored = replace(
        side.report, document=side.report.document.model_copy(update={"classes": (), "task": "regression"})
    )
    return replace(side, report=stored, predicted=Predicted(RIDS, numbers, tuple(CLUSTERS.values())))


LEAK = Leak("record", "2-TRAIN@1.0.0", "3-TRAIN", ("1-0003", "1-0007"))
FAULTS: dict[str, tuple[Callable[[], Evidence], str, Status, str]] = {
    "criteria written after the training began": (
        lambda: replace(EVIDENCE, training=Training("3-TRAIN", NOON, ("3-CRIT",))),
        "criteria.before_training",
        Status.FAIL,
        "2026-05-04T12:00",
    ),
    "criteria changed after the training began": (
        lambda: replace(EVIDENCE, criteria_changed=NOON + timedelta(hours=1, minutes=30)),
        "criteria.before_training",
        Status.FAIL,
        "changed",
    ),
    "criteria changed after the metrics were known": (
        lambda: replace(EVIDENCE, criteria_changed=NOON + timedelta(hours=3)),
        "criteria.before_metrics",
        Status.FAIL,
        "younger",
    ),
    "the training had other criteria": (
        lambda: replace(EVIDENCE, training=Training("3-TRAIN", NOON + timedelta(hours=1), ("3-HARD",))),
        "criteria.input",
        Status.FAIL,
        "3-HARD",
    ),
    "nobody knows who trained it": (
        lambda: replace(EVIDENCE, training=None),
        "criteria.before_training",
        Status.UNDECIDED,
        "no execution",
    ),
    "trained on test records": (
        lambda: candidate(exposure=seen(LEAK)),
        "leak.record",
        Status.FAIL,
        "1-0003, 1-0007",
    ),
    "trained on records of the same patients": (
        lambda: candidate(exposure=seen(replace(LEAK, by="group"))),
        "leak.group",
        Status.FAIL,
        "2-TRAIN@1.0.0",
    ),
    "nobody knows what it was trained on": (
        lambda: candidate(exposure=Exposure((), (), ())),
        "leak.record",
        Status.UNDECIDED,
        "no dataset",
    ),
    "trained on records of other tables": (
        lambda: candidate(exposure=Exposure(("2-SUBJECTS@1.0.0",), (), ("2-SUBJECTS@1.0.0",))),
        "leak.group",
        Status.UNDECIDED,
        "no members of Image",
    ),
    "not evaluated": (
        lambda: candidate(report=None, predicted=None),
        "evaluation.candidate",
        Status.UNDECIDED,
        "2-TEST@1.0.0",
    ),
    "the incumbent was evaluated on another version": (
        lambda: replace(
            EVIDENCE,
            incumbent=replace(
                evaluated("3-PROD", PLAIN), report=None, predicted=None, others={"3-OLD": "2-TEST@0.9.0 (Image)"}
            ),
        ),
        "evaluation.incumbent",
        Status.UNDECIDED,
        "3-OLD is of 2-TEST@0.9.0",
    ),
    "a record without prediction": (
        lambda: records(truth=TRUTH | {"1-9999": "ant"}, clusters=CLUSTERS | {"1-9999": "P0"}),
        "evaluation.candidate",
        Status.FAIL,
        "1-9999",
    ),
    "labels that are not those of the catalog": (
        lambda: records(truth=TRUTH | {RIDS[0]: "dog"}),
        "evaluation.candidate",
        Status.FAIL,
        "labels",
    ),
    "groups that are not those of the catalog": (
        lambda: records(clusters=CLUSTERS | {RIDS[0]: "P9"}),
        "evaluation.candidate",
        Status.FAIL,
        "groups",
    ),
    "metrics that were edited": (
        lambda: reported(
            metrics={
                name: each.model_copy(update={"value": 0.999}) if name == "accuracy" else each
                for name, each in metrics(GOOD).items()
            }
        ),
        "evaluation.candidate",
        Status.FAIL,
        "accuracy",
    ),
    "predictions that cannot be read": (
        lambda: candidate(predicted=None, unreadable="no such file"),
        "evaluation.candidate",
        Status.FAIL,
        "no such file",
    ),
    "a metric that is not defined has no limit met": (lambda: lost(GOOD), "limit.log_loss", Status.FAIL, "not defined"),
    "a metric that is not defined has no gain": (lambda: lost(GOOD), "gain.auc", Status.FAIL, "not defined"),
    "too few groups": (
        lambda: records(clusters=dict.fromkeys(RIDS, "P0")),
        "groups",
        Status.UNDECIDED,
        "1 groups",
    ),
    "as good as the incumbent": (
        lambda: replace(EVIDENCE, incumbent=evaluated("3-PROD", GOOD)),
        "gain.accuracy",
        Status.FAIL,
        "a gain of 0,",
    ),
    "luckier than the incumbent": (
        lambda: replace(EVIDENCE, incumbent=evaluated("3-PROD", classification(3, n=N, k=2, right=0.93))),
        "gain.accuracy",
        Status.FAIL,
        "lower bound",
    ),
    "no better than the majority": (
        lambda: replace(EVIDENCE, candidate=evaluated("3-CAND", classification(4, n=N, k=2, right=0.02))),
        "baseline.accuracy",
        Status.FAIL,
        "baseline",
    ),
    "the incumbent was evaluated as a regression": (
        lambda: replace(EVIDENCE, incumbent=as_regression(evaluated("3-PROD", PLAIN))),
        "evaluation.incumbent",
        Status.FAIL,
        "labels",
    ),
    "too large": (lambda: candidate(size=1001), "size", Status.FAIL, "1001 bytes"),
    "too slow": (
        lambda: reported(latency=Latency(records=20, median_ms=1.0, p95_ms=21.0)),
        "latency",
        Status.FAIL,
        "21 ms",
    ),
    "single records cannot be predicted": (lambda: reported(latency=None), "latency", Status.FAIL, "single"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_where_it_is(fault: str) -> None:
    made, name, status, told = FAULTS[fault]
    check = checks(made())[name]
    assert check.status is status
    assert told in check.what


def test_leaks_are_listed_by_rid() -> None:
    assert checks(candidate(exposure=seen(LEAK)))["leak.record"].evidence == ("3-CAND", "1-0003", "1-0007")
    other = replace(EVIDENCE, incumbent=replace(evaluated("3-PROD", PLAIN), exposure=seen(LEAK)))
    assert checks(other)["leak.incumbent"].status is Status.NOTE


def test_without_an_incumbent_gains_are_over_the_baseline_and_that_is_said() -> None:
    found = checks(replace(EVIDENCE, incumbent=None))
    assert "baseline" in found["incumbent"].what
    assert "gain.accuracy" not in found
    demanding = CRITERIA.model_copy(
        update={"requirements": (CRITERIA.requirements[0].model_copy(update={"min_gain": 0.9}),)}
    )
    asked = replace(EVIDENCE, incumbent=None, criteria=replace(EVIDENCE.criteria, document=demanding))
    check = checks(asked)["baseline.accuracy"]
    assert (check.status, check.limit) == (Status.FAIL, 0.9)


def test_models_with_other_classes_are_compared_over_all_of_them() -> None:
    named = Answers(PLAIN.truth, PLAIN.predicted, PLAIN.scores, PLAIN.classes)
    assert PLAIN.scores is not None
    wider = replace(named, scores=np.c_[PLAIN.scores, np.zeros(N)], classes=(*PLAIN.classes, "dog"))
    same = checks(EVIDENCE)
    found = checks(replace(EVIDENCE, incumbent=evaluated("3-PROD", wider)))
    for name in ("gain.accuracy", "gain.auc"):
        assert found[name].value == pytest.approx(same[name].value, abs=0.002)


def test_the_page_shows_every_check_and_escapes_what_it_shows() -> None:
    odd = candidate(unreadable="<script>alert(1)</script>", predicted=None)
    found = judge(odd, resamples=200, seed=0)
    report = GateReport(
        verdict="fail",
        candidate_rid="3-CAND",
        candidate_md5="0" * 32,
        incumbent_rid="3-PROD",
        criteria_rid="3-CRIT",
        criteria_digest=CRITERIA.digest(),
        dataset=CRITERIA.dataset,
        evaluation_rid="3-CAND-REPORT",
        incumbent_evaluation_rid="3-PROD-REPORT",
        resamples=200,
        seed=0,
        checks=tuple(found),
    )
    sides = {"candidate": EVIDENCE.candidate.report, "incumbent": evaluated("3-PROD", PLAIN).report}
    html = gate_page(report, {name: stored for name, stored in sides.items() if stored})
    assert "<script>alert" not in html
    assert all(check.id in html for check in found)
    assert html.count("<svg") == len(metrics(GOOD))
