"""Test records that a model was trained on, or that belong together with such: read from the catalog's links."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from deriva_ml_kit.datasets.elements import groups
from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.mainline import DatasetVersion, DerivaML
from deriva_ml_kit.mainline.asset.asset import Asset
from deriva_ml_kit.mainline.dataset.dataset import datasets
from deriva_ml_kit.mainline.dataset.elements import element_types
from deriva_ml_kit.mainline.dataset.members import member_rids
from deriva_ml_kit.mainline.dataset.nesting import children
from deriva_ml_kit.mainline.dataset.periods import snapshot_of
from deriva_ml_kit.mainline.execution.consumed import Consumed, inputs_of
from deriva_ml_kit.ops.evaluation.records import Records
from deriva_ml_kit.ops.kinds import AssetType
from deriva_ml_kit.sampling.sizes import TESTING


@dataclass(frozen=True)
class Leak:
    """Test records that training has seen.

    Attributes:
        by: `record` for the records themselves, `group` for others of their group.
        dataset: `RID@VERSION` of the training data.
        execution: The training.
        rids: Test records, by RID.
    """

    by: Literal["record", "group"]
    dataset: str
    execution: str
    rids: tuple[str, ...]

    def __str__(self) -> str:
        how = "were trained on" if self.by == "record" else "belong to groups that were trained on"
        return f"{len(self.rids)} test records {how} ({self.dataset}, execution {self.execution}): " + ", ".join(
            self.rids
        )


def trainings(ml: DerivaML, model: Asset) -> list[str]:
    """The execution that made a model, then those that made the models which that one began with, and so on."""
    found: list[str] = []
    ahead = [model.execution_rid]
    while ahead:
        execution = ahead.pop(0)
        if execution and execution not in found:
            found.append(execution)
            used = ml.list_execution_assets(execution, "Input")
            ahead += [each.execution_rid for each in used if AssetType.MODEL_FILE in each.asset_types]
    return found


def trained_on(ml: DerivaML, model: Asset) -> list[Consumed]:
    """The datasets that a model was trained on."""
    executions = trainings(ml, model)
    return inputs_of(ml, executions=executions)[0] if executions else []


@dataclass(frozen=True)
class Exposure:
    """What training has seen of a test dataset.

    Attributes:
        datasets: `RID@VERSION` of all training data.
        leaks: Test records that training has seen.
        blind: Training data that cannot be compared: all of it is of other tables than the test records, and no way
            leads from there to their groups.
    """

    datasets: tuple[str, ...]
    leaks: tuple[Leak, ...]
    blind: tuple[str, ...]


def exposure(ml: DerivaML, model: Asset, records: Records) -> Exposure:
    """Compare test records with the training data, as both were in their versions.

    Nested datasets count, except those of type Testing that are parts of what the training had as a whole.
    """
    names, found, blind = [], [], []
    for used in trained_on(ml, model):
        then = ml
        if used.version:
            then = ml.catalog_snapshot(snapshot_of(ml, used.dataset, DatasetVersion.parse(used.version)))
        name = f"{used.dataset}@{used.version}" if used.version else used.dataset
        names.append(name)
        seen = _seen(then, used.dataset, records)
        if seen is None:
            blind.append(name)
            continue
        rids, belonging = seen
        same = sorted(records.truth.keys() & rids)
        near = sorted(rid for rid, group in (records.clusters or {}).items() if group in belonging and rid not in rids)
        found += [Leak("record", name, used.execution, tuple(same))] if same else []
        found += [Leak("group", name, used.execution, tuple(near))] if near else []
    return Exposure(tuple(names), tuple(found), tuple(blind))


def _seen(then: DerivaML, dataset: str, records: Records) -> tuple[set[str], set[str]] | None:
    """RIDs in the table of the test records, and groups, of training data; None where neither can be told."""
    within = [dataset, *_parts(then, dataset)]
    members = {
        kind.table.name: {rid for each in within for rid in member_rids(then, each, kind.table)}
        for kind in element_types(then)
        if kind.table.name != "Dataset"
    }
    members = {table: rids for table, rids in members.items() if rids}
    belonging: set[str] = set()
    comparable = records.table in members or not members
    for table, rids in members.items() if records.cluster else ():
        if table == records.cluster:
            found = rids
        else:
            try:
                found = set(groups(then, table, str(records.cluster), rids).values())
            except UsageError:  # records of this table belong to no such groups
                continue
        belonging |= found
        comparable = True
    return (members.get(records.table, set()), belonging) if comparable else None


def _parts(ml: DerivaML, dataset: str) -> list[str]:
    """Datasets within a dataset, but neither those for testing nor what is only in those."""
    found: list[str] = []
    ahead = [dataset]
    while ahead:
        inside = [each for each in children(ml, ahead) if each not in found]
        ahead = [each.dataset_rid for each in datasets(ml, inside) if TESTING not in each.dataset_types]
        found += ahead
    return found
