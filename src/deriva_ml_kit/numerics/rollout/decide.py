"""What follows from counts: the same counts and rules give the same answer, whoever asks."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from deriva_ml_kit.numerics.paired.shares import wilson
from deriva_ml_kit.numerics.rollout.rules import Rules
from deriva_ml_kit.numerics.rollout.windows import Window
from deriva_ml_kit.numerics.sequential.ceiling import above_ceiling
from deriva_ml_kit.numerics.sequential.concurrent import more_failures

# What each trigger may spend of alpha: most for the comparison with the control, which needs most data.
ERRORS, OTHERS = 0.6, 0.4
TRIGGERS = ("errors against control", "error share", "slow requests", "outcomes")


class Move(StrEnum):
    """What a step does; only a person resumes."""

    STAY = "stay"
    ADVANCE = "advance"
    HOLD = "hold"
    RESUME = "resume"
    ROLL_BACK = "roll back"


class Check(BaseModel):
    """One thing that was looked at.

    Attributes:
        name: What.
        status: `fail` rolls back; `wait` keeps the stage from ending.
        value: What was found; None where there is nothing to judge.
        limit: What it was compared with.
        detail: In words.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    status: Literal["pass", "fail", "wait"]
    value: float | None = None
    limit: float | None = None
    detail: str = ""


class Decision(BaseModel):
    """What follows.

    Attributes:
        move: What to do.
        checks: Why.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    move: Move
    checks: tuple[Check, ...]

    @property
    def reason(self) -> str:
        """In words: what decided."""
        if self.move is Move.ADVANCE:
            met = [check.detail for check in self.checks if check.name not in TRIGGERS]
            return "; ".join(["no trigger has fired", *met])
        wanted = "fail" if self.move is Move.ROLL_BACK else "wait"
        return "; ".join(check.detail for check in self.checks if check.status == wanted)


def decide(rules: Rules, stage: int, windows: Sequence[Window], hours: float, *, held: bool = False) -> Decision:
    """Decide about a stage.

    Args:
        rules: As they were fixed.
        stage: Number of the stage.
        windows: Of the whole rollout so far: what was seen in earlier stages counts against the candidate, too.
        hours: Since the stage began.
        held: Whether the rollout holds: then it only can go back, until a person resumes it.

    Returns:
        Roll back where a trigger has found harm; hold where the time of the stage is over and it cannot end; advance
        where everything that is asked is there.
    """
    checks = [*_triggers(rules, windows), *_conditions(rules, stage, windows, hours)]
    if any(check.status == "fail" for check in checks):
        move = Move.ROLL_BACK
    elif held:
        move = Move.STAY
    elif all(check.status == "pass" for check in checks):
        move = Move.ADVANCE
    else:
        move = Move.HOLD if hours >= rules.stages[stage].maximum_hours else Move.STAY
    return Decision(move=move, checks=tuple(checks))


def _triggers(rules: Rules, windows: Sequence[Window]) -> list[Check]:
    others = OTHERS / (3 if rules.outcome_ratio else 2) * rules.alpha
    ours, errors = [w.candidate for w in windows], [w.candidate_errors for w in windows]
    slow = [w.candidate_slow for w in windows]
    compared = more_failures(
        errors, ours, [w.control_errors for w in windows], [w.control for w in windows], ratio=rules.error_ratio
    )
    total, control = sum(ours), sum(w.control for w in windows)
    shares = (
        f"{_share(sum(errors), total)} of the candidate's and "
        f"{_share(sum(w.control_errors for w in windows), control)} of the control's requests failed"
    )
    checks = [
        _trigger(TRIGGERS[0], compared.p, ERRORS * rules.alpha, shares),
        _trigger(
            TRIGGERS[1],
            above_ceiling(errors, ours, rules.max_error_share).p,
            others,
            f"{_share(sum(errors), total)} of the candidate's requests failed, allowed are {rules.max_error_share:.2%}",
        ),
        _trigger(
            TRIGGERS[2],
            above_ceiling(slow, ours, rules.slow_share).p,
            others,
            f"{_share(sum(slow), total)} of its requests took more than {rules.slow_ms:g} ms, "
            f"allowed are {rules.slow_share:.2%}",
        ),
    ]
    if rules.outcome_ratio:
        failed, known = [w.candidate_failed for w in windows], [w.candidate_outcomes for w in windows]
        theirs = [w.control_failed for w in windows], [w.control_outcomes for w in windows]
        checks.append(
            _trigger(
                TRIGGERS[3],
                more_failures(failed, known, *theirs, ratio=rules.outcome_ratio).p,
                others,
                f"{_share(sum(failed), sum(known))} of its outcomes failed, and "
                f"{_share(sum(theirs[0]), sum(theirs[1]))} of the control's",
            )
        )
    return checks


def _conditions(rules: Rules, stage: int, windows: Sequence[Window], hours: float) -> list[Check]:
    asked, here = rules.stages[stage], [window for window in windows if window.stage == stage]
    ours, theirs = sum(w.candidate for w in here), sum(w.control for w in here)
    checks = [
        _condition("requests of the candidate", ours, asked.minimum_requests),
        _condition("requests of the control", theirs, asked.minimum_requests),
        _condition("hours", hours, asked.minimum_hours),
    ]
    if rules.minimum_agreement is not None and not asked.share:
        compared, agreed = sum(w.compared for w in here), sum(w.agreed for w in here)
        low = wilson(agreed / compared, compared, 0.05)[0] if compared else 0.0
        checks.append(
            Check(
                name="agreement",
                status="pass" if compared and low >= rules.minimum_agreement else "wait",
                value=low if compared else None,
                limit=rules.minimum_agreement,
                detail=f"{_share(agreed, compared)} of the answers agree, {low:.2%} at least (95 %); "
                f"asked are {rules.minimum_agreement:.2%}",
            )
        )
    return checks


def _trigger(name: str, p: NDArray[np.float64], alpha: float, detail: str) -> Check:
    value = float(p[-1]) if len(p) else 1.0
    return Check(name=name, status="fail" if value <= alpha else "pass", value=value, limit=alpha, detail=detail)


def _condition(name: str, value: float, limit: float) -> Check:
    status: Literal["pass", "wait"] = "pass" if value >= limit else "wait"
    return Check(name=name, status=status, value=value, limit=limit, detail=f"{value:.4g} of {limit:g} {name}")


def _share(hits: int, runs: int) -> str:
    return f"{hits / runs:.2%}" if runs else "none"
