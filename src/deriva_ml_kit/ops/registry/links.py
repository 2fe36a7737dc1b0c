"""What belongs to a model, each link with what was found: the file, the run that made it, its data, its evidence.

asset            it is an output file of type Model_File
file             the object store has it, with the checksum that the catalog says
training         the execution that made it has ended well
code             that execution's workflow has a URL and a checksum
clean tree       it ran without uncommitted changes
datasets         it had input datasets, each in a released version
criteria         they were registered before it began, and were its input
baseline, features, golden records, run record, environment    its outputs, with their files
evaluation       a report on this very file, on a released version of a test dataset
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.mainline import Asset, DerivaML, DerivaMLDataError, DerivaMLException, ExecutionRecord
from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.mainline.execution.consumed import Consumed, Versions, inputs_of
from deriva_ml_kit.ops.documents import parse
from deriva_ml_kit.ops.evaluation.documents import EvaluationReport
from deriva_ml_kit.ops.kinds import MODELS, AssetType
from deriva_ml_kit.ops.registry.files import StoredFiles

# Link, then the type of the training's output, then what to do about it.
OUTPUTS: Mapping[str, tuple[str, str]] = {
    "baseline": (AssetType.BASELINE_PROFILE, "Profile its data: uv run deriva-ml-ops baseline --execution {training}"),
    "features": (AssetType.FEATURE_DEFINITIONS, "Let the training keep its feature definitions as an output."),
    "golden records": (AssetType.GOLDEN_RECORDS, "Call write_golden(…) of deriva_ml_kit.ops.golden in the training."),
    "run record": (AssetType.RUN_RECORD, "Run the training within record_run(…) of deriva_ml_kit.ops.training."),
    "environment": ("Runtime_Env", "Run the training with this package's DerivaML, which records it."),
}
NAMES = (
    "asset",
    "file",
    "training",
    "code",
    "clean tree",
    "datasets",
    "criteria",
    *OUTPUTS,
    "evaluation",
)
DIRTY = "Run with uncommitted changes in:"  # what mainline writes into the description of such an execution


class Link(BaseModel):
    """One thing that belongs to a model.

    Attributes:
        name: One of NAMES.
        complete: Whether it is there and as it must be.
        found: What was found, in words.
        evidence: RIDs of what it refers to.
        remedy: What to do where it is missing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    complete: bool
    found: str
    evidence: tuple[str, ...] = ()
    remedy: str | None = None


class Links(BaseModel):
    """All that belongs to a model.

    Attributes:
        model_rid: RID of its asset.
        filename: Name of its file.
        md5: Checksum of its file.
        training_rid: The execution that it is an output of; None where no execution is known. Of several that made the
            same bytes, the one with the most links.
        links: Each of NAMES.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model_rid: str
    filename: str
    md5: str
    training_rid: str | None
    links: tuple[Link, ...]

    @property
    def missing(self) -> list[Link]:
        """Those that are not complete."""
        return [link for link in self.links if not link.complete]

    @property
    def score(self) -> float:
        """Share of the links that are complete."""
        return 1 - len(self.missing) / len(self.links)


def links_of(ml: DerivaML, model_rid: str) -> Links:
    """Look at everything that belongs to a model.

    Raises:
        DerivaMLNotFoundError: There is no such RID.
        UsageError: It is no file of Execution_Asset.
    """
    asset = model_asset(ml, model_rid)
    files = StoredFiles(ml)
    always = [_asset(asset), _file(files, asset), _evaluation(ml, asset)]
    made = asset.list_executions("Output")
    if made:
        found = [(execution.execution_rid, _of_training(ml, files, execution)) for execution in made]
        # The same training twice gives the same bytes, and so one asset. The later run may have kept more.
        training, links = max(reversed(found), key=lambda each: sum(link.complete for link in each[1]))
    else:
        training = None
        nothing = "no execution is known to have made the file"
        links = [
            _missing(name, nothing, "Train it inside an execution.") for name in NAMES if name not in _names(always)
        ]
    by_name = {link.name: link for link in [*always, *links]}
    return Links(
        model_rid=model_rid,
        filename=asset.filename,
        md5=asset.md5,
        training_rid=training,
        links=tuple(by_name[name] for name in NAMES),
    )


def model_asset(ml: DerivaML, rid: str) -> Asset:
    """The asset of a model.

    Raises:
        DerivaMLNotFoundError: There is no such RID.
        UsageError: It is no file of Execution_Asset.
    """
    try:
        asset = ml.lookup_asset(rid)
    except DerivaMLDataError as error:
        if type(error) is not DerivaMLDataError:
            raise
        raise UsageError(f"{rid} is no model: {error.message}", remedy=_LIST) from error
    if asset.asset_table != MODELS:
        raise UsageError(f"{rid} is a file of {asset.asset_table}; models are files of {MODELS}.", remedy=_LIST)
    return asset


_LIST = "Models are outputs of trainings: uv run deriva-ml-kit tool deriva_ml_list_assets --asset-type Model_File"


def _names(links: Collection[Link]) -> set[str]:
    return {link.name for link in links}


def _missing(name: str, found: str, remedy: str | None = None, evidence: tuple[str, ...] = ()) -> Link:
    return Link(name=name, complete=False, found=found, evidence=evidence, remedy=remedy)


def _complete(name: str, found: str, *evidence: str) -> Link:
    return Link(name=name, complete=True, found=found, evidence=evidence)


def _asset(asset: Asset) -> Link:
    if AssetType.MODEL_FILE in asset.asset_types:
        return _complete("asset", f"{asset.filename}, {asset.length} bytes", asset.asset_rid)
    types = ", ".join(asset.asset_types) or "without type"
    return _missing(
        "asset",
        f"{asset.filename} is no {AssetType.MODEL_FILE}: its types are {types}",
        f'If it is a model: ml.lookup_asset("{asset.asset_rid}").add_asset_type("{AssetType.MODEL_FILE}")',
        (asset.asset_rid,),
    )


def _file(files: StoredFiles, asset: Asset) -> Link:
    fault = files.fault_of(asset)
    if fault is None:
        return _complete("file", f"MD5 {asset.md5}", asset.asset_rid)
    return _missing("file", fault, "Train again; a file that is not what was registered cannot be served.")


def _of_training(ml: DerivaML, files: StoredFiles, execution: ExecutionRecord) -> list[Link]:
    """The links that depend on which execution made the model."""
    rid = execution.execution_rid
    outputs = ml.list_execution_assets(rid, "Output")
    return [
        _training(execution),
        _code(execution),
        _clean(execution, outputs),
        _datasets(ml, rid),
        _criteria(ml, rid),
        *(_output(files, name, rid, outputs) for name in OUTPUTS),
    ]


def _training(execution: ExecutionRecord) -> Link:
    rid, status = execution.execution_rid, execution.status.value
    if status == "Uploaded":
        return _complete("training", f"execution {rid} is {status}", rid)
    return _missing("training", f"execution {rid} is {status}, not Uploaded", "Register what a whole run has made.")


def _code(execution: ExecutionRecord) -> Link:
    workflow = execution.workflow
    if workflow is None:
        return _missing("code", "the execution names no workflow", "Run a committed script as a workflow.")
    if workflow.url and workflow.checksum:
        return _complete("code", str(workflow.url), str(workflow.workflow_rid))
    lacks = " and ".join(name for name, value in (("URL", workflow.url), ("checksum", workflow.checksum)) if not value)
    return _missing(
        "code",
        f"workflow {workflow.workflow_rid} ({workflow.name}) has no {lacks}",
        "Run a committed script as a workflow.",
        (str(workflow.workflow_rid),),
    )


def _clean(execution: ExecutionRecord, outputs: Collection[Asset]) -> Link:
    rid, remedy = execution.execution_rid, "Commit, and train again without --allow-dirty."
    if DIRTY in (execution.description or ""):
        files = (execution.description or "").partition(DIRTY)[2].strip()
        return _missing("clean tree", f"execution {rid} ran with uncommitted changes in {files}", remedy, (rid,))
    for asset in outputs:
        if asset.filename == "configuration.json" and "Execution_Config" in asset.asset_types:
            recorded, fault = _content(asset)
            workflow = recorded.get("workflow") if isinstance(recorded, dict) else None
            if fault or not isinstance(workflow, dict | str):
                return _missing("clean tree", f"{asset.asset_rid} cannot be read: {fault or 'no workflow'}", remedy)
            if dirty := (workflow.get("dirty_paths") if isinstance(workflow, dict) else None):
                return _missing("clean tree", f"execution {rid} ran with uncommitted changes in {dirty}", remedy)
            return _complete("clean tree", "no uncommitted changes are recorded", asset.asset_rid)
    return _missing("clean tree", f"execution {rid} has no record of its configuration", remedy, (rid,))


def _datasets(ml: DerivaML, execution_rid: str) -> Link:
    used, versions = inputs_of(ml, executions=[execution_rid])
    if not used:
        return _missing(
            "datasets", "the training had no dataset as input", "Give it a dataset: datasets=[RID@VERSION]."
        )
    if faults := [fault for each in used if (fault := _version_fault(each, versions))]:
        return _missing("datasets", "; ".join(faults), "Release the version and train on it.", _rids(used))
    return _complete("datasets", ", ".join(f"{each.dataset}@{each.version}" for each in used), *_rids(used))


def _rids(used: Collection[Consumed]) -> tuple[str, ...]:
    return tuple(each.dataset for each in used)


def _version_fault(used: Consumed, versions: Versions) -> str | None:
    """Why a version of a dataset cannot be read again by everybody; None where it can."""
    if used.version is None:
        return f"the catalog does not say which version of {used.dataset} it was"
    if "dev" in used.version:
        return f"{used.dataset}@{used.version} is a state in development, not a release"
    if used.version not in {str(row["Version"]) for row in versions.newest_first(used.dataset)}:
        return f"dataset {used.dataset} has no version {used.version}"
    return None


def _criteria(ml: DerivaML, execution_rid: str) -> Link:
    remedy = "Register them first, and give them to the training: uv run deriva-ml-ops register-criteria --help"
    given = [
        asset
        for asset in ml.list_execution_assets(execution_rid, "Input")
        if AssetType.GATE_CRITERIA in asset.asset_types
    ]
    if not given:
        return _missing("criteria", f"no {AssetType.GATE_CRITERIA} is among the inputs of {execution_rid}", remedy)
    (row,) = rows_with(ml.catalog, ml.ml_schema, "Execution", "RID", [execution_rid], wanted=["RCT"])
    began = datetime.fromisoformat(row["RCT"])
    late = [each for each in given if datetime.fromisoformat(str(each.get_metadata()["RCT"])) >= began]
    rids = tuple(each.asset_rid for each in given)
    if late:
        names = ", ".join(each.asset_rid for each in late)
        return _missing("criteria", f"{names} came only after the training had begun", remedy, rids)
    return _complete("criteria", f"registered before {began.isoformat(timespec='seconds')}", *rids)


def _output(files: StoredFiles, name: str, execution_rid: str, outputs: Collection[Asset]) -> Link:
    kind, remedy = OUTPUTS[name][0], OUTPUTS[name][1].format(training=execution_rid)
    found = [asset for asset in outputs if kind in asset.asset_types]
    if not found:
        return _missing(name, f"no {kind} is among the outputs of {execution_rid}", remedy)
    faults = [fault for asset in found if (fault := files.fault_of(asset))]
    rids = tuple(asset.asset_rid for asset in found)
    if faults:
        return _missing(name, "; ".join(faults), remedy, rids)
    return _complete(name, ", ".join(asset.filename for asset in found), *rids)


def _evaluation(ml: DerivaML, model: Asset) -> Link:
    remedy = f"Evaluate it: uv run deriva-ml-ops evaluate --model {model.asset_rid}"
    faults = []
    for asset, report in _reports(ml, model):
        if isinstance(report, str):
            faults.append(f"{asset.asset_rid}: {report}")
            continue
        rid, _, version = report.dataset.partition("@")
        fault = _version_fault(Consumed("", rid, version), Versions.of(ml, [rid]))
        if fault is None:
            return _complete("evaluation", f"on {report.dataset}", asset.asset_rid, rid)
        faults.append(f"{asset.asset_rid}: {fault}")
    if faults:
        return _missing("evaluation", "; ".join(faults), remedy)
    return _missing("evaluation", "no execution that used this model has an Evaluation_Report", remedy)


def _reports(ml: DerivaML, model: Asset) -> Iterator[tuple[Asset, EvaluationReport | str]]:
    """Reports by executions that had the model as an input, newest first; or why one does not count."""
    used = {execution.execution_rid for execution in model.list_executions("Input")}
    if not used:
        return
    reports = [each for each in ml.find_assets(MODELS, AssetType.EVALUATION_REPORT) if each.execution_rid in used]
    for asset in sorted(reports, key=lambda each: each.asset_rid, reverse=True):
        content, fault = _content(asset)
        if fault is None:
            try:
                report = parse(json.dumps(content), EvaluationReport, asset.asset_rid)
            except UsageError as error:
                fault = error.message.partition(";")[0]
        if fault is not None:
            yield asset, fault
        elif report.model_rid == model.asset_rid:
            yield asset, report if report.model_md5 == model.md5 else "it is of other bytes than the model has now"


def _content(asset: Asset) -> tuple[Any, str | None]:
    """A JSON file of the catalog, verified; or why it cannot be read."""
    with tempfile.TemporaryDirectory(prefix="deriva-ml-ops-") as folder:
        try:
            return json.loads(Path(asset.download(folder)).read_text(encoding="utf-8")), None
        except (DerivaMLException, OSError, ValueError) as error:
            return None, str(error)
