"""A sweep's folder: one row a job, written by whichever process plays it, and who is at work there.

    outputs/sweeps/<key>/           held by the program that plays the sweep
    outputs/sweeps/<key>/<RID>/     the sweep whose parent execution has this RID: sweep.json, sweep.csv, multirun.yaml
    outputs/sweeps/<key>/<RID>/<n>/ job n: job.json, .hydra/, its log; held by the process that plays the job

A folder is held by a lock of the operating system, which ends with the process, however that ends.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from deriva_ml_kit.runner.sweep.rows import Row, as_csv

try:
    import fcntl
except ImportError:  # Windows: nobody can tell who is at work
    fcntl = None  # type: ignore[assignment]

SWEEPS = Path("outputs", "sweeps")
JOB = "job.json"
TABLE_JSON, TABLE_CSV = "sweep.json", "sweep.csv"


@contextlib.contextmanager
def held(folder: Path) -> Iterator[bool]:
    """Hold a folder, which is made if it is missing; the value says whether it was free."""
    folder.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield True
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            free = False
        except OSError:  # a file system without locks, as some clusters have
            free = True
        else:
            free = True
        yield free
    finally:
        os.close(descriptor)


def is_held(folder: Path) -> bool:
    """Whether a process is at work in a folder."""
    if not folder.is_dir():
        return False
    with held(folder) as free:
        return not free


def job_folder(sweep: Path, number: int) -> Path:
    """Folder of one job."""
    return sweep / str(number)


def write_row(sweep: Path, row: Row) -> None:
    """Keep a job's row, as a whole or not at all."""
    _write(job_folder(sweep, row.number) / JOB, json.dumps(row.as_json(), indent=1))


def read_row(sweep: Path, number: int) -> Row | None:
    """A job's row, if there is one."""
    file = job_folder(sweep, number) / JOB
    return Row.from_json(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else None


def read_rows(sweep: Path, numbers: Iterable[int]) -> dict[int, Row]:
    """The rows that are there, by number."""
    return {number: row for number in numbers if (row := read_row(sweep, number))}


def write_table(sweep: Path, head: Mapping[str, Any], rows: Sequence[Row]) -> list[Path]:
    """Write sweep.json (what the sweep is, and its rows) and sweep.csv; returns both paths."""
    document = {**head, "jobs": [row.as_json() for row in rows]}
    _write(sweep / TABLE_JSON, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    _write(sweep / TABLE_CSV, as_csv(rows))
    return [sweep / TABLE_JSON, sweep / TABLE_CSV]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
