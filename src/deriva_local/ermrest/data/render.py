"""Turns PostgreSQL's COPY output into the body of an answer: JSON array, JSON stream or CSV.

PostgreSQL writes the rows, one a line; here they only get a frame, in blocks of a size that is worth sending.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from urllib.parse import quote

from psycopg import sql

from deriva_local.ermrest.data.resolved import Output
from deriva_local.ermrest.data.sql import Selection, copy_csv, copy_json
from deriva_local.ermrest.data.syntax import Options

JSON, JSON_STREAM, CSV = "application/json", "application/x-json-stream", "text/csv"
SUFFIXES = {JSON: ".json", JSON_STREAM: ".json", CSV: ".csv"}
_SHORT = {"json": JSON, "csv": CSV}
_BLOCK = 256 * 1024


def content_type(options: Options, headers: Mapping[str, str]) -> str:
    """The form of the answer: `accept=` in the query string, else the Accept header, else JSON."""
    asked = _SHORT.get(options.accept or "", options.accept or "")
    if asked in SUFFIXES:
        return asked
    ranked = sorted((_accepted(part) for part in headers.get("accept", "").split(",")), key=lambda found: -found[1])
    return next((kind for kind, weight in ranked if kind in SUFFIXES and weight > 0), JSON)


def _accepted(part: str) -> tuple[str, float]:
    kind, *parameters = (piece.strip() for piece in part.split(";"))
    weight = next((parameter[2:] for parameter in parameters if parameter.startswith("q=")), "1")
    try:
        return kind.lower(), float(weight)
    except ValueError:
        return kind.lower(), 0.0


def disposition(options: Options, kind: str) -> dict[str, str]:
    """The header that makes a browser save the answer, if `download=` asks for it."""
    if options.download is None:
        return {}
    name = quote(options.download, safe="") + SUFFIXES[kind]
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}


def statement(selection: Selection, outputs: Sequence[Output], kind: str, options: Options) -> sql.Composed:
    """The COPY statement whose output `body` puts into its frame."""
    return copy_csv(selection, outputs, options.json_arrays) if kind == CSV else copy_json(selection, outputs)


def body(lines: Iterable[bytes], outputs: Sequence[Output], kind: str) -> Iterator[bytes]:
    """The body of an answer, from the lines that PostgreSQL sends."""
    return _FRAMES[kind](_blocks(lines), [output.name for output in outputs])


def _blocks(lines: Iterable[bytes]) -> Iterator[bytes]:
    held: list[bytes] = []
    size = 0
    for line in lines:
        held.append(line)
        size += len(line)
        if size >= _BLOCK:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def _json(blocks: Iterator[bytes], names: Sequence[str]) -> Iterator[bytes]:
    """An array. Every object ends with a line break and holds none, so commas can be put in by the block."""
    opening = b"["
    for block in blocks:
        yield opening + block[:-1].replace(b"\n", b",\n")
        opening = b",\n"
    yield b"[]\n" if opening == b"[" else b"]\n"


def _json_stream(blocks: Iterator[bytes], names: Sequence[str]) -> Iterator[bytes]:
    return blocks


def _csv(blocks: Iterator[bytes], names: Sequence[str]) -> Iterator[bytes]:
    header = io.StringIO()
    csv.writer(header, lineterminator="\n").writerow(names)
    yield header.getvalue().encode()
    yield from blocks


_FRAMES: Mapping[str, Callable[[Iterator[bytes], Sequence[str]], Iterator[bytes]]] = {
    JSON: _json,
    JSON_STREAM: _json_stream,
    CSV: _csv,
}
