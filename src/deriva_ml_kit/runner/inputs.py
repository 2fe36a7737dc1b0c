"""Datasets, assets and workflow type of a run, all checked before an execution exists.

Goes in: what a person typed. Comes out: ``Inputs``, or ``Faults`` that name every wrong one with what there is instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from deriva_ml_kit.datasets.versions import SHOWN, dataset_rids, dataset_versions, version_fault
from deriva_ml_kit.errors import Fault, Faults, UsageError
from deriva_ml_kit.mainline import DatasetSpec, DerivaML, DerivaMLException
from deriva_ml_kit.nearest import suggestion

# The versions of the datasets that are named, and the RIDs of all datasets (for suggestions).
_Known = tuple[Mapping[str, Mapping[str, str]], list[str]]
_RID = re.compile(r"[0-9A-Z]{1,4}(-[0-9A-Z]{4})*")


@dataclass(frozen=True)
class Inputs:
    """What a run reads.

    Attributes:
        datasets: Datasets, each at a version.
        assets: RIDs of single assets.
    """

    datasets: list[DatasetSpec] = field(default_factory=list)
    assets: list[str] = field(default_factory=list)


def check_inputs(
    ml: DerivaML,
    *,
    workflow_type: str,
    datasets: Sequence[str] = (),
    assets: Sequence[str] = (),
    create_workflow_type: bool = False,
) -> Inputs:
    """Look up everything that a run names.

    Args:
        ml: The connection.
        workflow_type: A term of Workflow_Type.
        datasets: Texts of the form RID@VERSION.
        assets: RIDs.
        create_workflow_type: Whether the run may add the workflow type.

    Raises:
        Faults: With everything that is wrong.
    """
    faults = [
        *(() if create_workflow_type else _workflow_type_faults(ml, workflow_type)),
        *_dataset_faults(datasets, _versions(ml, datasets)),
        *_asset_faults(ml, assets),
    ]
    if faults:
        raise Faults(faults)
    pairs = [text.split("@", 1) for text in datasets]
    return Inputs([DatasetSpec(rid=rid, version=version) for rid, version in pairs], list(assets))


def ensure_workflow_type(ml: DerivaML, term: str, *, create: bool, dry_run: bool) -> None:
    """Have a workflow type; add it if it is missing and ``create`` says so.

    Raises:
        Faults: It is missing and shall not be added; names the nearest.
        UsageError: It is missing, and a dry run must not add it.
    """
    faults = list(_workflow_type_faults(ml, term))
    if faults and not create:
        raise Faults(faults)
    if faults and dry_run:
        raise UsageError(
            f"Workflow type {term!r} does not exist yet, and a dry run adds nothing.",
            remedy=f"Add it first: ml.add_term('Workflow_Type', {term!r}, description='…')",
        )
    if faults:
        ml.add_term("Workflow_Type", term, description=f"{term}: added by a script, not described yet")


def _workflow_type_faults(ml: DerivaML, term: str) -> Iterator[Fault]:
    terms = ml.list_vocabulary_terms("Workflow_Type")
    known = [other.name for other in terms]
    if term not in known and not any(term in (other.synonyms or []) for other in terms):
        hint = suggestion(term, known)
        listed = f" Terms: {', '.join(sorted(known))}." if known and not hint.startswith("known") else ""
        yield Fault(
            f"--workflow-type {term}: the vocabulary Workflow_Type has no such term; {hint}{listed}",
            remedy="to add it, give --create-workflow-type too",
        )


def _versions(ml: DerivaML, datasets: Sequence[str]) -> _Known:
    """Return the versions of the datasets named, and the RIDs of all datasets if one of them is unknown."""
    rids = [text.split("@", 1)[0] for text in datasets]
    versions = dataset_versions(ml, rids)
    return versions, dataset_rids(ml) if set(rids) - versions.keys() else []


def _dataset_faults(datasets: Sequence[str], known: _Known) -> Iterator[Fault]:
    versions, all_rids = known
    seen: set[str] = set()
    for text in datasets:
        rid, _, version = text.partition("@")
        place = f"--dataset {text}"
        if rid in seen:
            yield Fault(f"{place}: dataset {rid} is named twice")
        elif rid not in versions:
            yield Fault(f"{place}: no dataset has the RID {rid}; {suggestion(rid, all_rids)}")
        else:
            available = f"versions: {', '.join(list(versions[rid])[:SHOWN])}"
            if not version:
                newest = next(iter(versions[rid]), "1.2.0")
                yield Fault(f"{place}: the version is missing; {available}", remedy=f"write {rid}@{newest}")
            elif wrong := version_fault(version):
                yield Fault(f"{place}: {wrong}; {available}")
            elif version not in versions[rid]:
                yield Fault(f"{place}: dataset {rid} has no version {version}; {available}")
        seen.add(rid)


def _asset_faults(ml: DerivaML, assets: Sequence[str]) -> Iterator[Fault]:
    seen: set[str] = set()
    for rid in assets:
        if rid in seen:
            yield Fault(f"--asset {rid}: is named twice")
        elif (table := _table_of(ml, rid)) is None:
            yield Fault(f"--asset {rid}: the catalog has no such RID")
        elif not ml.model.is_asset(table):
            known = sorted({asset.name for asset in ml.model.find_assets()})
            yield Fault(
                f"--asset {rid}: is a row of {table.name}, which holds no files; asset tables: {', '.join(known)}"
            )
        seen.add(rid)


def _table_of(ml: DerivaML, rid: str) -> Any | None:
    if not _RID.fullmatch(rid):
        return None
    try:
        return ml.resolve_rid(rid).table
    except DerivaMLException:
        return None
