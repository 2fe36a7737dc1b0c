"""Output files of an execution before they are uploaded: where they lie, and what is known about them.

The register is a file of JSON lines in the execution's folder, one line for each registration, so that a process that
was killed can be continued by another one. The last line about a path counts.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from deriva.core import urlquote
from deriva_ml.execution.execution import AssetFilePath as ReleasedPath

REGISTER = "registered.jsonl"


class AssetFilePath(ReleasedPath):  # type: ignore[misc]  # the release is untyped
    """Path of an asset file that also knows table, types and metadata.

    What is derived from it (`.parent`, `/`, `.with_suffix`) is an ordinary Path: from Python 3.12 on the release's
    class cannot be made from path parts alone and raises TypeError.
    """

    def with_segments(self, *segments: Any) -> Path:
        """Make derived paths ordinary ones."""
        return Path(*segments)

    def __reduce__(self) -> Any:
        return Path, (str(self),)


@dataclass(frozen=True)
class Registered:
    """One output file that was announced.

    Attributes:
        table: Asset table as `schema/table`.
        path: Where the file is written, relative to the execution's folder.
        file_name: Name in the catalog.
        asset_types: Terms of Asset_Type.
        metadata: Values of further columns; those not given stay NULL.
    """

    table: str
    path: str
    file_name: str
    asset_types: list[str]
    metadata: dict[str, Any] = field(default_factory=dict)


class Register:
    """The announced output files of one execution.

    Args:
        root: Folder of the execution.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._file = root / REGISTER

    def place(self, schema: str, table: str, file_name: str, metadata: Mapping[str, Any]) -> Path:
        """Where a file is to be written; files of the same name with other metadata lie apart.

        Raises:
            ValueError: The file name is no plain name.
        """
        if not file_name or file_name in (".", "..") or "/" in file_name or "\0" in file_name:
            raise ValueError(f"{file_name!r} is not a file name")
        apart = urlquote(json.dumps(dict(metadata), sort_keys=True, default=str), "") if metadata else "-"
        folder = self.root / "asset" / schema / table / (apart if len(apart) <= 200 else _digest(apart))
        folder.mkdir(parents=True, exist_ok=True)
        return folder / file_name

    def add(self, entry: Registered) -> None:
        """Announce a file."""
        with self._file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(asdict(entry), default=str) + "\n")

    def entries(self) -> list[Registered]:
        """What was announced, in that order, each path once."""
        return list({entry.path: entry for entry in self._lines()}.values())

    def clear(self) -> None:
        """Forget everything."""
        self._file.unlink(missing_ok=True)

    def _lines(self) -> Iterator[Registered]:
        if not self._file.exists():
            return
        with self._file.open(encoding="utf-8") as lines:
            for line in lines:
                if line.endswith("\n"):  # a line without its end was being written when the process died
                    yield Registered(**cast("dict[str, Any]", json.loads(line)))


def take(source: Path, path: Path, *, copy: bool) -> None:
    """Put an existing file at a registered path, as a link to it or as a copy."""
    path.unlink(missing_ok=True)
    if not copy:
        with contextlib.suppress(OSError):  # file systems without links
            path.symlink_to(source.resolve())
            return
    shutil.copyfile(source, path)


def _digest(text: str) -> str:

    return hashlib.sha256(text.encode()).hexdigest()
