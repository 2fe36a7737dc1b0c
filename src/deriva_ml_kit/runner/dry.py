"""Tier 1: the work on two batches, its files in a temporary folder; nothing is written to the catalog."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from deriva_ml_kit.errors import Undecidable
from deriva_ml_kit.mainline import Execution
from deriva_ml_kit.runner import preflight, shown
from deriva_ml_kit.runner.limit import time_limit
from deriva_ml_kit.runner.outputs import Outputs, Sealed, UnknownTerm
from deriva_ml_kit.runner.plan import Admitted, RunEvidence
from deriva_ml_kit.runner.played import Played
from deriva_ml_kit.runner.unchanged import Fingerprint, WroteInDryRun, fingerprint, read_only
from deriva_ml_kit.tiers.checks import profile
from deriva_ml_kit.tiers.estimate import Estimate
from deriva_ml_kit.tiers.evidence import recording
from deriva_ml_kit.tiers.receipt import Check, Status, receipts_folder, write

CODE = {  # in the order of a run
    "loading": "The loading code ran",
    "model": "The model was initialised",
    "work": "The work ran to its end",
}
FETCHED = "Datasets and assets were downloaded"
TERMS = "Terms and asset types of the outputs exist"
WRITTEN = "Every output was written and can be read back"


def play(run: Admitted) -> Played:
    """Play a dry run. Its receipt is written even where the code fails; the error then comes as it is."""
    trial, failure = _Trial(run), None
    before = fingerprint(run.ml)
    try:
        with read_only(run.ml.host_name):
            trial.play()
    except Exception as error:  # whatever user code raises is said, and raised again
        failure = error
        trial.note(error)
    trial.checks.append(_unchanged(before, fingerprint(run.ml), failure))
    receipt = run.receipt(trial.checks, execution_rid=None, profile=trial.profile, estimate=trial.estimate)
    path = write(receipt, receipts_folder(run.request.root))
    if failure is not None:
        raise failure
    return Played(
        status="dry run",
        tier=1,
        execution_rid=None,
        workflow_rid=None,
        outputs=[vars(file) for file in trial.sealed],
        feature_values=trial.values,
        metrics=trial.metrics,
        receipt=receipt,
        receipt_path=path,
        estimate=trial.estimate,
        differences=run.passage.differences,
    )


class _Trial:
    """What a dry run has come to so far."""

    def __init__(self, run: Admitted) -> None:
        self._run = run
        self.evidence = RunEvidence(1, dry_run=True)
        self.checks = list(run.ready)
        self.metrics: Mapping[str, Any] = {}
        self.sealed: list[Sealed] = []
        self.values = 0
        self.profile: Mapping[str, Any] = {}
        self.estimate: Estimate | None = None
        self._fetched = False

    def play(self) -> None:
        run, ev = self._run, self.evidence
        exe: Execution = run.ml.create_execution(run.configuration, workflow=run.plan.workflow, dry_run=True)
        try:
            self._fetched = True
            inputs = len(run.plan.datasets) + len(run.plan.assets)
            self.checks.append(_passed("fetched", FETCHED, inputs))
            with exe:
                out = Outputs(run.ml, exe)
                with (
                    recording(ev),
                    time_limit(run.plan.limit_seconds, limits_itself=lambda: ev.recorded.preparation is not None),
                ):
                    self.metrics = dict(run.work(exe, out, ev) or {})
                self._judge(out)
        finally:
            exe.commit_output_assets()  # of a dry run: its folder goes away

    def _judge(self, out: Outputs) -> None:
        run = self._run
        if self.metrics:
            out.metrics(self.metrics)
        self.checks += _code(self.evidence, None)
        self.sealed, self.values = out.seal(), out.values.total()
        self.checks += [
            _written(self.sealed),
            _passed("terms", TERMS, sorted(out.tables | out.values.keys())),
            preflight.may_write(run.ml, out.tables, out.values.keys()),
            shown.finite(self.metrics),
        ]
        self.checks += shown.numeric(self.evidence, run.passage, out.written)
        self.profile = profile(self.evidence)
        self.estimate = shown.estimated(self.evidence, run, self.sealed)

    def note(self, error: Exception) -> None:
        """Say in a check what ended it."""
        if not self._fetched:
            self.checks.append(_failed("fetched", FETCHED, _said(error)))
        elif isinstance(error, UnknownTerm):
            self.checks.append(_failed("terms", TERMS, error.message))
        elif not any(check.id in CODE for check in self.checks):
            self.checks += _code(self.evidence, error, self._run.request.root)
        else:
            self.checks.append(_failed("outputs", WRITTEN, _said(error)))


def _code(ev: RunEvidence, error: Exception | None, root: Path | None = None) -> Iterator[Check]:
    """How far the code came; without hooks it tells by what it shows: data were loaded, batches need a model."""
    began = ev.recorded.preparation is not None
    done = {
        "loading": error is None or "loading" in ev.reached or ev.recorded.train is not None or began,
        "model": error is None or "model" in ev.reached or began,
        "work": error is None,
    }
    ended = False
    for identifier, title in CODE.items():
        if done[identifier]:
            yield _passed(identifier, title)
        elif ended:
            yield Check(id=identifier, title=title, status=Status.SKIP, detail="the run did not come so far")
        elif isinstance(error, Undecidable):
            ended = True
            yield Check(
                id=identifier, title=title, status=Status.INSUFFICIENT, detail=error.message, remedy=error.remedy
            )
        else:
            ended = True
            yield _failed(identifier, title, _said(error, root))


def _written(sealed: list[Sealed]) -> Check:
    """Size and checksum of each file were read from the disk; a file without content is no output."""
    empty = [file.name for file in sealed if not file.bytes]
    return Check(
        id="outputs",
        title=WRITTEN,
        status=Status.FAIL if empty else Status.PASS if sealed else Status.SKIP,
        value={file.name: file.bytes for file in sealed},
        detail=f"empty: {', '.join(empty)}" if empty else None if sealed else "the run writes no files",
        remedy="Write to the path that out.file(…) returns." if empty else None,
        required=bool(sealed),
    )


def _unchanged(before: Fingerprint, after: Fingerprint, failure: Exception | None) -> Check:
    title = "Nothing was written to the catalog or the object store"
    if isinstance(failure, WroteInDryRun):
        return Check(
            id="nothing_written", title=title, status=Status.FAIL, detail=failure.message, remedy=failure.remedy
        )
    if before == after:
        return _passed("nothing_written", title, vars(after))
    return Check(
        id="nothing_written",
        title=title,
        status=Status.INSUFFICIENT,
        value=vars(after),
        limit=vars(before),
        detail="this process sent no request that writes, but somebody else did while it ran",
        required=False,
    )


def _passed(identifier: str, title: str, value: Any = None) -> Check:
    return Check(id=identifier, title=title, status=Status.PASS, value=value)


def _failed(identifier: str, title: str, detail: str) -> Check:
    return Check(id=identifier, title=title, status=Status.FAIL, detail=detail, remedy="Correct it, and run it again.")


def _said(error: Exception | None, root: Path | None = None) -> str:
    """An error on one line, with the place in the user's own code where it came from."""
    if error is None:
        return ""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if root and _own(frame.filename, root)]
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())}{place}"


def _own(filename: str, root: Path) -> bool:
    path = Path(filename)
    return path.is_relative_to(root) and not {"site-packages", ".venv"} & set(path.parts)
