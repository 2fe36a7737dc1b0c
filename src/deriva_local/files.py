"""Small files of ours: written whole or not at all, closed to other users, and changed by one process at a time."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deriva_local.errors import Conflict

PRIVATE = 0o600


def write_atomically(path: Path, content: str, mode: int = PRIVATE) -> None:
    """Replace the file's content; a reader, or a crash, sees the old one or the new one. A link stays a link."""
    target = path.resolve()
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    fresh = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            fresh.unlink()
        raise


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, waiting for whoever holds it; the system lets go of it if we die."""
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def read_json(path: Path) -> dict[str, Any]:
    """A small JSON object of ours; empty if there is no such file.

    Raises:
        Conflict: The file holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise Conflict(f"{path} is not JSON ({error}). Repair or delete it.") from None
    if not isinstance(content, dict):
        raise Conflict(f"{path} does not hold a JSON object. Repair or delete it.")
    return content


@contextmanager
def appending(path: Path, limit_bytes: int = 10_000_000) -> Iterator[int]:
    """The descriptor of a log file, readable by its owner alone; emptied first if it has grown too long."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    too_long = path.exists() and path.stat().st_size > limit_bytes
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (os.O_TRUNC if too_long else 0)
    descriptor = os.open(path, flags, PRIVATE)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def tail(text: str, lines: int = 8) -> str:
    """The last lines: where a log says what went wrong."""
    return "\n".join(text.strip().splitlines()[-lines:])
