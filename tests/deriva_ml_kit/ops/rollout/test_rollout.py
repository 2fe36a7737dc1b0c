"""A rollout in a catalog: from its plan to the end, by rules and by hand."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deriva_ml_kit.errors import Faults, KitError, UsageError
from deriva_ml_kit.numerics.assignment import buckets
from deriva_ml_kit.numerics.rollout import Move, Rules, StageRules
from deriva_ml_kit.ops.kinds import Stage
from deriva_ml_kit.ops.predictions import Prediction
from deriva_ml_kit.ops.registry import serving
from deriva_ml_kit.ops.registry.moving import NotAllowed, promote
from deriva_ml_kit.ops.registry.registration import register
from deriva_ml_kit.ops.rollout import Standing, history, running
from deriva_ml_kit.ops.rollout.report import page

pytestmark = pytest.mark.catalog
NAME = "tumours"
RULES = Rules(
    max_error_share=0.05,
    slow_ms=300,
    settle_seconds=0,
    stages=tuple(StageRules(share=share, minimum_requests=100, minimum_hours=1) for share in (0.0, 0.25)),
)


@pytest.fixture(scope="module")
def models(hospital: Any) -> tuple[str, str]:
    """One in production, and a candidate that has passed its gate."""
    import registered  # noqa: PLC0415  (reads HOME)

    ml = hospital.ml
    criteria = registered.criteria(hospital)
    first, candidate = (registered.complete(hospital, (criteria,), seed) for seed in (1, 2))
    for model, incumbent in ((first, None), (candidate, first)):
        register(ml, NAME, model)
        registered.gate(hospital, model, incumbent)
        promote(ml, NAME, model, Stage.STAGING, reason="complete")
        if incumbent is None:
            promote(ml, NAME, model, Stage.PRODUCTION, reason="the first", approved_by="Ann: the first")
    return first, candidate


def log(folder: Path, standing: Standing, count: int, hours: tuple[float, float], failing: float = 0.0) -> str:
    """What a server of the rollout would have logged in its stage, and between these hours of it."""
    plan, share = standing.plan.document, standing.split.share
    units = [f"u{number}" for number in range(count)]
    arms = np.where(buckets(plan.salt, units) < share, "canary", "production")
    rng = np.random.default_rng(0)
    lines = []
    for number, (unit, arm) in enumerate(zip(units, arms, strict=True)):
        when = standing.since + timedelta(hours=hours[0] + (hours[1] - hours[0]) * (number + 1) / (count + 1))
        for each in ("production", "shadow") if standing.split.shadow else (arm,):
            failed = each != "production" and rng.random() < failing
            lines.append(
                Prediction(
                    request_id=f"{standing.stage}-{number}",
                    time=when,
                    unit=unit,
                    arm=each,
                    model_rid=plan.control_rid if each == "production" else plan.candidate_rid,
                    features={},
                    prediction=None if failed else "benign",
                    latency_ms=5.0,
                    status=500 if failed else 200,
                ).model_dump_json()
            )
    file = folder / f"stage-{standing.stage}-{hours[1]:g}.jsonl"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(file)


def after(standing: Standing, hours: float) -> datetime:
    return standing.since + timedelta(hours=hours)


def test_from_shadow_into_production_and_every_step_comes_out_again(
    hospital: Any, models: tuple[str, str], tmp_path: Path
) -> None:
    ml, (first, candidate) = hospital.ml, models
    assert running.start(ml, NAME, candidate, RULES, reason="fewer misses", dry_run=True) is None
    begun = running.start(ml, NAME, candidate, RULES, reason="fewer misses")
    assert begun is not None
    assert (begun.stage_name, begun.split.shadow, begun.split.share) == ("shadow", True, 0.0)
    shadow = serving(ml, NAME, stage=Stage.SHADOW)
    assert shadow is not None
    assert shadow.model_rid == candidate

    early, same = running.step(ml, begun, [log(tmp_path, begun, 400, (0, 0.5))], now=after(begun, 0.5))
    assert (early.move, len(same.steps)) == (Move.STAY, 0)  # what changes nothing writes nothing
    decided, now = running.step(ml, begun, [log(tmp_path, begun, 400, (0, 2))], now=after(begun, 2), dry_run=True)
    assert (decided.move, now.stage) == (Move.ADVANCE, 0)
    _, now = running.step(ml, begun, [log(tmp_path, begun, 400, (0, 2))], now=after(begun, 2))
    assert (now.stage_name, now.split.share, now.split.shadow) == ("25%", 0.25, False)

    held, now = running.step(ml, now, [], now=after(now, 100))
    assert (held.move, now.held) == (Move.HOLD, True)
    now = running.by_hand(ml, now, Move.RESUME, by="Ann", reason="the line was down", now=after(now, 101))
    with pytest.raises(UsageError, match="does not hold"):
        running.by_hand(ml, now, Move.RESUME, by="Ann", reason="again")
    written = log(tmp_path, now, 800, (0, 2))
    with pytest.raises(NotAllowed, match="approves it"):
        running.step(ml, now, [written], now=after(now, 2))
    _, done = running.step(ml, now, [written], now=after(now, 2), approved_by="Ann: fewer misses")

    assert (done.ended, done.split.share) == ("done", 1.0)
    served = serving(ml, NAME)
    assert served is not None
    assert served.model_rid == candidate
    assert [stored.document.move for stored in done.steps] == ["advance", "hold", "resume", "advance"]
    assert history.replayed(done) == 3
    assert history.newest_plan(ml, NAME) == done.plan.rid
    with pytest.raises(UsageError, match="has ended: done"):
        running.look(ml, done, [])
    shown = page(done)
    for text in ("done", "25%", "Ann", candidate, done.steps[0].execution_rid):
        assert str(text) in shown

    # What the evidence says is not what it said.
    forged = done.steps[0].document.model_copy(update={"move": Move.ROLL_BACK})
    changed = history.fold(done.plan, [type(done.steps[0])(**(vars(done.steps[0]) | {"document": forged}))])
    with pytest.raises(KitError, match="by its evidence it is 'advance'"):
        history.replayed(changed)

    # The one that was replaced comes back, is rolled out again, and fails.
    promote(ml, NAME, candidate, Stage.ARCHIVED, reason="for the test")
    with pytest.raises(UsageError, match="Nothing is in production"):
        running.start(ml, NAME, first, RULES, reason="again")


def test_harm_rolls_back_and_of_two_who_step_at_once_one_counts(
    hospital: Any, models: tuple[str, str], tmp_path: Path
) -> None:
    import registered  # noqa: PLC0415  (reads HOME)

    ml = hospital.ml
    name = "others"
    criteria = registered.criteria(hospital, "others")
    first, candidate = (registered.complete(hospital, (criteria,), seed) for seed in (3, 4))
    for model, incumbent in ((first, None), (candidate, first)):
        register(ml, name, model)
        registered.gate(hospital, model, incumbent)
        promote(ml, name, model, Stage.STAGING, reason="complete")
        if incumbent is None:
            promote(ml, name, model, Stage.PRODUCTION, reason="the first", approved_by="Ann: the first")
    rules = RULES.model_copy(update={"stages": RULES.stages[1:]})  # without a shadow
    begun = running.start(ml, name, candidate, rules, reason="faster")
    assert begun is not None
    canary = serving(ml, name, stage=Stage.CANARY)
    assert canary is not None
    assert canary.model_rid == candidate

    with pytest.raises(Faults, match="are answers of"):
        file = Path(log(tmp_path, begun, 50, (0, 1)))
        file.write_text(file.read_text().replace(candidate, first), encoding="utf-8")
        running.look(ml, begun, [str(file)], now=after(begun, 1))
    failing = log(tmp_path, begun, 800, (0, 2), failing=0.2)
    decision, back = running.step(ml, begun, [failing], now=after(begun, 2))
    assert (decision.move, back.ended, back.split.share) == (Move.ROLL_BACK, "rolled back", 0.0)
    staged = serving(ml, name, stage=Stage.STAGING)
    assert staged is not None
    assert staged.model_rid == candidate
    assert "failed" in decision.reason
    with pytest.raises(KitError):  # what the other one decided on is not so any more
        running.step(ml, begun, [failing], now=after(begun, 2))
    assert len(history.standing_of(ml, back.plan.rid).steps) == 1


def test_rules_and_outcomes_that_are_wrong_are_told(tmp_path: Path) -> None:
    from deriva_ml_kit.cli.ops.rollout import read_rules  # noqa: PLC0415

    file = tmp_path / "rules.toml"
    file.write_text("slow_ms = -1\nmax_error = 0.1\n", encoding="utf-8")
    with pytest.raises(Faults) as refused:
        read_rules(file)
    assert {fault.column for fault in refused.value.faults} == {"slow_ms", "max_error", "max_error_share"}
    outcomes = tmp_path / "outcomes.csv"
    outcomes.write_text("request_id,outcome\na,1\na,2\n", encoding="utf-8")
    with pytest.raises(Faults, match=r"twice[\s\S]*neither 1 nor 0"):
        running._read_outcomes(outcomes)


def test_the_rules_of_the_template_hold() -> None:
    from deriva_ml_kit.cli.ops.rollout import read_rules  # noqa: PLC0415

    rules = read_rules(Path(__file__).parents[4] / "skills/ml-ops/scripts/rollout.toml")
    assert [stage.name for stage in rules.stages] == ["shadow", "5%", "25%", "50%"]
    assert json.loads(rules.model_dump_json())["alpha"] == 0.01
