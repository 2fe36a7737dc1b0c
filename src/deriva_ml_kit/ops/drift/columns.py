"""A batch, taken apart into what is compared: features, predictions, scores, groups and times of the same rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.ops.drift.documents import Baseline, Settings
from deriva_ml_kit.ops.frames import Batch, NoMembers, read_frame


@dataclass(frozen=True)
class Columns:
    """The columns of a batch by what they are for.

    Attributes:
        features: A row each.
        predictions: What the model said of them.
        scores: Its probabilities.
        clusters: Which rows belong together.
        times: When each came to be.
    """

    features: pd.DataFrame
    predictions: Any = None
    scores: Any = None
    clusters: Any = None
    times: Any = None

    @property
    def further(self) -> dict[str, Any]:
        """What is not a feature, as `drift.compare` takes it."""
        return {name: getattr(self, name) for name in ("predictions", "scores", "clusters", "times")}


def read_batch(
    ml: DerivaML, source: str | Path, baseline: Baseline, *, table: str | Sequence[str] | None = None
) -> Batch:
    """Records as `ops.frames.read_frame` reads them; an empty dataset is a batch without rows.

    Args:
        ml: The catalog.
        source: `RID@VERSION`, the RID of a file, a file, the folder of a bag.
        baseline: Says which columns are levels, also where they look like numbers.
        table: Of a dataset, where there are several.
    """
    levels = [each.name for each in baseline.profile.features if each.kind == "categorical"]
    try:
        return read_frame(source, ml, table=table, text=levels)
    except NoMembers as empty:
        return Batch(pd.DataFrame(), empty.origin)


def columns_of(batch: Batch, settings: Settings, models: Collection[str], predictions: Any, scores: Any) -> Columns:
    """Take a batch apart.

    Args:
        batch: The records; of a prediction log only what the models answered counts.
        settings: Name the columns of groups and times; a log has times by itself.
        models: RIDs of the models.
        predictions: Values, or a column's name; those of the log where not given.
        scores: Values; likewise.

    Raises:
        UsageError: A column that is named is not there, or the log is of other models.
    """
    frame, log = batch.frame, batch.log
    if log is not None and models:
        mine = log["model_rid"].isin(models)
        if len(log) and not mine.any():
            others = ", ".join(sorted(log["model_rid"].unique())[:5])
            raise UsageError(f"{batch.origin.name} holds answers of {others}, and none of {', '.join(models)}.")
        frame, log = frame[mine].reset_index(drop=True), log[mine].reset_index(drop=True)
    if log is not None and predictions is None and len(log):
        predictions = log["prediction"]
        of_classes = log.filter(regex=r"^scores\.")
        scores = of_classes.rename(columns=lambda name: name.removeprefix("scores.")) if of_classes.size else None
    logged = log["time"] if log is not None and settings.time not in frame else None
    time = settings.time if logged is None else None
    given = {"predictions": predictions, "groups": settings.group_by, "times": time}
    for what, name in given.items():
        if isinstance(name, str) and len(frame) and name not in frame and (log is None or name not in log):
            raise UsageError(f"{batch.origin.name} has no column {name} for {what}.")
    named = [each for each in given.values() if isinstance(each, str)]

    def rows(name: str | None) -> Any:
        if name is None:
            return None
        known = frame if name in frame or log is None else log
        return known[name] if name in known else pd.Series(dtype=object)  # only where there are no rows

    return Columns(
        frame.drop(columns=[name for name in named if name in frame]),
        rows(predictions) if isinstance(predictions, str) else predictions,
        scores,
        rows(settings.group_by),
        rows(time) if logged is None else logged,
    )


def span(times: Any) -> tuple[Any, Any]:
    """First and last of some times."""
    if times is None or not len(times):
        return None, None
    at = pd.to_datetime(pd.Series(times), utc=True)
    return at.min().to_pydatetime(), at.max().to_pydatetime()
