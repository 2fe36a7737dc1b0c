"""How accurate a model still is: estimated from its scores before labels come, realised once they have.

The estimate takes a probability at its word: of predictions that are 0.8 sure, 80 % are right (the idea of NannyML's
confidence-based performance estimation). It sees what a shift of the inputs does; it is blind to concept drift, where
the same inputs come to mean something else. It is worth as much as the scores are calibrated, so that is checked on
labelled data first, and kept for later.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.numerics.drift.clusters import FEWEST
from deriva_ml_kit.numerics.drift.profile import Record
from deriva_ml_kit.numerics.drift.statistics import Floats

Z95 = float(special.ndtri(0.975))


class Calibration(Record):
    """How sure a model was of its predictions, and how often it was right.

    Attributes:
        rows: Labelled predictions.
        confidence: Mean probability given to the predicted class, in groups of equal size, ascending.
        accuracy: Share that was right in each group.
        counts: Predictions in each group.
        error: Expected calibration error: mean |confidence - accuracy| over predictions.
        p: Of Hosmer and Lemeshow's chi-squared over the groups.
        calibrated: Whether the error is below 0.02 or may be chance (p of 0.05 or more).
    """

    rows: int
    confidence: tuple[float, ...]
    accuracy: tuple[float, ...]
    counts: tuple[int, ...]
    error: float
    p: float
    calibrated: bool


class EstimatedAccuracy(Record):
    """Accuracy that scores let expect.

    Attributes:
        rows: Predictions.
        estimate: Expected share of right ones.
        lower: Lower end of where the realised share would lie in 95 of 100 cases, if only the inputs have changed.
        upper: Its upper end.
        recalibrated: Whether the scores were corrected by what labelled data had shown.
        warning: Why not to trust it, if there is a reason.
    """

    rows: int
    estimate: float
    lower: float
    upper: float
    recalibrated: bool
    warning: str | None = None


class RealisedAccuracy(Record):
    """Accuracy of the predictions whose labels have come.

    Attributes:
        rows: Labelled predictions.
        waiting: Share of predictions without a label so far.
        accuracy: Share of right ones.
        lower: Lower end of its 95 % interval (Wilson 1927).
        upper: Upper end.
        reference: Accuracy that it is compared with.
        p: One-sided, that it has not fallen.
        status: drift (fallen by at least the tolerated drop, and no chance), investigate (fallen less, and no chance),
            ok, or insufficient.
    """

    rows: int
    waiting: float
    accuracy: float | None
    lower: float | None
    upper: float | None
    reference: float
    p: float | None
    status: Literal["ok", "investigate", "drift", "insufficient"]


def confidence(
    scores: pd.DataFrame | ArrayLike, predictions: ArrayLike | None = None, *, positive: object = 1
) -> Floats:
    """Probability that a model gave to the class that it predicted.

    Args:
        scores: A column for each class, named by it; or, of two classes, the probabilities of the positive one.
        predictions: What was predicted; the most probable class by default.
        positive: Label of the positive class, if scores are of that alone.

    Raises:
        UsageError: No probabilities, or a prediction of a class that has no score.
    """
    frame = scores if isinstance(scores, pd.DataFrame) else None
    values = np.asarray(scores, dtype=np.float64)
    if not (np.isfinite(values).all() and ((values >= 0) & (values <= 1)).all()):
        raise UsageError("Scores must be probabilities: finite, from 0 to 1.", remedy="Leave rows without a score out.")
    labels = None if predictions is None else np.asarray(predictions)
    if labels is not None and len(labels) != len(values):
        raise UsageError(f"There are {len(labels)} predictions for {len(values)} scores.")
    if values.ndim == 1 or values.shape[1] == 1:
        of_positive = values.reshape(-1)
        said = of_positive >= 0.5 if labels is None else labels == positive
        return np.where(said, of_positive, 1 - of_positive)
    if np.abs(values.sum(axis=1) - 1).max(initial=0) > 0.01:
        raise UsageError("Scores of the classes must sum up to 1 in each row.")
    if labels is None:
        best: Floats = values.max(axis=1)
        return best
    if frame is None:
        raise UsageError("Scores of several classes need a frame whose columns are named by the classes.")
    position = pd.Index([str(name) for name in frame.columns]).get_indexer(pd.Index([str(label) for label in labels]))
    if (position < 0).any():
        raise UsageError(f"There is no score for the predicted class {str(labels[position < 0][0])!r}.")
    chosen: Floats = values[np.arange(len(values)), position]
    return chosen


def calibration(sure: ArrayLike, correct: ArrayLike, *, groups: int = 10) -> Calibration:
    """Check confidences against labels, on data that the model was not trained on.

    Args:
        sure: What `confidence` says, one a prediction.
        correct: Whether each was right.
        groups: Of equal size, in order of confidence.

    Raises:
        UsageError: Not as many of both, or fewer than 5 predictions a group.
    """
    given, right = np.asarray(sure, dtype=np.float64), np.asarray(correct, dtype=bool)
    if given.shape != right.shape or len(given) < 5 * groups:
        raise UsageError(f"{len(given)} confidences and {len(right)} outcomes; both must be at least {5 * groups}.")
    order = np.argsort(given, kind="stable")
    parts = [part for part in np.array_split(order, groups) if len(part)]
    said = np.array([given[part].mean() for part in parts])
    found = np.array([right[part].mean() for part in parts])
    counts = np.array([len(part) for part in parts])
    variance = np.array([(given[part] * (1 - given[part])).sum() for part in parts])
    off = counts * (found - said)
    # A group that was certain and right says nothing; certain and wrong, everything.
    statistic = sum((o * o / v if v > 0 else math.inf if o else 0.0) for o, v in zip(off, variance, strict=True))
    p = float(special.chdtrc(len(parts), statistic)) if math.isfinite(statistic) else 0.0
    error = float(np.abs(off).sum() / len(given))
    return Calibration(
        rows=len(given),
        confidence=tuple(said.tolist()),
        accuracy=tuple(found.tolist()),
        counts=tuple(counts.tolist()),
        error=error,
        p=p,
        calibrated=error < 0.02 or p >= 0.05,
    )


def estimated_accuracy(
    scores: pd.DataFrame | ArrayLike,
    predictions: ArrayLike | None = None,
    *,
    positive: object = 1,
    checked: Calibration | None = None,
) -> EstimatedAccuracy:
    """Accuracy to be expected of predictions that have no labels yet; see the module for what it cannot see.

    Args:
        scores: As for `confidence`.
        predictions: As for `confidence`.
        positive: As for `confidence`.
        checked: What labelled data have shown of these scores. If they are not calibrated, confidences are corrected by
            it.

    Raises:
        UsageError: No rows, or scores that are no probabilities.
    """
    sure = confidence(scores, predictions, positive=positive)
    if not len(sure):
        raise UsageError("There are no scores to estimate an accuracy from.")
    warning = "The scores were never checked against labels." if checked is None else None
    of_groups = 0.0
    recalibrated = False
    if checked is not None and not checked.calibrated:
        recalibrated = True
        found = np.array(checked.accuracy)
        shares = np.bincount(np.searchsorted(checked.confidence, sure).clip(max=len(found) - 1), minlength=len(found))
        of_groups = float(np.sum((shares / len(sure)) ** 2 * found * (1 - found) / np.array(checked.counts)))
        sure = np.interp(sure, checked.confidence, found)
        warning = f"The scores are not calibrated (error {checked.error:.3f}); they were corrected by labelled data."
    estimate = float(sure.mean())
    half = Z95 * math.sqrt(float((sure * (1 - sure)).sum()) / len(sure) ** 2 + of_groups)
    return EstimatedAccuracy(
        rows=len(sure),
        estimate=estimate,
        lower=max(0.0, estimate - half),
        upper=min(1.0, estimate + half),
        recalibrated=recalibrated,
        warning=warning,
    )


def realised_accuracy(
    correct: ArrayLike,
    *,
    reference: tuple[int, int],
    clusters: ArrayLike | None = None,
    alpha: float = 0.05,
    drop: float = 0.02,
    fewest: int = 100,
) -> RealisedAccuracy:
    """Compare predictions whose labels have come with the accuracy on the test data.

    Args:
        correct: Whether each prediction was right; null where the label has not come.
        reference: How many were right on the test data, and of how many.
        clusters: What predictions have in common, such as the subject; the variance is then that between clusters.
        alpha: Limit of p.
        drop: Loss of accuracy that is drift.
        fewest: Labelled predictions (independent ones) that a verdict needs.

    Raises:
        UsageError: A reference that cannot be.
    """
    hits, of = reference
    if not 0 <= hits <= of or of == 0:
        raise UsageError(f"The reference says {hits} of {of} were right; that cannot be.")
    given: pd.Series[Any] = pd.Series(np.asarray(correct, dtype=object))
    known = given.notna().to_numpy()
    right = given[known].astype(bool).to_numpy()
    rows, before = len(right), hits / of
    waiting = 1 - rows / len(given) if len(given) else 0.0
    if not rows:
        return RealisedAccuracy(
            rows=0,
            waiting=waiting,
            accuracy=None,
            lower=None,
            upper=None,
            reference=before,
            p=None,
            status="insufficient",
        )
    accuracy = float(right.mean())
    worth, enough = float(rows), True
    if clusters is not None:
        codes, names = pd.factorize(np.asarray(clusters)[known])
        between = np.bincount(codes, weights=right - accuracy)
        plain = rows * accuracy * (1 - accuracy)
        worth = rows / max(1.0, float((between**2).sum()) / plain) if plain else float(len(names))
        enough = len(names) >= FEWEST
    pooled = (hits + accuracy * worth) / (of + worth)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / of + 1 / worth))
    p = float(special.ndtr((accuracy - before) / spread)) if spread else 1.0
    middle = (accuracy + Z95**2 / (2 * worth)) / (1 + Z95**2 / worth)
    half = Z95 * math.sqrt(accuracy * (1 - accuracy) / worth + Z95**2 / (4 * worth**2)) / (1 + Z95**2 / worth)
    status: Literal["ok", "investigate", "drift", "insufficient"] = "ok"
    if worth < fewest or not enough:
        status = "insufficient"
    elif p < alpha:
        status = "drift" if before - accuracy >= drop else "investigate"
    return RealisedAccuracy(
        rows=rows,
        waiting=waiting,
        accuracy=accuracy,
        lower=max(0.0, middle - half),
        upper=min(1.0, middle + half),
        reference=before,
        p=p,
        status=status,
    )
