"""The plan of an A/B test as a design document of an experiment, for people and `lint-design`."""

from __future__ import annotations

from pathlib import Path

from deriva_ml_kit.design.document import FOLDER
from deriva_ml_kit.ops.abtest.documents import AbTestPlan, Guardrail


def design_file(root: Path, plan: AbTestPlan) -> Path:
    """Where the document belongs."""
    return root / FOLDER / "experiment" / f"{plan.slug}.md"


def design_text(plan: AbTestPlan, rid: str) -> str:
    """The document.

    Args:
        plan: What it says.
        rid: RID of the plan in the catalog, which is what counts.
    """
    metric, change = plan.metric, ">=" if plan.metric.sign > 0 else "<="
    arms = "; ".join(
        f"{arm.name} {arm.weight:.0%}" + (f", model {arm.model_rid}" if arm.model_rid else "") for arm in plan.arms
    )
    guardrails = "\n".join(f"  - {_guardrail(each)}" for each in plan.guardrails) or "  - none"
    return f"""# {plan.slug.replace("-", " ").capitalize()}

Status: Approved (A/B test registered as {rid})

## Goal
{plan.question}

## Requirements
- Change: {plan.treated.name} instead of {plan.control.name}.
- Arms: {arms}; {plan.share:.0%} of all units take part.
- Data: rows with `{plan.unit}` and `{plan.arm}`, from {plan.starts:%Y-%m-%d %H:%M %Z} on; the unit is `{plan.unit}`.
- Assignment: SHA-256 of `{plan.salt}:<{plan.unit}>`; each look computes it again.
- Units: {plan.units}; at {plan.per_day:g} a day {plan.weeks} weeks, at least {plan.weeks_min}, at most {plan.weeks_max}

## Validation
- Metric: {metric.name}, a {metric.kind} of `{metric.column}`; {metric.better} is better.
- Dataset: what a look is given; it is an input of that look's execution.
- Threshold: change of {metric.name} {change} {metric.sign * plan.effect:g} (from {plan.baseline:g}; power \
{plan.power:g} at a two-sided level of {plan.alpha:g})
- Looks: {plan.looks} planned, {plan.spending} spending; the catalog counts them, and each moves the boundary.
- Guardrails, at a level of {plan.guardrail_alpha:g} whenever one looks:
{guardrails}
- Stopping: for harm at any look; for the metric at its boundary after {plan.weeks_min} weeks; at the latest with
  {plan.units} units or after {plan.weeks_max} weeks. A sample-ratio mismatch, units in both arms or a wrong assignment
  give no verdict.
- Decision: {plan.decision}

## Upstream designs
- None
"""


def _guardrail(each: Guardrail) -> str:
    worse = "fall" if each.better == "higher" else "rise"
    return f"{each.name}: must not {worse} by more than {each.limit:g}"
