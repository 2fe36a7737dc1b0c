"""What a table file would add to a feature: checked as a whole first, then handed out row by row.

Goes in: a CSV file, a ``FeatureShape``, ``Known``. Comes out: a ``Plan`` with counts and the rows that are new, kept on
disk, so that 100,000 rows need no more memory than the RIDs that find duplicates. One fault anywhere, and there is no
plan but ``Faults`` with all of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from deriva_ml_kit import script
from deriva_ml_kit.errors import Fault, Faults, UsageError
from deriva_ml_kit.features.check import Checked, Known, check_rows
from deriva_ml_kit.features.schema import FeatureShape, Value
from deriva_ml_kit.features.table import Header, Row, read_table


@dataclass(frozen=True)
class Plan:
    """Checked rows.

    Attributes:
        shape: The feature that they are for.
        new: Number of rows that the catalog does not hold yet.
        present: Number of rows that it holds with exactly these values.
    """

    shape: FeatureShape
    new: int
    present: int
    _spool: IO[str]

    def records(self) -> Iterator[dict[str, Value]]:
        """Yield the new rows as column name to value, in the order of the file; may be called again."""
        self._spool.seek(0)
        for line in self._spool:
            yield json.loads(line)


def plan_values(path: Path, shape: FeatureShape, known: Known, rename: dict[str, str] | None = None) -> Plan:
    """Check a whole file against a feature and the catalog.

    Args:
        path: A CSV file in UTF-8 whose header names the feature's columns.
        shape: The feature.
        known: What the catalog holds.
        rename: Names in the file's header to names of the feature's columns, where they differ.

    Raises:
        Faults: With every fault of the file, each with its line.
        UsageError: There is no such file.
    """
    spool = TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - lives as long as the plan
    faults: list[Fault] = []
    new = present = 0
    records = _renamed(_opened(path), rename or {})
    for result in script.progress(check_rows(records, shape, known), "Checking"):
        if isinstance(result, Fault):
            faults.append(replace(result, file=str(path)))
        elif result.present:
            present += 1
        else:
            new += 1
            _write(spool, result)
    if faults:
        faults.sort(key=lambda fault: fault.line or 0)
        raise Faults(faults)
    return Plan(shape, new, present, spool)


def _write(spool: IO[str], checked: Checked) -> None:
    spool.write(json.dumps(checked.values) + "\n")


def _opened(path: Path) -> Iterator[Header | Row | Fault]:
    try:
        yield from read_table(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", remedy="Give the path of a CSV file.") from None


def _renamed(records: Iterable[Header | Row | Fault], rename: dict[str, str]) -> Iterator[Header | Row | Fault]:
    for record in records:
        match record:
            case Header():
                yield Header(record.line, tuple(rename.get(name, name) for name in record.names))
            case Row():
                yield Row(record.line, {rename.get(name, name): cell for name, cell in record.cells.items()})
            case Fault():
                yield record
