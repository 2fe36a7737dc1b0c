"""Which dataset version lies where in the cache folder, so that a repeated call needs no catalog.

The release names a cached bag after the checksum of an archive that it has to export first; this index remembers the
folder by host, catalog, dataset and version. One JSON file for each entry, replaced as a whole: two programs at once
cannot leave a broken one.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

FOLDER = "index"


@dataclass(frozen=True)
class Entry:
    """One dataset version on this disk.

    Attributes:
        snapshot: The catalog snapshot of the version; another one means another catalog at the same address.
        bag: The folder of the bag.
        materialized: Whether its asset files are there, not only the rows.
        rows: Number of rows in all tables.
        files: Number of asset files.
        bytes: Their size.
        cached_at: When it was fetched, ISO 8601.
    """

    hostname: str
    catalog_id: str
    rid: str
    version: str
    snapshot: str
    bag: str
    materialized: bool
    rows: int
    files: int
    bytes: int
    cached_at: str


class CacheIndex:
    """The entries of one cache folder for one catalog."""

    def __init__(self, cache_dir: Path, hostname: str, catalog_id: str) -> None:
        self._folder = cache_dir / FOLDER / hostname.replace(":", "_") / str(catalog_id).replace("/", "_")

    def find(self, rid: str, version: str) -> Entry | None:
        """Return the entry of exactly this version, if its bag is still there."""
        entry = self._read(self._file(rid, version))
        return entry if entry and Path(entry.bag).is_dir() else None

    def versions(self, rid: str) -> list[str]:
        """Return the cached versions of a dataset."""
        entries = (self._read(file) for file in sorted(self._folder.glob(f"{rid}@*.json")))
        return [entry.version for entry in entries if entry and Path(entry.bag).is_dir()]

    def record(self, entry: Entry) -> None:
        """Write an entry in place of an older one of the same version."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile("w", encoding="utf-8", dir=self._folder, suffix=".part", delete=False) as file:
            json.dump(asdict(entry), file, indent=1)
        Path(file.name).replace(self._file(entry.rid, entry.version))

    def _file(self, rid: str, version: str) -> Path:
        return self._folder / f"{rid}@{version}.json"

    @staticmethod
    def _read(file: Path) -> Entry | None:
        try:
            return Entry(**json.loads(file.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):  # of an older layout, or cut short: as if it were not there
            return None
