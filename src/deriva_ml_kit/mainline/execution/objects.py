"""Files become objects in Hatrac, each once: an object's name holds its MD5, and only a first version is made.

Small files go whole, several at a time; large ones in chunks, several at a time (`chunks`).

Sources: Hatrac's REST-API (`PUT` of an object with `If-None-Match: *`), `deriva_ml.dataset.upload` for the names.
"""

from __future__ import annotations

import base64
import hashlib
import threading
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from deriva.core import ConcurrentUpdate, urlquote
from deriva.core.utils import mime_utils

from deriva_ml_kit.mainline.catalog.transport import Limits, object_store
from deriva_ml_kit.mainline.execution import chunks
from deriva_ml_kit.mainline.execution.outputs import Registered

WHOLE_BYTES = 25 * 1024 * 1024  # larger objects go in chunks, as the library does it
SMALL_BYTES = 1024 * 1024  # smaller ones are sent without asking first whether they are there
BLOCK_BYTES = 1024 * 1024


@dataclass(frozen=True)
class OutputFile:
    """A registered file, measured.

    Attributes:
        entry: What was registered.
        path: The file.
        size: Bytes.
        md5: Hexadecimal MD5.
        sha256: Base64 SHA-256.
    """

    entry: Registered
    path: Path
    size: int
    md5: str
    sha256: str

    @property
    def key(self) -> tuple[str, str]:
        """What makes two files the same asset."""
        return self.md5, self.entry.file_name

    @property
    def is_large(self) -> bool:
        """Whether it goes in chunks; an empty one does, too, for a request without a body is none for some proxies."""
        return not 0 < self.size <= WHOLE_BYTES

    @property
    def object_path(self) -> str:
        """URL path of its object."""
        table, name = self.entry.table.split("/")[1], self.entry.file_name
        return f"/hatrac/{urlquote(table, '')}/{self.md5}.{urlquote(name, '')}"

    @property
    def description(self) -> dict[str, str]:
        """Checksums, type and name for downloads, under Hatrac's names."""
        name = self.entry.file_name
        return {
            "content-md5": base64.b64encode(bytes.fromhex(self.md5)).decode(),
            "content-sha256": self.sha256,
            "content-type": mime_utils.guess_content_type(name),
            "content-disposition": f"filename*=UTF-8''{urlquote(name, '')}",
        }


def measured(root: Path, entry: Registered) -> OutputFile:
    """Size and checksums of a registered file."""
    path = root / entry.path
    md5, sha256, size = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
    with path.open("rb", buffering=0) as file:
        while block := file.read(BLOCK_BYTES):
            md5.update(block)
            sha256.update(block)
            size += len(block)
    return OutputFile(entry, path, size, md5.hexdigest(), base64.b64encode(sha256.digest()).decode())


class Objects:
    """Puts files into a host's object store; threads have a connection each.

    Args:
        hostname: Host of the object store.
        credential: Credential for the host.
        limits: How patiently.
        root: Folder of the execution.
    """

    def __init__(self, hostname: str, credential: Any, limits: Limits, root: Path) -> None:
        self._hostname = hostname
        self._credential = credential
        self._limits = limits
        self._notes = chunks.Notes(root)
        self._thread = threading.local()
        self._stores: list[Any] = []

    def __enter__(self) -> Objects:
        return self

    def __exit__(self, *_: object) -> None:
        """Close all connections; threads that wait to try again give up."""
        for store in self._stores:
            store._session.close()

    def put(self, file: OutputFile) -> str:
        """Put a small file, unless its object is there; gives the versioned URL path. For any thread."""
        store = self._store()
        if file.size > SMALL_BYTES and (there := self._location(store, file)):
            return there
        headers = {"If-None-Match": "*"} | file.description
        try:
            with chunks.Piece(file.path, 0, file.size) as body:
                data = body if file.size > SMALL_BYTES else body.readall()
                answer = store.put(f"{file.object_path}?parents=true", data=data, headers=headers)
        except ConcurrentUpdate:  # 412: it is there, from an attempt that got no further or from another process
            return self._existing(store, file)
        return chunks.url_path(answer)

    def put_large(self, file: OutputFile, pool: Executor, told: Any) -> str:
        """Put a large file, unless its object is there; gives the versioned URL path.

        Args:
            file: The file.
            pool: Sends the chunks.
            told: Called with the number of bytes, in this thread, after each chunk.
        """
        store = self._store()
        if there := self._location(store, file):
            return there
        description = {"content-length": file.size} | file.description
        try:
            return chunks.send(
                file.path, file.object_path, description, store=self._store, pool=pool, notes=self._notes, told=told
            )
        except requests.HTTPError:
            # Another process has finished the same job, or this one has and the answer was lost.
            if there := self._location(store, file):
                return there
            raise

    def remove(self, url: str) -> None:
        """Remove one version of an object."""
        self._store().delete(url)

    def _store(self) -> Any:
        store = getattr(self._thread, "store", None)
        if store is None:
            store = self._thread.store = object_store(self._hostname, self._credential, self._limits)
            self._stores.append(store)
        return store

    def _existing(self, store: Any, file: OutputFile) -> str:
        location = self._location(store, file)
        if location is None:
            raise ValueError(f"the object store has lost {file.object_path}")
        return location

    @staticmethod
    def _location(store: Any, file: OutputFile) -> str | None:
        """Versioned URL path of a file's object, if it is there.

        Raises:
            ValueError: It has other content; the name holds the MD5, so somebody else has put it there.
        """
        try:
            answer = store.head(file.object_path)
        except requests.HTTPError as error:
            if error.response.status_code in (404, 409):  # 409: it is known, but has no version
                return None
            raise
        if answer.headers.get("Content-MD5") != file.description["content-md5"]:
            raise ValueError(f"the object store holds other content at {file.object_path}")
        return str(answer.headers["Content-Location"])
