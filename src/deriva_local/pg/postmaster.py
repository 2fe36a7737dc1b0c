"""What `postmaster.pid` says about a cluster, checked against the processes that really run.

PostgreSQL itself only asks whether the recorded pid exists. After a crash or a reboot that pid may belong to another
program, or be a zombie that nobody collects (common in containers), and PostgreSQL would refuse to start. So a recorded
postmaster counts as alive only if it is a `postgres`, not a zombie, and works in the cluster's directory.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psutil

PID_FILE = "postmaster.pid"
SOCKET_DIR_PREFIX = "deriva-local-socket-"
# A pid that no system hands out: PostgreSQL then sees for itself that the file is stale, and still checks, by the
# shared memory block that the file names, that no orphaned backend writes to the data.
NO_PID = 2**30 - 1


@dataclass(frozen=True)
class Postmaster:
    """One running postmaster. `socket_dir` is the folder of its socket, `ready` that it takes connections."""

    pid: int
    socket_dir: Path
    ready: bool


def find(pgdata: Path) -> Postmaster | None:
    """The postmaster that runs on `pgdata`, or None."""
    try:
        lines = (pgdata / PID_FILE).read_text().splitlines()
        pid = int(lines[0])
    except (FileNotFoundError, NotADirectoryError, IndexError, ValueError):
        return None
    if not _works_in(pid, pgdata):
        return None
    socket_dir = lines[4] if len(lines) > 4 else ""
    ready = len(lines) > 7 and lines[7].strip() == "ready"
    return Postmaster(pid, Path(socket_dir), ready)


def disown(pgdata: Path) -> None:
    """Make a `postmaster.pid` whose postmaster is gone recognisable as stale, whoever has that pid today.

    The folder belongs to the user that PostgreSQL runs as, and we may be root: so no link is followed here.
    """
    path = pgdata / PID_FILE
    try:
        with os.fdopen(os.open(path, os.O_RDWR | os.O_NOFOLLOW), "r+") as file:
            lines = file.readlines()
            file.seek(0)
            file.writelines([f"{NO_PID}\n", *lines[1:]] if lines else [])
            file.truncate()
    except FileNotFoundError:
        return
    if not lines:
        path.unlink()


def former_socket_dir(pgdata: Path) -> Path | None:
    """The socket's folder of a postmaster that crashed: connection strings in use go on to hold if it is used again."""
    try:
        folder = Path((pgdata / PID_FILE).read_text().splitlines()[4])
    except (FileNotFoundError, IndexError):
        return None
    return folder if is_temporary(folder, pgdata) else None


def temporary_socket_dir() -> Path:
    """A fresh folder with a short path."""
    return Path(tempfile.mkdtemp(prefix=SOCKET_DIR_PREFIX))


def is_temporary(folder: Path, pgdata: Path) -> bool:
    """Whether the folder is one that `temporary_socket_dir` made for this cluster, whatever `postmaster.pid` says."""
    return (
        folder.name.startswith(SOCKET_DIR_PREFIX)
        and folder.is_dir()
        and not folder.is_symlink()
        and folder.stat().st_uid == pgdata.stat().st_uid
    )


def alive(pid: int) -> bool:
    """Whether a process of this id exists and is more than a zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _works_in(pid: int, pgdata: Path) -> bool:
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE or process.name() != "postgres":
            return False
        if process.uids().real != pgdata.stat().st_uid:
            return False
        return Path(process.cwd()).samefile(pgdata)
    except psutil.AccessDenied:  # root in a container may lack the right to look into another user's process
        return True
    except (psutil.NoSuchProcess, OSError):
        return False
