"""What a download of a dataset version would bring: rows, asset files and their bytes, without fetching any file.

Asks the catalog, as it was at that version, about the same ways that the download will take. A record that several
ways lead to counts once, as it will in the bag.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from deriva_ml_kit.errors import KitError
from deriva_ml_kit.mainline.bag.exported import table_files, table_sizes
from deriva_ml_kit.mainline.dataset.dataset import DatasetSpec
from deriva_ml_kit.mainline.ml import DerivaML

# A row lies on the disk three times: in the archive, in the bag's CSV, in SQLite. Measured rows have 100-300 bytes.
BYTES_PER_ROW = 1_000
# What must stay free besides: a disk filled to the last byte breaks other programs.
RESERVE = 100_000_000


@dataclass(frozen=True)
class Preview:
    """What a dataset version holds.

    Attributes:
        tables: Table name to number of rows.
        files: Number of asset files.
        bytes: Their size.
    """

    tables: dict[str, int]
    files: int
    bytes: int

    @property
    def rows(self) -> int:
        """Rows in all tables."""
        return sum(self.tables.values())


def preview(ml: DerivaML, spec: DatasetSpec) -> Preview:
    """Count what the download of a dataset version would bring."""
    as_it_was = ml.catalog_snapshot(ml._version_snapshot(spec))
    sizes = table_sizes(as_it_was, table_files(as_it_was, spec))
    return Preview(
        {name: size.rows for name, size in sizes.items()},
        sum(size.files for size in sizes.values()),
        sum(size.file_bytes for size in sizes.values()),
    )


def require_space(folder: Path, wanted: Preview, *, files: bool) -> None:
    """Refuse a download that the disk cannot hold.

    Args:
        folder: Where it would go; must exist.
        wanted: What it would bring.
        files: Whether asset files are fetched too.

    Raises:
        KitError: With the figures.
    """
    needed = wanted.rows * BYTES_PER_ROW + (wanted.bytes if files else 0)
    free = shutil.disk_usage(folder).free
    if needed + RESERVE > free:
        raise KitError(
            f"The dataset does not fit: it needs about {size(needed)} (and {size(RESERVE)} to spare), "
            f"and {folder} has {size(free)} free.",
            remedy="Free space, choose another disk with --cache-dir, or fetch only the rows with --metadata-only.",
        )


def size(count: int) -> str:
    """Return a number of bytes as a person reads it, in powers of ten: `1.8 MB`."""
    amount = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
