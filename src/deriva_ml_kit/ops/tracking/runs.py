"""Runs as the catalog has them, and side by side.

A run's own record (`record`) is taken where there is one; its receipt and its metrics.json, which every run of
`deriva-ml-run` and of the templates leaves, say the rest. Nothing has to be recorded twice.
"""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.errors import KitError
from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.mainline.asset.asset import Asset
from deriva_ml_kit.mainline.asset.links import execution_link
from deriva_ml_kit.mainline.asset.listing import assets
from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.mainline.catalog.rows import any_of, table_name
from deriva_ml_kit.mainline.execution.consumed import inputs_of
from deriva_ml_kit.mainline.execution.record import ExecutionRecord, records_of
from deriva_ml_kit.ops.documents import parse
from deriva_ml_kit.ops.kinds import MODELS
from deriva_ml_kit.ops.tracking.record import FILE, Curve, RunRecord, Scalar
from deriva_ml_kit.ops.tracking.source import place_of
from deriva_ml_kit.tiers import receipt as receipts
from deriva_ml_kit.tiers.receipt import Environment, Receipt

if TYPE_CHECKING:
    import pandas as pd

METRICS = "metrics.json"
RECEIPTS = ("receipt-tier2.json", "receipt-tier3.json")
FILES = (FILE, METRICS, *RECEIPTS)


@dataclass(frozen=True)
class KnownRun:
    """A run, from whatever the catalog has of it.

    Attributes:
        execution: RID of its execution.
        description: What it was for.
        status: How far it is.
        created: When it began: RCT of its execution, ISO 8601.
        workflow: Name of what ran.
        url: Its URL.
        parameters: What it was given.
        metrics: What came of it.
        curves: Values at steps.
        seeds: Seeds.
        tags: Texts for people.
        datasets: `RID@VERSION` of its inputs.
        commit: The commit that was checked out; where nobody recorded it, the last one that changed the script.
        environment: Python, platform and packages.
        seconds: How long it took.
        documents: File name to asset of what this was read from.
    """

    execution: str
    description: str
    status: str
    created: str
    workflow: str
    url: str | None
    parameters: dict[str, Scalar] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    curves: dict[str, Curve] = field(default_factory=dict)
    seeds: dict[str, int] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    datasets: tuple[str, ...] = ()
    commit: str | None = None
    environment: Environment | None = None
    seconds: float | None = None
    documents: dict[str, Asset] = field(default_factory=dict)


def known_runs(
    ml: DerivaML, executions: Collection[str] | None = None, *, workflow_type: str | None = None
) -> list[KnownRun]:
    """Runs that left a record, a receipt or metrics, oldest first.

    Args:
        ml: The catalog.
        executions: Only these.
        workflow_type: Only those whose workflow has this type.
    """
    chosen = None if executions is None else set(executions)
    if workflow_type is not None:
        typed = {record.execution_rid for record in ml.find_executions(workflow_type=workflow_type)}
        chosen = typed if chosen is None else chosen & typed
    found = _documents(ml, chosen)
    rows = {row["RID"]: row for row in rows_with(ml.catalog, ml.ml_schema, "Execution", "RID", found)}
    order = sorted(rows, key=lambda rid: (str(rows[rid]["RCT"]), rid))
    datasets: dict[str, list[str]] = {}
    if order:
        for each in inputs_of(ml, executions=order)[0]:
            datasets.setdefault(each.execution, []).append(f"{each.dataset}@{each.version}")
    kept = itertools.chain.from_iterable(map(dict.values, (found[rid] for rid in order)))
    texts = _texts(ml, {asset.asset_rid: asset for asset in kept})
    return [
        _run(record, str(rows[record.execution_rid]["RCT"]), found[record.execution_rid], texts, datasets)
        for record in records_of(ml, order)
    ]


def frame(runs: Iterable[KnownRun]) -> pd.DataFrame:
    """Runs as rows, by execution RID: what ran on what, and columns `parameter.NAME`, `seed.NAME`, `metric.NAME`."""
    import pandas as pd  # noqa: PLC0415

    rows = [
        {
            "execution": run.execution,
            "created": run.created,
            "status": run.status,
            "workflow": run.workflow,
            "datasets": ", ".join(run.datasets),
            "commit": run.commit,
            "seconds": run.seconds,
            **{f"parameter.{name}": value for name, value in run.parameters.items()},
            **{f"seed.{name}": value for name, value in run.seeds.items()},
            **{f"metric.{name}": value for name, value in run.metrics.items()},
        }
        for run in runs
    ]
    made = pd.DataFrame(rows, columns=None if rows else ["execution"])
    return made.set_index("execution")


def measured(content: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, Curve]]:
    """The numbers of a metrics.json as metrics, its lists of numbers as curves; nested names with dots."""
    metrics: dict[str, float] = {}
    curves: dict[str, Curve] = {}
    for name, value in _leaves(content):
        if isinstance(value, list) and len(value) > 1 and all(_is_number(each) for each in value):
            curves[name] = Curve(steps=tuple(range(len(value))), values=tuple(map(float, value)))
        elif _is_number(value):
            metrics[name] = float(value)
    return metrics, curves


def _documents(ml: DerivaML, chosen: Collection[str] | None) -> dict[str, dict[str, Asset]]:
    """Execution to its files that tell of it, by name: a few requests, however many there are.

    A file that two executions wrote alike is one asset, which is an output of both.
    """
    table = ml.model.name_to_table(MODELS)
    path = f"{table_name(table.schema.name, table.name)}/{any_of('Filename', FILES)}"
    there = {asset.asset_rid: asset for asset in assets(ml, table, path)}
    link = execution_link(table)
    if link is None:
        return {}
    found: dict[str, dict[str, Asset]] = {}
    for row in rows_with(ml.catalog, link.table.schema.name, link.table.name, link.asset, there):
        if row["Asset_Role"] == "Output" and (chosen is None or row[link.other] in chosen):
            asset = there[row[link.asset]]
            found.setdefault(row[link.other], {})[asset.filename] = asset
    return found


def _texts(ml: DerivaML, wanted: Mapping[str, Asset]) -> dict[str, str]:
    """RID of an asset to its text; several are fetched at a time."""
    with tempfile.TemporaryDirectory(prefix="deriva-ml-runs-") as folder:

        def text(asset: Asset) -> tuple[str, str]:
            return asset.asset_rid, asset.download(Path(folder, asset.asset_rid)).read_text(encoding="utf-8")

        with ThreadPoolExecutor(ml.limits.workers) as pool:
            return dict(pool.map(text, wanted.values()))


def _run(
    record: ExecutionRecord,
    created: str,
    documents: dict[str, Asset],
    texts: Mapping[str, str],
    datasets: Mapping[str, list[str]],
) -> KnownRun:
    place = place_of(record.workflow.url if record.workflow else None)
    told: dict[str, Any] = {"commit": place.commit if place else None}
    for name in reversed(FILES):  # the run's own record has the last word
        if name in documents:
            asset = documents[name]
            there = f"{asset.asset_rid} ({name} of execution {record.execution_rid})"
            new = _told(name, texts[asset.asset_rid], there)
            told |= {
                key: {**told.get(key, {}), **value} if isinstance(value, dict) else value for key, value in new.items()
            }
    return KnownRun(
        execution=record.execution_rid,
        description=record.description or "",
        status=record.status.value,
        created=created,
        workflow=record.workflow.name if record.workflow else "",
        url=record.workflow.url if record.workflow else None,
        datasets=tuple(datasets.get(record.execution_rid, ())),
        documents=documents,
        **told,
    )


def _told(name: str, text: str, place: str) -> dict[str, Any]:
    """What one document says; what it does not know is left out."""
    if name == FILE:
        own = parse(text, RunRecord, place)
        told = {
            "parameters": own.parameters,
            "metrics": own.metrics,
            "curves": own.curves,
            "seeds": own.seeds,
            "tags": own.tags,
            "commit": own.code.commit if own.code else None,
            "environment": own.environment,
            "seconds": own.seconds,
        }
        return {key: value for key, value in told.items() if value is not None}
    if name == METRICS:
        metrics, curves = measured(_mapping(text, place))
        return {"metrics": metrics, "curves": curves}
    receipt = receipts.parse(text.encode(), place)
    return {"parameters": _given(receipt), "commit": receipt.code.commit, "environment": receipt.environment}


def _given(receipt: Receipt) -> dict[str, Scalar]:
    """The hyperparameters of a receipt's configuration."""
    model = receipt.config.get("model_config")
    config = model if isinstance(model, dict) else receipt.config
    return {
        name: ", ".join(map(str, value)) if isinstance(value, list) else value
        for name, value in _leaves(config)
        if not name.rpartition(".")[2].startswith("_")
    }


def _mapping(text: str, place: str) -> Mapping[str, Any]:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise KitError(f"{place} is no JSON: {error}") from error
    return content if isinstance(content, dict) else {}


def _leaves(value: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, item in value.items():
        if isinstance(item, dict):
            yield from _leaves(item, f"{before}{key}.")
        else:
            yield f"{before}{key}", item


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
