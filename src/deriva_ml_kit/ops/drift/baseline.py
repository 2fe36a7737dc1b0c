"""The baseline of a model: written while it is trained, or afterwards from the dataset that it was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.datasets.versions import released_version
from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.mainline import DerivaML, Execution
from deriva_ml_kit.mainline.execution.consumed import inputs_of
from deriva_ml_kit.mainline.execution.status import ExecutionStatus
from deriva_ml_kit.numerics import drift
from deriva_ml_kit.ops.documents import Stored
from deriva_ml_kit.ops.drift.documents import BASELINE_FILE, Baseline
from deriva_ml_kit.ops.drift.lookup import fetch_newest, outputs
from deriva_ml_kit.ops.frames import read_frame
from deriva_ml_kit.ops.kinds import MODELS, AssetType
from deriva_ml_kit.runner.outputs import attach

if TYPE_CHECKING:
    import pandas as pd


def write_baseline(
    execution: Execution, frame: pd.DataFrame, *, dataset: str | None = None, name: str = BASELINE_FILE, **settings: Any
) -> Baseline:
    """Profile training data as an output of the execution that trains on them; call it inside its `with`.

    In a dry run it is written to the execution's temporary folder, as all of its outputs are.

    Args:
        execution: The training.
        frame: The features as the model gets them, one row a record.
        dataset: RID of the input dataset that the rows are of, where there are several.
        name: Name of the file.
        settings: `predictions`, `scores`, `clusters`, `times`, `columns`, `bins`, `levels`, `seasonal`: see
            `deriva_ml_kit.numerics.drift.profile`.

    Returns:
        What was written.

    Raises:
        UsageError: There is nothing to profile, a setting does not fit the frame, or the dataset has to be named.
    """
    ml: DerivaML = execution._ml_object
    pins: dict[str, str | None] = {spec.rid: str(spec.version) for spec in execution.configuration.datasets}
    origin = _origin(ml, execution.execution_rid, pins, dataset)
    made = _profiled(frame, origin, settings)
    path = execution.asset_file_path(MODELS, name, asset_types=str(AssetType.BASELINE_PROFILE))
    path.write_text(made.text(), encoding="utf-8")
    return made


def attach_baseline(
    ml: DerivaML,
    execution_rid: str,
    *,
    dataset: str | None = None,
    table: str | Sequence[str] | None = None,
    replace: str | None = None,
    predict: bool = True,
    dry_run: bool = False,
    **settings: Any,
) -> tuple[Baseline, str | None]:
    """Profile the dataset that a finished execution was trained on, and add the profile to its outputs.

    Predictions and scores come from the model among its outputs, and so do the columns: the model's own inputs.

    Args:
        ml: The catalog.
        execution_rid: The training.
        dataset: RID of its input dataset, where there are several; with `@VERSION` where the catalog does not say it.
        table: The dataset's element table, or tables, where there are several.
        replace: Why the profile that is there has to be replaced; it stays in the catalog, and the new one counts.
        predict: Load the model and profile its predictions; without, only the columns that `settings` name.
        dry_run: Write nothing.
        settings: See `write_baseline`.

    Returns:
        The profile and the RID of its file; without RID in a dry run.

    Raises:
        UsageError: The execution is not finished, has no such dataset, or has a baseline already.
    """
    record = ml.lookup_execution(execution_rid)
    if record.status is not ExecutionStatus.Uploaded:
        raise UsageError(
            f"Execution {execution_rid} is {record.status.value}; only a finished one gets a baseline.",
            remedy="Inside a training, call deriva_ml_kit.ops.drift.write_baseline(execution, frame).",
        )
    there = _there(ml, execution_rid)
    if there and not replace:
        raise UsageError(
            f"Execution {execution_rid} has the baseline {there.rid} already, of {there.created}.",
            remedy='Give the reason why another one has to take its place: --replace "…".',
        )
    consumed, _ = inputs_of(ml, executions=[execution_rid])
    pins = {each.dataset: each.version for each in consumed}
    origin = _origin(ml, execution_rid, pins, dataset)
    if origin.dataset_rid is None:
        raise UsageError(f"Execution {execution_rid} had no dataset as an input, so there is nothing to profile.")
    frame = read_frame(f"{origin.dataset_rid}@{origin.dataset_version}", ml, table=table).frame
    if predict:
        settings = _predicted(ml, execution_rid, frame) | settings
    made = _profiled(frame, origin, settings, replaces=there.rid if there else None, reason=replace)
    if dry_run:
        return made, None
    return made, attach(ml, execution_rid, BASELINE_FILE, made.text(), AssetType.BASELINE_PROFILE)


def _profiled(frame: pd.DataFrame, origin: drift.Origin, settings: dict[str, Any], **further: Any) -> Baseline:
    """The profile, with the names of the columns that later batches need, too."""
    grouped, timed = (settings.get(name) for name in ("clusters", "times"))
    return Baseline(
        profile=drift.profile(frame, origin=origin, **settings),
        group_by=grouped if isinstance(grouped, str) else None,
        time=timed if isinstance(timed, str) else None,
        **further,
    )


def _there(ml: DerivaML, execution_rid: str) -> Stored[Baseline] | None:
    """The baseline that an execution has."""
    return fetch_newest(ml, outputs(ml, execution_rid))


def _origin(ml: DerivaML, execution_rid: str, pins: dict[str, str | None], dataset: str | None) -> drift.Origin:
    """Which dataset version the rows are of.

    Raises:
        UsageError: It is not among the inputs, or there are several.
    """
    listed = ", ".join(f"{rid}@{version or '?'}" for rid, version in pins.items()) or "none"
    rid, _, version = (dataset or "").partition("@")
    if rid and (rid not in pins or (version and pins[rid] not in (None, version))):
        raise UsageError(f"{dataset} is no input of execution {execution_rid}; its datasets: {listed}.")
    if not rid and len(pins) > 1:
        raise UsageError(
            f"Execution {execution_rid} has several datasets: {listed}.",
            remedy="Name the one that the model learns from.",
        )
    rid = rid or next(iter(pins), "")
    if not rid:
        return drift.Origin(execution_rid=execution_rid)
    if not (version := version or pins[rid] or ""):
        raise UsageError(
            f"The catalog does not say in which version execution {execution_rid} used dataset {rid}.",
            remedy=f"Say it: {rid}@VERSION",
        )
    version, snapshot = released_version(ml, rid, version)
    return drift.Origin(dataset_rid=rid, dataset_version=version, snapshot=snapshot, execution_rid=execution_rid)


def _predicted(ml: DerivaML, execution_rid: str, frame: pd.DataFrame) -> dict[str, Any]:
    """Columns, predictions and scores of the model that an execution made."""
    from deriva_ml_kit.ops.serving.model import fetch_model  # noqa: PLC0415  (loads scikit-learn)

    models = [each for each in outputs(ml, execution_rid) if AssetType.MODEL_FILE in each.asset_types]
    if len(models) != 1:
        raise UsageError(
            f"Execution {execution_rid} has {len(models)} outputs of type {AssetType.MODEL_FILE}.",
            remedy="Profile the columns alone: --columns A,B,C --no-predictions.",
        )
    model = fetch_model(ml, models[0].asset_rid)
    return {"columns": list(model.columns), "predictions": model.predict(frame), "scores": model.scores(frame)}
