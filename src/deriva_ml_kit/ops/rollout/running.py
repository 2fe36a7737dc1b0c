"""Starting a rollout, and its steps. A step that changes nothing writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from deriva_ml_kit.errors import Fault, Faults, UsageError
from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.numerics.rollout import Decision, Move, Rules, Window, decide, windows_of
from deriva_ml_kit.numerics.rollout.windows import CANDIDATE, CONTROL, SHADOW
from deriva_ml_kit.ops.frames import read_frame
from deriva_ml_kit.ops.kinds import Stage, WorkflowType
from deriva_ml_kit.ops.operation import operation
from deriva_ml_kit.ops.registry.moving import Plan, advance, planned
from deriva_ml_kit.ops.registry.serving import serving
from deriva_ml_kit.ops.rollout.documents import LogFile, RolloutEvidence, RolloutPlan
from deriva_ml_kit.ops.rollout.history import Standing, standing_of

START = ("Start a rollout", WorkflowType.ROLLOUT, __name__)
STEP = ("Step of a rollout", WorkflowType.ROLLOUT, __name__)
PLAN, EVIDENCE = "rollout-plan.json", "rollout-evidence.json"


def start(
    ml: DerivaML, name: str, candidate_rid: str, rules: Rules, *, reason: str, dry_run: bool = False
) -> Standing | None:
    """Fix the plan in the catalog, and let the candidate begin.

    Args:
        ml: The catalog.
        name: Name that the models are registered under.
        candidate_rid: Asset of the candidate, in Staging.
        rules: Stages and triggers.
        reason: Why.
        dry_run: Look only.

    Returns:
        Where it stands; None in a dry run.

    Raises:
        UsageError: Nothing serves under the name, or the candidate is not where a rollout begins.
    """
    control = serving(ml, name)
    if control is None:
        raise UsageError(
            f"Nothing is in production under {name!r}, so there is nothing to compare {candidate_rid} with.",
            remedy=f"The first model of a name is promoted: uv run deriva-ml-ops promote --name {name} --help",
        )
    to = Stage.CANARY if rules.stages[0].share else Stage.SHADOW
    registry = planned(ml, name, candidate_rid, to, reason=f"rollout: {reason}")
    if dry_run:
        return None
    plan = RolloutPlan(
        name=name,
        candidate_rid=candidate_rid,
        candidate_md5=registry.state.models[candidate_rid].md5,
        control_rid=control.model_rid,
        control_md5=control.md5,
        salt=f"rollout-{candidate_rid}-{registry.state.last + 1}",
        rules=rules,
        reason=reason,
    )
    with operation(ml, f"Roll out {candidate_rid} ({name}): {reason}", program=START) as doing:
        doing.uses(*registry.assets)
        doing.keep(plan, PLAN)
        advance(ml, registry, doing.rid)
    return standing_of(ml, doing.rids[PLAN])


def look(
    ml: DerivaML,
    standing: Standing,
    logs: Sequence[str],
    *,
    outcomes: Path | None = None,
    now: datetime | None = None,
) -> tuple[Decision, RolloutEvidence]:
    """Decide about the stage, from logs; nothing is written.

    Args:
        ml: The catalog.
        standing: Where the rollout stands.
        logs: Files of predictions, or RIDs of such; all since the last step that changed something.
        outcomes: CSV file with request_id and outcome (1 good, 0 bad) of those that are known.
        now: The end; this moment where not given.

    Returns:
        The decision, and what would be kept of it.

    Raises:
        UsageError: The rollout has ended, or a file is not what it must be.
        Faults: What is wrong with the logs.
    """
    _refuse_ended(standing)
    now = now or datetime.now(UTC)
    plan, rules = standing.plan.document, standing.rules
    stage = rules.stages[standing.stage]
    log, files = _read_logs(ml, logs)
    new: list[Window] = []
    if len(log):
        new = windows_of(
            log,
            stage=standing.stage,
            share=stage.share,
            salt=plan.salt,
            models={CANDIDATE: plan.candidate_rid, SHADOW: plan.candidate_rid, CONTROL: plan.control_rid},
            since=max(standing.until, standing.since + timedelta(seconds=rules.settle_seconds)),
            now=now,
            slow_ms=rules.slow_ms,
            minutes=rules.window_minutes,
            outcomes=_read_outcomes(outcomes) if outcomes else None,
        )
    windows = (*standing.windows, *new)
    hours = (now - standing.since).total_seconds() / 3600
    decision = decide(rules, standing.stage, windows, hours, held=standing.held)
    return decision, _evidence(
        standing, decision.move, decision.reason, now, hours, checks=decision.checks, windows=windows, logs=files
    )


def step(
    ml: DerivaML,
    standing: Standing,
    logs: Sequence[str],
    *,
    outcomes: Path | None = None,
    approved_by: str | None = None,
    now: datetime | None = None,
    dry_run: bool = False,
) -> tuple[Decision, Standing]:
    """Decide, and do it.

    Args:
        ml, standing, logs, outcomes, now: As for `look`.
        approved_by: The person who approves that the candidate takes over, after the last stage.
        dry_run: Decide only.

    Raises:
        NotAllowed: The candidate would take over, and nobody has approved it; or the registry refuses.
        UsageError, Faults: As for `look`.
    """
    decision, evidence = look(ml, standing, logs, outcomes=outcomes, now=now)
    if dry_run or decision.move is Move.STAY:
        return decision, standing
    return decision, _take(ml, standing, evidence, logs, approved_by)


def by_hand(
    ml: DerivaML, standing: Standing, move: Move, *, by: str, reason: str, now: datetime | None = None
) -> Standing:
    """What a person decides at some time (now): hold, resume or roll back.

    Raises:
        UsageError: The rollout has ended, or there is nothing to hold or to resume.
    """
    _refuse_ended(standing)
    if (move is Move.HOLD and standing.held) or (move is Move.RESUME and not standing.held):
        raise UsageError(f"The rollout {'holds already' if standing.held else 'does not hold'}.")
    now = now or datetime.now(UTC)
    hours = (now - standing.since).total_seconds() / 3600
    evidence = _evidence(standing, move, reason, now, hours, by=by, windows=standing.windows)
    return _take(ml, standing, evidence, (), None)


def _take(
    ml: DerivaML, standing: Standing, evidence: RolloutEvidence, logs: Sequence[str], approved_by: str | None
) -> Standing:
    plan = standing.plan
    registry = _registry(ml, standing, evidence, approved_by)
    what = f"Rollout of {plan.document.candidate_rid}, step {evidence.sequence}: {evidence.move}: {evidence.reason}"
    kept = [log for log in logs if not Path(log).exists()]
    with operation(ml, what, program=STEP, assets=[plan.rid, *kept]) as doing:
        doing.keep(evidence, EVIDENCE)
        if registry is not None:
            advance(ml, registry, doing.rid)
    after = standing_of(ml, plan.rid)
    if doing.rid not in {stored.execution_rid for stored in after.steps}:
        raise UsageError(
            f"Somebody else has taken step {evidence.sequence} meanwhile; this one ({doing.rid}) does not count.",
            remedy="Look where it stands: uv run deriva-ml-ops rollout status",
        )
    return after


def _registry(ml: DerivaML, standing: Standing, evidence: RolloutEvidence, approved_by: str | None) -> Plan | None:
    """The step of the registry that goes with a step of the rollout."""
    plan, stages = standing.plan.document, standing.rules.stages
    to: Stage | None = None
    if evidence.move is Move.ROLL_BACK:
        to = Stage.STAGING
    elif evidence.move is Move.ADVANCE:
        after = evidence.stage + 1
        if after == len(stages):
            to = Stage.PRODUCTION
        elif not stages[evidence.stage].share:
            to = Stage.CANARY
    if to is None:
        return None
    return planned(
        ml,
        plan.name,
        plan.candidate_rid,
        to,
        reason=f"rollout, {evidence.move}: {evidence.reason}"[:1000],
        approved_by=approved_by,
    )


def _evidence(
    standing: Standing, move: Move, reason: str, now: datetime, hours: float, *, by: str | None = None, **found: Any
) -> RolloutEvidence:
    return RolloutEvidence(
        plan_rid=standing.plan.rid,
        plan_digest=standing.plan.document.digest(),
        sequence=len(standing.steps) + 1,
        time=now,
        stage=standing.stage,
        move=move,
        by=by,
        reason=reason,
        hours=hours,
        held=standing.held,
        **found,
    )


def _refuse_ended(standing: Standing) -> None:
    if standing.ended:
        raise UsageError(
            f"The rollout {standing.plan.rid} has ended: {standing.ended}.",
            remedy="What was rolled back is mended, judged by a gate again, and started anew.",
        )


def _read_logs(ml: DerivaML, logs: Sequence[str]) -> tuple[pd.DataFrame, tuple[LogFile, ...]]:
    parts, files = [], []
    for name in logs:
        batch = read_frame(name, ml)
        if batch.origin.rows and batch.log is None:
            raise UsageError(f"{name} is no prediction log.", remedy="Give the .jsonl files that the server wrote.")
        if batch.log is not None and len(batch.log):
            parts.append(batch.log)
        files.append(
            LogFile(
                name=batch.origin.rid or batch.origin.name, sha256=batch.origin.sha256 or "", rows=batch.origin.rows
            )
        )
    return (pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()), tuple(files)


def _read_outcomes(file: Path) -> pd.Series[Any]:
    frame = read_frame(file, text=["request_id"]).frame
    faults = [Fault(f"has no column {name}", file=str(file)) for name in ("request_id", "outcome") if name not in frame]
    if not faults:
        if (twice := frame["request_id"].duplicated()).any():
            faults.append(Fault(f"{int(twice.sum())} requests are there twice", file=str(file), column="request_id"))
        if (wrong := ~frame["outcome"].isin([0, 1])).any():
            faults.append(Fault(f"{int(wrong.sum())} outcomes are neither 1 nor 0", file=str(file), column="outcome"))
    if faults:
        raise Faults(faults, message="The outcomes cannot be used; nothing was decided.")
    return frame.set_index("request_id")["outcome"].astype(bool)
