"""What a model needs to answer, in one folder: its file, baseline profile, golden records, and where they come from.

    bundle = fetch_bundle(ml, "3-WXYZ", Path("model"))  # from the catalog, every file verified
    bundle = open_bundle(Path("model"))                 # later, where there is no catalog
    serviceable = load_bundle(bundle)                   # loaded; says what is missing or not reproduced

A folder serves containers, and machines without an account: nothing in it is secret, and every file is checked again
when it is opened.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.ops.documents import Document, fetch, load
from deriva_ml_kit.ops.golden import FILE as GOLDEN_FILE
from deriva_ml_kit.ops.golden import GoldenRecords, Reproduction, Transform, verify
from deriva_ml_kit.ops.kinds import AssetType, Stage
from deriva_ml_kit.ops.serving.answering import Answerer
from deriva_ml_kit.ops.serving.model import Load, load_model
from deriva_ml_kit.ops.serving.schema import Seen, seen_in

if TYPE_CHECKING:
    from deriva_ml_kit.mainline import DerivaML
    from deriva_ml_kit.ops.registry import Serving

MANIFEST = "model.json"
NAMES = {AssetType.BASELINE_PROFILE: "baseline-profile.json", AssetType.GOLDEN_RECORDS: GOLDEN_FILE}
COMMIT = re.compile(r"/([0-9a-f]{40})/")


class Manifest(BaseModel):
    """Where a model comes from.

    Attributes:
        model_rid: RID of its asset.
        execution_rid: The training.
        hostname: Host of the catalog.
        catalog_id: The catalog.
        name: Name in the registry; None where it was chosen by RID.
        version: Its number within the name.
        stage: Stage in which it was found.
        datasets: What it was trained on, `RID@VERSION`.
        workflow: Address of the code.
        commit: Commit of the code, where the address names one.
        fetched: When the folder was written.
        files: Role (an asset type) to the file's name and MD5.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model_rid: str
    execution_rid: str | None
    hostname: str
    catalog_id: str
    name: str | None = None
    version: int | None = None
    stage: str | None = None
    datasets: tuple[str, ...] = ()
    workflow: str | None = None
    commit: str | None = None
    fetched: datetime
    files: dict[str, tuple[str, str]]


@dataclass(frozen=True)
class Bundle:
    """A folder with a model, and its manifest."""

    folder: Path
    manifest: Manifest

    def file(self, kind: AssetType) -> tuple[Path, str] | None:
        """A file and its MD5; None where the training left none."""
        found = self.manifest.files.get(kind)
        return (self.folder / found[0], found[1]) if found else None


@dataclass(frozen=True)
class Loaded:
    """A model that was loaded from its folder.

    Attributes:
        bundle: The folder.
        answerer: The model with its transform; None where it cannot be asked.
        seen: Feature to what the training saw.
        faults: Why it must not be served; nothing where it may.
        reproduction: How its golden records came out.
        seconds: What one record took.
    """

    bundle: Bundle
    answerer: Answerer | None
    seen: Mapping[str, Seen] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    reproduction: Reproduction | None = None
    seconds: float = 0.0


def chosen(ml: DerivaML, name: str, stage: Stage = Stage.PRODUCTION) -> Serving:
    """The model that the registry names.

    Raises:
        UsageError: None of that name is in that stage, or it was never registered.
    """
    from deriva_ml_kit.ops.registry import serving  # noqa: PLC0415  (only names need the registry)

    found = serving(ml, name, stage=stage)
    if found is None:
        raise UsageError(
            f"No model {name} is in {stage}.",
            remedy="Promote one: uv run deriva-ml-ops promote --help. Or name one by its RID with --rid.",
        )
    return found


def fetch_bundle(ml: DerivaML, rid: str, folder: Path, *, served: Serving | None = None) -> Bundle:
    """Download a model and what belongs to it.

    Args:
        ml: The catalog.
        rid: The model's asset.
        folder: Where to; made if it does not exist. Files of an earlier download are replaced.
        served: How the registry knows it.

    Raises:
        UsageError: The RID is of no model, or the file is not the one that was registered.
        DerivaMLNotFoundError: There is no such RID, or a file is gone.
        DerivaMLDataError: A file is not what the catalog describes.
    """
    from deriva_ml_kit.ops.drift.lookup import fetch_newest  # noqa: PLC0415

    asset = ml.lookup_asset(rid)
    if AssetType.MODEL_FILE not in asset.asset_types:
        types = ", ".join(asset.asset_types) or "without type"
        raise UsageError(f"{rid} ({asset.filename}) is no {AssetType.MODEL_FILE}: its types are {types}.")
    if served and served.md5 != asset.md5:
        raise UsageError(f"The file of {rid} has MD5 {asset.md5}; when it was registered it had {served.md5}.")
    # The same bytes may have been trained several times; the registry knows which training counts.
    training = (served.training_rid if served else None) or asset.execution_rid
    outputs = ml.list_execution_assets(training, "Output") if training else []
    goldens = [
        fetch(ml, each.asset_rid, GoldenRecords) for each in outputs if AssetType.GOLDEN_RECORDS in each.asset_types
    ]
    newest = [fetch_newest(ml, outputs), max(goldens, key=lambda each: (each.created, each.rid), default=None)]
    return write_bundle(
        asset.download(folder),
        [each.document for each in newest if each],
        model_rid=rid,
        execution_rid=training,
        hostname=ml.host_name,
        catalog_id=str(ml.catalog_id),
        name=served.name if served else None,
        version=served.version if served else None,
        stage=served.stage if served else None,
        **_origin(ml, training),
    )


def write_bundle(file: Path, documents: Iterable[Document], **origin: Any) -> Bundle:
    """Make the folder of a model's file one that can be opened.

    Args:
        file: The model's file, in the folder.
        documents: Its baseline and golden records.
        origin: Further fields of `Manifest`.
    """
    folder = file.parent
    files = {str(AssetType.MODEL_FILE): (file.name, _md5(file))}
    for document in documents:
        name = NAMES[document.KIND]
        (folder / name).write_text(document.text(), encoding="utf-8")
        files[document.KIND] = (name, _md5(folder / name))
    manifest = Manifest(fetched=datetime.now(UTC), files=files, **origin)
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return Bundle(folder, manifest)


def open_bundle(folder: Path) -> Bundle:
    """A folder that `fetch_bundle` wrote.

    Raises:
        UsageError: It is none.
    """
    try:
        return Bundle(folder, Manifest.model_validate_json((folder / MANIFEST).read_bytes()))
    except (OSError, ValidationError) as error:
        raise UsageError(
            f"{folder} is no folder with a model: {error}",
            remedy=f"Write one: uv run deriva-ml-ops serve --rid RID --export {folder}",
        ) from error


def load_bundle(bundle: Bundle, *, load: Load | None = None, transform: Transform | None = None) -> Loaded:
    """Load a model and try its golden records.

    Args:
        bundle: Its folder.
        load: Reads the model's file; see `fetch_model`.
        transform: Makes features of raw records, as in the training.

    Returns:
        The model, and everything for which it must not be served.
    """
    rid = bundle.manifest.model_rid
    faults = [
        f"model {rid} has no {kind} among the outputs of its training"
        for kind in (AssetType.BASELINE_PROFILE, AssetType.GOLDEN_RECORDS)
        if bundle.file(kind) is None
    ]
    if faults:
        return Loaded(bundle, None, {}, faults)
    try:
        baseline: Any = _document(bundle, AssetType.BASELINE_PROFILE)
        golden: GoldenRecords = _document(bundle, AssetType.GOLDEN_RECORDS)
        file, md5 = bundle.file(AssetType.MODEL_FILE) or (bundle.folder / "none", "")
        model = load_model(file, md5=md5, load=load, rid=rid, execution_rid=bundle.manifest.execution_rid)
    except UsageError as error:
        return Loaded(bundle, None, {}, [str(error)])
    seen = seen_in(baseline.profile)
    began = time.perf_counter()
    reproduction = verify(golden, model, transform)
    seconds = (time.perf_counter() - began) / len(golden.records)
    if not reproduction.same:
        faults.append(str(reproduction))
    return Loaded(bundle, Answerer(model, golden.input_types, transform, seen), seen, faults, reproduction, seconds)


def _document(bundle: Bundle, kind: AssetType) -> Any:
    from deriva_ml_kit.ops.drift.documents import Baseline  # noqa: PLC0415

    file, md5 = bundle.file(kind) or (bundle.folder / "none", "")
    if file.exists() and _md5(file) != md5:
        raise UsageError(f"{file} was changed after it was fetched: its MD5 is {_md5(file)}, and was {md5}.")
    return load(file, Baseline if kind is AssetType.BASELINE_PROFILE else GoldenRecords)


def _md5(file: Path) -> str:
    return hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()


def _origin(ml: DerivaML, execution_rid: str | None) -> dict[str, Any]:
    """Datasets and code of a training."""
    from deriva_ml_kit.mainline.execution.consumed import inputs_of  # noqa: PLC0415

    if execution_rid is None:
        return {}
    consumed, _ = inputs_of(ml, executions=[execution_rid])
    workflow = ml.lookup_execution(execution_rid).workflow
    url = workflow.url if workflow else None
    commit = COMMIT.search(url or "")
    return {
        "datasets": tuple(f"{each.dataset}@{each.version}" for each in consumed),
        "workflow": url,
        "commit": commit[1] if commit else None,
    }
