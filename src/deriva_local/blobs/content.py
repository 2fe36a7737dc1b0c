"""Contents of objects as files: streamed in and out in constant memory, never visible before they are whole.

    <folder>/incoming/<id>        being received, or changing hands (see below)
    <folder>/content/<xx>/<id>    whole and durable; xx = first two characters of the id

The database says which contents exist; the two must agree after a crash at any instant. So whatever changes
the owner of a file leaves a link of it under `incoming` until the database has committed:

    receive -> publish (link into content) -> COMMIT -> settle  (unlink the link)
    retire  (link into incoming)           -> COMMIT -> discard (unlink both)

After a crash everything under `incoming` is in doubt, and only that: `in_doubt` lists the ids, and the caller, who can
ask the database, settles or discards each. No walk over all contents is ever needed.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from deriva_local.errors import BadRequest, PayloadTooLarge

BLOCK = 1 << 20  # bytes moved at a time


@dataclass(frozen=True)
class Digest:
    """Length and checksums of a content. `sha256` is None unless it was asked for."""

    length: int
    md5: bytes
    sha256: bytes | None


class ContentFolder:
    """The folder of contents. Safe to use from many threads: no two of them work on one id at a time."""

    def __init__(self, folder: Path) -> None:
        self._incoming = folder / "incoming"
        self._content = folder / "content"
        self._incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._content.mkdir(exist_ok=True, mode=0o700)

    # Receiving

    def receive(self, blocks: Iterable[bytes], *, sha256: bool) -> tuple[str, Digest]:
        """Write a body to a new file, durably, and digest it on the way.

        Nothing stays behind when `blocks` raises (a client that went away) or the disk is full.

        Raises:
            PayloadTooLarge: no room on the disk.
        """
        id = secrets.token_hex(16)
        path = self._incoming / id
        md5, sha, length = hashlib.md5(usedforsecurity=False), hashlib.sha256() if sha256 else None, 0
        try:
            with _room(path), path.open("xb") as file:
                for block in blocks:
                    file.write(block)
                    md5.update(block)
                    if sha:
                        sha.update(block)
                    length += len(block)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return id, Digest(length, md5.digest(), sha.digest() if sha else None)

    def reserve(self, length: int) -> str:
        """Make a file that `write_at` will fill to `length` bytes, in any order.

        Raises:
            PayloadTooLarge: no room on the disk.
        """
        id = secrets.token_hex(16)
        path = self._incoming / id
        with _room(path):
            if shutil.disk_usage(self._incoming).free < length:
                raise OSError(errno.ENOSPC, "the whole would not fit")
            path.touch()
        return id

    def write_at(self, id: str, offset: int, length: int, blocks: Iterable[bytes]) -> None:
        """Write exactly `length` bytes at `offset` of a reserved file, durably.

        Raises:
            BadRequest: the body is shorter or longer than `length`.
            PayloadTooLarge: no room on the disk.
        """
        path = self._incoming / id
        written = 0
        with _room(path), path.open("r+b") as file:
            file.seek(offset)
            for block in blocks:
                if written + len(block) > length:
                    raise BadRequest(f"the chunk holds more than the {length} bytes that belong at its place")
                file.write(block)
                written += len(block)
            file.flush()
            os.fsync(file.fileno())
        if written < length:
            raise BadRequest(f"the chunk holds {written} bytes, {length} belong at its place")

    def digest(self, id: str, *, sha256: bool) -> Digest:
        """Read a file through (published or not) for its checksums."""
        md5, sha, length = hashlib.md5(usedforsecurity=False), hashlib.sha256() if sha256 else None, 0
        path = self._incoming / id
        with (path if path.exists() else self._published(id)).open("rb", buffering=0) as file:
            while block := file.read(BLOCK):
                md5.update(block)
                if sha:
                    sha.update(block)
                length += len(block)
        return Digest(length, md5.digest(), sha.digest() if sha else None)

    # Changing hands

    def publish(self, id: str) -> None:
        """Make a received file part of the contents; call `settle` once the database has committed.

        May be repeated: a crash between publishing and committing leaves the link of an upload job that goes on later.
        """
        target = self._published(id)
        target.parent.mkdir(exist_ok=True, mode=0o700)
        with suppress(FileExistsError):
            os.link(self._incoming / id, target)
        _sync_folder(target.parent)

    def settle(self, id: str) -> None:
        """Drop the link that protects a change of hands; the published file, if any, stays."""
        (self._incoming / id).unlink(missing_ok=True)

    def retire(self, id: str) -> None:
        """Announce that a file goes; call `discard` once the database has committed."""
        with suppress(FileExistsError, FileNotFoundError):  # a file not yet published lies under `incoming` anyway
            os.link(self._published(id), self._incoming / id)

    def discard(self, id: str) -> None:
        """Delete a file for good, received or published. Readers that have it open keep reading."""
        self._published(id).unlink(missing_ok=True)
        (self._incoming / id).unlink(missing_ok=True)

    def in_doubt(self) -> Iterator[str]:
        """Ids whose fate a crash may have left open. Only for the start, before requests are answered."""
        for entry in os.scandir(self._incoming):
            yield entry.name

    # Reading

    def open(self, id: str) -> BinaryIO:
        """Open a published content for reading."""
        return self._published(id).open("rb", buffering=0)

    def _published(self, id: str) -> Path:
        return self._content / id[:2] / id


def read_range(file: BinaryIO, start: int, length: int) -> Iterator[bytes]:
    """Yield `length` bytes from `start` on, block by block, and close the file at the end or when abandoned."""
    with file:
        file.seek(start)
        while length > 0 and (block := file.read(min(BLOCK, length))):
            length -= len(block)
            yield block


def _sync_folder(folder: Path) -> None:
    """Make a new name in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _room(path: Path) -> Iterator[None]:
    """Turn a full disk into an answer that says so."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise PayloadTooLarge(
                f"no room for this object on the disk of {path.parent.parent}: free some space"
            ) from None
        raise
