"""The records of a test dataset with their truth, and what belongs together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deriva_ml_kit.datasets.elements import groups, labels
from deriva_ml_kit.datasets.versions import released_version
from deriva_ml_kit.errors import Fault, Faults, Undecidable, UsageError
from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.mainline.dataset.elements import element_types
from deriva_ml_kit.mainline.dataset.members import member_rids
from deriva_ml_kit.nearest import suggestion


@dataclass(frozen=True)
class Records:
    """A test dataset, as its version has it.

    Attributes:
        dataset: `RID@VERSION`.
        snapshot: Snapshot of the catalog.
        table: Table of the records.
        label: Column or feature of the truth.
        cluster: Column or table of what belongs together.
        truth: RID to label, by RID.
        clusters: RID to name of the group; None without a cluster.
        then: The catalog at that snapshot.
    """

    dataset: str
    snapshot: str
    table: str
    label: str
    cluster: str | None
    truth: dict[str, Any]
    clusters: dict[str, str] | None
    then: DerivaML

    @property
    def rid(self) -> str:
        """RID of the dataset."""
        return self.dataset.partition("@")[0]


def read_records(ml: DerivaML, dataset: str, *, table: str, label: str, cluster: str | None) -> Records:
    """Read the records of a test dataset, nested ones included.

    Args:
        ml: The catalog.
        dataset: `RID@VERSION`.
        table: Table of the records.
        label: A column, or a feature (`Feature` or `Feature.Column`).
        cluster: A column, or a table that the records refer to, directly or over others.

    Raises:
        UsageError: There is no such dataset, table or column, or the version is in development.
        Undecidable: It has no such records.
        Faults: Some have no label, several labels, or no group; lists all.
    """
    rid, _, version = dataset.partition("@")
    if not version:
        raise UsageError(f"{dataset} names no version of the dataset.", remedy="Write RID@VERSION.")
    version, snapshot = released_version(ml, rid, version)
    if not snapshot:
        raise UsageError(f"{dataset} has no snapshot: its release was cut short.", remedy="Release it again.")
    then = ml.catalog_snapshot(f"{str(ml.catalog_id).partition('@')[0]}@{snapshot.rpartition('@')[2]}")
    kinds = [kind.table.name for kind in element_types(then)]
    if table not in kinds:
        raise UsageError(f"Datasets have no members of a table {table}; {suggestion(table, kinds)}")
    members = sorted(member_rids(then, rid, table, recurse=True))
    if not members:
        raise Undecidable(f"{dataset} has no members of {table}, so there is nothing to evaluate on.")
    found = labels(then, table, label, members)
    faults = [Fault(f"has no {label}", value=one) for one in sorted(found.loc[found["label"].isna(), "RID"])]
    several = found.loc[found["RID"].duplicated(keep=False)].groupby("RID")["label"].agg(list)
    faults += [Fault(f"has several values of {label}: {many}", value=str(one)) for one, many in several.items()]
    clusters = groups(then, table, cluster, members) if cluster else None
    if clusters is not None:
        faults += [Fault(f"belongs to no {cluster}", value=one) for one in members if one not in clusters]
    if faults:
        raise Faults(
            faults,
            message=f"{dataset} cannot be evaluated on; nothing was written.",
            remedy="Label the records, or leave them out, and release another version.",
        )
    truth = dict(zip(found["RID"], found["label"], strict=True))
    return Records(
        f"{rid}@{version}",
        snapshot,
        table,
        label,
        cluster,
        {one: truth[one] for one in members},
        clusters,
        then,
    )
