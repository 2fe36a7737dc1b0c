"""A batch against a baseline, as an execution: report, page and metrics are its outputs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from deriva_ml_kit.mainline import DatasetSpec, DerivaML, Workflow
from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.numerics import drift
from deriva_ml_kit.ops.documents import Stored, fetch
from deriva_ml_kit.ops.drift import history, metrics, plots
from deriva_ml_kit.ops.drift.columns import Columns, columns_of, span
from deriva_ml_kit.ops.drift.documents import Baseline, DriftReport, Settings
from deriva_ml_kit.ops.drift.lookup import outputs
from deriva_ml_kit.ops.frames import Batch
from deriva_ml_kit.ops.kinds import MODELS, AssetType, WorkflowType
from deriva_ml_kit.ops.operation import operation

PROGRAM = ("Drift monitoring", WorkflowType.MONITORING, __name__)
PAGE_FILE, METRICS_FILE = "drift.html", "drift.prom"


@dataclass(frozen=True)
class Compared:
    """What a batch is compared with.

    Attributes:
        baseline: The training's.
        models: RIDs of the models that it made.
        seasonal: Of the same season before.
        rolling: Of the time just before.
        series: Name under which this batch's profile is found by later ones.
    """

    baseline: Stored[Baseline]
    models: tuple[str, ...] = ()
    seasonal: Stored[Baseline] | None = None
    rolling: Stored[Baseline] | None = None
    series: str | None = None

    @property
    def rids(self) -> list[str]:
        """RIDs of the profiles."""
        return [each.rid for each in (self.baseline, self.seasonal, self.rolling) if each]

    def with_history(self, ml: DerivaML, times: Any, *, rolling: bool = False) -> Compared:
        """The same, with what earlier batches of the series give for a batch of these times.

        A seasonal baseline is looked for if the training's declares seasonal columns.

        Args:
            ml: The catalog.
            times: Of the rows.
            rolling: Look for the batch just before, too.
        """
        periods = [each.period for each in self.baseline.document.profile.columns if each.period]
        if self.series is None or times is None or not len(times) or not (periods or rolling):
            return self
        first, last = span(times)
        known = history.earlier(ml, self.series)
        season = history.a_season_before(known, first, last, periods[0]) if periods and not self.seasonal else None
        before = history.just_before(known, first) if rolling and not self.rolling else None
        return replace(
            self,
            seasonal=self.seasonal or history.fetched(ml, season),
            rolling=self.rolling or history.fetched(ml, before),
        )


@dataclass(frozen=True)
class Monitored:
    """What a run of the monitoring came to.

    Attributes:
        report: The report.
        report_rid: Its RID; None in a dry run.
        execution_rid: The execution that made it; None in a dry run.
        is_new: Whether this run has made it; otherwise it was there.
        rids: File name to RID of the outputs of this run.
        page: The page.
        metrics: The figures as OpenMetrics text.
    """

    report: DriftReport
    report_rid: str | None
    execution_rid: str | None
    is_new: bool
    page: str
    metrics: str
    rids: dict[str, str] = field(default_factory=dict)


def monitor(
    ml: DerivaML,
    compared: Compared,
    batch: Batch,
    settings: Settings | None = None,
    *,
    predictions: Any = None,
    scores: Any = None,
    rolling: bool = False,
    workflow: Workflow | None = None,
    again: bool = False,
    dry_run: bool = False,
) -> Monitored:
    """Compare a batch with its baseline and keep what was found; done before, say what was found then.

    Args:
        ml: The catalog.
        compared: What it is compared with.
        batch: The records, see `ops.frames.read_frame`; of a prediction log those that the models answered.
        settings: What they are judged by.
        predictions: What the model says of them, values or a column's name; a prediction log has them.
        scores: Its probabilities, likewise.
        rolling: Compare with the batch just before, too, for a hint.
        workflow: Of a script in the project's repository; this program where not given.
        again: Make another report although there is one.
        dry_run: Write nothing.

    Raises:
        UsageError: Batch, baseline and settings do not fit each other.
    """
    settings = _with_defaults(settings or Settings(), compared.baseline.document)
    columns = columns_of(batch, settings, compared.models, predictions, scores)
    compared = compared.with_history(ml, columns.times, rolling=rolling)
    seasonal = compared.seasonal.document.profile if compared.seasonal else None
    profile_file = history.file_name(compared.series, *span(columns.times))
    profiled = _profile(columns, compared)
    answers = predictions if isinstance(predictions, str) else predictions is not None
    key = report_key(compared, batch, settings, [workflow.checksum if workflow else None, answers])
    if not again and not dry_run and (there := existing(ml, key)):
        page = plots.page(there.document, compared.baseline.document.profile, profiled, seasonal)
        return Monitored(there.document, there.rid, there.execution_rid, False, page, metrics.text(there.document))
    result = drift.compare(
        compared.baseline.document.profile,
        columns.features,
        **columns.further,
        seasonal=seasonal,
        rolling=compared.rolling.document.profile if compared.rolling else None,
        alpha=settings.alpha,
        thresholds=(settings.investigate, settings.drift),
        minimum_rows=settings.minimum_rows,
    )
    report = DriftReport(
        key=key,
        baseline_rid=compared.baseline.rid,
        models=compared.models,
        seasonal_rid=compared.seasonal.rid if compared.seasonal else None,
        rolling_rid=compared.rolling.rid if compared.rolling else None,
        batch=batch.origin,
        settings=settings,
        result=result,
        checked=datetime.now(UTC),
    )
    page = plots.page(report, compared.baseline.document.profile, profiled, seasonal)
    text = metrics.text(report)
    with operation(
        ml,
        f"Drift of {batch.origin.name} against baseline {compared.baseline.rid}",
        workflow=workflow,
        program=None if workflow else PROGRAM,
        datasets=_datasets(batch),
        assets=[*compared.rids, *([str(batch.origin.rid)] if batch.origin.kind == "asset" else [])],
        dry_run=dry_run,
    ) as doing:
        doing.keep(report, file_name(key))
        doing.file(PAGE_FILE, AssetType.PAGE).write_text(page, encoding="utf-8")
        doing.file(METRICS_FILE, AssetType.METRICS_FILE).write_text(text, encoding="utf-8")
        if profiled:
            of_batch = profiled.model_copy(update={"origin": _origin(batch, doing.rid)})
            doing.keep(Baseline(profile=of_batch, group_by=settings.group_by, time=settings.time), profile_file)
    execution = None if dry_run else doing.rid
    return Monitored(report, doing.rids.get(file_name(key)), execution, True, page, text, doing.rids)


def report_key(compared: Compared, batch: Batch, settings: Settings, further: Sequence[Any] = ()) -> str:
    """The same for the same baselines, records and settings; and for the same script, and predictions."""
    origin = batch.origin
    told = [compared.rids, origin.rid, origin.version, origin.sha256, origin.tables, settings.model_dump(), *further]
    if origin.kind == "bag":
        told.append(_digest(batch.frame))
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def file_name(key: str) -> str:
    """Name of the report's file, by which it is found again."""
    return f"drift-report-{key[:16]}.json"


def existing(ml: DerivaML, key: str) -> Stored[DriftReport] | None:
    """The report of a key: one request where there is none; of several, the newest."""
    rows = list(rows_with(ml.catalog, ml.ml_schema, MODELS, "Filename", [file_name(key)], wanted=["RID", "RCT"]))
    for row in sorted(rows, key=lambda row: (row["RCT"], row["RID"]), reverse=True):
        stored = fetch(ml, row["RID"], DriftReport)
        if stored.document.key == key:
            return stored
    return None


def models_of(ml: DerivaML, execution_rid: str | None) -> tuple[str, ...]:
    """RIDs of the models that an execution has made."""
    if execution_rid is None:
        return ()
    made = outputs(ml, execution_rid)
    return tuple(each.asset_rid for each in made if AssetType.MODEL_FILE in each.asset_types)


def _with_defaults(settings: Settings, baseline: Baseline) -> Settings:
    """Grouping and time as in the baseline, where nothing else is said."""
    known = {"group_by": settings.group_by or baseline.group_by, "time": settings.time or baseline.time}
    return settings.model_copy(update=known)


def _profile(columns: Columns, compared: Compared) -> drift.BaselineProfile | None:
    """The profile of a batch, over the columns of the baseline; None of a batch without rows."""
    known = compared.baseline.document.profile
    names = [each.name for each in known.features if each.name in columns.features]
    if not len(columns.features) or not names:
        return None
    return drift.profile(columns.features, **columns.further, columns=names, bins=known.bins)


def _datasets(batch: Batch) -> list[DatasetSpec]:
    """The dataset that a batch is, as an input of an execution; its rows are wanted and not its files."""
    of = batch.origin
    return [DatasetSpec(rid=of.rid, version=of.version, materialize=False)] if of.kind == "dataset" else []


def _origin(batch: Batch, execution_rid: str) -> drift.Origin:
    of = batch.origin
    return drift.Origin(
        dataset_rid=of.rid if of.kind in {"dataset", "bag"} else None,
        dataset_version=of.version,
        snapshot=of.snapshot,
        execution_rid=execution_rid,
        file=of.name if of.sha256 else None,
        sha256=of.sha256,
    )


def _digest(frame: pd.DataFrame) -> str:
    return hashlib.sha256(pd.util.hash_pandas_object(frame.astype(str), index=False).to_numpy().tobytes()).hexdigest()
