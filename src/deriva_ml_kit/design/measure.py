"""What an execution reached, from the catalog's own rows: predictions compared with labels, and its metrics.json.

In: a document, an execution, the datasets that it used. Out: `Measured`. Where both sources are there they must agree;
where one is missing the other counts; where neither is there nothing is said.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deriva_ml_kit.datasets.pins import read_pins
from deriva_ml_kit.design import named
from deriva_ml_kit.design.document import Design
from deriva_ml_kit.design.metrics import METRICS
from deriva_ml_kit.design.named import NamedDataset, NamedFeature
from deriva_ml_kit.errors import KitError, Undecidable, UsageError
from deriva_ml_kit.mainline import DatasetVersion, DerivaML
from deriva_ml_kit.mainline.dataset.dataset import datasets
from deriva_ml_kit.mainline.dataset.members import member_rids
from deriva_ml_kit.mainline.dataset.nesting import children
from deriva_ml_kit.mainline.dataset.periods import snapshot_of, versions_of
from deriva_ml_kit.nearest import suggestion

METRICS_FILE = "metrics.json"
_HELD_OUT = ("test_", "testing_")
_SHOWN = 5
# By how much a value that was written down may differ at least.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Used:
    """A dataset that the execution used."""

    rid: str
    version: str


@dataclass(frozen=True)
class Measured:
    """What was measured.

    Attributes:
        value: The metric.
        records: How many records it was computed from again; None where only metrics.json has it.
        dataset: RID@version of the dataset that these belong to; None likewise.
        from_values: The metric from feature values.
        from_file: The metric in metrics.json.
    """

    value: float
    records: int | None
    dataset: str | None
    from_values: float | None
    from_file: float | None


def measure(ml: DerivaML, design: Design, execution: str, *, metric: str, used: Sequence[Used], pins: Path) -> Measured:
    """Measure what an execution reached.

    Args:
        ml: The catalog.
        design: Names features and dataset.
        execution: RID of the execution.
        metric: What is asked for, as the document spells it.
        used: The datasets that the execution used, in their versions.
        pins: TOML file with the names of datasets.

    Raises:
        Undecidable: Neither source has it, or predictions or labels are missing.
        KitError: The sources do not agree.
    """
    name = named.normal(metric)
    compared = _compared(ml, design, execution, metric=name, used=used, pins=pins)
    filed = _filed(ml, execution, name)
    if compared is None:
        if filed is not None:
            return Measured(filed, None, None, None, filed)
        raise Undecidable(
            f"Execution {execution} shows no {metric}: no output {METRICS_FILE} has it, and {design.file} does not "
            "name predictions, labels and a dataset from which it could be computed.",
            remedy="Under Validation write - Predictions: `Feature` on `Table`, - Labels: likewise, - Dataset: `pin`.",
        )
    # Less than half a record's share; a value that is no number agrees with none.
    if filed is not None and not abs(filed - compared.value) <= max(_ROUNDING, 0.5 / compared.records):
        raise KitError(
            f"Feature values and {METRICS_FILE} of execution {execution} do not agree: {metric} is "
            f"{compared.value:.6g} on the {compared.records} records of {compared.dataset}, the file says {filed:.6g}.",
            remedy="One of them is not of this run, or not on this dataset: nothing was recorded. Run it again.",
        )
    return Measured(compared.value, compared.records, compared.dataset, compared.value, filed)


@dataclass(frozen=True)
class _Compared:
    value: float
    records: int
    dataset: str


def _compared(
    ml: DerivaML, design: Design, execution: str, *, metric: str, used: Sequence[Used], pins: Path
) -> _Compared | None:
    """The metric from feature values; None where the document does not name them, or the metric is none of ours."""
    predictions, labels = named.feature(design, "Predictions"), named.feature(design, "Labels")
    where = named.dataset(design)
    function = next((METRICS[each] for each in _spellings(metric) if each in METRICS), None)
    if predictions is None or labels is None or where is None or function is None:
        return None
    then, dataset = _dataset(ml, where, used, pins)
    members = set(member_rids(then, dataset.rid, labels.table, recurse=True))
    if not members:
        raise Undecidable(f"Dataset {dataset.rid}@{dataset.version} has no members of {labels.table}.")
    column = _column(ml, predictions, labels)
    said = ml.feature_values(predictions.table, predictions.name, execution_rids=[execution])
    predicted = _one_each(said, predictions, column, newest=False)
    true = _one_each(
        then.lookup_dataset(dataset.rid).feature_values(labels.table, labels.name),
        labels,
        labels.column or column,
        newest=labels.newest,
    )
    for what, there in ((f"value of {predictions} from execution {execution}", predicted), (f"{labels}", true)):
        if lacking := sorted(members - there.keys()):
            raise Undecidable(
                f"{len(lacking)} of the {len(members)} records of {dataset.rid}@{dataset.version} have no {what}, "
                f"such as {', '.join(lacking[:_SHOWN])}.",
                remedy="A verdict on a part of the designed dataset is none: judge a run that predicted all of it.",
            )
    value = function({rid: true[rid] for rid in members}, predicted)
    return _Compared(value, len(members), f"{dataset.rid}@{dataset.version}")


def _spellings(metric: str) -> list[str]:
    return [metric, *(metric.removeprefix(each) for each in _HELD_OUT if metric.startswith(each))]


def _dataset(ml: DerivaML, where: NamedDataset, used: Sequence[Used], pins: Path) -> tuple[DerivaML, Used]:
    """The designed dataset among those that the execution used and those in them, and the catalog as it was then.

    What is labelled or moved after the run does not change a verdict.
    """
    rid, version = where.rid, where.version
    if where.pin:
        known = read_pins(pins)
        if where.pin not in known:
            raise UsageError(f"{pins} has no pin {where.pin}; {suggestion(where.pin, known)}")
        rid, _, version = known[where.pin].partition("@")
    seen: list[str] = []
    for outer in used:
        then = ml.catalog_snapshot(snapshot_of(ml, outer.rid, DatasetVersion.parse(outer.version)))
        inside = [outer.rid, *children(then, [outer.rid], recurse=True)]
        found = [rid] if rid in inside else []
        if where.kind:
            kinds = {each.dataset_rid: each.dataset_types for each in datasets(then, inside)}
            found = [each for each, types in kinds.items() if where.kind in types]
            seen += [f"{each} ({', '.join(types) or 'no type'})" for each, types in kinds.items()]
        else:
            seen += inside
        if len(found) > 1:
            raise Undecidable(
                f"The execution used several datasets {where}: {', '.join(found)}.",
                remedy="Name the one that is meant by its pin, or as RID@version, under Validation.",
            )
        if found and found[0] == outer.rid:
            if version and version != outer.version:
                raise Undecidable(f"The design names {rid}@{version}, and the execution used {rid}@{outer.version}.")
            return then, outer
        if found:
            released = versions_of(then, found[0]).released
            if version and version not in map(str, released):
                raise Undecidable(f"The design names {rid}@{version}, which is newer than what the execution used.")
            return then, Used(found[0], version or str(released[-1]))
    raise Undecidable(
        f"The execution used no dataset {where}; it used {', '.join(seen) or 'none'}.",
        remedy="Judge a run on the dataset that the design names.",
    )


def _column(ml: DerivaML, predictions: NamedFeature, labels: NamedFeature) -> str:
    """The column of the predictions that says what the labels say."""
    if predictions.column:
        return predictions.column
    there = {column.name for column in ml.lookup_feature(predictions.table, predictions.name).feature_columns}
    asked = {column.name for column in ml.lookup_feature(labels.table, labels.name).feature_columns}
    common = {labels.column} & there if labels.column else there & asked
    if len(common) == 1:
        return str(common.pop())
    raise Undecidable(
        f"{predictions} has {', '.join(sorted(there))}, {labels} has {', '.join(sorted(asked))}: "
        "which columns are compared is not clear.",
        remedy=f"Name it: - Predictions: `{predictions.name}.Column` on `{predictions.table}`",
    )


def _one_each(records: Iterable[Any], feature: NamedFeature, column: str, *, newest: bool) -> dict[str, Any]:
    """RID -> value of each record; several values must be the same, unless the newest counts."""
    found: dict[str, Any] = {}
    for record in sorted(records, key=lambda each: str(each.RCT)) if newest else records:
        if column not in type(record).model_fields:
            known = sorted(type(record).model_fields)
            raise UsageError(f"{feature} has no column {column}; {suggestion(column, known)}")
        rid, value = str(getattr(record, feature.table)), getattr(record, column)
        if not newest and found.get(rid, value) != value:
            raise Undecidable(
                f"{feature} has several values for {rid}: {found[rid]} and {value}.",
                remedy="If the newest counts, say so in the design: - Labels: `Feature` on `Table`, the newest",
            )
        if value is not None:
            found[rid] = value
    return found


def _filed(ml: DerivaML, execution: str, metric: str) -> float | None:
    """The metric in the output metrics.json; None where there is no such file, or it does not have it."""
    outputs = ml.list_execution_assets(execution, asset_role="Output")
    asset = next((each for each in outputs if each.filename == METRICS_FILE), None)
    if asset is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        text = asset.download(folder).read_text(encoding="utf-8")
    try:
        values = json.loads(text)
    except ValueError as error:
        raise KitError(f"{METRICS_FILE} of execution {execution} is no JSON: {error}") from error
    numbers = {
        named.normal(key): float(value)
        for key, value in (values.items() if isinstance(values, dict) else ())
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    wanted = [metric, *(f"{prefix}{metric}" for prefix in _HELD_OUT), *_spellings(metric)]
    return next((numbers[key] for key in wanted if key in numbers), None)
