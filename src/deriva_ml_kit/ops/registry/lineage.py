"""Where a model comes from and what became of it: data, executions, commits, evaluations, gates, stages, gaps."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from deriva_ml_kit.errors import KitError
from deriva_ml_kit.mainline import Asset, DerivaML, LineageNode
from deriva_ml_kit.mainline.execution.record import records_of
from deriva_ml_kit.ops.documents import Document, parse
from deriva_ml_kit.ops.evaluation.documents import EvaluationReport
from deriva_ml_kit.ops.gate.documents import GateReport
from deriva_ml_kit.ops.kinds import MODELS
from deriva_ml_kit.ops.registry.events import as_json, states
from deriva_ml_kit.ops.registry.links import Links, links_of, model_asset

COMMIT = re.compile(r"/blob/([0-9a-f]{7,64})/|swh:1:rev:([0-9a-f]{40})|^pkg:pypi/([^#]+)")

D = TypeVar("D", bound=Document)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Part):
    """An execution that the model depends on.

    Attributes:
        execution_rid: RID.
        what: Its description.
        status: How it ended.
        workflow: Name of what ran.
        url: Address of what ran.
        commit: Commit, or package and version, in that address.
        datasets: `RID@VERSION` of its inputs.
        assets: Files that it used, `RID (name)`.
    """

    execution_rid: str
    what: str
    status: str
    workflow: str | None
    url: str | None
    commit: str | None
    datasets: tuple[str, ...]
    assets: tuple[str, ...]


class Evaluated(_Part):
    """An evaluation: RID of the report, its execution, the dataset, metrics by name."""

    report_rid: str
    execution_rid: str | None
    dataset: str
    metrics: dict[str, float]


class Gated(_Part):
    """A gate: RID of the report, its execution, verdict, incumbent and dataset."""

    report_rid: str
    execution_rid: str | None
    verdict: str
    incumbent_rid: str | None
    dataset: str


class Name(_Part):
    """A name that the model is registered under.

    Attributes:
        name: The name.
        version: Its number within the name.
        stage: Where it is.
        steps: The steps of this model, oldest first.
        forced: What was done with it although something was missing.
    """

    name: str
    version: int
    stage: str
    steps: tuple[dict[str, Any], ...]
    forced: tuple[str, ...]


class Lineage(_Part):
    """All of it.

    Attributes:
        links: What belongs to the model, and what is missing.
        names: Names that it is registered under.
        sources: The executions behind it, the training first.
        complete: Whether the sources are all.
        findings: Datasets among them whose origin is not known.
        evaluations: Evaluations of it.
        gates: Gates that judged it.
        unreadable: RIDs of reports that cannot be read, and why.
    """

    links: Links
    names: tuple[Name, ...]
    sources: tuple[Source, ...]
    complete: bool
    findings: tuple[str, ...]
    evaluations: tuple[Evaluated, ...]
    gates: tuple[Gated, ...]
    unreadable: tuple[str, ...]


def lineage_of(ml: DerivaML, model_rid: str) -> Lineage:
    """Collect the lineage of a model.

    Raises:
        DerivaMLNotFoundError: There is no such RID.
        UsageError: It is no model, or the catalog was not prepared.
    """
    asset = model_asset(ml, model_rid)
    links = links_of(ml, model_rid)
    walked = ml.lookup_lineage(links.training_rid or model_rid)
    nodes = {node.execution.rid: node for node in _nodes(walked.lineage)}
    sources = _sources(ml, nodes)
    used = {dataset.rid for node in nodes.values() for dataset in node.consumed_datasets}
    findings = tuple(str(finding) for finding in ml.audit_provenance().violations if finding.rid in used)
    unreadable: list[str] = []
    evaluations = [
        Evaluated(
            report_rid=rid,
            execution_rid=execution,
            dataset=report.dataset,
            metrics={name: each.value for name, each in report.metrics.items()},
        )
        for rid, execution, report in _reports(ml, asset, EvaluationReport, unreadable)
        if report.model_rid == model_rid
    ]
    gates = [
        Gated(
            report_rid=rid,
            execution_rid=execution,
            verdict=report.verdict,
            incumbent_rid=report.incumbent_rid,
            dataset=report.dataset,
        )
        for rid, execution, report in _reports(ml, asset, GateReport, unreadable)
        if report.candidate_rid == model_rid
    ]
    return Lineage(
        links=links,
        names=_names(ml, model_rid),
        sources=sources,
        complete=walked.walked_complete,
        findings=findings,
        evaluations=tuple(evaluations),
        gates=tuple(gates),
        unreadable=tuple(unreadable),
    )


def _nodes(root: LineageNode | None) -> Iterator[LineageNode]:
    """The executions, each once, the nearest first."""
    level = [root] if root else []
    while level:
        yield from (node for node in level if not node.already_shown)
        level = [parent for node in level for parent in node.parents]


def _sources(ml: DerivaML, nodes: dict[str, LineageNode]) -> tuple[Source, ...]:
    found = []
    for record in records_of(ml, list(nodes)):
        node, workflow = nodes[record.execution_rid], record.workflow
        url = str(workflow.url) if workflow and workflow.url else None
        found.append(
            Source(
                execution_rid=record.execution_rid,
                what=record.description or "",
                status=record.status.value,
                workflow=workflow.name if workflow else None,
                url=url,
                commit=commit_of(url),
                datasets=tuple(f"{each.rid}@{each.version}" for each in node.consumed_datasets),
                assets=tuple(f"{each.rid} ({each.filename})" for each in node.consumed_assets),
            )
        )
    return tuple(found)


def commit_of(url: str | None) -> str | None:
    """The commit, or package and version, in the address of a workflow."""
    found = COMMIT.search(url or "")
    return next(part for part in found.groups() if part) if found else None


def _names(ml: DerivaML, model_rid: str) -> tuple[Name, ...]:
    return tuple(
        Name(
            name=state.name,
            version=model.version,
            stage=str(model.stage),
            steps=tuple(as_json(event) for event in state.events if event.step.model_rid == model_rid),
            forced=model.forced,
        )
        for state in states(ml)
        if (model := state.models.get(model_rid))
    )


def _reports(ml: DerivaML, model: Asset, kind: type[D], unreadable: list[str]) -> Iterator[tuple[str, str | None, D]]:
    """Reports of executions that had the model as an input, oldest first."""
    used = {execution.execution_rid for execution in model.list_executions("Input")}
    found: Sequence[Asset] = list(ml.find_assets(MODELS, str(kind.KIND))) if used else []
    for asset in sorted((each for each in found if each.execution_rid in used), key=lambda each: each.asset_rid):
        with tempfile.TemporaryDirectory(prefix="deriva-ml-ops-") as folder:
            try:
                report = parse(asset.download(folder).read_text(encoding="utf-8"), kind, asset.asset_rid)
            except (KitError, OSError, ValueError) as error:
                unreadable.append(f"{asset.asset_rid}: {error}")
                continue
        yield asset.asset_rid, asset.execution_rid, report
