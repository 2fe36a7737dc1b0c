"""Metrics of resampled records: groups are drawn with replacement, or two models swap their answers within groups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from deriva_ml_kit.numerics.paired.metrics import Answers, Floats, Metric, curves

# Cells of the arrays that are worked on at a time: 16 MB of doubles.
CELLS = 2_000_000
Codes = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Groups:
    """Which records belong together.

    Attributes:
        codes: (n,) number of each record's group, 0 to count - 1.
        count: Number of groups.
    """

    codes: Codes
    count: int

    @classmethod
    def of(cls, names: npt.ArrayLike | None, records: int) -> Groups:
        """By names of groups, (n,); every record alone where there are none."""
        if names is None:
            return cls(np.arange(records), records)
        found, codes = np.unique(np.asarray(names), return_inverse=True)
        return cls(codes.reshape(-1), len(found))

    def sums(self, parts: Floats) -> Floats:
        """(n, m) to (count, m): the sums of each group."""
        return np.column_stack([np.bincount(self.codes, column, self.count) for column in parts.T])


def bootstrap(
    metric: Metric, models: tuple[Answers, ...], groups: Groups, *, resamples: int, seed: int
) -> tuple[Floats, ...]:
    """The metric of several models on the same draws of whole groups, with replacement.

    Args:
        metric: The metric; its scores, where it needs them, are there.
        models: Answers to the same records in the same order.
        groups: Of these records.
        resamples: Number of draws.
        seed: The same seed makes the same draws.

    Returns:
        (resamples,) for each model; NaN where a draw lacks what the metric needs.
    """
    found: list[list[Floats]] = [[] for _ in models]
    random = np.random.default_rng(seed)
    if metric.parts is not None and metric.joined is not None:
        sums = [groups.sums(metric.parts(model)) for model in models]
        for size in _chunks(resamples, groups.count):
            weights = _draws(random, size, groups.count)
            for values, of_groups in zip(found, sums, strict=True):
                values.append(metric.joined(weights @ of_groups))
    else:
        of_models = [_Curves(model) for model in models]
        for size in _chunks(resamples, max(groups.count, 4 * len(groups.codes))):
            weights = _draws(random, size, groups.count)[:, groups.codes]
            for values, of_model in zip(found, of_models, strict=True):
                values.append(of_model.areas(weights))
    return tuple(np.concatenate(values) for values in found)


def swaps(metric: Metric, one: Answers, other: Answers, groups: Groups, *, resamples: int, seed: int) -> Floats:
    """Differences of a metric (one - other) when the two swap their answers in about half of the groups.

    Scores for the area under the curve are put on one scale, by their ranks, before they are swapped (Venkatraman and
    Begg 1996, Biometrika 83:835).

    Args:
        metric: The metric; its scores, where it needs them, are there.
        one: Answers of a model.
        other: Answers of another one to the same records in the same order.
        groups: Of these records.
        resamples: Number of random choices of groups.
        seed: The same seed makes the same choices.

    Returns:
        (resamples,) differences.
    """
    random = np.random.default_rng(seed)
    differences: list[Floats] = []
    if metric.parts is not None and metric.joined is not None:
        ours, theirs = groups.sums(metric.parts(one)), groups.sums(metric.parts(other))
        for size in _chunks(resamples, groups.count):
            kept = random.integers(0, 2, (size, groups.count)).astype(float)
            moved = kept @ (ours - theirs)
            differences.append(metric.joined(theirs.sum(0) + moved) - metric.joined(ours.sum(0) - moved))
        return np.concatenate(differences)
    for size in _chunks(resamples, 4 * len(one)):
        kept_records = random.integers(0, 2, (size, groups.count), dtype=bool)[:, groups.codes]
        differences.append(_swapped_areas(one, other, kept_records))
    return np.concatenate(differences)


def _swapped_areas(one: Answers, other: Answers, kept: npt.NDArray[np.bool_]) -> Floats:
    """Differences of areas under curves (one - other) after swaps; kept is (b, n)."""
    assert one.scores is not None
    assert other.scores is not None
    found = []
    for code in curves(one):
        positive = one.true_codes == code
        # Twice the mean rank is whole, and so it can be counted instead of sorted.
        first, second = (
            np.rint(2 * rankdata(each)).astype(np.intp) for each in (one.scores[:, code], other.scores[:, code])
        )
        found.append(
            _counted_areas(np.where(kept, first, second), positive)
            - _counted_areas(np.where(kept, second, first), positive)
        )
    return np.asarray(np.mean(found, axis=0))


def _counted_areas(ranks: Codes, positive: npt.NDArray[np.bool_]) -> Floats:
    """(b, n) whole ranks up to 2 n to (b,) areas."""
    size, bins = len(ranks), 2 * ranks.shape[1] + 1
    places = ranks + np.arange(size)[:, None] * bins
    above, below = (
        np.bincount(places[:, chosen].reshape(-1), minlength=size * bins).reshape(size, bins)
        for chosen in (positive, ~positive)
    )
    pairs = int(positive.sum()) * int((~positive).sum())
    return np.asarray((above * (np.cumsum(below, axis=1) - below / 2)).sum(1) / pairs)


class _Curves:
    """Areas under the ROC curves of answers whose records have weights."""

    def __init__(self, answers: Answers) -> None:
        assert answers.scores is not None
        scores, true = answers.scores, answers.true_codes
        self._curves = [_Curve(scores[:, code], true == code) for code in curves(answers)]

    def areas(self, weights: Floats) -> Floats:
        """(b, n) weights to (b,) areas, the mean over the classes that have weight; NaN where one alone has."""
        areas = np.array([curve.areas(weights) for curve in self._curves])
        with np.errstate(invalid="ignore"):
            return np.asarray(np.where(np.isnan(areas), 0, areas).sum(0) / (~np.isnan(areas)).sum(0))


class _Curve:
    def __init__(self, scores: Floats, positive: npt.NDArray[np.bool_]) -> None:
        self._order = np.argsort(scores, kind="stable")
        ordered = scores[self._order]
        self._starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])  # ties count half
        self._positive = positive[self._order].astype(float)

    def areas(self, weights: Floats) -> Floats:
        ordered = weights[:, self._order]
        positive = np.add.reduceat(ordered * self._positive, self._starts, axis=1)
        negative = np.add.reduceat(ordered * (1 - self._positive), self._starts, axis=1)
        below = np.cumsum(negative, axis=1) - negative / 2
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((positive * below).sum(1) / (positive.sum(1) * negative.sum(1)))


def _draws(random: np.random.Generator, size: int, count: int) -> Floats:
    """(size, count) how often each group is drawn."""
    drawn = random.integers(0, count, (size, count)) + np.arange(size)[:, None] * count
    return np.bincount(drawn.reshape(-1), minlength=size * count).reshape(size, count).astype(float)


def _chunks(total: int, width: int) -> Iterator[int]:
    """Sizes that add up to the total, of arrays of this width that fit."""
    step = max(1, CELLS // max(1, width))
    for done in range(0, total, step):
        yield min(step, total - done)
