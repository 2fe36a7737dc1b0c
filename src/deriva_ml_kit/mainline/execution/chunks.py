"""Large objects: sent in chunks, as an upload job that another process can go on with where this one ended.

The object store knows a job's shape, but does not tell which chunks have arrived. So that is noted beside the register,
after each chunk. Sending a chunk again changes nothing.

Source: Hatrac's REST-API, chunked uploads (`;upload`).
"""

from __future__ import annotations

import io
import json
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Executor, as_completed
from pathlib import Path
from typing import Any, cast

import requests

NOTES = "upload-jobs.jsonl"
CHUNK_BYTES = 10 * 1024 * 1024  # object stores behind Hatrac want at least 5 MB
MOST_CHUNKS = 10_000

Json = dict[str, Any]


class Notes:
    """Which upload jobs there are for the files of an execution, and which of their chunks have arrived.

    Args:
        root: Folder of the execution.
    """

    def __init__(self, root: Path) -> None:
        self._file = root / NOTES
        self._jobs: dict[str, str] = {}
        self._arrived: dict[str, set[int]] = defaultdict(set)
        if self._file.exists():
            for line in self._file.read_text(encoding="utf-8").splitlines(keepends=True):
                if line.endswith("\n"):  # a line without its end was being written when the process died
                    self._take(json.loads(line))

    def job(self, path: str) -> str | None:
        """URL path of the job of an object."""
        return self._jobs.get(path)

    def arrived(self, job: str) -> set[int]:
        """Numbers of the chunks that the job has."""
        return self._arrived[job]

    def started(self, path: str, job: str) -> None:
        """Note a job."""
        self._add({"path": path, "job": job})

    def has_arrived(self, job: str, number: int) -> None:
        """Note a chunk."""
        self._add({"job": job, "chunk": number})

    def _add(self, line: Json) -> None:
        self._take(line)
        with self._file.open("a", encoding="utf-8") as notes:
            notes.write(json.dumps(line) + "\n")

    def _take(self, line: Json) -> None:
        if "path" in line:
            self._jobs[line["path"]] = line["job"]
        else:
            self._arrived[line["job"]].add(line["chunk"])


class Piece(io.RawIOBase):
    """A part of a file that can be sent as a body, and sent again, without being held in memory."""

    def __init__(self, file: Path, start: int, length: int) -> None:
        self._stream = file.open("rb", buffering=0)
        self._start, self._length, self._at = start, length, 0

    def __len__(self) -> int:
        return self._length

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read on."""
        wanted = min(len(buffer), self._length - self._at)
        self._stream.seek(self._start + self._at)
        count = self._stream.readinto(memoryview(buffer)[:wanted]) or 0
        self._at += count
        return count

    def tell(self) -> int:
        """Where in the piece."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to another place in the piece."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._length}[whence]
        return self._at

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
        super().close()


def send(
    file: Path, path: str, description: Json, *, store: Callable[[], Any], pool: Executor, notes: Notes, told: Any
) -> str:
    """Send a file as an object that does not exist yet; a job that was begun for it is gone on with.

    Args:
        file: The file.
        path: URL path of the object.
        description: `content-length`, checksums, type and disposition, as Hatrac's jobs have them.
        store: Gives the calling thread's HatracStore.
        pool: Sends the chunks.
        notes: What is known of earlier attempts.
        told: Called with the number of bytes, in this thread, after each chunk.

    Returns:
        Versioned URL path of the object.

    Raises:
        requests.RequestException: The job could not be finished; what has arrived is noted.
    """
    job, length = _joined(store(), path, description, notes) or _created(store(), path, description, notes)
    size = int(description["content-length"])

    def put(number: int) -> None:
        start = number * length
        with Piece(file, start, min(length, size - start)) as body:
            store().put(f"{job}/{number}", data=body, headers={"Content-Type": "application/octet-stream"})

    numbers = range(-(-size // length))
    there = notes.arrived(job) & set(numbers)
    told(sum(min(length, size - number * length) for number in there))
    sending = {pool.submit(put, number): number for number in numbers if number not in there}
    try:
        for done in as_completed(sending):
            done.result()
            notes.has_arrived(job, sending[done])
            told(min(length, size - sending[done] * length))
    finally:
        for waiting in sending:
            waiting.cancel()
    try:
        return url_path(store().post(job))
    except requests.HTTPError as error:
        if error.response.status_code == 409:  # what arrived is not the file: nobody shall go on with that
            store().delete(job)
        raise


def _joined(store: Any, path: str, description: Json, notes: Notes) -> tuple[str, int] | None:
    """The job that this or another process has begun for the very same content, and its chunk length."""
    noted = notes.job(path)
    for job in [noted] if noted else _jobs(store, path):
        state = _document(store, job)
        if state and all(state.get(field) == description[field] for field in ("content-length", "content-md5")):
            if not noted:
                notes.started(path, job)
            return job, int(state["chunk-length"])
    return None


def _created(store: Any, path: str, description: Json, notes: Notes) -> tuple[str, int]:
    length = max(CHUNK_BYTES, -(-int(description["content-length"]) // MOST_CHUNKS))
    answer = store.post(f"{path};upload?parents=true", json={"chunk-length": length} | description)
    job = url_path(answer)
    notes.started(path, job)
    return job, length


def url_path(answer: requests.Response) -> str:
    """Path of what a request has made; Hatrac gives it with or without its host."""
    return "/hatrac/" + str(answer.text.strip() or answer.headers["Location"]).partition("/hatrac/")[2]


def _jobs(store: Any, path: str) -> list[str]:
    return cast("list[str]", _document(store, f"{path};upload") or [])


def _document(store: Any, path: str) -> Any:
    """A JSON document; None if there is none (any more)."""
    try:
        return store.get(path, headers={"Accept": "application/json"}).json()
    except requests.HTTPError as error:
        if error.response.status_code == 404:
            return None
        raise
