"""From the rows of a look to its verdict, in an order that does not depend on what comes out.

1. Integrity: rows, units, assignment, sample ratio. One failure, and nothing is judged: a broken experiment has no
   result, and one that is shown nevertheless will be believed.
2. Guardrails: one-sided confidence sequences. Certain harm ends the test at any time.
3. The metric, once the minimum runtime is over: group-sequential boundary, moved by each earlier look.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from deriva_ml_kit.numerics.experiment.effects import Effect, effect
from deriva_ml_kit.numerics.experiment.integrity import in_several_arms, misassigned, sample_ratio
from deriva_ml_kit.numerics.sequential.always_valid import lower_sequence, mixing_variance
from deriva_ml_kit.numerics.sequential.boundaries import boundaries
from deriva_ml_kit.ops.abtest.documents import (
    AbTestPlan,
    Check,
    Earlier,
    Guardrail,
    Harm,
    Metric,
    Primary,
    Verdict,
)
from deriva_ml_kit.ops.abtest.rows import Rows

RATIO_LEVEL = 0.001  # a sample-ratio mismatch by chance, at each look
ENOUGH = 100  # units in each arm, for an always-valid bound that is asymptotic
CLOCKS = timedelta(minutes=5)  # that two machines may differ by
SHOWN = 3


@dataclass(frozen=True)
class Survey:
    """What may be known without looking at a result.

    Attributes:
        frame: The rows of units that take part.
        left_out: How many rows are of others.
        units: Of each arm.
        days: Since the start.
        checks: Whether the rows can be judged.
    """

    frame: pd.DataFrame
    left_out: int
    units: dict[str, int]
    days: float
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class Judgement:
    """What a look found; see `AbTestLook`."""

    survey: Survey
    checks: tuple[Check, ...]
    guardrails: tuple[Harm, ...]
    primary: Primary | None
    verdict: Verdict
    reason: str


def survey(plan: AbTestPlan, rows: Rows, now: datetime) -> Survey:
    """Check rows without looking at what they say of any metric.

    Args:
        plan: What was registered.
        rows: All rows since the start, see `rows.prepared`.
        now: The time.
    """
    frame, left_out = _taking_part(plan, rows.frame)
    counted = Counter(frame.drop_duplicates([plan.unit, plan.arm])[plan.arm])
    units = {arm.name: counted.get(arm.name, 0) for arm in plan.arms}
    last = frame[plan.time].max() if plan.time and len(frame) else pd.Timestamp(now)
    days = max((last - pd.Timestamp(plan.starts)) / pd.Timedelta(days=1), 0.0)
    return Survey(frame, left_out, units, days, _integrity(plan, frame, units, now))


def judge(plan: AbTestPlan, rows: Rows, earlier: Sequence[Earlier], now: datetime) -> Judgement:
    """Judge the rows that there are so far.

    Args:
        plan: What was registered.
        rows: All rows since the start, see `rows.prepared`.
        earlier: The looks before this one, oldest first.
        now: The catalog's time of this look.

    Returns:
        The verdict and what it rests on.
    """
    seen = survey(plan, rows, now)
    checks = (*seen.checks, _grown(seen.units, earlier))

    def found(verdict: Verdict, reason: str, harms: tuple[Harm, ...] = (), primary: Primary | None = None) -> Judgement:
        return Judgement(seen, checks, harms, primary, verdict, reason)

    if failed := [check for check in checks if not check.passed]:
        return found(Verdict.INVALID, f"Not judged: {'; '.join(check.told for check in failed)}.")
    harms = tuple(_harm(plan, each, _effect(plan, each, seen.frame)) for each in plan.guardrails)
    if breached := [harm for harm in harms if harm.breached]:
        told = "; ".join(f"{each.name} is worse by at least {each.certain:.4g}" for each in breached)
        return found(Verdict.LOSS, f"Stopped for harm: {told}.", harms)
    if seen.days < 7 * plan.weeks_min:
        return found(
            Verdict.CONTINUE,
            f"{seen.days:.1f} days since the start; the metric is not looked at before {plan.weeks_min} whole weeks.",
            harms,
        )
    primary = _primary(plan, _effect(plan, plan.metric, seen.frame), earlier, seen.days)
    return found(*_decided(plan, primary), harms, primary)


def _taking_part(plan: AbTestPlan, frame: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Without the rows of units that the share leaves out and that stand in neither arm."""
    names = [arm.name for arm in plan.arms]
    outside = ~frame[plan.arm].isin(names) & frame[plan.unit].notna()
    if plan.share < 1 and outside.any():
        enrolled = plan.assignment.of_all(frame.loc[outside, plan.unit])
        outside.loc[outside] = enrolled == None  # noqa: E711  (element by element)
        return frame[~outside], int(outside.sum())
    return frame, 0


def _integrity(plan: AbTestPlan, frame: pd.DataFrame, units: dict[str, int], now: datetime) -> tuple[Check, ...]:
    known = frame[frame[plan.unit].notna()]
    assigned = known.drop_duplicates([plan.unit, plan.arm])
    names, arms = assigned[plan.unit].tolist(), assigned[plan.arm].tolist()
    wrong = assigned[plan.unit][misassigned(names, arms, plan.assignment)]
    again = known[plan.row or plan.unit][known.duplicated(plan.row or plan.unit)]
    checks = [
        _none("units named", frame.index[frame[plan.unit].isna()], "rows name no unit"),
        _none("assignment", wrong.unique(), f"units are not in the arm that the salt {plan.salt!r} gives"),
        *_models(plan, known),
        _ratio(plan, units),
        _none("rows once", again.unique(), f"values of {plan.row or plan.unit} stand in several rows"),
        _none("one arm", in_several_arms(names, arms), "units are in both arms"),
    ]
    if plan.time:
        times = frame[plan.time]
        checks += [
            _none("after the start", times[times < plan.starts], f"rows are older than the start, {plan.starts}"),
            _none("before now", times[times > now + CLOCKS], f"rows are of a time that is to come, after {now}"),
        ]
    return tuple(checks)


def _models(plan: AbTestPlan, frame: pd.DataFrame) -> list[Check]:
    """Whether the models that the plan names have answered; where a log says which did."""
    models = {arm.name: arm.model_rid for arm in plan.arms if arm.model_rid}
    if not models or "model_rid" not in frame:
        return []
    wrong = frame[frame["model_rid"] != frame[plan.arm].map(models)]
    wrong = wrong[wrong[plan.arm].isin(list(models))]
    others = (wrong[plan.arm].astype(str) + " by " + wrong["model_rid"].astype(str)).unique()
    return [_none("models", others, f"other models than planned have answered ({len(wrong)} rows)")]


def _ratio(plan: AbTestPlan, units: dict[str, int]) -> Check:
    if not all(units.values()):
        return Check(name="sample ratio", passed=False, told=f"an arm has no units: {units}")
    p = sample_ratio(units, {arm.name: arm.weight for arm in plan.arms})
    told = f"{' : '.join(str(units[arm.name]) for arm in plan.arms)} units for weights "
    told += f"{' : '.join(f'{arm.weight:g}' for arm in plan.arms)} (p = {p:.2g})"
    if p >= RATIO_LEVEL:
        return Check(name="sample ratio", passed=True, told=told)
    return Check(name="sample ratio", passed=False, told=f"sample-ratio mismatch: {told}")


def _grown(units: dict[str, int], earlier: Sequence[Earlier]) -> Check:
    """A look is at everything since the start: at a part, its boundary would mean nothing."""
    before, now = max((each.units or 0 for each in earlier), default=0), sum(units.values())
    told = f"{now} units, {before} at an earlier look"
    if now < before:
        return Check(name="all data", passed=False, told=f"{told}: give all rows since the start")
    return Check(name="all data", passed=True, told=told)


def _none(name: str, wrong: Iterable[object], told: str) -> Check:
    """A check that nothing is wrong; otherwise with how many, and the first of them."""
    found = [str(each) for each in wrong]
    if not found:
        return Check(name=name, passed=True, told="")
    first = ", ".join(found[:SHOWN]) + (", …" if len(found) > SHOWN else "")
    return Check(name=name, passed=False, told=f"{len(found)} {told}: {first}")


def _effect(plan: AbTestPlan, metric: Metric, frame: pd.DataFrame) -> Effect:
    below = frame[metric.denominator] if metric.denominator else None
    return effect(frame[plan.unit], frame[plan.arm] == plan.treated.name, frame[metric.column], metric.kind, below)


def _harm(plan: AbTestPlan, metric: Guardrail, found: Effect) -> Harm:
    """By how much a guardrail is worse for certain, at all looks together; each has its part of their level."""
    alpha = plan.guardrail_alpha / len(plan.guardrails)
    worse, certain = -metric.sign * found.difference, float("-inf")
    least = min(found.control.units, found.treated.units)
    if least >= ENOUGH and found.variance > 0:
        # The variance at the horizon: it falls as units come, and what remains of it is fixed by the plan.
        planned = found.variance * _information(found) / plan.information
        certain = float(lower_sequence(worse, found.variance, alpha, mixing_variance(planned, 2 * alpha)))
    return Harm(
        name=metric.name,
        control=found.control.value,
        treated=found.treated.value,
        worse=worse,
        certain=certain,
        limit=metric.limit,
        breached=certain > metric.limit,
    )


def _primary(plan: AbTestPlan, found: Effect, earlier: Sequence[Earlier], days: float) -> Primary:
    information = _information(found)
    final = information >= plan.information or days >= 7 * plan.weeks_max
    at = np.maximum.accumulate([*looked_at(earlier, information), information])
    bounds = boundaries(at, plan.alpha, planned=plan.information, spending=plan.spending, final=final)
    half = float(bounds[-1]) * found.null_variance**0.5
    return Primary(
        control=found.control.value,
        treated=found.treated.value,
        difference=found.difference,
        low=found.difference - half,
        high=found.difference + half,
        z=found.z,
        boundary=float(bounds[-1]),
        information=information,
        time=information / plan.information,
        final=final,
    )


def looked_at(earlier: Sequence[Earlier], now: float) -> list[float]:
    """The information at which earlier looks saw the metric.

    One that left nothing behind may have seen it, too: it is taken to have been halfway between its neighbours.
    """
    at: list[float] = []
    seen = [each.information if each.documented else -1.0 for each in earlier]
    known = [each for each in seen if each is not None]
    for place, each in enumerate(known):
        following = next((later for later in known[place + 1 :] if later >= 0), now)
        at.append(each if each >= 0 else ((at[-1] if at else 0.0) + following) / 2)
    return at


def _information(found: Effect) -> float:
    one, other = found.control.units, found.treated.units
    return one * other / (one + other)


def _decided(plan: AbTestPlan, primary: Primary) -> tuple[Verdict, str]:
    metric, spent = plan.metric.name, f"|z| {abs(primary.z):.3f} against {primary.boundary:.3f}"
    if np.isnan(primary.z):
        told = f"{metric} does not vary: there is nothing to compare"
        return (Verdict.NO_DIFFERENCE, f"{told}.") if primary.final else (Verdict.CONTINUE, f"{told} yet.")
    if abs(primary.z) >= primary.boundary:
        gain = primary.difference * plan.metric.sign
        word, verdict = ("better", Verdict.WIN) if gain > 0 else ("worse", Verdict.LOSS)
        return verdict, f"{metric} is {word} under {plan.treated.name}, by {primary.difference:+.4g} ({spent})."
    if primary.final:
        return (
            Verdict.NO_DIFFERENCE,
            f"The horizon is reached and {metric} shows no difference ({spent}); it is between {primary.low:+.4g} and "
            f"{primary.high:+.4g}.",
        )
    return Verdict.CONTINUE, f"{primary.time:.0%} of the planned information, {spent}."
