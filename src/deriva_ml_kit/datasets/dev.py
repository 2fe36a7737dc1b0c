"""A development dataset: small, with every class in it, the edge cases in it, and a released version to pin.

    plan = plan_dev_dataset(ml, source=rid, element_table="Image", label="Diagnosis", group_by="Subject")
    with ml.create_execution(config, workflow=workflow) as exe:
        made = make_dev_dataset(ml, exe, plan)

A dataset of the same name is found again by the first line of its description: it keeps its members as far as the
quotas allow, gets what it lacks, and a new version. Where there is nothing to change, nothing is written.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from deriva_ml_kit.datasets import elements
from deriva_ml_kit.datasets.writing import datasets_of_type, fill, is_released, make, prepare
from deriva_ml_kit.errors import Fault, UsageError
from deriva_ml_kit.mainline import Dataset, DerivaML, Execution
from deriva_ml_kit.mainline.dataset.periods import developable
from deriva_ml_kit.sampling import CannotSample, Missing, Sample, quota_sample, records

TYPE = "Development"
SIZE = 100
FLOOR = 5


@dataclass(frozen=True)
class DevPlan:
    """What a development dataset will hold, and what has to be done for it.

    Attributes:
        name: First line of its description.
        source: RID of the dataset drawn from; None for the whole table.
        element_table: Table of the records.
        label: Feature or column whose values are the classes.
        sample: The records and how many there are of each class.
        rid: The dataset of this name that exists; None if it is to be made.
        add: Records that it lacks.
        remove: Records that it has and shall not have.
        released: Whether nothing of that dataset is unreleased.
        recipe: How it was drawn, in a sentence.
    """

    name: str
    source: str | None
    element_table: str
    label: str
    sample: Sample
    rid: str | None
    add: tuple[str, ...]
    remove: tuple[str, ...]
    released: bool
    recipe: str

    @property
    def kept(self) -> int:
        """How many of the earlier members stay."""
        return len(self.sample.rids) - len(self.add)

    @property
    def unchanged(self) -> bool:
        """Whether there is nothing to do."""
        return self.rid is not None and self.released and not self.add and not self.remove


@dataclass(frozen=True)
class DevDataset:
    """A development dataset as it is in the catalog.

    Attributes:
        status: ``"made"``, ``"changed"``, ``"unchanged"``, or ``"dry run"`` if nothing was written.
        rid: RID of the dataset; None if a dry run would make it.
        version: Its released version; None in a dry run that would change it.
        size: How many records it holds.
        counts: Class -> how many of them.
        available: Class -> how many the source has.
        short: Classes of which the source has fewer than the floor; all of those are in.
        kept: How many records an earlier version had already.
        added: How many are new.
        removed: How many were taken out.
        execution_rid: The execution that did it; None if nothing was written.
    """

    status: str
    rid: str | None
    version: str | None
    size: int
    counts: dict[str, int]
    available: dict[str, int]
    short: tuple[str, ...]
    kept: int
    added: int
    removed: int
    execution_rid: str | None = None

    @property
    def pin(self) -> str | None:
        """``RID@version``, which scripts take; None while there is no such version."""
        return f"{self.rid}@{self.version}" if self.rid and self.version else None

    def as_json(self) -> dict[str, Any]:
        """All fields and the pin."""
        return {"status": self.status, "pin": self.pin, **asdict(self)}


def plan_dev_dataset(
    ml: DerivaML,
    *,
    element_table: str,
    label: str,
    source: str | None = None,
    size: int = SIZE,
    floor: int = FLOOR,
    group_by: str | None = None,
    edge_cases: Collection[str] = (),
    seed: int = 42,
    missing: Missing = "error",
    newest: bool = False,
    name: str | None = None,
) -> DevPlan:
    """Choose the members of a development dataset; writes nothing.

    Args:
        ml: The connection.
        element_table: Table of the records, such as ``Image``.
        label: What tells the classes: a feature of the table, a column of a feature as ``Feature.Column``, or a column
            of the table.
        source: RID of the dataset to draw from, nested ones included; the whole table if not given.
        size: How many records.
        floor: How many of each class at least; rarer classes come whole.
        group_by: Keep together what belongs together: a column of the table, or a table that it refers to, directly or
            over others, such as ``Subject``.
        edge_cases: RIDs of records that must be in.
        seed: Another seed makes another draw.
        missing: What to do with records without label: ``"error"``, ``"drop"`` or ``"include"`` as a class.
        newest: Of several labels of a record take the last; otherwise they are refused.
        name: First line of the dataset's description, by which it is found again.

    Raises:
        CannotSample: Everything that stands against it, with the least size that works.
        UsageError: No such dataset, table, feature or column; or several datasets have this name.
        DerivaMLConfigurationError: There is something to do, and the catalog has no place for changes between versions.
    """
    name = (name or f"Development dataset of {element_table} by {label}").strip()
    if not name or "\n" in name:
        raise UsageError(f"{name!r} is no name: it must be one line of text.")
    rids = _members(ml, source, element_table) if source else elements.element_rids(ml, element_table)
    if not rids:
        where = f"dataset {source} has" if source else "there are"
        raise CannotSample([Fault(f"{where} no records of {element_table}")])
    rows = elements.labels(ml, element_table, label, rids, newest=newest)
    belongs = elements.groups(ml, element_table, group_by, rids) if group_by else {}
    groups = [belongs.get(rid, rid) for rid in rows["RID"]] if group_by else None
    known, faults = records(rows["RID"], rows["label"], groups, missing=missing)
    earlier = _named(ml, name)
    before = set(earlier.list_members(element_table)) if earlier else set()
    sample = quota_sample(known, size=size, floor=floor, seed=seed, edge_cases=edge_cases, keep=before, faults=faults)
    pool = f"{len(known.label)} records of {f'dataset {source}' if source else element_table}"
    together = f", whole groups by {group_by}" if group_by else ""
    plan = DevPlan(
        name=name,
        source=source,
        element_table=element_table,
        label=label,
        sample=sample,
        rid=earlier.dataset_rid if earlier else None,
        add=tuple(sorted(set(sample.rids) - before)),
        remove=tuple(sorted(before - set(sample.rids))),
        released=earlier is not None and is_released(earlier),
        recipe=f"{len(sample.rids)} of {pool}, at least {floor} of each {label}{together}, seed {seed}",
    )
    if not plan.unchanged:
        developable(ml)
    return plan


def make_dev_dataset(ml: DerivaML, execution: Execution, plan: DevPlan) -> DevDataset:
    """Make or change a development dataset as planned.

    Args:
        ml: The connection.
        execution: An open execution, of which the source becomes an input.
        plan: From `plan_dev_dataset`.
    """
    if plan.unchanged:
        return preview(ml, plan)
    prepare(ml, [TYPE])
    ml.add_dataset_element_type(plan.element_table)
    if plan.source:
        execution.add_input_dataset(plan.source)
    if plan.rid is None:
        dataset = make(execution, plan.element_table, plan.add, [TYPE], plan.name, version=plan.recipe)
    else:
        dataset = ml.lookup_dataset(plan.rid)
        fill(execution, dataset, plan.element_table, add=plan.add, remove=plan.remove, description=plan.recipe)
    status = "changed" if plan.rid else "made"
    return _result(plan, status, dataset.dataset_rid, str(dataset.current_version), str(execution.execution_rid))


def preview(ml: DerivaML, plan: DevPlan) -> DevDataset:
    """Say what a plan comes to without doing it."""
    if plan.unchanged:
        return _result(plan, "unchanged", plan.rid, str(ml.lookup_dataset(str(plan.rid)).current_version))
    return _result(plan, "dry run", plan.rid, None)


def _members(ml: DerivaML, source: str, table: str) -> list[str]:
    members = ml.lookup_dataset(source).list_dataset_members(recurse=True)
    found = sorted({row["RID"] for row in members.get(table, [])})
    if not found:
        held = ", ".join(sorted(name for name, rows in members.items() if rows and name != "Dataset")) or "none"
        raise UsageError(f"Dataset {source} has no members from {table}; tables with members: {held}")
    return found


def _named(ml: DerivaML, name: str) -> Dataset | None:
    found = [rid for rid, text in datasets_of_type(ml, TYPE).items() if text.partition("\n")[0].strip() == name]
    if len(found) > 1:
        raise UsageError(
            f"{len(found)} datasets of type {TYPE} have the name {name!r}: {', '.join(sorted(found))}",
            remedy="Give another name, or delete those that nobody uses.",
        )
    return ml.lookup_dataset(found[0]) if found else None


def _result(
    plan: DevPlan, status: str, rid: str | None, version: str | None, execution: str | None = None
) -> DevDataset:
    return DevDataset(
        status=status,
        rid=rid,
        version=version,
        size=len(plan.sample.rids),
        counts=plan.sample.counts,
        available=plan.sample.available,
        short=plan.sample.short,
        kept=plan.kept,
        added=len(plan.add),
        removed=len(plan.remove),
        execution_rid=execution,
    )
