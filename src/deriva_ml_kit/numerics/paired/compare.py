"""A metric with its interval, and the gain of one model over another on the same records with bounds to decide by.

The bounds are careful on purpose, as a gate stands on them. Of a gain they are those of a bootstrap of whole groups
of records, drawn for both models alike, with its quantiles widened for few groups (Hesterberg 2015, The American
Statistician 69:371, section 5.3); of shares of right answers not narrower than the score bounds; and no bound is above
zero, or below it, unless the test says so in which the two models swap their answers at random in each group. That test
keeps its error for models that do not differ, however few records they answer differently.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm
from scipy.stats import t as student

from deriva_ml_kit.numerics.paired.metrics import Answers, Floats, Metric, value
from deriva_ml_kit.numerics.paired.resampling import Groups, bootstrap, swaps
from deriva_ml_kit.numerics.paired.shares import design_effect, mean_of_shares, tango, wilson

RESAMPLES = 4000
# Fewer groups are too few for a bootstrap of them (Cameron, Gelbach and Miller 2008, Review of Economics and Statistics
# 90:414, see trouble with 5 to 30).
LEAST_GROUPS = 20
# Of the draws that lack what the metric needs, such as a class.
_MOST_UNDEFINED = 0.05
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Interval:
    """A metric.

    Attributes:
        value: On all records.
        lower: Lower bound.
        upper: Upper bound.
    """

    value: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Comparison:
    """One model against another.

    Attributes:
        candidate: Metric of the one.
        reference: Metric of the other.
        gain: What the candidate gains, positive for the better, in units of the metric.
        lower: Lower bound of the gain, with one-sided error alpha.
        upper: Upper bound, likewise.
        p_value: Of models that do not differ, how often the gain would be as large by chance.
        groups: Number of groups.
    """

    candidate: float
    reference: float
    gain: float
    lower: float
    upper: float
    p_value: float
    groups: int


def interval(
    metric: Metric,
    answers: Answers,
    groups: npt.ArrayLike | None = None,
    *,
    alpha: float = 0.05,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """A metric with bounds, each with one-sided error alpha.

    Args:
        metric: The metric.
        answers: Answers to n records.
        groups: (n,) names of what the records belong to; each stands alone where not given.
        alpha: Error of each bound.
        resamples: Number of draws.
        seed: The same seed makes the same bounds.

    Returns:
        NaN where the metric is not defined, or where more than 5 % of the draws lack what it needs.
    """
    observed = value(metric, answers)
    if math.isnan(observed):
        return Interval(observed, math.nan, math.nan)
    together = Groups.of(groups, len(answers))
    (drawn,) = bootstrap(metric, (answers,), together, resamples=resamples, seed=seed)
    lower, upper = _quantiles(drawn, together.count, alpha)
    if (ends := _of_shares(metric, answers, together, alpha)) and not math.isnan(lower):
        lower, upper = min(lower, ends[0]), max(upper, ends[1])
    return Interval(observed, min(lower, observed), max(upper, observed))


def compare(
    metric: Metric,
    candidate: Answers,
    reference: Answers,
    groups: npt.ArrayLike | None = None,
    *,
    alpha: float = 0.05,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """What a candidate gains over another model on the same records.

    Args:
        metric: The metric.
        candidate: Its answers to n records.
        reference: The other's answers to the same records in the same order.
        groups: (n,) names of what the records belong to; each stands alone where not given.
        alpha: One-sided error of each bound.
        resamples: Number of draws, and of swaps.
        seed: The same seed makes the same result.

    Raises:
        ValueError: The records are not the same.
    """
    if candidate.classes != reference.classes or not np.array_equal(candidate.truth, reference.truth):
        raise ValueError("The two models did not answer the same records, or do not know the same classes.")
    together = Groups.of(groups, len(candidate))
    one, other = value(metric, candidate), value(metric, reference)
    gain = metric.sign * (one - other)
    if math.isnan(gain):
        return Comparison(one, other, gain, math.nan, math.nan, math.nan, together.count)
    ours, theirs = bootstrap(metric, (candidate, reference), together, resamples=resamples, seed=seed)
    lower, upper = _quantiles(metric.sign * (ours - theirs), together.count, alpha)
    if metric.name == "accuracy":
        ends = _of_paired_shares(candidate, reference, together, alpha)
        lower, upper = min(lower, ends[0]), max(upper, ends[1])
    swapped = metric.sign * swaps(metric, candidate, reference, together, resamples=resamples, seed=seed)
    better, worse = _chance(swapped >= gain - _ROUNDING), _chance(swapped <= gain + _ROUNDING)
    if better > alpha:
        lower = min(lower, 0.0)
    if worse > alpha:
        upper = max(upper, 0.0)
    return Comparison(one, other, gain, min(lower, gain), max(upper, gain), better, together.count)


def _chance(as_far: npt.NDArray[np.bool_]) -> float:
    """A p-value that is never 0 (Phipson and Smyth 2010, Statistical Applications in Genetics 9:39)."""
    return (1 + int(as_far.sum())) / (1 + len(as_far))


def _quantiles(drawn: Floats, groups: int, alpha: float) -> tuple[float, float]:
    defined = drawn[np.isfinite(drawn)]
    if groups < 2 or len(defined) < (1 - _MOST_UNDEFINED) * len(drawn):
        return math.nan, math.nan
    outside = float(norm.sf(math.sqrt(groups / (groups - 1)) * student.isf(alpha, groups - 1)))
    lower, upper = np.quantile(defined, [outside, 1 - outside])
    return float(lower), float(upper)


def _of_shares(metric: Metric, answers: Answers, groups: Groups, alpha: float) -> tuple[float, float] | None:
    right = (answers.true_codes == answers.predicted_codes).astype(float) if answers.classes else np.empty(0)
    if metric.name == "accuracy":
        return wilson(float(right.mean()), len(right) / design_effect(right, groups), alpha)
    if metric.name == "balanced_accuracy":
        shares, bounds = [], []
        for code in np.unique(answers.true_codes):
            of_class = answers.true_codes == code
            values = right[of_class]
            within = Groups.of(groups.codes[of_class], len(values))
            shares.append(float(values.mean()))
            bounds.append(wilson(shares[-1], len(values) / design_effect(values, within), alpha))
        return mean_of_shares(np.array(shares), bounds)
    return None


def _of_paired_shares(candidate: Answers, reference: Answers, groups: Groups, alpha: float) -> tuple[float, float]:
    ours = candidate.true_codes == candidate.predicted_codes
    theirs = reference.true_codes == reference.predicted_codes
    effect = design_effect(ours.astype(float) - theirs, groups)
    only_ours, only_theirs = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    return tango(only_ours / effect, only_theirs / effect, len(ours) / effect, alpha)
