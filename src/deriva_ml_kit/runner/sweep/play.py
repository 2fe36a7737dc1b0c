"""A sweep from its first job to its last: one parent execution, made before anything is launched.

In: a command line's overrides, and a function that plays one job. Out: `Result`, one row a job. The same call again
goes on where the last one ended, in the same parent.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.progress import progress
from deriva_ml_kit.runner.overrides import quoted
from deriva_ml_kit.runner.sweep.folder import SWEEPS, held, is_held, job_folder, read_rows, write_table
from deriva_ml_kit.runner.sweep.job import SEQUENCE, SWEPT, TRACEBACK, Player, as_overrides
from deriva_ml_kit.runner.sweep.jobs import Job, expand, hydra_at_work, key_of, swept_keys
from deriva_ml_kit.runner.sweep.rows import Child, JobStatus, Row, as_text, ended, of_each, settled, tally

if TYPE_CHECKING:
    from hydra._internal.hydra import Hydra
    from omegaconf import DictConfig

    from deriva_ml_kit.mainline import DerivaML, Workflow
    from deriva_ml_kit.tiers.receipt import Code

POLL_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Order:
    """A sweep that is to be played.

    Attributes:
        config_name: Name of the base configuration in Hydra's store.
        overrides: Hydra's overrides, with the values that are swept; a named multirun's among them.
        task: Plays the job of a configuration; a function of a module, since workers import it.
        connect: For a job's configuration the catalog and the workflow; not called for a dry run.
        code: State of the repository.
        name: Name of the multirun, or of what is swept.
        description: What the sweep is for.
        afresh: Begin a new sweep although there is an unfinished one.
        admit: Refuses a job's configuration before anything is written; asked for the first job.
        command: What a person types to run it.
        as_json: What jobs print goes to stderr, also what their processes print.
    """

    config_name: str
    overrides: Sequence[str]
    task: Callable[[DictConfig], Any]
    connect: Callable[[DictConfig], tuple[DerivaML, Workflow]]
    code: Code
    name: str = "sweep"
    description: str = ""
    afresh: bool = False
    admit: Callable[[DictConfig], object] | None = None
    command: str = "the same command"
    as_json: bool = False


@dataclass(frozen=True)
class Result:
    """What came of a sweep.

    Attributes:
        name: Name of the sweep.
        rows: One a job, in Hydra's order.
        parent_rid: The parent execution; None for a dry run.
        folder: Where table and jobs' logs are; of a dry run, where tracebacks are.
        assets: RIDs of the uploaded tables by file name.
        resumed: How many jobs an earlier start had finished.
        interrupted: Whether somebody stopped it.
        error: Why the launcher gave up, if it did.
    """

    name: str
    rows: Sequence[Row]
    parent_rid: str | None = None
    folder: Path | None = None
    assets: Mapping[str, str] | None = None
    resumed: int = 0
    interrupted: bool = False
    error: str | None = None

    @property
    def passed(self) -> bool:
        """Whether every job passed."""
        return all(row.passed for row in self.rows)

    @property
    def exit_code(self) -> int:
        """0 if every job passed, 130 after Ctrl-C, else 1."""
        return 130 if self.interrupted else 0 if self.passed else 1

    def as_json(self) -> dict[str, Any]:
        """The result as programs read it."""
        return {
            "sweep": self.name,
            "parent_execution_rid": self.parent_rid,
            "passed": self.passed,
            "tally": tally(self.rows),
            "resumed": self.resumed,
            "folder": str(self.folder) if self.folder else None,
            "assets": dict(self.assets or {}),
            "error": self.error,
            "jobs": [row.as_json() for row in self.rows],
        }

    def as_text(self) -> str:
        """The result as a person reads it: the table, then one line about the whole."""
        lines = [as_text(self.rows), "", f"{self.name}: {tally(self.rows)}"]
        if self.resumed:
            lines[-1] += f"; {self.resumed} had been played before"
        if self.error:
            lines.append(f"launcher: {self.error}")
        if self.parent_rid:
            lines.append(f"parent execution {self.parent_rid}, table and logs in {self.folder}")
        if self.folder:
            lines += [f"traceback: {trace}" for trace in traces_of(self.folder, self.rows)]
        return "\n".join(lines)


def traces_of(folder: Path, rows: Sequence[Row]) -> list[Path]:
    """The tracebacks that jobs have left."""
    traces = [job_folder(folder, row.number) / TRACEBACK for row in rows if not row.passed]
    return [trace for trace in traces if trace.exists()]


def play(order: Order) -> Result:
    """Play a sweep, or what is missing of it.

    Returns:
        One row a job; a failed job stops no other and hides no other's error.

    Raises:
        UsageError: The jobs cannot be composed, are not admitted, or are being played right now; nothing was written.
    """
    quiet = _stdout_to_stderr() if order.as_json else contextlib.nullcontext()
    with quiet, hydra_at_work() as hydra:
        jobs = expand(hydra, order.config_name, order.overrides)
        configs = [job.resolved() for job in jobs]
        sweep = _Sweep(order, hydra, jobs, swept_keys(configs))
        return sweep.dry() if _is_dry(configs) else sweep.real(configs)


def _is_dry(configs: Sequence[Mapping[str, Any]]) -> bool:
    dry = {bool(config.get("dry_run")) for config in configs}
    if len(dry) > 1:
        raise UsageError(
            "Some jobs of this sweep are dry runs and some are not.",
            remedy="Sweep the dry runs first (dry_run=true), then run the same without.",
        )
    return dry == {True}


def _workflow_of(job: Job) -> str:
    """The same for jobs that run the same function as the same kind of work."""
    config = job.resolved()
    functions = [config.get(key) for key in ("model_config", "script_config")]
    targets = [each.get("_target_") if isinstance(each, Mapping) else None for each in functions]
    return json.dumps([config.get("workflow"), targets], sort_keys=True, default=str)


@dataclass(frozen=True)
class _Launched:
    """What is known once the launcher has returned."""

    rows: Mapping[int, Row]
    interrupted: bool = False
    error: str | None = None


class _Sweep:
    """A sweep whose jobs are known."""

    def __init__(self, order: Order, hydra: Hydra, jobs: Sequence[Job], swept: frozenset[str]) -> None:
        self._order = order
        self._hydra = hydra
        self._jobs = jobs
        self._swept = swept

    def dry(self) -> Result:
        """Every job's dry run; the folder stays only if there is a traceback in it."""
        folder = Path(tempfile.mkdtemp(prefix="deriva-ml-sweep-"))
        launched = self._launch(None, folder, [])
        rows = [ended(row) for row in self._in_order(launched.rows)]
        kept = any(traces_of(folder, rows))
        if not kept:
            shutil.rmtree(folder)
        where = folder if kept else None
        return Result(self._order.name, rows, None, where, None, 0, launched.interrupted, launched.error)

    def real(self, configs: Sequence[Mapping[str, Any]]) -> Result:
        """The jobs that are not done yet, in the parent that is there or in a new one."""
        order = self._order
        ml, workflow = order.connect(self._jobs[0].own())
        key = key_of(configs, commit=order.code.commit, hostname=ml.host_name, catalog_id=str(ml.catalog_id))
        base = Path(order.code.repository, SWEEPS, key)
        with held(base) as free:
            if not free:
                raise UsageError(
                    f"This sweep is being played by another program (its folder is {base}).",
                    remedy="Wait until it ends, or end it; then the same command goes on with what is missing.",
                )
            return self._in_parent(ml, workflow, key, base)

    def _record_workflows(self, ml: DerivaML) -> None:
        """Record what the jobs run before they are launched: two of them at once could record the same twice."""
        first = {_workflow_of(job): job for job in reversed(self._jobs)}
        for job in first.values():
            _, workflow = self._order.connect(job.own())
            ml.add_workflow(workflow)

    def _in_parent(self, ml: DerivaML, workflow: Workflow, key: str, base: Path) -> Result:
        from deriva_ml_kit.runner.sweep import parent  # noqa: PLC0415  (imports the library, which takes seconds)

        order, numbers = self._order, [job.number for job in self._jobs]
        # Uncommitted changes have no name: nobody could tell whether the code is still the same.
        rid = None if order.afresh or order.code.dirty else parent.newest(ml, key)
        children = parent.children(ml, rid) if rid else []
        finished = {child.number for child in children if child.done}
        done = [number for number in numbers if number in finished]
        if rid and done == numbers:
            rows = self._settled(base / rid, self._kept(base / rid), children)
            result = Result(order.name, rows, rid, base / rid, resumed=len(done))
            if parent.has_ended(ml, rid, f"{tally(rows)}.", passed=result.passed):
                return result
        if missing := [job for job in self._jobs if job.number not in done]:
            self._admit(missing[0])
        if rid:
            self._close(ml, base / rid, children, refuse=True)
        else:
            about = order.description or f"{order.name}: {', '.join(sorted(self._swept)) or 'nothing'} varied"
            rid = parent.begin(ml, workflow, key, f"{about} ({len(numbers)} jobs)")
        self._record_workflows(ml)
        folder, whole = base / rid, parent.Parent(ml, rid)
        whole.running(f"{len(done)} of {len(numbers)} jobs are done.")
        launched = self._launch(rid, folder, done)
        children = parent.children(ml, rid)
        rows = self._settled(folder, launched.rows, children)
        self._close(ml, folder, children, refuse=False)
        head = {"sweep": order.name, "key": key, "parent_execution_rid": rid, "commit": order.code.commit}
        tables = write_table(folder, head | {"tally": tally(rows), "swept": sorted(self._swept)}, rows)
        result = Result(order.name, rows, rid, folder, None, len(done), launched.interrupted, launched.error)
        if launched.interrupted:
            whole.interrupted(f"Interrupted: {tally(rows)}.")
            return result
        return replace(result, assets=whole.finished(tables, f"{tally(rows)}.", passed=result.passed))

    def _admit(self, job: Job) -> None:
        """Ask whether a job may be played, as it will be."""
        from omegaconf import open_dict  # noqa: PLC0415

        if self._order.admit:
            config = job.own()
            with open_dict(config):
                config.update({SWEPT: sorted(self._swept), SEQUENCE: job.number})
            self._order.admit(config)

    def _close(self, ml: DerivaML, folder: Path, children: Sequence[Child], *, refuse: bool) -> None:
        """Give up the executions of jobs that were killed; refuse to go on beside jobs that still run, if asked."""
        from deriva_ml_kit.runner.sweep import parent  # noqa: PLC0415

        left = [child for child in children if not child.ended and job_folder(folder, child.number).is_dir()]
        running = [child for child in left if is_held(job_folder(folder, child.number))]
        if running and refuse:
            raise UsageError(
                f"Jobs of this sweep still run: {', '.join(f'{child.number} ({child.rid})' for child in running)}.",
                remedy="Wait until they end, or end them; then the same command goes on with what is missing.",
            )
        for child in left:
            if child not in running:
                parent.give_up(ml, child)

    def _launch(self, parent_rid: str | None, folder: Path, done: Sequence[int]) -> _Launched:
        """Let Hydra launch the jobs."""
        order, own = self._order, as_overrides(parent_rid, folder, self._swept, done)
        if not any(each.startswith("hydra.sweep.dir=") for each in order.overrides):
            own.append(f"hydra.sweep.dir={quoted(str(folder))}")
        task = Player(order.task)
        with _importable(), _shown(folder, order.name, [job.number for job in self._jobs]):
            try:
                batches = self._hydra.multirun(order.config_name, task, [*order.overrides, *own])
            except KeyboardInterrupt:
                return _Launched(self._kept(folder), interrupted=True)
            except Exception as error:  # a worker died, a scheduler refused: the rows say which jobs are missing
                said = f"{type(error).__name__}: {' '.join(str(error).split())}"
                return _Launched(self._kept(folder), error=said)
            # A worker may have another disk than this program: what it returns counts, too.
            returned = [job.return_value for batch in batches for job in batch]
            return _Launched(self._kept(folder) | {row.number: row for row in returned})

    def _kept(self, folder: Path) -> dict[int, Row]:
        """The row of each job, as its process has noted it."""
        kept = read_rows(folder, [job.number for job in self._jobs])
        return {job.number: kept.get(job.number, Row(job.number, job.overrides)) for job in self._jobs}

    def _in_order(self, rows: Mapping[int, Row]) -> list[Row]:
        return [replace(rows[job.number], overrides=job.overrides) for job in self._jobs]

    def _settled(self, folder: Path, rows: Mapping[int, Row], children: Sequence[Child]) -> list[Row]:
        """One row a job, as its process noted it and as the catalog has it."""
        found = of_each(children)
        known = self._in_order(rows)
        at_work = [row.status is JobStatus.RUNNING and is_held(job_folder(folder, row.number)) for row in known]
        return [row if runs else settled(row, found.get(row.number)) for row, runs in zip(known, at_work, strict=True)]


@contextlib.contextmanager
def _shown(folder: Path, label: str, numbers: Sequence[int]) -> Iterator[None]:
    """Show how many jobs have ended, on a terminal; jobs may be at work in other processes, so their rows are read."""
    if not sys.stderr.isatty():
        yield
        return
    over = threading.Event()

    def watch(advance: Callable[[int], None]) -> None:
        seen = 0
        while not over.wait(POLL_SECONDS):
            rows = read_rows(folder, numbers).values()
            now = sum(row.status is not JobStatus.RUNNING for row in rows)
            advance(now - seen)
            seen = now

    with progress(len(numbers), label) as advance:
        watcher = threading.Thread(target=watch, args=(advance,), daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()


@contextlib.contextmanager
def _importable() -> Iterator[None]:
    """Let the processes that are started import what this one can: the project's folders are no installed packages."""
    before = os.environ.get("PYTHONPATH")
    installed = (Path(sys.prefix), Path(sys.base_prefix))
    own = [path for path in sys.path if path and not any(Path(path).is_relative_to(each) for each in installed)]
    os.environ["PYTHONPATH"] = os.pathsep.join(own)
    try:
        yield
    finally:
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before


@contextlib.contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    """Let the output of this process and of those that it starts go to stderr."""
    sys.stdout.flush()
    saved = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(saved, 1)
        os.close(saved)
