"""What a project may do and has: host, login, rights, datasets, cache; each looked at, and told with what helps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from deriva_ml_kit.errors import KitError
from deriva_ml_kit.mainline import DatasetSpec, DerivaML
from deriva_ml_kit.mainline.bag.cache import index_of
from deriva_ml_kit.mainline.bag.verify import verify_bag
from deriva_ml_kit.mainline.validation.report import DatasetSpecResult
from deriva_ml_kit.ops.access import AccessError, Trouble, connect
from deriva_ml_kit.ops.kinds import MODELS, STAGES
from deriva_ml_kit.ops.setup import require

# What an execution with outputs writes to, of DerivaML's own tables.
WRITTEN = (
    "Workflow",
    "Execution",
    "Dataset_Execution",
    "Execution_Metadata",
    "Execution_Metadata_Execution",
    MODELS,
    f"{MODELS}_Execution",
)


class Status(StrEnum):
    """Of a check; what is not cached is no failure, as long as the host answers."""

    OK = "ok"
    FAILED = "failed"
    NOTE = "note"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What, such as `login`, or `dataset training`.
        status: What came of it.
        found: In words.
        remedy: What helps.
        trouble: What stands in the way, where it is one of these.
    """

    name: str
    status: Status
    found: str
    remedy: str | None = None
    trouble: Trouble | None = None

    def __str__(self) -> str:
        text = f"{self.status:<6} {self.name}: {self.found}"
        return f"{text}\n         {self.remedy.replace(chr(10), chr(10) + '         ')}" if self.remedy else text

    def as_json(self) -> dict[str, Any]:
        """As programs read it."""
        found = {"name": self.name, "status": str(self.status), "found": self.found, "remedy": self.remedy}
        found |= {"trouble": str(self.trouble) if self.trouble else None}
        return {name: value for name, value in found.items() if value is not None}


def checks(hostname: str, catalog_id: str, pins: Mapping[str, str], **options: Any) -> Iterator[Check]:
    """Look at everything; where the catalog cannot be opened, at nothing else.

    Args:
        hostname: Host.
        catalog_id: The catalog on it.
        pins: Name to `RID@VERSION` of the project's datasets.
        **options: Of DerivaML.
    """
    try:
        ml = connect(hostname, catalog_id, **options)
    except AccessError as error:
        yield Check("catalog", Status.FAILED, error.message, error.remedy, error.trouble)
        return
    yield Check("catalog", Status.OK, f"{catalog_id} on {hostname}")
    who = ml.whoami() or {}
    yield Check("login", Status.OK, str(who.get("display_name") or who.get("id") or "unknown"))
    yield from _rights(ml)
    yield _prepared(ml)
    yield from _datasets(ml, pins)


def _rights(ml: DerivaML) -> Iterator[Check]:
    schemas = ml.catalog.get("/schema").json()["schemas"]
    yield Check("read", Status.OK, f"{sum(len(schema['tables']) for schema in schemas.values())} tables")
    tables = [(ml.ml_schema, name) for name in WRITTEN]
    stages = [feature.feature_table for feature in ml.model.find_features(MODELS) if feature.feature_name == STAGES]
    tables += [(table.schema.name, table.name) for table in stages]
    rights = {
        f"{schema}:{name}": schemas[schema]["tables"][name].get("rights", {}).get("insert")
        for schema, name in tables
        if name in schemas[schema]["tables"]
    }
    # A right that depends on the row is neither true nor false.
    missing = [name for name, right in rights.items() if right is False]
    if missing:
        remedy = "Ask an owner of the catalog for the right to insert."
        yield Check("write", Status.FAILED, f"no right to add to {', '.join(missing)}", remedy, Trouble.NO_RIGHT)
    else:
        yield Check("write", Status.OK, "executions, their files, and stages of models")


def _prepared(ml: DerivaML) -> Check:
    try:
        require(ml)
    except KitError as error:
        return Check("operations", Status.FAILED, error.message, error.remedy)
    return Check("operations", Status.OK, "the catalog is prepared")


def _datasets(ml: DerivaML, pins: Mapping[str, str]) -> Iterator[Check]:
    for name, pin in pins.items():
        try:
            spec = DatasetSpec.from_shorthand(pin)
        except KitError as error:
            yield Check(f"dataset {name}", Status.FAILED, error.message, error.remedy)
            continue
        (result,) = ml.validate_dataset_specs([spec]).results
        yield _dataset(name, pin, result)
        if result.valid:
            yield _cached(ml, name, spec)


def _dataset(name: str, pin: str, result: DatasetSpecResult) -> Check:
    rid = result.spec.rid
    if "rid_not_found" in result.reasons:
        return Check(f"dataset {name}", Status.FAILED, f"there is no RID {rid}", _LIST, Trouble.RID_MISSING)
    if "not_a_dataset" in result.reasons:
        found = f"{rid} is a row of {result.actual_table}"
        return Check(f"dataset {name}", Status.FAILED, found, _LIST, Trouble.OTHER_KIND)
    if not result.valid:
        there = result.available_versions or []
        remedy = f"There are: {', '.join(there)}. Pin {rid}@{there[0]}" if there else None
        found = f"{rid} has no version {result.spec.version}"
        return Check(f"dataset {name}", Status.FAILED, found, remedy, Trouble.VERSION_MISSING)
    if result.warnings:
        return Check(f"dataset {name}", Status.FAILED, f"{rid} is marked as deleted", _LIST, Trouble.DELETED)
    return Check(f"dataset {name}", Status.OK, pin)


_LIST = "See what there is: uv run deriva-ml-kit tool deriva_ml_list_datasets"


def _cached(ml: DerivaML, name: str, spec: DatasetSpec) -> Check:
    entry = index_of(ml).find(spec.rid, str(spec.version))
    if entry is None:
        remedy = "Fetch it once, to work without the host: warm_cache.py of the skill manage-deriva-storage"
        return Check(f"cache {name}", Status.NOTE, "not on this disk", remedy, Trouble.NOT_CACHED)
    if verify_bag(Path(entry.bag), materialized=entry.materialized, checksums=False):
        return Check(f"cache {name}", Status.NOTE, f"{entry.bag} is damaged; it is mended when it is used")
    return Check(f"cache {name}", Status.OK, f"{entry.bag}{'' if entry.materialized else ', without its files'}")
