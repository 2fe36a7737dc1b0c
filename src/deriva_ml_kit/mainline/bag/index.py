"""Which dataset version lies where in the cache folder, so that a repeated call needs no catalog.

The release names a cached bag after the checksum of an archive that it has to export first; this index remembers the
folder by host, catalog, dataset and version. One JSON file for each entry, replaced as a whole: two programs at once
cannot leave a broken one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

try:
    import fcntl
except ImportError:  # not a POSIX system: two programs may fetch the same version, and one of them in vain
    fcntl = None  # type: ignore[assignment]

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
        checksum: Of the bag without its asset files.
        excluded: Tables that no way to its rows has passed.
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
    checksum: str = ""
    excluded: tuple[str, ...] = ()


class CacheIndex:
    """The entries of one cache folder for one catalog."""

    def __init__(self, cache_dir: Path, hostname: str, catalog_id: str) -> None:
        self._folder = cache_dir / FOLDER / hostname.replace(":", "_") / str(catalog_id).replace("/", "_")

    @classmethod
    def at(cls, folder: Path) -> CacheIndex:
        """The index whose entries lie in a folder."""
        return cls(folder.parents[2], folder.parent.name, folder.name)

    def find(self, rid: str, version: str, excluded: Iterable[str] = ()) -> Entry | None:
        """Return the entry of exactly this version without these tables, if its bag is still there."""
        entry = self._read(self._file(rid, version, excluded))
        return entry if entry and Path(entry.bag).is_dir() else None

    def versions(self, rid: str) -> list[str]:
        """Return the versions of a dataset that are cached with all tables."""
        return [entry.version for entry in self.entries(rid) if not entry.excluded]

    def entries(self, rid: str = "*") -> list[Entry]:
        """Return all entries, or those of a dataset."""
        found = (self._read(file) for file in sorted(self._folder.glob(f"{rid}@*.json")))
        return [entry for entry in found if entry and Path(entry.bag).is_dir()]

    def record(self, entry: Entry) -> None:
        """Write an entry in place of an older one of the same version."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile("w", encoding="utf-8", dir=self._folder, suffix=".part", delete=False) as file:
            json.dump(asdict(entry), file, indent=1)
        Path(file.name).replace(self._file(entry.rid, entry.version, entry.excluded))

    def forget(self, entry: Entry) -> None:
        """Remove an entry; its bag stays."""
        self._file(entry.rid, entry.version, entry.excluded).unlink(missing_ok=True)

    @contextmanager
    def sole(self, rid: str, version: str, excluded: Iterable[str] = ()) -> Iterator[None]:
        """Wait until no other program fetches this version, and let none do so meanwhile."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._file(rid, version, excluded).with_suffix(".lock").open("w") as lock:
            if fcntl:  # the lock ends with the program, however that ends
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _file(self, rid: str, version: str, excluded: Iterable[str] = ()) -> Path:
        without = "".join(f"-{name}" for name in sorted(excluded))
        mark = f"-{hashlib.sha256(without.encode()).hexdigest()[:12]}" if without else ""
        return self._folder / f"{rid}@{version}{mark}.json"

    @staticmethod
    def _read(file: Path) -> Entry | None:
        try:
            known = json.loads(file.read_text(encoding="utf-8"))
            return Entry(**known | {"excluded": tuple(known.get("excluded", ()))})
        except (
            FileNotFoundError,
            ValueError,
            TypeError,
            AttributeError,
        ):  # of an older layout, or cut short: as if it were not there
            return None
