"""The page of a look."""

from __future__ import annotations

from datetime import datetime

from deriva_ml_kit.ops.abtest.documents import AbTestLook, AbTestPlan, Primary, Verdict
from deriva_ml_kit.ops.charts import Chart, Interval, Line, figure, intervals, lines
from deriva_ml_kit.ops.page import Mark, Section, Table, Tone, render

TONES = {
    Verdict.WIN: Tone.GOOD,
    Verdict.LOSS: Tone.BAD,
    Verdict.NO_DIFFERENCE: Tone.WARN,
    Verdict.CONTINUE: Tone.OPEN,
    Verdict.INVALID: Tone.BAD,
}


def page(plan: AbTestPlan, look: AbTestLook) -> str:
    """The page as HTML.

    Args:
        plan: What was registered.
        look: What was found.
    """
    sections = [_checks(look)]
    if look.guardrails:
        sections.append(_guardrails(plan, look))
    if look.primary:
        sections.insert(0, _primary(plan, look, look.primary))
    sections += [_looks(look), Section("Decision", plan.decision)]
    return render(
        f"A/B test {plan.slug}, look {look.number}",
        look.verdict,
        look.reason,
        sections,
        tone=TONES[look.verdict],
        facts={
            "question": plan.question,
            "plan": f"{look.plan_rid}, registered {look.registered}{', after the start' * late(plan, look.registered)}",
            "units": ", ".join(f"{arm} {count}" for arm, count in look.units.items()) + f" of {plan.units} planned",
            "days": f"{look.days:.1f}; {7 * plan.weeks_min} at least, {7 * plan.weeks_max} at most",
            "level and power": f"{plan.alpha:g} two-sided, {plan.power:g}, {plan.spending} spending",
            "data": ", ".join(each.name for each in look.data),
        },
    )


def late(plan: AbTestPlan, registered: str) -> bool:
    """Whether a plan was registered when its test had started: then it may have been written with data at hand."""
    return datetime.fromisoformat(registered) > plan.starts


def _primary(plan: AbTestPlan, look: AbTestLook, found: Primary) -> Section:
    metric = plan.metric
    text = (
        f"{metric.name} ({metric.better} is better) is {figure(found.control)} under {plan.control.name} and "
        f"{figure(found.treated)} under {plan.treated.name}. The interval holds at all looks together; after an early "
        f"end the difference is on average somewhat smaller than it looks."
    )
    table = Table(
        ["", "value"],
        [
            ["difference", figure(found.difference)],
            ["interval", f"{figure(found.low)} to {figure(found.high)}"],
            ["|z|", figure(abs(found.z))],
            ["boundary of |z|", figure(found.boundary)],
            ["share of the planned information", f"{found.time:.0%}"],
            ["last look", found.final],
        ],
    )
    chart = intervals(
        f"Difference of {metric.name}",
        [Interval("difference", found.low, found.difference, found.high)],
        limits={"none": 0.0, "planned": metric.sign * plan.effect},
    )
    return Section(metric.name.capitalize(), text, [table, chart, _path(plan, look, found)])


def _path(plan: AbTestPlan, look: AbTestLook, found: Primary) -> Chart:
    """|z| and its boundary at the looks that saw the metric."""
    seen = [(each.information, each.z, each.boundary) for each in look.earlier]
    seen.append((found.information, found.z, found.boundary))
    known = [(at, abs(z), bound) for at, z, bound in seen if at is not None and z is not None and bound is not None]
    at = [information / plan.information for information, _, _ in known]
    return lines(
        "|z| and its boundary, by the share of the planned information",
        [Line("|z|", at, [z for _, z, _ in known]), Line("boundary", at, [bound for _, _, bound in known])],
    )


def _checks(look: AbTestLook) -> Section:
    rows = [
        [check.name, Mark("as it must be", Tone.GOOD) if check.passed else Mark("failed", Tone.BAD), check.told]
        for check in look.checks
    ]
    left_out = f" {look.left_out} rows of units that do not take part were left out." if look.left_out else ""
    return Section(
        "Can it be judged?",
        f"Where one of these fails, no metric is looked at.{left_out}",
        [Table(["check", "outcome", "found"], rows)],
    )


def _guardrails(plan: AbTestPlan, look: AbTestLook) -> Section:
    rows = [
        [
            harm.name,
            harm.control,
            harm.treated,
            harm.worse,
            harm.certain,
            harm.limit,
            Mark("harm", Tone.BAD) if harm.breached else Mark("no harm shown", Tone.GOOD),
        ]
        for harm in look.guardrails
    ]
    headers = ["guardrail", plan.control.name, plan.treated.name, "worse by", "certainly by", "tolerated", "outcome"]
    return Section(
        "Guardrails",
        f"At a level of {plan.guardrail_alpha:g} for all of them together, however often one looks.",
        [Table(headers, rows)],
    )


def _looks(look: AbTestLook) -> Section:
    rows = [
        [
            number,
            each.execution_rid,
            each.created,
            each.units,
            str(each.verdict) if each.documented else Mark("left nothing, counts nevertheless", Tone.WARN),
        ]
        for number, each in enumerate(look.earlier, start=1)
    ]
    text = "As the catalog counts them: executions that had the plan as an input." if rows else "This is the first."
    table = Table(["look", "execution", "when", "units", "verdict"], rows)
    return Section("Looks before this one", text, [table] if rows else [])
