"""From what is asked to a plan: the sample size it takes, and the weeks."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from deriva_ml_kit.errors import Fault, Faults, UsageError
from deriva_ml_kit.numerics.experiment.effects import Kind
from deriva_ml_kit.numerics.power.planning import inflation, whole_weeks
from deriva_ml_kit.numerics.power.units import units_for_means, units_for_rates
from deriva_ml_kit.numerics.sequential.spending import Spending
from deriva_ml_kit.ops.abtest.documents import AbTestPlan
from deriva_ml_kit.ops.documents import parse


@dataclass(frozen=True)
class Size:
    """What a test takes.

    Attributes:
        fixed: Units under control of a test with a fixed end and independent units.
        inflation: What the looks cost.
        design_effect: What clusters cost.
        ratio: Units under treatment for each one under control.
    """

    fixed: float
    inflation: float
    design_effect: float
    ratio: float

    @property
    def control(self) -> int:
        """Units under control."""
        return math.ceil(self.fixed * self.inflation * self.design_effect)

    @property
    def treated(self) -> int:
        """Units under treatment."""
        return math.ceil(self.fixed * self.inflation * self.design_effect * self.ratio)

    @property
    def units(self) -> int:
        """Of both arms."""
        return self.control + self.treated


def size(
    kind: Kind,
    *,
    baseline: float,
    effect: float,
    sd: float | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
    looks: int = 5,
    spending: Spending = Spending.OBRIEN_FLEMING,
    ratio: float = 1.0,
    design_effect: float = 1.0,
) -> Size:
    """How many units a test takes.

    Args:
        kind: Of its metric.
        baseline: The metric under control; of a rate, in (0, 1).
        effect: Its absolute change; below 0 for a fall.
        sd: Standard deviation between units, of means and ratios (of a ratio, that of value - ratio x denominator,
            over the mean of the denominator).
        alpha: Two-sided level.
        power: To find the effect.
        looks: That are planned.
        spending: How alpha is spent over them.
        ratio: Units under treatment for each one under control.
        design_effect: What clusters cost, see `numerics.power.planning.design_effect`.

    Raises:
        Faults: A value is out of its range.
        UsageError: A mean without a standard deviation, or no look.
    """
    if kind is Kind.RATE:
        fixed = units_for_rates(baseline, effect, alpha=alpha, power=power, ratio=ratio)
    elif sd is None:
        raise UsageError(f"The sample size of a {kind} needs the standard deviation between units (sd).")
    else:
        fixed = units_for_means(effect, sd, alpha=alpha, power=power, ratio=ratio)
    return Size(fixed, inflation(looks, alpha=alpha, power=power, spending=spending), design_effect, ratio)


def plan(content: Mapping[str, Any], place: str) -> AbTestPlan:
    """A plan with what follows from the rest: `salt`, `units`, `weeks` and `weeks_max` may be left out.

    Args:
        content: Its fields.
        place: Where they stand, for messages.

    Raises:
        Faults: Everything that is wrong with it.
        UsageError: It has fewer units than its power takes, or is longer than it may be.
    """
    given = {"salt": content.get("slug"), **content, "schema_version": AbTestPlan.SCHEMA_VERSION}
    derived = {name: 1 for name in ("units", "weeks") if name not in content}
    derived |= {} if "weeks_max" in content else {"weeks_max": 10**6}
    told = json.dumps({"kind": str(AbTestPlan.KIND), **given, **derived}, default=_moment)
    drafted = parse(told, AbTestPlan, place)
    effect = drafted.effect * drafted.metric.sign
    needed = size(
        drafted.metric.kind,
        baseline=drafted.baseline,
        effect=effect,
        sd=drafted.sd,
        alpha=drafted.alpha,
        power=drafted.power,
        looks=drafted.looks,
        spending=drafted.spending,
        ratio=drafted.treated.weight / drafted.control.weight,
        design_effect=drafted.design_effect,
    ).units
    units = drafted.units if "units" in content else needed
    if units < needed:
        raise UsageError(
            f"{place} plans {units} units, and a power of {drafted.power:g} takes {needed}.",
            remedy="Leave units out, or look for a larger effect.",
        )
    weeks = whole_weeks(units, drafted.per_day, least=drafted.weeks_min)
    longest = drafted.weeks_max if "weeks_max" in content else 2 * weeks
    if longest < weeks:
        raise UsageError(
            f"{place} allows {longest} weeks, and {units} units at {drafted.per_day:g} a day take {weeks}.",
            remedy="Allow more weeks, let more units take part, or look for a larger effect.",
        )
    return drafted.model_copy(update={"units": units, "weeks": weeks, "weeks_max": longest})


def read_plan(file: Path) -> AbTestPlan:
    """A plan from a TOML file.

    Raises:
        UsageError: It cannot be read.
        Faults: Everything that is wrong with it.
    """
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
    if own := sorted({"kind", "schema_version"} & content.keys()):
        raise Faults([Fault("is not yours to set", file=str(file), column=name) for name in own])
    return plan(content, str(file))


def _moment(value: object) -> str:
    if isinstance(value, date | datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} has no place in a plan")
