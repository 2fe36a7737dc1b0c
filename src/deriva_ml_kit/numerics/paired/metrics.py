"""Metrics of what a model said about records, and the same metrics of records drawn with weights.

The values are scikit-learn's. Resampling needs them thousands of times, so each metric also knows what it is computed
from: sums over records (`parts`, then `joined`), or, for the area under the curve, ranks.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sklearn import metrics as sklearn

Floats = npt.NDArray[np.float64]


class Direction(StrEnum):
    """Which values of a metric are better."""

    HIGHER = "higher"
    LOWER = "lower"


@dataclass(frozen=True)
class Answers:
    """What a model said about n records.

    Attributes:
        truth: (n,) labels, or numbers in a regression.
        predicted: (n,) likewise.
        scores: (n, k) probabilities of the classes, if there are any.
        classes: The k classes in their order; () in a regression. All labels are among them.
    """

    truth: npt.NDArray[Any]
    predicted: npt.NDArray[Any]
    scores: Floats | None = None
    classes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.truth)

    @cached_property
    def true_codes(self) -> npt.NDArray[np.intp]:
        """(n,) number of the true class."""
        return _codes(self.truth, self.classes)

    @cached_property
    def predicted_codes(self) -> npt.NDArray[np.intp]:
        """(n,) number of the predicted class."""
        return _codes(self.predicted, self.classes)


@dataclass(frozen=True)
class Metric:
    """A metric.

    Attributes:
        name: As criteria spell it.
        direction: Which values are better.
        task: What it is of.
        scored: Whether it needs probabilities.
        value: Of answers, by scikit-learn; NaN where it is not defined.
        parts: (n, m) what each record adds to m sums; None where the metric is none of sums.
        joined: (…, m) sums to (…) values.
    """

    name: str
    direction: Direction
    task: Literal["classification", "regression"]
    scored: bool
    value: Callable[[Answers], float]
    parts: Callable[[Answers], Floats] | None = None
    joined: Callable[[Floats], Floats] | None = None

    @property
    def sign(self) -> int:
        """1 where higher is better, -1 where lower is."""
        return 1 if self.direction is Direction.HIGHER else -1


def _codes(labels: npt.NDArray[Any], classes: tuple[str, ...]) -> npt.NDArray[np.intp]:
    number = {name: code for code, name in enumerate(classes)}
    return np.array([number[label] for label in labels.tolist()], dtype=np.intp)


def _one_hot(codes: npt.NDArray[np.intp], k: int) -> Floats:
    return np.eye(k)[codes]


def _shares(right: Floats, total: Floats) -> Floats:
    """Mean over classes of right / total, over the classes that there are."""
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(total > 0, right / total, 0.0)
        return np.asarray(share.sum(-1) / (total > 0).sum(-1))


def _mean(parts: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(parts[..., 0] / parts[..., 1])


def _counted(values: npt.NDArray[Any]) -> Floats:
    return np.column_stack([values.astype(float), np.ones(len(values))])


def _recall_parts(answers: Answers) -> Floats:
    true = _one_hot(answers.true_codes, len(answers.classes))
    right = answers.true_codes == answers.predicted_codes
    return np.hstack([true * right[:, None], true])


def _f1_parts(answers: Answers) -> Floats:
    k = len(answers.classes)
    true, said = _one_hot(answers.true_codes, k), _one_hot(answers.predicted_codes, k)
    return np.hstack([2 * true * said, true + said])


def _halves(parts: Floats) -> Floats:
    k = parts.shape[-1] // 2
    return _shares(parts[..., :k], parts[..., k:])


def _losses(answers: Answers) -> Floats:
    assert answers.scores is not None
    scores = np.clip(answers.scores, np.finfo(float).eps, 1 - np.finfo(float).eps)
    return -np.log(scores[np.arange(len(answers)), answers.true_codes])


def curves(answers: Answers) -> list[int]:
    """The classes whose ROC curves count: the second of two, and of more each that occurs."""
    occurring: list[int] = np.unique(answers.true_codes).tolist()
    return [1] if len(answers.classes) == 2 else occurring


def _auc(answers: Answers) -> float:
    """Area under the ROC curve; the mean over one class against the others where there are more than two."""
    if answers.scores is None or np.unique(answers.true_codes).size < 2:
        return math.nan
    areas = [sklearn.roc_auc_score(answers.true_codes == code, answers.scores[:, code]) for code in curves(answers)]
    return float(np.mean(areas))


def _log_loss(answers: Answers) -> float:
    if answers.scores is None or len(answers.classes) < 2:
        return math.nan
    return float(sklearn.log_loss(answers.true_codes, answers.scores, labels=list(range(len(answers.classes)))))


_ALL = (
    Metric(
        "accuracy",
        Direction.HIGHER,
        "classification",
        False,
        lambda answers: float(sklearn.accuracy_score(answers.true_codes, answers.predicted_codes)),
        lambda answers: _counted(answers.true_codes == answers.predicted_codes),
        _mean,
    ),
    Metric(
        "balanced_accuracy",
        Direction.HIGHER,
        "classification",
        False,
        lambda answers: float(
            sklearn.recall_score(
                answers.true_codes, answers.predicted_codes, average="macro", labels=np.unique(answers.true_codes)
            )
        ),
        _recall_parts,
        _halves,
    ),
    Metric(
        "macro_f1",
        Direction.HIGHER,
        "classification",
        False,
        lambda answers: float(sklearn.f1_score(answers.true_codes, answers.predicted_codes, average="macro")),
        _f1_parts,
        _halves,
    ),
    Metric("auc", Direction.HIGHER, "classification", True, _auc),
    Metric(
        "log_loss",
        Direction.LOWER,
        "classification",
        True,
        _log_loss,
        lambda answers: _counted(_losses(answers)),
        _mean,
    ),
    Metric(
        "rmse",
        Direction.LOWER,
        "regression",
        False,
        lambda answers: float(sklearn.root_mean_squared_error(answers.truth, answers.predicted)),
        lambda answers: _counted((answers.truth - answers.predicted) ** 2),
        lambda parts: np.sqrt(_mean(parts)),
    ),
    Metric(
        "mae",
        Direction.LOWER,
        "regression",
        False,
        lambda answers: float(sklearn.mean_absolute_error(answers.truth, answers.predicted)),
        lambda answers: _counted(np.abs(answers.truth - answers.predicted)),
        _mean,
    ),
)
METRICS = {metric.name: metric for metric in _ALL}


def of_task(task: str) -> list[Metric]:
    """The metrics of classifications, or of regressions."""
    return [metric for metric in _ALL if metric.task == task]


def value(metric: Metric, answers: Answers) -> float:
    """A metric of answers; NaN where it is not defined, such as without scores, or where an answer is missing."""
    shown = [answers.scores] if metric.scored else []
    shown += [answers.truth, answers.predicted] if metric.task == "regression" else []
    if not len(answers) or any(each is None or not np.isfinite(each).all() for each in shown):
        return math.nan
    return metric.value(answers)


def constant(answers: Answers) -> Answers:
    """The best constant answer to the same records: their majority with their shares of classes, or their mean."""
    n = len(answers)
    if not answers.classes:
        return Answers(answers.truth, np.full(n, answers.truth.mean()))
    share = np.bincount(answers.true_codes, minlength=len(answers.classes)) / n
    majority = answers.classes[int(share.argmax())]
    return Answers(answers.truth, np.full(n, majority, dtype=object), np.tile(share, (n, 1)), answers.classes)
