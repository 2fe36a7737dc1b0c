"""Tiers 2 and 3: a real execution, its outputs found again, and its receipt added to them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from deriva_ml_kit.errors import KitError
from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.mainline.execution import nested
from deriva_ml_kit.runner import shown
from deriva_ml_kit.runner.outputs import Outputs, Sealed, attach
from deriva_ml_kit.runner.plan import Admitted, RunEvidence
from deriva_ml_kit.runner.played import Played
from deriva_ml_kit.tiers import aftermath
from deriva_ml_kit.tiers.checks import profile
from deriva_ml_kit.tiers.evidence import recording
from deriva_ml_kit.tiers.receipt import Check, Receipt, Status, document

RANGES, FIRST_RECEIPT = "input-ranges.json", "receipt-tier1.json"
OWN = (RANGES, FIRST_RECEIPT)  # outputs that are not the work's
OUTPUTS = "outputs_uploaded"


def play(run: Admitted) -> Played:
    """Play a real run; what it wrote is committed whatever the checks say."""
    ml, plan, tier = run.ml, run.plan, run.request.tier
    ev = RunEvidence(tier)
    with ml.create_execution(run.configuration, workflow=plan.workflow) as exe:
        if plan.parent:
            nested.add(ml, plan.parent, exe.execution_rid, plan.sequence)
        out = Outputs(ml, exe)
        with recording(ev):
            metrics = dict(run.work(exe, out, ev) or {})
        if metrics:
            out.metrics(metrics)
        _stage(out, run, ev)
        sealed = out.seal()
    exe.commit_output_assets()

    stored, uploaded = _uploaded(out, sealed)
    files = [file for file in stored if file["filename"] not in OWN]
    checks = [
        *run.ready,
        uploaded,
        *_aftermath(run, exe.execution_rid, out, _predicted(ev), sealed),
        shown.finite(metrics),
        *_numeric(run, ev, stored),
    ]
    estimate = shown.estimated(ev, run, [file for file in sealed if file.name not in OWN])
    receipt = run.receipt(checks, execution_rid=exe.execution_rid, profile=profile(ev), estimate=estimate)
    rid = attach(ml, exe.execution_rid, f"receipt-tier{tier}.json", document(receipt))
    return Played(
        status="done",
        tier=tier,
        execution_rid=exe.execution_rid,
        workflow_rid=exe.workflow_rid,
        outputs=files,
        feature_values=out.values.total(),
        metrics=metrics,
        receipt=receipt,
        receipt_rid=rid,
        differences=run.passage.differences,
    )


def _stage(out: Outputs, run: Admitted, ev: RunEvidence) -> None:
    """Put beside the run's outputs what it builds on, and in tier 3 the ranges of its inputs."""
    first = [receipt for receipt in run.passage.builds_on if receipt.tier == 1]
    texts = {FIRST_RECEIPT: document(first[0])} if first else {}
    if run.request.tier == 3:
        texts[RANGES] = json.dumps(profile(ev), indent=1)
    for name, text in texts.items():
        out.file(name).write_text(text, encoding="utf-8")


def _uploaded(out: Outputs, sealed: Sequence[Sealed]) -> tuple[list[dict[str, Any]], Check]:
    """Each file is in the catalog and the object store, with its size and MD5."""
    title = "Every output is in the catalog, with its size and checksum"
    sizes = {file.name: file.bytes for file in sealed if file.name not in OWN}
    empty = [name for name, size in sizes.items() if not size]
    try:
        stored = out.verify(sealed)
    except KitError as error:
        return [], Check(
            id=OUTPUTS, title=title, status=Status.FAIL, value=sizes, detail=error.message, remedy=error.remedy
        )
    return stored, Check(
        id=OUTPUTS,
        title=title,
        status=Status.FAIL if empty else Status.PASS,
        value=sizes,
        detail=f"empty: {', '.join(empty)}" if empty else None,
        remedy="Write to the path that out.file(…) returns." if empty else None,
    )


def _aftermath(
    run: Admitted, rid: str, out: Outputs, predicted: set[str] | None, sealed: Sequence[Sealed]
) -> Iterator[Check]:
    ml, request = run.ml, run.request
    yield aftermath.finished(ml, rid)
    yield aftermath.values_written(out.stored_values(), out.targets, predicted)
    yield aftermath.provenance(ml, rid, datasets=request.datasets, assets=request.assets, parent=run.plan.parent)
    yield aftermath.origins(ml, request.datasets)
    yield aftermath.no_orphans(ml, rid, {(file.table, file.name) for file in sealed})
    if request.tier == 3:
        before = next((each for each in run.passage.builds_on if each.tier == 2), None)
        outputs = {file.name: file.bytes for file in sealed if file.name not in OWN}
        yield aftermath.sizes(outputs, before, _growth(run, before))
        yield aftermath.baseline(ml, rid, RANGES)


def _predicted(ev: RunEvidence) -> set[str] | None:
    """RIDs of the records that were predicted; None if the work does not say."""
    found: set[str] = set()
    for each in ev.recorded.predictions:
        if each.rids is None:
            return None
        found.update(map(str, each.rids))
    return found or None


def _growth(run: Admitted, before: Receipt | None) -> float:
    """How many times the work of tier 2 this is: by its records, and by epochs, steps and the like."""
    growth = 1.0
    if before is not None:
        counted = [each.records for each in before.datasets]
        earlier = sum(count or 0 for count in counted)
        if earlier and run.records:
            growth *= run.records / earlier
    for each in run.passage.differences:
        if isinstance(each.before, int) and isinstance(each.after, int) and each.before > 0 < each.after:
            growth *= max(1.0, each.after / each.before)
    return growth


def _numeric(run: Admitted, ev: RunEvidence, stored: Sequence[Mapping[str, Any]]) -> list[Check]:
    """The checks of the evidence, with the files as somebody else would get them: downloaded again."""
    with tempfile.TemporaryDirectory(prefix="deriva-ml-again-") as folder:
        return shown.numeric(ev, run.passage, _Downloads(run.ml, stored, Path(folder)))


class _Downloads:
    """Finds a file by its name, downloading it when it is asked for."""

    def __init__(self, ml: DerivaML, stored: Sequence[Mapping[str, Any]], folder: Path) -> None:
        self._ml = ml
        self._rids = {file["filename"]: file["rid"] for file in stored}
        self._folder = folder

    def __call__(self, name: str) -> Path | None:
        if name not in self._rids:
            return None
        return Path(self._ml.lookup_asset(self._rids[name]).download(self._folder))
