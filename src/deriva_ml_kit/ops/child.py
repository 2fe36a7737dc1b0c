"""A program that we start and wait for, and that ends as it wants when we are interrupted: its execution is marked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

PATIENCE = ((signal.SIGINT, 60.0), (signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0))  # what, and how long it may take


def run(
    words: Sequence[str], folder: Path, more: Mapping[str, str] | None = None, output: IO[Any] | int | None = None
) -> int:
    """Run a program to its end.

    Interrupts are for us alone, as its process group is its own; it is sent one, and waited for.

    Args:
        words: Its command line; programs of this environment are found by their names.
        folder: Where it is started.
        more: Environment variables that it has beside ours.
        output: Where what it prints goes; stderr where not given.

    Returns:
        Its exit code; negative where a signal ended it.

    Raises:
        FileNotFoundError: There is no such program.
        KeyboardInterrupt: We were interrupted, and it has ended.
    """
    environment = os.environ | dict(more or {})
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)])
    into = 2 if output is None else output
    with _terminations():
        process = subprocess.Popen(
            list(words), cwd=folder, env=environment, stdout=into, stderr=into, start_new_session=True
        )
        try:
            return process.wait()
        except BaseException:
            _end(process)
            raise


def _end(process: subprocess.Popen[Any]) -> None:
    for what, seconds in PATIENCE:
        try:
            os.killpg(process.pid, what)
            process.wait(seconds)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
        return


@contextmanager
def _terminations() -> Iterator[None]:
    """SIGTERM, by which schedulers cancel a job, is an interrupt, too."""
    try:
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
