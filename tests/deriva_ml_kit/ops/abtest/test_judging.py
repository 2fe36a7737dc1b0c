from __future__ import annotations

import runpy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deriva_ml_kit.errors import Faults, UsageError
from deriva_ml_kit.numerics.sequential.boundaries import boundaries
from deriva_ml_kit.ops.abtest.documents import Earlier, Primary, Verdict
from deriva_ml_kit.ops.abtest.judging import Judgement, judge, looked_at
from deriva_ml_kit.ops.abtest.rows import joined, prepared
from deriva_ml_kit.ops.frames import Batch, Origin
from deriva_ml_kit.ops.predictions import Prediction

START = datetime(2024, 1, 1, tzinfo=UTC)  # as in conftest
NOW = START + timedelta(days=30)
ORIGIN = Origin(kind="file", name="visits.csv", rows=0)


def judged(plan: Any, frame: pd.DataFrame, earlier: tuple[Earlier, ...] = (), now: Any = NOW) -> Judgement:
    return judge(plan, prepared(frame, plan, [ORIGIN]), earlier, now)


def looked(information: float | None, units: int = 0, *, documented: bool = True) -> Earlier:
    return Earlier(
        execution_rid="1-AAAA", created="x", documented=documented, units=units, information=information, verdict=None
    )


def failed(found: Judgement) -> set[str]:
    assert found.verdict is Verdict.INVALID
    assert found.primary is None and not found.guardrails
    return {check.name for check in found.checks if not check.passed}


@pytest.mark.parametrize(
    ("came", "better", "verdict"),
    [
        (0.75, "higher", Verdict.WIN),
        (0.1, "higher", Verdict.LOSS),
        (0.1, "lower", Verdict.WIN),
        (0.42, "higher", Verdict.NO_DIFFERENCE),
    ],
)
def test_verdicts_at_the_horizon(planned: Any, visits: Any, came: float, better: str, verdict: Verdict) -> None:
    plan = planned(metric={"name": "attendance", "kind": "rate", "column": "came", "better": better})
    found = judged(plan, visits(plan, plan.units + 20, came=came))
    assert found.verdict is verdict
    assert found.primary and found.primary.final
    assert (found.primary.low > 0) == (found.primary.difference > 0 and verdict is not Verdict.NO_DIFFERENCE)


def test_what_is_clear_ends_the_test_early_and_what_is_not_goes_on(planned: Any, visits: Any) -> None:
    plan = planned()
    half = plan.units // 2
    assert judged(plan, visits(plan, half, came=0.9)).verdict is Verdict.WIN
    unclear = judged(plan, visits(plan, half, came=0.52))
    assert unclear.verdict is Verdict.CONTINUE
    assert unclear.primary and abs(unclear.primary.z) < unclear.primary.boundary
    assert unclear.primary.low < 0 < unclear.primary.high


def test_the_boundary_knows_all_looks_whoever_made_them(planned: Any, visits: Any) -> None:
    plan = planned()
    frame = visits(plan, plan.units // 2, came=0.5)
    alone = judged(plan, frame).primary
    assert alone
    earlier = (looked(10.0), looked(None), looked(None, documented=False), looked(20.0))
    with_looks = judged(plan, frame, earlier).primary
    assert with_looks and with_looks.boundary > alone.boundary
    expected = boundaries([10, 15, 20, alone.information], plan.alpha, planned=plan.information)[-1]
    assert with_looks.boundary == pytest.approx(expected, abs=1e-6)


def test_looks_that_left_nothing_are_between_their_neighbours() -> None:
    lost = looked(None, documented=False)
    assert looked_at([lost, looked(8.0), looked(None), lost, lost], 16.0) == [4.0, 8.0, 12.0, 14.0]


def test_before_the_shortest_runtime_the_metric_is_not_looked_at(planned: Any, visits: Any) -> None:
    plan = planned(weeks_min=2)
    found = judged(plan, visits(plan, plan.units, came=0.9))
    assert (found.verdict, found.primary) == (Verdict.CONTINUE, None)
    assert found.guardrails and found.survey.days == pytest.approx(10, abs=0.1)


def test_harm_ends_it_at_any_time(planned: Any, visits: Any) -> None:
    plan = planned(weeks_min=2, effect=0.1)
    found = judged(plan, visits(plan, plan.units, came=0.9, failed=0.3))
    assert found.verdict is Verdict.LOSS
    assert found.primary is None and "errors is worse by at least" in found.reason
    few = judged(plan, visits(plan, 150, failed=0.9))
    assert few.verdict is Verdict.CONTINUE and not few.guardrails[0].breached


def test_a_second_look_at_the_same_rows_cannot_stop_and_is_kept_with_its_infinite_boundary(
    planned: Any, visits: Any
) -> None:
    plan = planned()
    frame = visits(plan, plan.units // 2, came=0.9)
    once = judged(plan, frame)
    assert once.primary and once.verdict is Verdict.WIN
    again = judged(plan, frame, (looked(once.primary.information),))
    assert again.verdict is Verdict.CONTINUE
    assert again.primary and again.primary.boundary == float("inf")
    assert Primary.model_validate_json(again.primary.model_dump_json()) == again.primary


def test_the_longest_runtime_ends_it_with_what_is_there(planned: Any, visits: Any) -> None:
    plan = planned(per_day=60, weeks_max=1)
    found = judged(plan, visits(plan, plan.units // 2))
    assert found.verdict is Verdict.NO_DIFFERENCE
    assert found.primary and found.primary.time < 0.6


def test_another_salt_gives_no_verdict_and_names_units(planned: Any, visits: Any) -> None:
    plan = planned()
    found = judged(plan, visits(planned(salt="other"), 200, came=0.9))
    assert failed(found) == {"assignment"}
    assert "salt 'reminder-model'" in found.reason and "P0" in found.reason


def test_a_sample_ratio_mismatch_gives_no_verdict(planned: Any, visits: Any) -> None:
    plan = planned()
    frame = visits(plan, 400, came=0.9)
    lost = frame[~((frame["arm"] == "treatment") & ~frame["came"].astype(bool))]
    lost = lost[(lost["arm"] == "control") | (np.arange(len(lost)) % 2 == 0)]
    assert failed(judged(plan, lost)) == {"sample ratio"}
    assert failed(judged(plan, frame[frame["arm"] == "control"])) == {"sample ratio"}
    assert "sample ratio" in failed(judged(plan, frame[:0]))


def test_units_in_both_arms_twice_or_without_a_name_give_no_verdict(planned: Any, visits: Any) -> None:
    plan = planned()
    frame = visits(plan, 200)
    assert failed(judged(plan, pd.concat([frame, frame[:3]]))) == {"rows once"}
    other = frame[:2].assign(arm=["treatment" if arm == "control" else "control" for arm in frame["arm"][:2]])
    several = planned(row="visit")
    visited = pd.concat([frame, other]).assign(visit=range(202))
    assert failed(judged(several, visited)) == {"one arm", "assignment"}
    assert failed(judged(plan, frame.assign(patient=[None, *frame["patient"][1:]]))) == {"units named"}


def test_several_rows_of_a_unit_are_one_observation(planned: Any, visits: Any) -> None:
    plan = planned(row="visit")
    frame = visits(plan, plan.units // 2, came=0.6)
    thrice = pd.concat([frame] * 3)
    one = judged(plan, frame.assign(visit=range(len(frame)))).primary
    three = judged(plan, thrice.assign(visit=range(len(thrice)))).primary
    assert one and three and (one.z, one.information) == (three.z, three.information)


def test_times_before_the_start_or_to_come_give_no_verdict(planned: Any, visits: Any) -> None:
    plan = planned()
    frame = visits(plan, 200)
    assert failed(judged(plan, frame, now=START + timedelta(days=5))) == {"before now"}
    assert failed(judged(planned(starts=START + timedelta(days=1)), frame)) == {"after the start"}


def test_part_of_the_data_is_refused_and_so_are_other_models(planned: Any, visits: Any) -> None:
    plan = planned()
    assert failed(judged(plan, visits(plan, 100), (looked(40.0, 160),))) == {"all data"}
    arms = [{"name": name, "weight": 0.5, "model_rid": rid} for name, rid in (("control", "2-A"), ("treatment", "2-B"))]
    frame = visits(plan, 200)
    answered = frame.assign(model_rid=np.where(frame["arm"] == "control", "2-A", "2-B"))
    assert judged(planned(arms=arms), answered).verdict is Verdict.CONTINUE
    assert failed(judged(planned(arms=arms), answered.assign(model_rid="2-A"))) == {"models"}


def test_units_that_do_not_take_part_are_left_out(planned: Any, visits: Any) -> None:
    plan = planned(share=0.5)
    frame = visits(plan, 400).assign(arm=plan.assignment.of_all([f"P{number:04d}" for number in range(400)]))
    found = judged(plan, frame.assign(arm=frame["arm"].where(frame["arm"].notna(), "production")))
    assert found.verdict is not Verdict.INVALID
    assert 150 < found.survey.left_out == 400 - sum(found.survey.units.values()) < 250


def test_rows_that_do_not_fit_are_refused_with_everything_that_is_wrong(planned: Any, visits: Any) -> None:
    plan = planned()
    frame = visits(plan, 20)
    with pytest.raises(Faults) as refused:
        prepared(frame.drop(columns=["patient", "came"]), plan, [ORIGIN])
    assert {fault.column for fault in refused.value.faults} == {"patient", "came"}
    with pytest.raises(Faults) as refused:
        prepared(frame.assign(came=[None, *frame["came"][1:]], time="soon", failed="often"), plan, [ORIGIN])
    assert {fault.column for fault in refused.value.faults} == {"came", "time", "failed"}
    with pytest.raises(Faults, match="fraction or empty"):
        prepared(frame.assign(patient=[1.0, *range(19)]), plan, [ORIGIN])


def test_outcomes_that_did_not_come_are_zero_where_the_plan_says_so(planned: Any, visits: Any) -> None:
    metric = {"name": "attendance", "kind": "rate", "column": "came", "missing": "zero"}
    plan = planned(metric=metric)
    frame = visits(plan, 60)
    came = frame[["patient", "came"]][frame["came"].astype(bool)]
    rows = joined(Batch(frame.drop(columns="came"), ORIGIN), Batch(came, ORIGIN), "patient")
    assert prepared(rows, plan, [ORIGIN]).frame["came"].sum() == len(came)
    both = joined(Batch(frame, ORIGIN), Batch(came, ORIGIN), "patient")
    with pytest.raises(Faults, match="in the rows and in the outcomes"):
        prepared(both, plan, [ORIGIN])
    with pytest.raises(UsageError, match="more than once"):
        joined(Batch(frame, ORIGIN), Batch(pd.concat([came, came]), ORIGIN), "patient")
    with pytest.raises(UsageError, match="no column 'visit'"):
        joined(Batch(frame, ORIGIN), Batch(came, ORIGIN), "visit")


def test_the_template_makes_the_metric_of_answers_and_outcomes(planned: Any, visits: Any, tmp_path: Path) -> None:
    ratio = {"name": "errors", "kind": "ratio", "column": "failed", "better": "lower", "limit": 0.02}
    metric = {"name": "attendance", "kind": "rate", "column": "came", "missing": "zero"}
    plan = planned(metric=metric, unit="unit", row="request_id", guardrails=[ratio])
    frame = (
        visits(plan, plan.units // 2, came=0.9, failed=0.1).reset_index(names="request_id").astype({"request_id": str})
    )
    predictions = [
        Prediction(
            request_id=row.request_id,
            time=row.time,
            unit=row.patient,
            arm=row.arm,
            model_rid="2-AAAA",
            features={"age": 3},
            latency_ms=1,
            error="no" if row.failed else None,
        )
        for row in frame.itertuples()
    ]
    answers, outcomes = tmp_path / "predictions.jsonl", tmp_path / "outcomes.csv"
    answers.write_text("".join(each.model_dump_json() + "\n" for each in predictions))
    frame[frame["came"].astype(bool)][["request_id", "came"]].to_csv(outcomes, index=False)
    made = runpy.run_path(str(Path(__file__).parents[4] / "skills/ml-ops/scripts/ab_test.py"))
    rows = made["rows"](None, plan, str(answers), str(outcomes))
    assert rows.frame["failed"].sum() == frame["failed"].sum() > 0
    found = judge(plan, rows, (), NOW)
    assert found.verdict is Verdict.WIN
    assert found.guardrails[0].treated == pytest.approx(frame["failed"][frame["arm"] == "treatment"].mean())
