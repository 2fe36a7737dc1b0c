"""A server with two models as a person starts it, and requests to it from units that come again."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from deriva_ml_kit.demo.production.batches import scans
from deriva_ml_kit.errors import KitError
from deriva_ml_kit.project.shell import environment

START_SECONDS = 120.0
STOP_SECONDS = 20.0
CLIENTS = 4


@contextmanager
def server(folder: Path, command: Sequence[str], *, fault: str | None = None) -> Iterator[int]:
    """Start a server in the project, wait until it is ready, stop it at the end.

    Args:
        folder: The project.
        command: What starts it; `--port` is added.
        fault: Value of DEMO_FAULT.

    Yields:
        Its port.

    Raises:
        KitError: It does not become ready; with the end of what it said.
    """
    port = _free_port()
    log = folder / ".deriva-ml" / "server.log"
    env = dict(environment()) | ({"DEMO_FAULT": fault} if fault else {})
    with log.open("w", encoding="utf-8") as said:
        process = subprocess.Popen(
            [*command, "--port", str(port)], cwd=folder, env=env, stdout=said, stderr=said, start_new_session=True
        )
        try:
            _wait(port, process, log)
            yield port
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def ask(port: int, count: int, *, first: int = 0) -> Counter[int]:
    """Send scans to a server, each for a unit of its own, several at a time.

    Args:
        port: Of the server on this machine.
        count: How many.
        first: Number of the first unit.

    Returns:
        Status to the number of answers.
    """
    frame, _ = scans()
    records = frame.to_dict("records")
    with ThreadPoolExecutor(CLIENTS) as pool:
        parts = pool.map(lambda k: _some(port, records, range(first + k, first + count, CLIENTS)), range(CLIENTS))
    return sum(parts, Counter())


def _some(port: int, records: Sequence[Any], units: Sequence[int]) -> Counter[int]:
    answered: Counter[int] = Counter()
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    for unit in units:
        body = json.dumps({"features": records[unit % len(records)], "unit": f"letter-{unit}"})
        connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        answered[response.status] += 1
    connection.close()
    return answered


def _wait(port: int, process: subprocess.Popen[Any], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            connection = HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/ready")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.2)
    said = log.read_text(encoding="utf-8").splitlines()[-12:]
    raise KitError("The server did not become ready:\n" + "\n".join(said), remedy=f"The whole output is in {log}.")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def wait(seconds: float) -> None:
    """Let time pass, as real traffic would."""
    time.sleep(seconds)
