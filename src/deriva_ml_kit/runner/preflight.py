"""What can be said about a run before its data are fetched: inputs, login, rights, room on the disk.

Goes in: a connection and what the run names. Comes out: one `Check` each; nothing is fetched or written.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deriva_ml_kit.datasets.versions import version_fault
from deriva_ml_kit.mainline import DatasetSpec, DerivaML, Workflow
from deriva_ml_kit.mainline.bag.methods import readable
from deriva_ml_kit.mainline.catalog.rows import table_name
from deriva_ml_kit.tiers.receipt import Check, Status

# What every real run writes to, and how; its outputs' tables come on top.
RECORD_TABLES = {
    "Workflow": ("insert",),
    "Execution": ("insert", "update"),
    "Dataset_Execution": ("insert",),
    "Execution_Metadata": ("insert",),
    "Execution_Asset": ("insert",),
}
MARGIN = 1.2  # a bag is packed, unpacked and indexed


def on_record(
    ml: DerivaML, datasets: Sequence[DatasetSpec], assets: Sequence[str], workflow: Workflow
) -> Iterator[Check]:
    """Yield what the catalog's records say."""
    yield inputs_exist(ml, datasets, assets)
    yield workflow_type_exists(ml, workflow)
    yield logged_in(ml)


def inputs_exist(ml: DerivaML, datasets: Sequence[DatasetSpec], assets: Sequence[str]) -> Check:
    """Every dataset is there in its version, which is a released one, and every asset is there, each given once."""
    named = [f"{spec.rid}@{spec.version}" for spec in datasets]
    title = "Datasets exist at released versions, assets exist"
    report = ml.validate_execution_configuration({"datasets": named, "assets": list(assets)})
    wrong = [f"{spec.rid}: {fault}" for spec in datasets if (fault := version_fault(str(spec.version)))]
    for result in report.dataset_results:
        there = f"; versions: {', '.join(result.available_versions)}" if result.available_versions else ""
        wrong += [f"{result.spec.rid}@{result.spec.version}: {_words(reason)}{there}" for reason in result.reasons]
    wrong += [f"{result.spec.rid}: {_words(reason)}" for result in report.asset_results for reason in result.reasons]
    wrong += [issue.detail for issue in report.cross_spec_issues]
    return Check(
        id="inputs_exist",
        title=title,
        status=Status.FAIL if wrong else Status.PASS,
        value=[*named, *assets],
        detail="; ".join(wrong) or None,
        remedy="Correct the RIDs and versions; `deriva-ml-run --info` and the dataset's page list them."
        if wrong
        else None,
    )


def workflow_type_exists(ml: DerivaML, workflow: Workflow) -> Check:
    """The workflow's types are terms."""
    terms = {name for term in ml.list_vocabulary_terms("Workflow_Type") for name in [term.name, *(term.synonyms or [])]}
    given = [workflow.workflow_type] if isinstance(workflow.workflow_type, str) else list(workflow.workflow_type)
    missing = [name for name in given if name not in terms]
    return Check(
        id="workflow_type",
        title="The workflow's type is a term of Workflow_Type",
        status=Status.FAIL if missing else Status.PASS,
        value=given,
        detail=f"there is no term {', '.join(missing)}" if missing else None,
        remedy=f"ml.add_term('Workflow_Type', {missing[0]!r}, description='…')" if missing else None,
    )


def logged_in(ml: DerivaML) -> Check:
    """Somebody is logged in."""
    who = ml.whoami()
    return Check(
        id="login",
        title="The login is valid",
        status=Status.PASS if who else Status.FAIL,
        value=who and (who.get("display_name") or who.get("id")),
        remedy=None
        if who
        else f"Log in to {ml.host_name} again: deriva-local login, or deriva-globus-auth-utils login",
    )


def may_write(ml: DerivaML, output_tables: Iterable[str], feature_tables: Iterable[str]) -> Check:
    """The catalog grants what a real run needs: asked for, not tried.

    Args:
        ml: The connection.
        output_tables: Asset tables that files go to.
        feature_tables: Tables of the features that values go to.
    """
    wanted: dict[str, tuple[str, ...]] = dict(RECORD_TABLES)
    for asset_table in output_tables:
        wanted.setdefault(asset_table, ("insert",))
    for asset_table in [name for name in wanted if ml.model.is_asset(name)]:
        for other in ("Execution", "Asset_Type"):
            wanted[ml.model.find_association(asset_table, other)[0].name] = ("insert",)
    wanted |= dict.fromkeys(feature_tables, ("insert",))
    denied, unknown = [], []
    for name, rights in wanted.items():
        granted = _rights(ml, name)
        denied += [f"{right} {name}" for right in rights if granted.get(right) is False]
        unknown += [f"{right} {name}" for right in rights if granted.get(right) is None]
    status = Status.FAIL if denied else Status.INSUFFICIENT if unknown else Status.PASS
    return Check(
        id="write_rights",
        title="The catalog grants the rights that a real run needs",
        status=status,
        value=sorted(wanted),
        detail=f"not granted: {', '.join(denied)}"
        if denied
        else f"not said: {', '.join(unknown)}"
        if unknown
        else None,
        remedy="Ask the catalog's owner for these rights." if denied else None,
        required=status is not Status.INSUFFICIENT,  # rights that depend on the row: only a real run can tell
    )


def room_for(ml: DerivaML, sizes: Iterable[BagSize]) -> Check:
    """The disk has room for the datasets that are not on it yet."""
    needed = sum(size.missing for size in sizes)
    folder = Path(ml.cache_dir)
    free = shutil.disk_usage(folder if folder.exists() else folder.parent).free
    enough = needed * MARGIN <= free
    return Check(
        id="disk",
        title="The disk has room for the datasets",
        status=Status.PASS if enough else Status.FAIL,
        value=needed,
        limit=free,
        detail=f"{readable(needed)} to fetch, {readable(free)} free at {folder}",
        remedy=None if enough else "Free some space, or name another cache folder: cache_dir=… of DerivaML",
    )


@dataclass(frozen=True)
class BagSize:
    """Bytes of a dataset: of all of it, and of what is not on this disk."""

    whole: int
    missing: int


def bag_size(ml: DerivaML, spec: DatasetSpec) -> BagSize:
    """How large a dataset is, reckoned by the catalog."""
    found: Mapping[str, Any] = ml.bag_info(spec)
    whole = int(found["total_estimated_bytes" if spec.materialize else "total_csv_bytes"])
    enough = ["cached_materialized"] if spec.materialize else ["cached_materialized", "cached_metadata_only"]
    return BagSize(whole, 0 if found["status"] in enough else whole)


def _rights(ml: DerivaML, table: str) -> Mapping[str, bool | None]:
    found = ml.model.name_to_table(table)
    schema, name = table_name(found.schema.name, found.name).split(":")
    rights: Mapping[str, bool | None] = ml.catalog.get(f"/schema/{schema}/table/{name}").json().get("rights", {})
    return rights


def _words(reason: str) -> str:
    return {
        "rid_not_found": "no such RID in this catalog",
        "not_a_dataset": "is no dataset",
        "not_an_asset": "is no asset",
        "version_not_found": "the dataset has no such version",
    }.get(reason, reason)
