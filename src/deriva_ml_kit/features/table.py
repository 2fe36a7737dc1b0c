"""A CSV file as rows that know their line; reading problems come out as faults in between, not as exceptions.

Goes in: the path of a UTF-8 file whose first line names the columns. Comes out: ``Header``, then ``Row`` or ``Fault``,
one record at a time, so a file of any length is read in little memory.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from deriva_ml_kit.errors import Fault

_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Header:
    """The columns' names in the order of the file, and the line that they stand on."""

    line: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One record: the line it begins on (counted from 1, newlines inside quotes included) and its cells by column."""

    line: int
    cells: dict[str, str]


def read_table(path: Path) -> Iterator[Header | Row | Fault]:
    """Read a CSV file.

    A byte-order mark is skipped, so are blank lines and records whose cells are all blank. A record that cannot be
    decoded, or has too many or too few cells, yields faults instead of a row, and reading goes on behind it; an
    unfinished quote or a header that names nothing ends it.

    Raises:
        OSError: The file cannot be opened.
    """
    with path.open("rb") as file:
        if file.peek(2)[:2] in _UTF16_MARKS:
            yield Fault("the file is UTF-16; save it as UTF-8 (in a spreadsheet: 'CSV UTF-8')", line=1)
            return
        yield from _records(_Lines(file))


class _Lines:
    """Decoded lines of a file, for ``csv.reader``; remembers what it could not decode."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._offset = 0
        self.line = 0
        self.faults: list[Fault] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        raw = next(self._file)
        self.line += 1
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            bad = raw[error.start]
            message = f"byte {self._offset + error.start} (0x{bad:02x}) is not UTF-8; save the file as UTF-8"
            self.faults.append(Fault(message, line=self.line))
            text = raw.decode("utf-8", errors="replace")
        self._offset += len(raw)
        return text.removeprefix("\ufeff") if self.line == 1 else text

    def take_faults(self) -> list[Fault]:
        """Return the faults met since the last call."""
        taken, self.faults = self.faults, []
        return taken


def _records(lines: _Lines) -> Iterator[Header | Row | Fault]:
    header: Header | None = None
    reader = csv.reader(lines, strict=True)
    start = 1
    rows = 0
    try:
        for cells in reader:
            line, start = start, lines.line + 1
            undecodable = lines.take_faults()
            yield from undecodable
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = Header(line, tuple(cell.strip() for cell in cells))
                faults = list(_header_faults(header))
                yield from faults
                if faults or undecodable:
                    return
                yield header
                continue
            rows += 1
            if undecodable:
                continue
            if len(cells) != len(header.names):
                yield Fault(f"{_cells(len(cells))} where the header names {len(header.names)}", line=line)
                continue
            yield Row(line, dict(zip(header.names, cells, strict=True)))
    except csv.Error as error:
        yield from lines.take_faults()
        yield Fault(_csv_message(str(error)), line=start)
        return
    if header is None:
        yield Fault("the file is empty: its first line must name the columns", line=1)
    elif rows == 0:
        yield Fault("there are no rows below the header", line=header.line)


def _header_faults(header: Header) -> Iterator[Fault]:
    if len(header.names) == 1 and (separator := next((mark for mark in ";\t|" if mark in header.names[0]), None)):
        yield Fault(f"the columns are separated by {separator!r}; save the file with commas", line=header.line)
        return
    seen: set[str] = set()
    for position, name in enumerate(header.names, start=1):
        if not name:
            yield Fault(f"column {position} has no name", line=header.line)
        elif name in seen:
            yield Fault("the header names this column twice", line=header.line, column=name)
        seen.add(name)


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count} cells"


def _csv_message(message: str) -> str:
    if "unexpected end of data" in message:
        return "a quote opens here and is never closed"
    if "new-line character" in message:
        return "lines end with a carriage return alone; save the file with Unix or Windows line ends"
    if "field limit" in message:
        return f"a cell is longer than {csv.field_size_limit()} characters: is a quote missing?"
    return f"not CSV: {message}"
