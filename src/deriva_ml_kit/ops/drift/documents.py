"""What drift monitoring keeps: a model's baseline, what came of comparing a batch with it, and what was then done."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from deriva_ml_kit.numerics import drift
from deriva_ml_kit.ops.documents import Document
from deriva_ml_kit.ops.frames import Origin
from deriva_ml_kit.ops.kinds import AssetType

BASELINE_FILE = "baseline-profile.json"


class Baseline(Document):
    """The profile of a model's training data, an output of its training; or of an earlier batch, of its monitoring.

    Attributes:
        profile: The distributions; its `origin` names dataset, version, snapshot and execution.
        group_by: Column that says which rows belong together; later batches are grouped by it, too.
        time: Column with the time of each row.
        replaces: RID of the profile that this one takes the place of.
        reason: Why.
    """

    KIND: ClassVar[AssetType] = AssetType.BASELINE_PROFILE

    profile: drift.BaselineProfile
    group_by: str | None = None
    time: str | None = None
    replaces: str | None = None
    reason: str | None = None


class Settings(BaseModel):
    """What a batch is judged by.

    Attributes:
        alpha: Limit of p, adjusted for the number of columns.
        investigate: PSI from which to look at a column.
        drift: PSI from which it has drifted.
        minimum_rows: Rows that a verdict needs; worked out where not given.
        group_by: Column that says which rows belong together.
        time: Column with the time of each row.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    alpha: float = 0.05
    investigate: float = 0.1
    drift: float = 0.2
    minimum_rows: int | None = None
    group_by: str | None = None
    time: str | None = None


class DriftReport(Document):
    """How a batch differs from a baseline.

    Attributes:
        key: The same for the same baselines, batch and settings.
        baseline_rid: The baseline.
        models: RIDs of the models whose baseline it is.
        seasonal_rid: Profile of the same season before, where there is one.
        rolling_rid: Profile of the time just before, likewise.
        batch: Where the records come from.
        settings: What they were judged by.
        result: What was found.
        checked: When.
    """

    KIND: ClassVar[AssetType] = AssetType.DRIFT_REPORT

    key: str
    baseline_rid: str
    models: tuple[str, ...]
    seasonal_rid: str | None
    rolling_rid: str | None
    batch: Origin
    settings: Settings
    result: drift.DriftReport
    checked: datetime


class Retraining(BaseModel):
    """A command that was started because of a drift.

    Attributes:
        command: As it was given.
        started: When.
        ended: When.
        exit_code: What it ended with.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: str
    started: datetime
    ended: datetime
    exit_code: int


class DriftResponse(Document):
    """What was done about a report, added to the outputs of its execution afterwards.

    Attributes:
        report_rid: The report.
        verdict: Its verdict.
        webhook: Host that was told; nothing else of the address, which may be a secret.
        delivered: Whether it took the message; None where nobody was to be told.
        fault: Why not.
        retraining: What was started.
    """

    KIND: ClassVar[AssetType] = AssetType.DRIFT_RESPONSE

    report_rid: str
    verdict: str
    webhook: str | None = None
    delivered: bool | None = None
    fault: str | None = None
    retraining: Retraining | None = None


def summary(report: DriftReport) -> dict[str, Any]:
    """The report as a command prints it: verdict first, then the columns that made it so."""
    result = report.result
    notable = [column for column in result.columns if column.status not in {"ok", "constant"}]
    return {
        "verdict": result.verdict,
        "reason": result.reason,
        "rows": result.rows,
        "batch": report.batch.name,
        "baseline": report.baseline_rid,
        "columns": {column.name: f"{column.status}: {column.reason}" for column in notable},
        "warnings": list(result.warnings),
    }


class Window(BaseModel):
    """A stretch of time.

    Attributes:
        first: Of its predictions.
        last: Of its predictions.
        realised: Accuracy by the labels that have come.
        estimated: Accuracy that the scores of all its predictions let expect; None without scores.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    first: datetime
    last: datetime
    realised: drift.RealisedAccuracy
    estimated: drift.EstimatedAccuracy | None


class Change(BaseModel):
    """A time at which errors became more, or fewer.

    Attributes:
        time: Of the first prediction behind the change, about.
        found: Of the prediction whose label showed it.
        before: Share of errors before.
        after: Share of errors from then on.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    time: datetime
    found: datetime
    before: float
    after: float


class LabelReport(Document):
    """How right a model was, by labels that came later.

    Attributes:
        models: RID of the model, as the log has it.
        evaluation_rid: Report of the evaluation that it is compared with.
        logs: Where the predictions come from.
        labels: Where the labels come from.
        verdict: `ok`, `investigate`, `drift`, `insufficient`, `no_data`.
        reason: Why.
        predictions: How many got an answer.
        realised: Accuracy by the labels that have come.
        estimated: Accuracy to be expected of the others.
        median_delay_days: From prediction to label, where that is known.
        windows: The same over time.
        changes: What ADWIN has found.
        notes: What else one should know.
    """

    KIND: ClassVar[AssetType] = AssetType.LABEL_REPORT

    models: tuple[str, ...]
    evaluation_rid: str | None
    logs: tuple[Origin, ...]
    labels: Origin | None
    verdict: str
    reason: str
    predictions: int
    realised: drift.RealisedAccuracy
    estimated: drift.EstimatedAccuracy | None
    median_delay_days: float | None
    windows: tuple[Window, ...]
    changes: tuple[Change, ...]
    notes: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 in order or to be investigated, 1 drift, 2 cannot tell."""
        return {"ok": 0, "investigate": 0, "drift": 1}.get(self.verdict, 2)
