"""The file of predictions: a line a record with RID, truth, prediction, group and the probabilities of the classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from deriva_ml_kit.errors import KitError
from deriva_ml_kit.numerics.paired.metrics import Answers, Floats

NAME = "predictions.csv"
_PROBABILITY = "p:"


@dataclass(frozen=True)
class Predicted:
    """What a model said.

    Attributes:
        rids: (n,) of the records, sorted.
        answers: Truth and predictions in that order.
        clusters: (n,) names of groups; None without.
    """

    rids: tuple[str, ...]
    answers: Answers
    clusters: tuple[str, ...] | None


def label_text(value: Any) -> str:
    """A label as text: of a number its shortest form, so that 1, 1.0 and numpy's 1 are the same class."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value.item() if isinstance(value, np.generic) else value)


def write(file: Path, predicted: Predicted) -> None:
    """Write a file of predictions."""
    answers = predicted.answers
    columns: dict[str, Any] = {"RID": predicted.rids, "truth": answers.truth, "prediction": answers.predicted}
    if predicted.clusters is not None:
        columns["cluster"] = predicted.clusters
    if answers.scores is not None:
        columns |= {f"{_PROBABILITY}{name}": answers.scores[:, at] for at, name in enumerate(answers.classes)}
    pd.DataFrame(columns).to_csv(file, index=False, lineterminator="\n", na_rep="NaN")


def read(file: Path, classes: Sequence[str]) -> Predicted:
    """Read a file of predictions.

    Args:
        file: The file.
        classes: In their order; none in a regression.

    Raises:
        KitError: It is no such file.
    """
    frame = pd.read_csv(file, dtype=str, keep_default_na=False)
    if missing := [name for name in ("RID", "truth", "prediction") if name not in frame.columns]:
        raise KitError(f"{file.name} lacks the columns {', '.join(missing)}.")
    frame = frame.sort_values("RID", kind="stable")
    scores = None
    if classes:
        truth, predicted = frame["truth"].to_numpy(object), frame["prediction"].to_numpy(object)
        if unknown := sorted({*truth, *predicted} - set(classes)):
            raise KitError(f"{file.name} has labels that the report does not name: {', '.join(unknown)}.")
        names = [f"{_PROBABILITY}{name}" for name in classes]
        if set(names) <= set(frame.columns):
            scores = _numbers(frame[names].to_numpy(object))
    else:
        truth, predicted = _numbers(frame["truth"].to_numpy(object)), _numbers(frame["prediction"].to_numpy(object))
    clusters = tuple(frame["cluster"]) if "cluster" in frame.columns else None
    return Predicted(tuple(frame["RID"]), Answers(truth, predicted, scores, tuple(classes)), clusters)


def _numbers(texts: npt.NDArray[Any]) -> Floats:
    return np.where(texts == "", "nan", texts).astype(np.float64)
