"""What a gate decides on, gathered from the catalog: criteria, training, evaluations, records, leaks."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from deriva_ml_kit.errors import KitError, Undecidable, UsageError
from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.mainline.asset.asset import Asset
from deriva_ml_kit.mainline.catalog.single import row_of
from deriva_ml_kit.ops.documents import Stored, fetch
from deriva_ml_kit.ops.evaluation import predictions
from deriva_ml_kit.ops.evaluation.documents import EvaluationReport
from deriva_ml_kit.ops.evaluation.leaks import Exposure, exposure
from deriva_ml_kit.ops.evaluation.predictions import Predicted
from deriva_ml_kit.ops.evaluation.records import Records, read_records
from deriva_ml_kit.ops.gate.documents import GateCriteria
from deriva_ml_kit.ops.kinds import MODELS, AssetType


@dataclass(frozen=True)
class Training:
    """The execution that made the candidate.

    Attributes:
        rid: Its RID.
        began: When the catalog got its record.
        criteria: Assets of criteria among its inputs.
    """

    rid: str
    began: datetime
    criteria: tuple[str, ...]


@dataclass(frozen=True)
class Side:
    """A model and its evaluation.

    Attributes:
        rid: Asset of the model.
        md5: Checksum of its file.
        size: Bytes of its file.
        report: Its newest evaluation that fits the criteria; None where there is none.
        predicted: The predictions of that evaluation.
        unreadable: Why these cannot be read.
        others: Evaluations that do not fit: RID of the report to what they are of.
        exposure: What its training has seen of the test records.
    """

    rid: str
    md5: str
    size: int | None
    report: Stored[EvaluationReport] | None
    predicted: Predicted | None
    unreadable: str | None
    others: Mapping[str, str]
    exposure: Exposure


@dataclass(frozen=True)
class Evidence:
    """Everything that a gate decides on.

    Attributes:
        criteria: The criteria.
        criteria_changed: When their row was last changed.
        training: The candidate's; None where no execution is known to have made it.
        candidate: The candidate.
        incumbent: The model to be replaced, if there is one.
        records: The test records.
    """

    criteria: Stored[GateCriteria]
    criteria_changed: datetime
    training: Training | None
    candidate: Side
    incumbent: Side | None
    records: Records


def gather(
    ml: DerivaML,
    candidate_rid: str,
    *,
    criteria_rid: str | None = None,
    incumbent_rid: str | None = None,
    evaluations: Mapping[str, str | None] | None = None,
) -> Evidence:
    """Read what a gate decides on.

    Args:
        ml: The catalog.
        candidate_rid: Asset of the candidate.
        criteria_rid: Asset of the criteria; those that its training had as an input where not given.
        incumbent_rid: Asset of the incumbent.
        evaluations: Model to evaluation report, to look at these again; the newest that fit where not given.

    Raises:
        UsageError: A RID is of something else, or candidate and incumbent are the same.
        Undecidable: No criteria are given, and the training names none, or several.
    """
    if candidate_rid == incumbent_rid:
        raise UsageError(f"{candidate_rid} cannot replace itself: candidate and incumbent are the same.")
    candidate = model_asset(ml, candidate_rid)
    training = _training(ml, candidate)
    criteria = fetch(ml, criteria_rid or _named(candidate_rid, training), GateCriteria)
    asked = criteria.document
    records = read_records(ml, asked.dataset, table=asked.table, label=asked.label, cluster=asked.cluster)
    changed = _time(ml.lookup_asset(criteria.rid).get_metadata()["RMT"])
    sides = [
        _side(ml, asset, asked, records, evaluations)
        for asset in [candidate, *([model_asset(ml, incumbent_rid)] if incumbent_rid else [])]
    ]
    return Evidence(criteria, changed, training, sides[0], sides[1] if incumbent_rid else None, records)


def model_asset(ml: DerivaML, rid: str) -> Asset:
    """The asset of a model.

    Raises:
        UsageError: It is of something else.
        DerivaMLNotFoundError: There is no such RID.
    """
    asset = ml.lookup_asset(rid)
    if AssetType.MODEL_FILE not in asset.asset_types:
        raise UsageError(f"{rid} ({asset.filename}) is no {AssetType.MODEL_FILE}, so there is nothing to judge.")
    return asset


def _training(ml: DerivaML, candidate: Asset) -> Training | None:
    if candidate.execution_rid is None:
        return None
    row: Mapping[str, Any] = row_of(ml, "Execution", candidate.execution_rid)
    used = ml.list_execution_assets(candidate.execution_rid, "Input")
    named = tuple(each.asset_rid for each in used if AssetType.GATE_CRITERIA in each.asset_types)
    return Training(candidate.execution_rid, _time(row["RCT"]), named)


def _named(candidate: str, training: Training | None) -> str:
    found = training.criteria if training else ()
    if len(found) == 1:
        return found[0]
    raise Undecidable(
        f"The training of {candidate} has {len(found)} criteria among its inputs: {', '.join(found) or 'none'}.",
        remedy="Name the criteria: --criteria RID. Those that were registered before the training count.",
    )


def _side(
    ml: DerivaML,
    asset: Asset,
    asked: GateCriteria,
    records: Records,
    evaluations: Mapping[str, str | None] | None,
) -> Side:
    used = {record.execution_rid for record in ml.list_asset_executions(asset.asset_rid, "Input")}
    reports = [each for each in ml.find_assets(MODELS, AssetType.EVALUATION_REPORT) if each.execution_rid in used]
    wanted = (asset.md5, asked.dataset, asked.table, asked.label, asked.cluster)
    fitting: list[Stored[EvaluationReport]] = []
    others: dict[str, str] = {}
    for each in reports:
        stored = fetch(ml, each.asset_rid, EvaluationReport)
        found = stored.document
        if found.model_rid != asset.asset_rid:
            continue
        if wanted == (found.model_md5, found.dataset, found.table, found.label, found.cluster):
            fitting.append(stored)
        else:
            others[each.asset_rid] = f"{found.dataset} ({found.table}, {found.label}, {found.cluster or 'no groups'})"
    chosen = max(fitting, key=lambda each: _time(each.created), default=None)
    if evaluations is not None:
        chosen = next((each for each in fitting if each.rid == evaluations.get(asset.asset_rid)), None)
    predicted, unreadable = None, None
    if chosen is not None:
        try:
            predicted = _predicted(ml, chosen)
        except (KitError, OSError, ValueError) as error:
            unreadable = str(error)
    return Side(
        rid=asset.asset_rid,
        md5=asset.md5,
        size=asset.length,
        report=chosen,
        predicted=predicted,
        unreadable=unreadable,
        others=others,
        exposure=exposure(ml, asset, records),
    )


def _predicted(ml: DerivaML, stored: Stored[EvaluationReport]) -> Predicted:
    outputs = ml.list_execution_assets(str(stored.execution_rid), "Output")
    file = next((each for each in outputs if each.filename == stored.document.predictions), None)
    if file is None:
        raise KitError(f"Execution {stored.execution_rid} has no output {stored.document.predictions}.")
    with tempfile.TemporaryDirectory(prefix="deriva-ml-ops-") as folder:
        return predictions.read(Path(file.download(folder)), stored.document.classes)


def _time(text: object) -> datetime:
    return datetime.fromisoformat(str(text))
