"""Labels that come later: how right a model was, how that went over time, and since when it is no longer so.

In: a prediction log (what was answered, when), labels by request, and how the model did when it was evaluated. Out: a
report with accuracy in windows of time, the changes that ADWIN finds in the errors (concept drift), and the accuracy
that the scores let expect where labels have not come.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from deriva_ml_kit.errors import Fault, Faults, UsageError
from deriva_ml_kit.numerics import drift
from deriva_ml_kit.numerics.drift.statistics import Floats
from deriva_ml_kit.ops.drift.documents import Change, LabelReport, Window
from deriva_ml_kit.ops.evaluation.predictions import label_text
from deriva_ml_kit.ops.frames import Batch, Origin

FREQUENCIES = {"day": "D", "week": "W-SUN", "month": "M"}
FEWEST = 100  # labelled predictions that a verdict needs
# Errors that no longer come as often as before, found by chance once in 500 streams: River's own default.
DELTA = 0.002


@dataclass(frozen=True)
class Reference:
    """How a model did when it was evaluated.

    Attributes:
        hits: How many predictions were right.
        rows: Of how many.
        calibration: What its scores were worth.
        rid: RID of the evaluation's report.
    """

    hits: int
    rows: int
    calibration: drift.Calibration | None = None
    rid: str | None = None


def joined(logs: Sequence[Batch], labels: pd.DataFrame, *, model: str | None = None) -> tuple[pd.DataFrame, list[str]]:
    """Predictions with their labels, in the order of time.

    Args:
        logs: Prediction logs.
        labels: Columns `request_id` and `label`; `time`, where it is known when they came.
        model: RID of the model whose answers count; may be left out where there is one.

    Returns:
        Columns of the log, and `label`, `correct` (1.0, 0.0, NaN where no label has come) and `delay` (days); and what
        one should know.

    Raises:
        UsageError: There are no logs, they are of several models, or the answers are no classes.
        Faults: Two labels for one request.
    """
    parts = [_whole(each) for each in logs]
    log = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    if not len(log):
        return log, []
    log = _of_model(log, model)
    notes = []
    if repeated := int(log["request_id"].duplicated().sum()):
        notes.append(f"{repeated} lines repeat a request_id; the first answer counts.")
    log = log.sort_values("time", kind="stable").drop_duplicates("request_id").reset_index(drop=True)
    known = _one_each(labels)
    strange = int((~known["request_id"].isin(log["request_id"])).sum())
    if failed := int(log["prediction"].isna().sum()):
        notes.append(f"{failed} requests got no answer and are left out.")
        log = log[log["prediction"].notna()].reset_index(drop=True)
    if pd.api.types.is_float_dtype(log["prediction"]) and (log["prediction"] % 1 != 0).any():
        raise UsageError("The predictions are numbers and no classes: right or wrong is not what they are.")
    if strange:
        notes.append(f"{strange} labels are of requests that the log does not hold.")
    found = log.merge(known, on="request_id", how="left")
    right = found["prediction"].map(label_text) == found["label"]
    found["correct"] = right.astype(float).where(found["label"].notna())
    if "labelled" in found:
        found["delay"] = (found["labelled"] - found["time"]).dt.total_seconds() / 86400
    return found, notes


def report(
    found: pd.DataFrame,
    reference: Reference,
    *,
    logs: Sequence[Origin],
    labels: Origin | None,
    window: str = "week",
    group_by: str | None = None,
    drop: float = 0.02,
    alpha: float = 0.05,
    fewest: int = FEWEST,
    stream: bool = True,
    notes: Sequence[str] = (),
) -> LabelReport:
    """Judge predictions with labels.

    Args:
        found: From `joined`.
        reference: What to compare with.
        logs: Where the predictions come from.
        labels: Where the labels come from.
        window: `day`, `week` or `month`.
        group_by: Column that says which predictions belong together, such as `unit`.
        drop: Loss of accuracy that is drift.
        alpha: Limit of p.
        fewest: Labelled predictions that a verdict needs.
        stream: Look for changes with ADWIN.
        notes: What else one should know.

    Raises:
        UsageError: River is needed and not there, or there is no such column.
    """
    if group_by and len(found) and group_by not in found:
        raise UsageError(f"The log has no column {group_by}.", remedy=f"Columns: {', '.join(map(str, found.columns))}")

    def realised(part: pd.DataFrame) -> drift.RealisedAccuracy:
        correct: Any = part["correct"].astype(object).where(part["correct"].notna(), None) if len(part) else []
        clusters = part[group_by] if group_by and len(part) else None
        counts = (reference.hits, reference.rows)
        return drift.realised_accuracy(
            correct, reference=counts, clusters=clusters, drop=drop, alpha=alpha, fewest=fewest
        )

    overall = realised(found)
    changes = changes_of(found) if stream else []
    windows = [
        Window(
            first=part["time"].iloc[0],
            last=part["time"].iloc[-1],
            realised=realised(part),
            estimated=_estimated(part, reference),
        )
        for part in _windows(found, window)
    ]
    verdict, reason = judge(overall, changes)
    return LabelReport(
        models=tuple(sorted(found["model_rid"].unique())) if len(found) else (),
        evaluation_rid=reference.rid,
        logs=tuple(logs),
        labels=labels,
        verdict=verdict,
        reason=reason,
        predictions=len(found),
        realised=overall,
        estimated=_estimated(found[found["correct"].isna()], reference) if len(found) else None,
        median_delay_days=float(found["delay"].median()) if "delay" in found and found["delay"].notna().any() else None,
        windows=tuple(windows),
        changes=tuple(changes),
        notes=tuple(notes),
    )


def judge(overall: drift.RealisedAccuracy, changes: Sequence[Change]) -> tuple[str, str]:
    """Verdict and reason."""
    if not overall.rows or overall.accuracy is None:
        return "no_data", "No labels have come."
    figures = f"{overall.accuracy:.1%} of {overall.rows} labelled predictions are right, in the evaluation "
    figures += f"{overall.reference:.1%} were"
    worse = [each for each in changes if each.after > each.before]
    if worse:
        last = worse[-1]
        since = f"the error rose from {last.before:.1%} to {last.after:.1%} about {last.time:%Y-%m-%d}"
        return "drift", f"{figures}; {since}."
    return overall.status, f"{figures}; {overall.rows - round(overall.accuracy * overall.rows)} are wrong."


def changes_of(found: pd.DataFrame) -> list[Change]:
    """Where the share of errors has changed, by ADWIN over the labelled predictions in the order of time.

    Raises:
        UsageError: River is not installed.
    """
    try:
        from river.drift import ADWIN  # noqa: PLC0415  (an extra)
    except ImportError as error:
        raise UsageError(
            "Concept drift is looked for with River, which is not installed.",
            remedy="uv add 'deriva-ml-kit[stream]', or do without: --no-stream",
        ) from error
    if not len(found):
        return []
    labelled = found[found["correct"].notna()]
    errors = (1.0 - labelled["correct"]).to_numpy()
    times = list(labelled["time"])
    begin, changes = 0, []
    adwin: Any = ADWIN(delta=DELTA)  # type: ignore[no-untyped-call]
    for number, wrong in enumerate(errors):
        adwin.update(wrong)
        if adwin.drift_detected:
            at = begin + _split(errors[begin : number + 1])
            changes.append(
                Change(
                    time=times[at],
                    found=times[number],
                    before=float(errors[begin:at].mean()),
                    after=float(errors[at : number + 1].mean()),
                )
            )
            # Its window still holds much of the time before the change, and would find the same change again.
            adwin, begin = ADWIN(delta=DELTA), at  # type: ignore[no-untyped-call]
            for again in errors[at : number + 1]:
                adwin.update(again)
    return changes


def _split(errors: Floats) -> int:
    """Where the mean has most likely changed: the largest cumulative deviation (Hinkley 1971)."""
    return int(np.argmax(np.abs(np.cumsum(errors - errors.mean())[:-1]))) + 1


def _whole(batch: Batch) -> pd.DataFrame:
    """A log with all of its columns."""
    if batch.log is None and len(batch.frame):
        raise UsageError(f"{batch.origin.name} is no prediction log.", remedy="Its lines hold request_id, features, …")
    return pd.DataFrame() if batch.log is None else batch.log


def _of_model(log: pd.DataFrame, model: str | None) -> pd.DataFrame:
    models = sorted(log["model_rid"].unique())
    if model is not None and model not in models:
        raise UsageError(f"The log holds answers of {', '.join(models)}, and none of {model}.")
    if model is None and len(models) > 1:
        raise UsageError(
            f"The log holds answers of several models: {', '.join(models)}.", remedy="Name one: --model RID"
        )
    return log[log["model_rid"] == (model or models[0])]


def _one_each(labels: pd.DataFrame) -> pd.DataFrame:
    """Labels as text, one a request.

    Raises:
        UsageError: Columns are missing.
        Faults: Two that differ for one request.
    """
    if missing := [name for name in ("request_id", "label") if name not in labels]:
        raise UsageError(f"The labels lack the columns {', '.join(missing)}; there are {', '.join(labels.columns)}.")
    known = labels.dropna(subset=["request_id", "label"]).copy()
    known["request_id"] = known["request_id"].map(label_text)
    known["label"] = known["label"].map(label_text)
    known = known.rename(columns={"time": "labelled"})
    if "labelled" in known:
        known["labelled"] = pd.to_datetime(known["labelled"], utc=True)
    different = known.groupby("request_id")["label"].nunique()
    if twice := different[different > 1].index.tolist():
        raise Faults([Fault("has labels that differ", column="request_id", value=str(each)) for each in twice])
    return known.drop_duplicates("request_id")[[name for name in ("request_id", "label", "labelled") if name in known]]


def _windows(found: pd.DataFrame, window: str) -> Iterator[pd.DataFrame]:
    """The predictions of each day, week or month that has any."""
    if len(found):
        periods = found["time"].dt.tz_convert("UTC").dt.tz_localize(None).dt.to_period(FREQUENCIES[window])
        yield from (part for _, part in found.groupby(periods))


def _estimated(found: pd.DataFrame, reference: Reference) -> drift.EstimatedAccuracy | None:
    """What the scores let expect of some predictions; None without scores."""
    scores: Any = found.filter(regex=r"^scores\.").dropna()
    if not len(scores) or not scores.shape[1]:
        return None
    predictions = found.loc[scores.index, "prediction"].map(label_text)
    scores.columns = scores.columns.str.removeprefix("scores.")
    return drift.estimated_accuracy(scores, np.asarray(predictions), checked=reference.calibration)
