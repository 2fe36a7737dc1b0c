"""The lineage of a model as one page."""

from __future__ import annotations

from deriva_ml_kit.ops.page import Mark, Section, Table, Tone, render
from deriva_ml_kit.ops.registry.lineage import Lineage


def page(lineage: Lineage, *, hostname: str, catalog_id: str) -> str:
    """The page, as HTML."""
    links = lineage.links
    stages = ", ".join(f"{name.name} {name.version}: {name.stage}" for name in lineage.names) or "not registered"
    done = len(links.links) - len(links.missing)
    summary = f"{done} of {len(links.links)} links are complete"
    summary += f"; missing: {', '.join(link.name for link in links.missing)}." if links.missing else "."
    if forced := [each for name in lineage.names for each in name.forced]:
        summary += f" Forced: {'; '.join(forced)}."
    return render(
        f"Lineage of model {links.model_rid}",
        stages,
        summary,
        [_links(lineage), _data(lineage), _evidence(lineage), _stages(lineage)],
        tone=Tone.WARN if links.missing or forced or lineage.findings else Tone.GOOD,
        facts={
            "file": links.filename,
            "MD5": links.md5,
            "training": links.training_rid,
            "catalog": f"{catalog_id} on {hostname}",
            "completeness": f"{links.score:.0%}",
        },
    )


def _links(lineage: Lineage) -> Section:
    rows = [
        [
            link.name,
            Mark("complete", Tone.GOOD) if link.complete else Mark("missing", Tone.BAD),
            link.found,
            link.remedy or "",
        ]
        for link in lineage.links.links
    ]
    return Section("What belongs to it", "", [Table(["link", "", "found", "remedy"], rows)])


def _data(lineage: Lineage) -> Section:
    rows = [
        [
            source.execution_rid,
            source.what,
            source.status,
            ", ".join([*source.datasets, *source.assets]),
            source.workflow,
            source.commit,
        ]
        for source in lineage.sources
    ]
    text = "The training first, then the executions that made its inputs, and so on."
    if not lineage.complete:
        text += " There are more than are shown."
    if lineage.findings:
        text += f" Of unknown origin: {'; '.join(lineage.findings)}."
    headers = ["execution", "what", "status", "inputs", "workflow", "commit"]
    return Section("Where it comes from", text, [Table(headers, rows)])


def _evidence(lineage: Lineage) -> Section:
    evaluations = [
        [each.report_rid, each.dataset, ", ".join(f"{name} {value:.4g}" for name, value in each.metrics.items())]
        for each in lineage.evaluations
    ]
    tones = {"pass": Tone.GOOD, "fail": Tone.BAD}
    gates = [
        [each.report_rid, Mark(each.verdict, tones.get(each.verdict, Tone.OPEN)), each.incumbent_rid, each.dataset]
        for each in lineage.gates
    ]
    return Section(
        "How it was judged",
        f"Not readable: {'; '.join(lineage.unreadable)}." if lineage.unreadable else "",
        [
            Table(["report", "dataset", "metrics"], evaluations, "Evaluations"),
            Table(["report", "verdict", "against", "dataset"], gates, "Gates"),
        ],
    )


def _stages(lineage: Lineage) -> Section:
    rows = [
        [
            name.name,
            step["time"][:19].replace("T", " "),
            step["stage"],
            "; ".join(filter(None, [step["reason"], step.get("approved_by") and f"approved by {step['approved_by']}"])),
            step.get("forced"),
            step.get("evidence"),
            step["execution_rid"],
        ]
        for name in lineage.names
        for step in name.steps
    ]
    headers = ["name", "when (UTC)", "stage", "why", "forced", "evidence", "execution"]
    return Section("What became of it", "", [Table(headers, rows)])
