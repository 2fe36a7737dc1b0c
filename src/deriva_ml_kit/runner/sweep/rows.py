"""One row for each job of a sweep: what it was, how it ended, and what it measured; shown as text, CSV or JSON.

Pure: no catalog, no files.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

METRICS_SHOWN = 4
METRIC_WIDTH = 12
ERROR_SHOWN = 100


class JobStatus(StrEnum):
    """How a job stands.

    Attributes:
        PASSED: It ran to its end and its checks passed.
        FAILED: An error ended it, or one of its checks failed.
        INTERRUPTED: Somebody stopped it (Ctrl-C, or the cluster).
        KILLED: Its process ended without a word.
        RUNNING: It is at work.
        NOT_RUN: Its turn has not come.
    """

    PASSED = "passed"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    KILLED = "killed"
    RUNNING = "running"
    NOT_RUN = "not run"


@dataclass(frozen=True)
class Row:
    """One job of a sweep.

    Attributes:
        number: Hydra's job number, counted from 0; the Sequence of its execution among the parent's children.
        overrides: What this job has of its own, as on the command line.
        status: How it stands.
        execution_rid: Its execution; None if it ended before there was one, and in a dry run.
        seconds: How long it took, wall clock.
        metrics: What the model's function returned.
        error: What went wrong, in one or several lines.
    """

    number: int
    overrides: tuple[str, ...]
    status: JobStatus = JobStatus.NOT_RUN
    execution_rid: str | None = None
    seconds: float | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None

    @property
    def passed(self) -> bool:
        """Whether nothing is left to do for it."""
        return self.status is JobStatus.PASSED

    def as_json(self) -> dict[str, Any]:
        """The row as a mapping of JSON values; what JSON cannot hold becomes text."""
        return asdict(self) | {"overrides": list(self.overrides), "metrics": _plain(self.metrics)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Row:
        """The row that `as_json` wrote."""
        given = {**document, "overrides": tuple(document["overrides"]), "status": JobStatus(document["status"])}
        return cls(**given)


@dataclass(frozen=True)
class Child:
    """The execution of a job, as the catalog has it.

    Attributes:
        rid: Its RID.
        number: The job's number.
        status: How far it is, in main line's words.
        detail: What the catalog says of its status.
        seconds: How long its work took.
    """

    rid: str
    number: int
    status: str
    detail: str | None = None
    seconds: float | None = None

    @property
    def done(self) -> bool:
        """Whether its outputs are in the catalog."""
        return self.status == "Uploaded"

    @property
    def ended(self) -> bool:
        """Whether nothing will happen to it any more."""
        return self.status in ("Uploaded", "Failed", "Aborted")


def of_each(children: Iterable[Child]) -> dict[int, Child]:
    """The execution of each job: the one that is done, else the last."""
    found: dict[int, Child] = {}
    for child in children:
        if child.number not in found or child.done or not found[child.number].done:
            found[child.number] = child
    return found


def ended(row: Row) -> Row:
    """A job's row after its process has ended: one that still says that it runs was killed."""
    if row.status is not JobStatus.RUNNING:
        return row
    return replace(row, status=JobStatus.KILLED, error="its process ended without a word")


def settled(row: Row, child: Child | None) -> Row:
    """A job's row after its process has ended; where the catalog says otherwise, the catalog is right.

    Args:
        row: What the job's process noted last; `NOT_RUN` where nothing is known.
        child: The job's execution: the one that is done, else the newest.
    """
    row = ended(row)
    if child is None:
        if row.passed:
            return replace(row, status=JobStatus.FAILED, error="the catalog has no execution of this job")
        return row
    if child.done:
        if row.execution_rid == child.rid and row.status in (JobStatus.PASSED, JobStatus.FAILED):
            return row  # FAILED: its outputs are there, and say that a check failed
        return Row(row.number, row.overrides, JobStatus.PASSED, child.rid, child.seconds)
    row = replace(row, execution_rid=child.rid)
    if row.status in (JobStatus.PASSED, JobStatus.NOT_RUN):
        said = f"its execution is {child.status}: {child.detail or 'no reason given'}"
        status = JobStatus.INTERRUPTED if child.status == "Aborted" else JobStatus.FAILED
        return replace(row, status=status, error=said)
    return row


def tally(rows: Sequence[Row]) -> str:
    """How many jobs ended in which way, such as `2 of 3 jobs passed, 1 failed`."""
    counts = Counter(row.status for row in rows)
    others = [f"{counts[status]} {status}" for status in JobStatus if status is not JobStatus.PASSED and counts[status]]
    head = f"{counts[JobStatus.PASSED]} of {len(rows)} job{'' if len(rows) == 1 else 's'} passed"
    return ", ".join([head, *others])


def as_text(rows: Sequence[Row]) -> str:
    """The rows as an aligned table for a terminal, one line a job; errors are cut to their first line."""
    names = _telling(rows)[:METRICS_SHOWN]
    heads = ["job", "status", "execution", "seconds", *names, "overrides"]
    cells = [_cells(row, names) for row in rows]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    lines = [_aligned(heads, widths)]
    for row, line in zip(rows, cells, strict=True):
        lines.append(_aligned(line, widths))
        if row.error:
            lines.append(f"{'':{widths[0]}}  {_first_line(row.error)}")
    return "\n".join(lines)


def as_csv(rows: Sequence[Row]) -> str:
    """The rows as CSV, with a column `metric:NAME` for each metric; errors in full."""
    names = _metric_names(rows)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["number", "overrides", "status", "execution_rid", "seconds", *(f"metric:{name}" for name in names), "error"]
    )
    for row in rows:
        metrics = _plain(row.metrics)
        head = [row.number, " ".join(row.overrides), row.status.value, row.execution_rid, row.seconds]
        writer.writerow([*head, *(_cell(metrics.get(name)) for name in names), row.error])
    return out.getvalue()


def _telling(rows: Sequence[Row]) -> list[str]:
    """The metrics that fit into a line, first those in which the jobs differ."""
    shown = {name: {_shown(row.metrics[name]) for row in rows if name in row.metrics} for name in _metric_names(rows)}
    short = [name for name, texts in shown.items() if all(len(text) <= METRIC_WIDTH for text in texts)]
    return sorted(short, key=lambda name: len(shown[name]) == 1)


def _metric_names(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row.metrics))


def _cells(row: Row, names: Sequence[str]) -> list[str]:
    seconds = "" if row.seconds is None else f"{row.seconds:.1f}"
    measured = [_shown(row.metrics.get(name)) for name in names]
    return [str(row.number), row.status.value, row.execution_rid or "-", seconds, *measured, " ".join(row.overrides)]


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _cell(value: object) -> object:
    return json.dumps(value) if isinstance(value, list | dict) else value


def _first_line(error: str) -> str:
    line = next(iter(error.strip().splitlines()), "")
    return line if len(line) <= ERROR_SHOWN else line[: ERROR_SHOWN - 1] + "…"


def _plain(value: Any) -> Any:
    """A value as JSON has it: numbers of numpy become Python's, those that JSON lacks (NaN) and all others text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if callable(item := getattr(value, "item", None)) and getattr(value, "ndim", None) == 0:
        value = item()
    if value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)
