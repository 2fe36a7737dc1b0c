"""Sample sizes, power and detectable effects of two-sided tests with a fixed end, by statsmodels.

Rates by the arcsine transformation and the normal distribution (`NormalIndPower` on `proportion_effectsize`), means by
the noncentral t (`TTestIndPower`). What has no answer is an error here, where it is a nan there.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from statsmodels.stats.power import NormalIndPower, TTestIndPower
from statsmodels.stats.proportion import proportion_effectsize

from deriva_ml_kit.errors import Fault, Faults


def units_for_rates(
    baseline: float, effect: float, *, alpha: float = 0.05, power: float = 0.8, ratio: float = 1.0
) -> float:
    """Units of the control arm that it takes to find a change of a rate.

    Args:
        baseline: The rate under control, in (0, 1).
        effect: Its absolute change, of either sign: 0.01 from 10 % to 11 %.
        alpha: Two-sided level.
        power: Probability to find the change where it is there.
        ratio: Units of the treated arm for each one under control.

    Raises:
        Faults: A value is out of its range; all of them at once.
    """
    _check(alpha=alpha, power=power, ratio=ratio, baseline=baseline, changed=baseline + effect, effect=effect)
    size = abs(proportion_effectsize(baseline + effect, baseline))
    return _solved(NormalIndPower().solve_power, effect_size=size, alpha=alpha, power=power, ratio=ratio)


def units_for_means(effect: float, sd: float, *, alpha: float = 0.05, power: float = 0.8, ratio: float = 1.0) -> float:
    """Units of the control arm that it takes to find a change of a mean.

    Args:
        effect: Absolute change, in the unit of the metric.
        sd: Standard deviation between units, in both arms.
        alpha: Two-sided level.
        power: Probability to find the change where it is there.
        ratio: Units of the treated arm for each one under control.

    Raises:
        Faults: A value is out of its range; all of them at once.
    """
    _check(alpha=alpha, power=power, ratio=ratio, effect=effect, sd=sd)
    return _solved(TTestIndPower().solve_power, effect_size=abs(effect / sd), alpha=alpha, power=power, ratio=ratio)


def power_for_rates(baseline: float, effect: float, units: float, *, alpha: float = 0.05, ratio: float = 1.0) -> float:
    """Probability to find a change of a rate with so many units under control; arguments of `units_for_rates`."""
    _check(alpha=alpha, ratio=ratio, baseline=baseline, changed=baseline + effect, effect=effect, units=units)
    return float(NormalIndPower().power(abs(proportion_effectsize(baseline + effect, baseline)), units, alpha, ratio))


def power_for_means(effect: float, sd: float, units: float, *, alpha: float = 0.05, ratio: float = 1.0) -> float:
    """Probability to find a change of a mean with so many units under control; arguments of `units_for_means`."""
    _check(alpha=alpha, ratio=ratio, effect=effect, sd=sd, units=units)
    return float(TTestIndPower().power(abs(effect / sd), units, alpha, ratio=ratio))


def detectable_rate_change(
    baseline: float, units: float, *, alpha: float = 0.05, power: float = 0.8, ratio: float = 1.0, rise: bool = True
) -> float:
    """The least absolute change of a rate that so many units under control find, signed; a fall where not `rise`.

    Raises:
        Faults: A value is out of its range, or no change between 0 and 1 is large enough.
    """
    _check(alpha=alpha, power=power, ratio=ratio, baseline=baseline, units=units)
    size = _solved(NormalIndPower().solve_power, nobs1=units, alpha=alpha, power=power, ratio=ratio)
    angle = math.asin(math.sqrt(baseline)) + (size if rise else -size) / 2
    if not 0 < angle < math.pi / 2:
        raise Faults([Fault(f"no change of {baseline:g} can be found with so few", column="units", value=f"{units:g}")])
    return math.sin(angle) ** 2 - baseline


def detectable_mean_change(
    sd: float, units: float, *, alpha: float = 0.05, power: float = 0.8, ratio: float = 1.0
) -> float:
    """The least absolute change of a mean that so many units under control find.

    Raises:
        Faults: A value is out of its range.
    """
    _check(alpha=alpha, power=power, ratio=ratio, sd=sd, units=units)
    return sd * _solved(TTestIndPower().solve_power, nobs1=units, alpha=alpha, power=power, ratio=ratio)


def _solved(solve: Callable[..., float], **given: float) -> float:
    found = float(solve(alternative="two-sided", **given))
    if not (math.isfinite(found) and found > 0):
        raise Faults([Fault("have no solution", value=", ".join(f"{name}={value:g}" for name, value in given.items()))])
    return found


def _check(**values: float) -> None:
    """Refuse what has no answer.

    Raises:
        Faults: Everything that is out of its range.
    """
    alpha = values["alpha"]
    ranges: dict[str, tuple[bool, str]] = {
        "alpha": (0 < alpha < 1, "must be in (0, 1)"),
        "power": (alpha < values.get("power", 1) < 1, f"must be in ({alpha:g}, 1): above alpha, below certainty"),
        "baseline": (0 < values.get("baseline", 0.5) < 1, "is a rate and must be in (0, 1)"),
        "changed": (0 < values.get("changed", 0.5) < 1, "the rate after the change must be in (0, 1)"),
        "effect": (0 < abs(values.get("effect", 1)) < math.inf, "must not be 0: no number of units finds it"),
        "sd": (0 < values.get("sd", 1) < math.inf, "must be above 0"),
        "ratio": (0 < values.get("ratio", 1) < math.inf, "must be above 0"),
        "units": (2 <= values.get("units", 2) < math.inf, "must be 2 at least"),
    }
    faults = [
        Fault(told, column="effect" if name == "changed" else name, value=f"{values[name]:g}")
        for name, (right, told) in ranges.items()
        if name in values and not right
    ]
    if faults:
        raise Faults(faults, message="These values allow no sample size.")
