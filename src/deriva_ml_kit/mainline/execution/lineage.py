"""Where something comes from: the executions behind it, their inputs, the executions behind those, and so on.

Followed is the data: from an execution to its inputs, from an input to the execution that made it. That one execution
was a part of another says nothing about data; see `ExecutionRecord.list_execution_parents`.

All executions of one level are asked about together, so the number of requests grows with the depth of the history and
the number of asset tables, not with the number of executions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Literal

from deriva.core.ermrest_model import Table
from pydantic import BaseModel, ConfigDict, Field

from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.mainline.catalog.rids import tables_of
from deriva_ml_kit.mainline.catalog.rows import Row
from deriva_ml_kit.mainline.errors import DerivaMLDataError, DerivaMLNotFoundError
from deriva_ml_kit.mainline.execution import origins
from deriva_ml_kit.mainline.execution.consumed import Consumed, Versions, inputs_of
from deriva_ml_kit.mainline.execution.status import read

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML

Kind = Literal["Dataset", "Asset", "Feature", "Execution"]


class _Described(BaseModel):
    model_config = ConfigDict(extra="forbid")


class WorkflowSummary(_Described):
    """What ran: RID and name."""

    rid: str
    name: str | None = None


class ExecutionSummary(_Described):
    """An execution: RID, description, workflow, and status in main line's words."""

    rid: str
    description: str | None = None
    workflow: WorkflowSummary | None = None
    status: str


class DatasetSummary(_Described):
    """A dataset as an input: RID, description, and the version that was used, or else the newest."""

    rid: str
    description: str | None = None
    version: str | None = None


class AssetSummary(_Described):
    """An asset as an input: RID, name of the file, and its table."""

    rid: str
    filename: str | None = None
    asset_table: str


class LineageNode(_Described):
    """An execution with its inputs.

    Attributes:
        execution: The execution.
        consumed_datasets: The datasets that it used.
        consumed_assets: The assets that it used.
        parents: The executions that made those, each once.
        already_shown: It stands elsewhere in the tree with its inputs and parents, and here without them.
    """

    execution: ExecutionSummary
    consumed_datasets: list[DatasetSummary] = Field(default_factory=list)
    consumed_assets: list[AssetSummary] = Field(default_factory=list)
    parents: list[LineageNode] = Field(default_factory=list)
    already_shown: bool = False


class RootDescriptor(_Described):
    """What was asked about.

    Attributes:
        rid: Its RID.
        type: What it is.
        description: Its description; None for a feature value.
        producing_execution: The execution that made it; an execution itself; None if it is not known.
    """

    rid: str
    type: Kind
    description: str | None = None
    producing_execution: ExecutionSummary | None = None


class LineageResult(_Described):
    """Where something comes from.

    Attributes:
        root: What was asked about.
        lineage: The execution that made it, with everything before; None if it is not known.
        executions_visited: How many executions are in the tree.
        walked_complete: Whether that is all: neither `depth` nor `max_executions` cut anything off.
        cycle_detected: Whether an execution is among those behind itself, as after outputs that were overwritten.
        depth_capped: Whether `depth` cut something off.
    """

    root: RootDescriptor
    lineage: LineageNode | None = None
    executions_visited: int = 0
    walked_complete: bool = True
    cycle_detected: bool = False
    depth_capped: bool = False


@dataclass
class _Known:
    """What has been found out about executions so far, by RID.

    Attributes:
        nodes: Executions without their parents.
        parents: RIDs of the executions that made their inputs.
    """

    nodes: dict[str, LineageNode] = field(default_factory=dict)
    parents: dict[str, list[str]] = field(default_factory=dict)


def lookup_lineage(ml: DerivaML, rid: str, *, depth: int | None = None, max_executions: int = 500) -> LineageResult:
    """See `DerivaML.lookup_lineage`."""
    root, makers = _root(ml, rid)
    known, depth_capped, complete = _Known(), False, True
    start, further = (makers[0], makers[1:]) if makers else (None, [])
    level, levels = ([start] if start else []), 0
    while level:
        if len(known.nodes) + len(level) > max_executions:
            level, complete = level[: max(0, max_executions - len(known.nodes))], False
        _learn(ml, level, known)
        if levels == 0 and start in known.parents:
            known.parents[start] = list(dict.fromkeys([*known.parents[start], *further]))
        above = dict.fromkeys(parent for each in level for parent in known.parents.get(each, []))
        level = [each for each in above if each not in known.nodes]
        if levels == depth:
            depth_capped = bool(level)
            break
        if not complete:
            break
        levels += 1
    tree = _tree(start, known) if start in known.nodes and start else None
    if tree:
        root.producing_execution = tree.execution
    return LineageResult(
        root=root,
        lineage=tree,
        executions_visited=len(known.nodes),
        walked_complete=complete and not depth_capped,
        cycle_detected=_has_cycle(known.parents),
        depth_capped=depth_capped,
    )


def _root(ml: DerivaML, rid: str) -> tuple[RootDescriptor, list[str]]:
    """What is asked about, and the executions that made it or its members, the one that counts first."""
    table = tables_of(ml, [rid]).get(rid)
    if table is None:
        raise DerivaMLNotFoundError(f"Catalog {ml.catalog_id} on {ml.host_name} has no RID {rid}.")
    kind = _kind(ml, table)
    (row,) = rows_with(ml.catalog, table.schema.name, table.name, "RID", [rid])
    root = RootDescriptor(rid=rid, type=kind, description=row.get("Description") if kind != "Feature" else None)
    if kind == "Execution":
        return root, [rid]
    if kind == "Feature":
        return root, [row["Execution"]] if row["Execution"] else []
    if kind == "Asset":
        return root, origins.of_assets(ml, table, [rid]).get(rid, [])[:1]
    maker = Versions.of(ml, [rid]).made_by(rid)
    members = sorted(origins.of_members(ml, {(rid, None)}).get((rid, None), set()) - {maker})
    return root, [*([maker] if maker else []), *members]


def _kind(ml: DerivaML, table: Table) -> Kind:
    own = table.schema.name == ml.ml_schema
    if own and table.name == "Execution":
        return "Execution"
    if own and table.name == "Dataset":
        return "Dataset"
    if ml.model.is_asset(table):
        return "Asset"
    if {"Feature_Name", "Execution"} <= set(table.columns.elements):
        return "Feature"
    raise DerivaMLDataError(
        f"A row of {table.name} has no lineage; datasets, assets, feature values and executions have one."
    )


def _learn(ml: DerivaML, rids: Collection[str], known: _Known) -> None:
    """Add executions of one level; those that the catalog does not have are left out."""
    rows = {row["RID"]: row for row in rows_with(ml.catalog, ml.ml_schema, "Execution", "RID", rids)}
    workflows = {row["Workflow"] for row in rows.values() if row["Workflow"]}
    names = {row["RID"]: row["Name"] for row in rows_with(ml.catalog, ml.ml_schema, "Workflow", "RID", workflows)}
    used, versions = inputs_of(ml, executions=list(rows)) if rows else ([], Versions([]))
    made = _made_before(ml, used, versions)
    datasets = {
        row["RID"]: row for row in rows_with(ml.catalog, ml.ml_schema, "Dataset", "RID", {u.dataset for u in used})
    }
    assets = origins.inputs(ml, list(rows)) if rows else {}
    for rid in (each for each in rids if each in rows):
        mine = [each for each in used if each.execution == rid]
        parents = [maker for each in mine for maker in made[each]]
        parents += [each.made_by for each in assets.get(rid, []) if each.made_by]
        known.nodes[rid] = LineageNode(
            execution=_summary(rows[rid], names),
            consumed_datasets=[_dataset(each, datasets.get(each.dataset), versions) for each in mine],
            consumed_assets=[
                AssetSummary(rid=each.rid, filename=each.filename, asset_table=each.table)
                for each in assets.get(rid, [])
            ],
        )
        # An execution that changed its own input is not its own origin.
        known.parents[rid] = [each for each in dict.fromkeys(parents) if each != rid]


def _made_before(ml: DerivaML, used: Iterable[Consumed], versions: Versions) -> dict[Consumed, list[str]]:
    """The executions behind datasets that were used: of the version, and of the members that it had."""
    of_version = {each: versions.made_by(each.dataset, each.version) for each in used}
    snapshot = {(row["Dataset"], row["Version"]): row["Snapshot"] for row in versions.rows}
    when = {each: (each.dataset, snapshot.get((each.dataset, each.version))) for each in of_version}
    of_members = origins.of_members(ml, set(when.values()))
    return {
        each: [*([maker] if maker else []), *sorted(of_members.get(when[each], set()) - {maker})]
        for each, maker in of_version.items()
    }


def _summary(row: Row, names: dict[str, str]) -> ExecutionSummary:
    workflow = WorkflowSummary(rid=row["Workflow"], name=names.get(row["Workflow"])) if row["Workflow"] else None
    return ExecutionSummary(
        rid=row["RID"], description=row["Description"], workflow=workflow, status=read(row["Status"]).value
    )


def _dataset(used: Consumed, row: Row | None, versions: Versions) -> DatasetSummary:
    newest = next((str(version["Version"]) for version in versions.newest_first(used.dataset)), None)
    description = (row or {}).get("Description") or None
    return DatasetSummary(rid=used.dataset, description=description, version=used.version or newest)


def _tree(start: str, known: _Known) -> LineageNode:
    """The tree; an execution that stands in several places has its parents where it is nearest to the root."""
    root = known.nodes[start]
    shown, level = {start}, [start]
    while level:
        above: list[str] = []
        for rid in level:
            for parent in (each for each in known.parents[rid] if each in known.nodes):
                if parent in shown:
                    again = LineageNode(execution=known.nodes[parent].execution, already_shown=True)
                    known.nodes[rid].parents.append(again)
                else:
                    shown.add(parent)
                    above.append(parent)
                    known.nodes[rid].parents.append(known.nodes[parent])
        level = above
    return root


def _has_cycle(parents: dict[str, list[str]]) -> bool:
    try:
        TopologicalSorter(parents).prepare()
    except CycleError:
        return True
    return False
