"""The prediction log on disk: a line for each request, in files that are closed when they are large or old.

    open-<name>.jsonl            the server at work writes it, and holds a lock on it
    predictions-<time>-<name>.jsonl   closed; `upload` stores it in the catalog
    uploaded/                    what the catalog has

Every line is handed to the operating system before its request is answered, so that a server that is killed loses none.
What a killed server left open is closed by the next one.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.ops.predictions import Prediction

CLOSED = "predictions-*.jsonl"
OPEN = "open-*.jsonl"
UPLOADED = "uploaded"
LARGEST = 64 * 2**20  # bytes of a file
OLDEST = 24 * 3600  # seconds that a file stays open


class PredictionLog:
    """A log that one process writes.

    Args:
        folder: Where; made if it does not exist.
        largest: Bytes at which a file is closed.
        oldest: Seconds after which a file is closed.

    Raises:
        UsageError: Nothing can be written there.
    """

    def __init__(self, folder: Path, *, largest: int = LARGEST, oldest: float = OLDEST) -> None:
        self.folder = folder
        self._largest = largest
        self._oldest = oldest
        self._name = secrets.token_hex(4)
        self._file: int | None = None
        self._size = 0
        self._since = 0.0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            adopt(folder)
            self._file = self._opened()
        except OSError as error:
            raise UsageError(f"Predictions cannot be logged in {folder}: {error}") from error

    @property
    def _path(self) -> Path:
        return self.folder / f"open-{self._name}.jsonl"

    def write(self, predictions: Iterable[Prediction]) -> None:
        """Add lines.

        Raises:
            OSError: The disk does not take them.
        """
        lines = "".join(f"{each.model_dump_json()}\n" for each in predictions).encode()
        if self._file is None or self._size >= self._largest or time.monotonic() - self._since >= self._oldest:
            self.close()
            self._file = self._opened()
        view, start = memoryview(lines), self._size
        while view:
            try:
                written = os.write(self._file, view)
            except OSError:
                os.ftruncate(self._file, start)  # no half of a line stays
                self._size = start
                raise
            self._size += written
            view = view[written:]

    def close(self) -> None:
        """Close the file; nothing happens if it is closed."""
        if self._file is not None:
            _close(self._path)
            os.close(self._file)
            self._file = None

    def _opened(self) -> int:
        new = self.folder / f"new-{self._name}"
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        new.rename(self._path)  # now that it is locked: nobody takes it for one that was left
        self._size, self._since = 0, time.monotonic()
        return file


def adopt(folder: Path) -> list[Path]:
    """Close what servers that are no more left open; a line that is not whole is cut off."""
    closed = []
    for path in sorted(folder.glob(OPEN)):
        with path.open("r+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # its server lives
            text = file.read()
            file.truncate(text.rfind(b"\n") + 1)
            closed += _close(path)
    return closed


def closed(folder: Path) -> list[Path]:
    """Files that can be uploaded, oldest first."""
    return sorted(folder.glob(CLOSED))


def _close(path: Path) -> list[Path]:
    """Give the file its final name; one without lines goes."""
    if not path.stat().st_size:
        path.unlink()
        return []
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    return [path.rename(path.with_name(f"predictions-{now}-{path.stem.removeprefix('open-')}.jsonl"))]
