"""What is profiled or compared: features, predictions, scores, clusters and times of the same rows."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from deriva_ml_kit.errors import UsageError

Role = Literal["feature", "prediction", "score"]
Rows = str | ArrayLike | None
T = TypeVar("T")
S = TypeVar("S")


@dataclass(frozen=True)
class Batch:
    """Rows, taken apart.

    Attributes:
        columns: Name, role and values of everything that has a distribution.
        clusters: Number of each row's cluster, 0, 1, …, if rows are grouped.
        times: Time of each row, UTC.
        rows: How many.
    """

    columns: dict[tuple[Role, str], pd.Series[Any]]
    clusters: NDArray[np.intp] | None
    times: pd.Series[Any] | None
    rows: int

    @property
    def cluster_count(self) -> int | None:
        """How many clusters there are, if rows are grouped."""
        return None if self.clusters is None else int(self.clusters.max(initial=-1)) + 1


def batch(
    frame: pd.DataFrame,
    *,
    predictions: Rows,
    scores: Any,
    clusters: Rows,
    times: Rows,
    columns: Sequence[str] | None = None,
) -> Batch:
    """Take a frame apart.

    Args:
        frame: Features.
        predictions: Values, or the name of a column that is then no feature.
        scores: Probabilities: values, a frame with a column for each class, or names of columns.
        clusters: Values, or the name of a column.
        times: Values (texts as ISO 8601; UTC where they do not say), or the name of a column.
        columns: Features to take; all by default.

    Raises:
        UsageError: A column that is named is not there, or twice; values of another number of rows; rows without
            cluster.
    """
    if repeated := frame.columns[frame.columns.duplicated()].unique().tolist():
        raise UsageError(f"The frame has several columns named {', '.join(map(repr, repeated))}.")
    named = [name for name in (predictions, clusters, times) if isinstance(name, str)]
    score_frame = _scores(frame, scores, named)
    features = columns if columns is not None else [name for name in frame.columns if name not in named]
    found: dict[tuple[Role, str], pd.Series[Any]] = {
        ("feature", str(name)): _column(frame, name, "feature") for name in features
    }
    if (predicted := _rows(frame, predictions, "predictions")) is not None:
        found["prediction", "prediction"] = predicted
    if score_frame is not None:
        found |= {("score", str(name)): score_frame[name] for name in score_frame.columns}
    return Batch(found, _codes(_rows(frame, clusters, "clusters")), _times(_rows(frame, times, "times")), len(frame))


def threaded(work: Callable[[S], T], items: Sequence[S], workers: int | None) -> list[T]:
    """The work on each item, on as many threads as there are processors; NumPy sorts without the interpreter's lock."""
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        return list(pool.map(work, items))


def _column(frame: pd.DataFrame, name: Any, what: str) -> pd.Series[Any]:
    if name not in frame.columns:
        raise UsageError(
            f"There is no column {name!r} for {what}; there are {', '.join(map(str, frame.columns[:20]))}."
        )
    found: pd.Series[Any] = frame[name]
    return found


def _rows(frame: pd.DataFrame, given: Rows, what: str) -> pd.Series[Any] | None:
    if given is None:
        return None
    if isinstance(given, str):
        return _column(frame, given, what)
    values = given.reset_index(drop=True) if isinstance(given, pd.Series) else pd.Series(np.asarray(given))
    if len(values) != len(frame):
        raise UsageError(f"There are {len(values)} {what} for {len(frame)} rows.")
    return values


def _scores(frame: pd.DataFrame, given: Any, named: list[str]) -> pd.DataFrame | None:
    if given is None:
        return None
    if isinstance(given, str):
        given = [given]
    if isinstance(given, list) and all(isinstance(name, str) for name in given):
        named += given
        return pd.DataFrame({name: _column(frame, name, "scores") for name in given})
    if isinstance(given, pd.Series):
        given = given.to_frame("score")
    elif not isinstance(given, pd.DataFrame):
        values = np.asarray(given)
        values = values.reshape(len(values), -1)
        given = pd.DataFrame(
            values, columns=["score"] if values.shape[1] == 1 else [f"score {k}" for k in range(values.shape[1])]
        )
    if len(given) != len(frame):
        raise UsageError(f"There are scores for {len(given)} rows of {len(frame)}.")
    found: pd.DataFrame = given
    return found


def _codes(given: pd.Series[Any] | None) -> NDArray[np.intp] | None:
    if given is None:
        return None
    codes, _ = pd.factorize(given)
    if missing := int((codes < 0).sum()):
        raise UsageError(
            f"{missing} rows have no cluster.", remedy="Give each of them one; a row alone is a cluster too."
        )
    return codes.astype(np.intp)


def _times(given: pd.Series[Any] | None) -> pd.Series[Any] | None:
    if given is None:
        return None
    try:
        times = pd.to_datetime(given, utc=True, format="ISO8601")
    except (TypeError, ValueError) as error:
        raise UsageError(f"Times cannot be read: {error}") from error
    if len(times) and times.isna().all():
        raise UsageError("No row has a time.")
    return times
