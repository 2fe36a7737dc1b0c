"""Results of exports as files: one folder each, for whoever asked for it, for a limited time.

    <folder>/<key>/files/…     what the export made
    <folder>/<key>/log         how it went
    <folder>/<key>/result.json owner and names of the files; written last, so that a folder without it is unfinished

The key is a random secret of its own. A file is served only if `result.json` names it, so no request leads elsewhere.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from deriva_local.errors import Forbidden, NotFound

_KEY = re.compile("[A-Za-z0-9_-]{22}")


@dataclass(frozen=True)
class Result:
    """A finished or growing result."""

    key: str
    folder: Path
    names: tuple[str, ...] = ()

    @property
    def files(self) -> Path:
        """Where the export writes to."""
        return self.folder / "files"

    @property
    def log(self) -> Path:
        """What the export says while it works."""
        return self.folder / "log"

    def open(self, name: str) -> BinaryIO:
        """Open one of the result's files, or its log (`log`, unless a file has that name). Raises NotFound."""
        if name in self.names:
            return (self.files / name).open("rb", buffering=0)
        if name == self.log.name:
            return self.log.open("rb", buffering=0)
        raise NotFound(f"the export has no file {name!r}: there are {', '.join(self.names)}")


class ResultFolder:
    """Results of one host; each is there for `lifetime_s` seconds."""

    def __init__(self, folder: Path, lifetime_s: float) -> None:
        self._folder = folder
        self._lifetime_s = lifetime_s
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def clear(self) -> None:
        """Delete everything that has expired or was never finished. Before the first request."""
        for folder in self._folder.iterdir():
            if not (folder / "result.json").exists():
                shutil.rmtree(folder, ignore_errors=True)
        self.expire()

    def expire(self) -> None:
        """Delete finished results that are too old."""
        for document in self._folder.glob("*/result.json"):
            if document.stat().st_mtime < time.time() - self._lifetime_s:
                shutil.rmtree(document.parent, ignore_errors=True)

    @contextmanager
    def growing(self) -> Iterator[Result]:
        """A new, empty result; deleted when the block raises."""
        key = secrets.token_urlsafe(16)
        result = Result(key, self._folder / key)
        result.files.mkdir(parents=True, mode=0o700)
        try:
            yield result
        except BaseException:
            shutil.rmtree(result.folder, ignore_errors=True)
            raise

    def finish(self, result: Result, owner: str) -> Result:
        """Let the result be fetched. Its files are all that lie in its folder now."""
        names = sorted(path.relative_to(result.files).as_posix() for path in result.files.rglob("*") if path.is_file())
        document = {"owner": owner, "names": names}
        (result.folder / "result.json").write_text(json.dumps(document), encoding="utf-8")
        return Result(result.key, result.folder, tuple(names))

    def find(self, key: str, owner: str) -> Result:
        """Look a finished result up.

        Raises:
            NotFound: no such key, or it has expired.
            Forbidden: somebody else asked for it.
        """
        self.expire()
        folder = self._folder / key
        if not _KEY.fullmatch(key) or not (folder / "result.json").exists():
            minutes = self._lifetime_s / 60
            raise NotFound(f"no export {key!r}: results are kept for {minutes:.0f} minutes; export again")
        document = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        if document["owner"] != owner:
            raise Forbidden("only the client who asked for an export may fetch it")
        return Result(key, folder, tuple(document["names"]))
