"""Rows from a CSV, JSON or JSON Lines file, or from a call: each with the line on which it begins.

A cell that is blank in CSV, and null in JSON, is not given. What cannot be read comes out as a fault in between;
reading goes on behind it where that makes sense.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deriva_ml_kit.errors import Fault
from deriva_ml_kit.features.table import Header, Row, read_table

SUFFIXES = (".csv", ".json", ".jsonl", ".ndjson")
_SPACE = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True, slots=True)
class Given:
    """A row as it was given.

    Attributes:
        line: Line of the file on which it begins; its number, where it came with the call.
        values: What was given for each column.
        text: Whether all values are texts, whatever they mean.
    """

    line: int
    values: dict[str, Any]
    text: bool = False


def rows_of(path: Path) -> Iterator[Given | Fault]:
    """The rows of a file, by its suffix.

    Raises:
        OSError: It cannot be opened.
    """
    if path.suffix.lower() == ".csv":
        return _csv(path)
    return _json(path, lines=path.suffix.lower() != ".json")


def rows_of_call(rows: Iterable[dict[str, Any]]) -> Iterator[Given | Fault]:
    """Rows that came with the call, numbered from 1."""
    return (Given(number, _without_null(row)) for number, row in enumerate(rows, start=1))


def _csv(path: Path) -> Iterator[Given | Fault]:
    for record in read_table(path):
        match record:
            case Header():
                pass
            case Row():
                cells = {name: cell for name, cell in record.cells.items() if cell.strip()}
                yield Given(record.line, cells, text=True)
            case Fault():
                yield record


def _json(path: Path, *, lines: bool) -> Iterator[Given | Fault]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        yield Fault(f"byte {error.start} is not UTF-8; save the file as UTF-8", line=1)
        return
    found = False
    for record in _of_lines(text) if lines else _of_array(text):
        found = True
        if isinstance(record, Fault) or isinstance(record.values, dict):
            yield record
        else:
            yield Fault(f"{_shown(record.values)} is no object of column names and values", line=record.line)
    if not found:
        yield Fault("there are no rows in the file", line=1)


def _of_lines(text: str) -> Iterator[Given | Fault]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                yield Given(number, _without_null(_DECODER.decode(line)))
            except (ValueError, RecursionError) as error:
                yield Fault(f"is not JSON: {error}", line=number)


def _of_array(text: str) -> Iterator[Given | Fault]:
    """The objects of one list, decoded one by one, so that the line of each is known."""
    place, line = _after_space(text, 0), 1
    if text[place : place + 1] != "[":
        yield Fault("the file does not begin with [: rows are a list of objects", line=1)
        return
    mark, counted = "[", 0
    while mark != "]":
        place = _after_space(text, place + 1)
        line, counted = line + text.count("\n", counted, place), place
        if mark == "[" and text[place : place + 1] == "]":
            return
        try:
            value, place = _DECODER.raw_decode(text, place)
        except (ValueError, RecursionError) as error:
            yield Fault(f"is not JSON: {error}", line=line)
            return
        yield Given(line, _without_null(value))
        place = _after_space(text, place)
        mark = text[place : place + 1]
        if mark not in (",", "]"):
            yield Fault("the list of rows does not go on here with a comma, nor does it end", line=line)
            return


def _after_space(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return found.end() if found else place


def _without_null(value: Any) -> Any:
    return {name: item for name, item in value.items() if item is not None} if isinstance(value, dict) else value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        twice = next(name for name, _ in pairs if sum(name == other for other, _ in pairs) > 1)
        raise ValueError(f"{twice!r} is given twice in one object")
    return made


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:40]}…"
