"""The verdict on an execution: does it meet the threshold that the design stated before it ran?

In: a document, an execution of the catalog, what its receipt says. Out: `Verdict`, and the changes it makes to document
and journal. Everything is looked at before anything is written.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from deriva_ml_kit.design import history, journal, named
from deriva_ml_kit.design.document import Design, Threshold, with_status
from deriva_ml_kit.design.lint import APPROVED, BUILT, DRAFT, VALIDATED
from deriva_ml_kit.design.measure import Measured, Used, measure
from deriva_ml_kit.errors import KitError, UsageError
from deriva_ml_kit.mainline import DerivaML, ExecutionRecord, ExecutionStatus
from deriva_ml_kit.mainline.catalog.rids import tables_of
from deriva_ml_kit.mainline.execution.consumed import inputs_of

OVERRIDE = "[tier override:"


@dataclass(frozen=True)
class Tiered:
    """What the receipt of an execution says.

    Attributes:
        tier: Its tier.
        passed: Whether its checks passed.
        commit: The commit that ran.
        overrides: The reason of every override that let it, or what it builds on, begin.
        datasets: What it used.
    """

    tier: int
    passed: bool
    commit: str
    overrides: tuple[str, ...]
    datasets: tuple[Used, ...]


@dataclass(frozen=True)
class Verdict:
    """What came out.

    Attributes:
        execution: RID of the execution.
        threshold: What had to be reached.
        measured: What was reached.
        overrides: As in the receipt.
    """

    execution: str
    threshold: Threshold
    measured: Measured
    overrides: tuple[str, ...]

    @property
    def met(self) -> bool:
        """Whether the threshold is met."""
        return self.threshold.met_by(self.measured.value)

    def __str__(self) -> str:
        found = self.measured
        records = f" on {found.records} records" if found.records is not None else ""
        told = "".join(f"; tier override: {' '.join(reason.split())}" for reason in self.overrides)
        judged = "met" if self.met else "missed"
        return f"{self.threshold.metric} {found.value:.4f}{records}, threshold {self.threshold} {judged}{told}"

    def as_json(self) -> dict[str, Any]:
        """As programs read it."""
        found = asdict(self.measured)
        return {
            "execution": self.execution,
            "metric": self.threshold.metric,
            **found,
            "threshold": str(self.threshold),
            "verdict": "met" if self.met else "missed",
            "overrides": list(self.overrides),
        }


class Missed(KitError):
    """The threshold was missed; that is recorded."""

    def __init__(self, verdict: Verdict, recorded: dict[str, Any]) -> None:
        super().__init__(
            f"Execution {verdict.execution} misses the threshold: {verdict}.",
            remedy="Recorded. Change the model or its data, one thing at a time, and go back to tier 1.",
        )
        self.recorded = recorded

    def as_json(self) -> dict[str, object]:
        """As for KitError, with `result`: what a verdict that is met prints."""
        return {**super().as_json(), "result": self.recorded}


def judge(
    ml: DerivaML, design: Design, execution: str, tiered: Tiered, *, metric: str | None = None, pins: Path
) -> Verdict:
    """Judge an execution; nothing is written.

    Args:
        ml: The catalog.
        design: States the threshold.
        execution: RID of the execution.
        tiered: What its receipt says.
        metric: Which threshold, where the document states several.
        pins: TOML file with the names of datasets.

    Raises:
        UsageError: The design or the execution cannot have a verdict; says why.
        Undecidable: The catalog does not hold what is needed.
        KitError: Its parts do not agree.
    """
    threshold = named.threshold(design, metric)
    _refuse_design(design, threshold, tiered)
    _refuse_execution(ml.lookup_execution(execution), tiered)
    _refuse_inputs(ml, execution, tiered)
    measured = measure(ml, design, execution, metric=threshold.metric, used=tiered.datasets, pins=pins)
    return Verdict(execution, threshold, measured, tiered.overrides)


def record(
    design: Design, verdict: Verdict, journal_file: Path, *, note: str, ml: DerivaML, day: date | None = None
) -> dict[str, str]:
    """Write a verdict into the document and the journal; what stands there already stays.

    Args:
        design: The document.
        verdict: The verdict.
        journal_file: The journal; made if it is not there.
        note: What the run was for, in one line.
        ml: The catalog, asked whether the note names assets.
        day: The day to write; today where not given.

    Returns:
        The document's status word, and `changed`: the files that were written.

    Raises:
        UsageError: The note is not fit for the journal; nothing was written.
    """
    day = day or datetime.now(UTC).date()
    line = journal.entry(
        verdict.execution, f"{note.strip().rstrip('.')}: {verdict}", assets_among=lambda rids: _assets(ml, rids)
    )
    old = journal_file.read_text(encoding="utf-8") if journal_file.exists() else ""
    word, evidence = _status(design, verdict, day)
    changed = []
    for file, before, after in (
        (design.file, design.text, with_status(design, word, evidence)),
        (journal_file, old, journal.with_entry(old, line, day)),
    ):
        if after != before:
            _replace(file, after)
            changed.append(str(file))
    return {"status": word, "changed": ", ".join(changed) or "nothing"}


def _status(design: Design, verdict: Verdict, day: date) -> tuple[str, str]:
    """The status that a verdict gives; one that another execution has earned is not taken back by a failure."""
    status = design.status
    if status is None:
        raise UsageError(f"{design.file} has no status.")
    told = f"execution {verdict.execution}: {verdict}"
    word = VALIDATED if verdict.met else BUILT
    same = status.word == word and status.evidence.startswith(told)
    if same or (status.word == VALIDATED and not verdict.met and verdict.execution not in status.evidence):
        return status.word, status.evidence
    return word, f"{told}; {day.isoformat()}"


def _refuse_design(design: Design, threshold: Threshold, tiered: Tiered) -> None:
    status = design.status
    if status is None or status.word not in (APPROVED, BUILT, VALIDATED):
        raise UsageError(
            f"{design.file} is {status.word if status else 'without a status'}, so nothing was agreed to judge by.",
            remedy=f"Set it to {APPROVED} and commit it before the run, not after; {DRAFT} is for writing.",
        )
    then = history.at(design.file, tiered.commit)
    if then is None:
        raise UsageError(
            f"{design.file} was not there at commit {tiered.commit[:10]}, which ran; or the commit is not here.",
            remedy="A threshold is set before the run: judge a run that was made after the design was committed.",
        )
    if str(threshold) not in map(str, then.thresholds):
        was = ", ".join(map(str, then.thresholds)) or "none"
        raise UsageError(
            f"{design.file}:{threshold.line}: the threshold is {threshold} now; when the run was made (commit "
            f"{tiered.commit[:10]}) it was: {was}.",
            remedy="Changing the threshold afterwards is a new design: run again at a commit that has it.",
        )


def _refuse_execution(execution: ExecutionRecord, tiered: Tiered) -> None:
    rid = execution.execution_rid
    if execution.status is not ExecutionStatus.Uploaded:
        raise UsageError(
            f"Execution {rid} is not finished: its status is {execution.status}.",
            remedy="Wait for it, or run it again; a verdict needs all outputs in the catalog.",
        )
    if tiered.tier != 3:
        raise UsageError(
            f"Execution {rid} is of tier {tiered.tier}: it shows that the pipeline works, not how good the model is.",
            remedy="Judge a tier 3 run, on the full dataset.",
        )
    if not tiered.passed:
        raise UsageError(
            f"Execution {rid} did not pass the checks of its tier, so its numbers prove nothing.",
            remedy="Read its receipt, correct what failed, and run it again.",
        )
    said = OVERRIDE in (execution.description or "")
    if bool(tiered.overrides) != said:
        where = "its receipt, and not in its description" if tiered.overrides else "its description, not in its receipt"
        raise UsageError(
            f"Execution {rid} has a tier override in {where}: one of them was changed.",
            remedy="Run it again; an override has to be visible everywhere.",
        )


def _refuse_inputs(ml: DerivaML, execution: str, tiered: Tiered) -> None:
    """The receipt must name the datasets that the catalog has on record; older catalogs do not say the version."""
    on_record = {each.dataset: each.version for each in inputs_of(ml, executions=[execution])[0]}
    said = {each.rid: each.version for each in tiered.datasets}
    if said.keys() != on_record.keys() or any(on_record[rid] not in (None, said[rid]) for rid in said):
        names = [", ".join(f"{rid}@{version}" for rid, version in sorted(each.items())) for each in (said, on_record)]
        raise UsageError(
            f"The receipt of execution {execution} names the datasets {names[0] or 'none'}, the catalog has "
            f"{names[1] or 'none'} on record: one of them was changed.",
            remedy="Run it again.",
        )


def _assets(ml: DerivaML, rids: Collection[str]) -> set[str]:
    return {rid for rid, table in tables_of(ml, rids).items() if ml.model.is_asset(table)}


def _replace(file: Path, text: str) -> None:
    unfinished = file.with_name(f".{file.name}.part")
    unfinished.write_text(text, encoding="utf-8", newline="")
    unfinished.replace(file)
