"""A copy of runs in MLflow, for those who look at runs there; the catalog stays the record.

Only what the catalog has is copied, one way, by MLflow's client: nothing is logged automatically, nothing is read back.
A run is found again by a tag with the RID of its execution, and copied anew only if the catalog says something else.
A folder as the store works with mlflow-skinny; a database needs all of mlflow; a server needs neither.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.environment import environment
from deriva_ml_kit.errors import KitError, UsageError
from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.ops.tracking.runs import KnownRun

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

EXECUTION, CATALOG, DIGEST = "deriva.execution", "deriva.catalog", "deriva.digest"
# MLflow's limits for one request, and for a value.
METRICS, PARAMETERS, TAGS, PAGE, LENGTH = 1000, 100, 100, 1000, 5000
NOT_ALLOWED = re.compile(r"[^\w./ :-]")
ENDED = {"Uploaded": "FINISHED", "Failed": "FAILED", "Aborted": "KILLED"}
# The store of folders has to be asked for; and MLflow reports to its makers how it is used unless told not to.
SETTINGS = {"MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}


@dataclass
class Mirrored:
    """What was copied.

    Attributes:
        experiment: ID of the experiment in MLflow.
        new: RIDs of executions that MLflow did not have.
        changed: Of those that the catalog says something else about now.
        unchanged: Of those that it had already.
    """

    experiment: str
    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)


def mirror(ml: DerivaML, runs: Sequence[KnownRun], to: str, experiment: str, *, dry_run: bool = False) -> Mirrored:
    """Copy runs.

    Args:
        ml: The catalog that they are from.
        runs: What it has of them.
        to: A folder, or the address of a tracking server.
        experiment: Name of the experiment in MLflow; made if it is not there.
        dry_run: Only say what would be copied.

    Raises:
        UsageError: MLflow is not installed, or not the part that the store needs.
        KitError: The store or server refused.
    """
    if dry_run and "://" not in to and not Path(to).exists():
        return Mirrored("", new=[run.execution for run in runs])
    with environment(SETTINGS):
        client, refused = _client(to)
        try:
            return _mirror(ml, client, runs, experiment, dry_run=dry_run)
        except refused as error:
            raise KitError(f"MLflow at {to} refused: {error}") from error


def _client(to: str) -> tuple[MlflowClient, type[Exception]]:
    try:
        from mlflow.exceptions import MlflowException  # noqa: PLC0415  (an extra)
        from mlflow.tracking import MlflowClient  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(
            "MLflow is not installed.", remedy="uv add 'deriva-ml-kit[mlflow]' (or: pip install mlflow-skinny)"
        ) from error
    uri = to if "://" in to else Path(to).resolve().as_uri()
    try:
        return MlflowClient(tracking_uri=uri), MlflowException
    except ModuleNotFoundError as error:
        raise UsageError(
            f"The store {to} needs {error.name}, which mlflow-skinny does not bring.",
            remedy="Name a folder or a tracking server, or install all of it: uv add mlflow",
        ) from error


def _mirror(
    ml: DerivaML, client: MlflowClient, runs: Sequence[KnownRun], experiment: str, *, dry_run: bool
) -> Mirrored:
    there = client.get_experiment_by_name(experiment)
    catalog = _catalog(ml)
    known = _known(client, there.experiment_id, catalog) if there else {}
    if there is None and not dry_run:
        made = Mirrored(client.create_experiment(experiment, tags={CATALOG: catalog}))
    else:
        made = Mirrored(there.experiment_id if there else "")
    for run in runs:
        copies, digest = known.get(run.execution, {}), _digest(run)
        if list(copies.values()) == [digest]:
            made.unchanged.append(run.execution)
            continue
        (made.changed if copies else made.new).append(run.execution)
        if not dry_run:
            for copy in copies:
                client.delete_run(copy)
            _copy(ml, client, made.experiment, run, digest)
    return made


def _known(client: MlflowClient, experiment: str, catalog: str) -> dict[str, dict[str, str | None]]:
    """Execution to its copies, each with its digest; one whose copying was cut short has none."""
    found: dict[str, dict[str, str | None]] = {}
    token: str | None = None
    while True:
        page = client.search_runs([experiment], f"tags.`{CATALOG}` = '{catalog}'", max_results=PAGE, page_token=token)
        for each in page:
            tags = each.data.tags
            found.setdefault(tags.get(EXECUTION, ""), {})[each.info.run_id] = tags.get(DIGEST)
        token = page.token
        if not token:
            return found


def _copy(ml: DerivaML, client: MlflowClient, experiment: str, run: KnownRun, digest: str) -> None:
    from mlflow.entities import Dataset, DatasetInput, Param, RunTag  # noqa: PLC0415  (an extra)

    began = _milliseconds(run.created)
    tags = {EXECUTION: run.execution, CATALOG: _catalog(ml), **_tags(ml, run)}
    made = client.create_run(experiment, start_time=began, tags=tags, run_name=run.execution).info.run_id
    parameters = [Param(_name(key), str(value)[:LENGTH]) for key, value in run.parameters.items()]
    parameters += [Param(_name(f"seed.{key}"), str(value)) for key, value in run.seeds.items()]
    for some in _batches(parameters, PARAMETERS):
        client.log_batch(made, params=some)
    for numbers in _batches(list(_metrics(run, began)), METRICS):
        client.log_batch(made, metrics=numbers)
    used = [pin.split("@") for pin in run.datasets]
    inputs = [
        DatasetInput(Dataset(name=rid, digest=version, source_type="deriva", source=_address(ml, rid)), tags=[])
        for rid, version in used
    ]
    if inputs:
        client.log_inputs(made, datasets=inputs)
    ended = began + int((run.seconds or 0) * 1000)
    client.set_terminated(made, ENDED.get(run.status, "RUNNING"), ended)
    client.log_batch(made, tags=[RunTag(DIGEST, digest)])  # last: without it the copy is no whole one


def _metrics(run: KnownRun, began: int) -> Iterator[Any]:
    """Metrics as MLflow has them; one that shares its name with a curve is its final value."""
    from mlflow.entities import Metric  # noqa: PLC0415  (an extra)

    for name, curve in run.curves.items():
        for step, value in zip(curve.steps, curve.values, strict=True):
            yield Metric(_name(name), value, began, step)
    for name, value in run.metrics.items():
        yield Metric(_name(f"{name}.final" if name in run.curves else name), value, began, 0)


def _tags(ml: DerivaML, run: KnownRun) -> dict[str, str]:
    tags = {
        "deriva.url": _address(ml, run.execution),
        "deriva.workflow": run.workflow,
        "deriva.status": run.status,
        "mlflow.note.content": run.description,
        "mlflow.source.name": run.url or run.workflow,
        "mlflow.source.git.commit": run.commit or "",
        "python": run.environment.python if run.environment else "",
        **{f"tag.{name}": text for name, text in run.tags.items()},
    }
    return {_name(name): text[:LENGTH] for name, text in list(tags.items())[:TAGS] if text}


def _digest(run: KnownRun) -> str:
    """SHA-256 of what is copied."""
    content = asdict(replace(run, documents={}, environment=None))
    return sha256(json.dumps(content, sort_keys=True, default=lambda each: each.model_dump()).encode()).hexdigest()


def _catalog(ml: DerivaML) -> str:
    return f"{ml.host_name}/{ml.catalog_id}"


def _address(ml: DerivaML, rid: str) -> str:
    return f"https://{ml.host_name}/id/{ml.catalog_id}/{rid}"


def _name(name: str) -> str:
    return NOT_ALLOWED.sub("_", name)[:250]


def _milliseconds(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp() * 1000)


def _batches(items: list[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
