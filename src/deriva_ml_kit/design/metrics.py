"""Metrics that can be computed again from what was predicted and what is true; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping

Labels = Mapping[str, Hashable]


def accuracy(truth: Labels, predicted: Labels) -> float:
    """The share of records that are right."""
    return sum(predicted[rid] == label for rid, label in truth.items()) / len(truth)


def balanced_accuracy(truth: Labels, predicted: Labels) -> float:
    """The share of records that are right in each class that occurs, averaged over the classes."""
    size = Counter(truth.values())
    right = Counter(label for rid, label in truth.items() if predicted[rid] == label)
    return sum(right[label] / count for label, count in size.items()) / len(size)


def macro_f1(truth: Labels, predicted: Labels) -> float:
    """The harmonic mean of precision and recall of each class that is true or predicted, averaged over the classes."""
    there, said = Counter(truth.values()), Counter(predicted[rid] for rid in truth)
    right = Counter(label for rid, label in truth.items() if predicted[rid] == label)
    return sum(2 * right[label] / (there[label] + said[label]) for label in there | said) / len(there | said)


def error_rate(truth: Labels, predicted: Labels) -> float:
    """The share of records that are wrong."""
    return 1 - accuracy(truth, predicted)


# By name: the metric, given what is true and what was predicted of at least the same records, by RID.
METRICS: Mapping[str, Callable[[Labels, Labels], float]] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "error_rate": error_rate,
    "macro_f1": macro_f1,
}
