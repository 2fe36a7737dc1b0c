"""Workers for exports: started at need, one kept warm, few at a time, none longer than its time."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deriva_local.errors import BadRequest, Forbidden, ServiceError, Unauthorized, Unavailable

RUNNING = 2  # exports at work at once
ADMITTED = 10  # exports at work or waiting; each holds one of the server's threads
WAIT_S = 60.0
TIMEOUT_S = 570.0  # deriva's client waits 610 s for the answer
RETRY_AFTER = {"Retry-After": "10"}
_FAULTS: dict[int, type[ServiceError]] = {400: BadRequest, 401: Unauthorized, 403: Forbidden, 503: Unavailable}


class Engine:
    """Runs jobs, each in a worker process that trusts `ca_bundle`."""

    def __init__(self, ca_bundle: Path, timeout_s: float = TIMEOUT_S) -> None:
        self._ca_bundle = ca_bundle
        self._timeout_s = timeout_s
        self._admitted = threading.BoundedSemaphore(ADMITTED)
        self._running = threading.BoundedSemaphore(RUNNING)
        self._lock = threading.Lock()
        self._idle: Worker | None = None

    def run(self, job: dict[str, Any]) -> None:
        """Run one job to its end; see `worker` for what a job is.

        Raises:
            BadRequest, Unauthorized, Forbidden: the engine or one of its queries refused.
            Unavailable: too many exports at once, or this one took too long.
        """
        with self._turn():
            worker = self._take()
            try:
                answer = worker.ask(job | {"timeout_s": int(self._timeout_s)}, self._timeout_s)
            except BaseException:
                worker.end()
                raise
            self._give_back(worker)
        if answer:
            raise _FAULTS.get(answer["status"], ServiceError)(f"the export failed: {answer['message']}")

    def close(self) -> None:
        """End the idle worker. Those at work end with the host."""
        with self._lock:
            worker, self._idle = self._idle, None
        if worker:
            worker.end()

    def _take(self) -> Worker:
        with self._lock:
            worker, self._idle = self._idle, None
        if worker and worker.is_alive():
            return worker
        return Worker(self._ca_bundle)

    def _give_back(self, worker: Worker) -> None:
        with self._lock:
            spare, self._idle = self._idle, worker
        if spare:
            spare.end()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait for one's turn, unless too many wait already. Raises Unavailable."""
        if not self._admitted.acquire(blocking=False):
            raise Unavailable(f"{ADMITTED} exports are running or waiting: try again in a moment", RETRY_AFTER)
        try:
            if not self._running.acquire(timeout=WAIT_S):
                raise Unavailable(f"no export has ended for {WAIT_S:.0f} s: try again in a moment", RETRY_AFTER)
            try:
                yield
            finally:
                self._running.release()
        finally:
            self._admitted.release()


class Worker:
    """One worker process with a HOME of its own, so that nobody's settings or credentials get in."""

    def __init__(self, ca_bundle: Path) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="deriva-local-export-")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "deriva_local.export.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=self._home.name,
            env={
                "HOME": self._home.name,
                "PATH": os.defpath,
                "REQUESTS_CA_BUNDLE": str(ca_bundle),
            },
            text=True,
            encoding="utf-8",
        )

    def ask(self, job: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """Send a job and wait for its answer. Raises Unavailable when the process ends or has to be ended."""
        assert self._process.stdin
        assert self._process.stdout
        deadline = threading.Timer(timeout_s, self._process.kill)
        deadline.start()
        try:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(json.dumps(job) + "\n")
                self._process.stdin.flush()
            line = self._process.stdout.readline()
        finally:
            deadline.cancel()
        if not line:
            raise Unavailable(f"the export was broken off: it took longer than {timeout_s:.0f} s, or its process died")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def end(self) -> None:
        """Stop the process and delete its HOME."""
        self._process.kill()
        self._process.communicate()
        self._home.cleanup()
