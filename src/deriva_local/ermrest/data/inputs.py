"""Reads the rows of a request's body: JSON, JSON stream or CSV.

In: bytes and a content type. Out: `Rows`, which tell the names of the columns given and how SQL gets each value,
typed for the column it is meant for. JSON stays one text that PostgreSQL takes apart; CSV goes into a temporary table
by COPY.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from deriva_local.ermrest.data.render import CSV, JSON, JSON_STREAM
from deriva_local.errors import BadRequest, PayloadTooLarge, UnsupportedMediaType
from deriva_local.model import ColumnType, types

MOST_BYTES = 2**28 - 1  # PostgreSQL's limit for the elements of one jsonb array
_TABLE = sql.Identifier("pg_temp", "given")


@dataclass(frozen=True)
class JsonRows:
    """Rows as the text of a JSON array of objects."""

    names: frozenset[str]
    count: int
    text: str

    @property
    def source(self) -> sql.Composable:
        """What to select the values from; its column `n` numbers the rows."""
        return sql.SQL("jsonb_array_elements({}::jsonb) WITH ORDINALITY AS g(o, n)").format(sql.Literal(self.text))

    def value(self, name: str, kind: ColumnType) -> sql.Composable:
        """The value given under `name`, as one of type `kind`; null where a row does not have it.

        An explicit null is JSON's null in a column of JSON, and SQL's null in any other.
        """
        given = sql.SQL("(o -> {})").format(sql.Literal(name))
        text = sql.SQL("(o ->> {})").format(sql.Literal(name))
        if types.is_json(kind):
            return sql.SQL("{}::{}").format(given, _type(kind))
        if kind.is_array:
            return sql.SQL("CASE jsonb_typeof({}) WHEN 'array' THEN {} ELSE {}::{} END").format(
                given, _array(given, kind), text, _type(kind)
            )
        return sql.SQL("{}::{}").format(text, _type(kind))


@dataclass(frozen=True)
class CsvRows:
    """Rows as the lines of a CSV document, to be copied into a temporary table of texts."""

    header: tuple[str, ...]
    content: bytes

    @property
    def names(self) -> frozenset[str]:
        """The names of the columns given."""
        return frozenset(self.header)

    @property
    def count(self) -> int:
        """The number of rows, or a few more: line breaks within values are counted, too."""
        return self.content.count(b"\n") + 1

    @property
    def source(self) -> sql.Composable:
        """What to select the values from; its column `n` numbers the rows."""
        return _TABLE

    def value(self, name: str, kind: ColumnType) -> sql.Composable:
        """The value given under `name`, as one of type `kind`. Arrays can be JSON or PostgreSQL's `{…}`."""
        text = sql.Identifier(f"g{self.header.index(name)}")
        if kind.is_array:
            return sql.SQL("CASE left({}, 1) WHEN '[' THEN {} ELSE {}::{} END").format(
                text, _array(sql.SQL("{}::jsonb").format(text), kind), text, _type(kind)
            )
        return sql.SQL("{}::{}").format(text, _type(kind))

    def table(self) -> sql.Composable:
        """The statement that makes the temporary table."""
        columns = (sql.SQL("{} text").format(name) for name in self._places())
        return sql.SQL("CREATE TABLE {} (n bigint GENERATED ALWAYS AS IDENTITY, {}) ON COMMIT DROP").format(
            _TABLE, sql.SQL(", ").join(columns)
        )

    def copy(self) -> sql.Composable:
        """The statement that fills it from `content`."""
        return sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(_TABLE, sql.SQL(", ").join(self._places()))

    def _places(self) -> list[sql.Identifier]:
        return [sql.Identifier(f"g{place}") for place in range(len(self.header))]


Rows = JsonRows | CsvRows


def read_rows(headers: Mapping[str, str], body: Iterable[bytes]) -> Rows:
    """The rows in a body.

    Raises:
        UnsupportedMediaType: neither JSON nor CSV.
        BadRequest: not what its content type says.
        PayloadTooLarge: more than PostgreSQL takes in one JSON value.
    """
    kind = headers.get("content-type", JSON).split(";")[0].strip().lower()
    data = _whole(body)
    if kind == CSV:
        return _csv_rows(data)
    if kind == JSON_STREAM:
        return _json_rows(b"[" + b",".join(line for line in data.splitlines() if line.strip()) + b"]")
    if kind == JSON:
        return _json_rows(data)
    raise UnsupportedMediaType(f"Rows can be sent as {JSON}, {JSON_STREAM} or {CSV}, not as {kind}.")


def _whole(body: Iterable[bytes]) -> bytes:
    """The body, read no further than is allowed."""
    blocks: list[bytes] = []
    size = 0
    for block in body:
        blocks.append(block)
        size += len(block)
        if size > MOST_BYTES:
            raise PayloadTooLarge(f"Rows of more than {MOST_BYTES >> 20} MiB need several requests.")
    return b"".join(blocks)


def _json_rows(data: bytes) -> JsonRows:
    try:
        text = data.decode("utf-8")
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"The body is not JSON: {error}.") from None
    if not isinstance(document, list):
        raise BadRequest('The body must be an array of rows: [{"column": value, …}, …].')
    names: set[str] = set()
    for place, row in enumerate(document, start=1):
        names.update(_keys(row, place))
    return JsonRows(frozenset(names), len(document), text)


def _keys(row: Any, place: int) -> Iterable[str]:
    if not isinstance(row, dict):
        raise BadRequest(f"Row {place} is not an object with the names of columns as its keys.")
    return row


def _csv_rows(data: bytes) -> CsvRows:
    data = data.removeprefix(b"\xef\xbb\xbf")
    end = _end_of_record(data)
    try:
        header = next(csv.reader(io.StringIO(data[:end].decode("utf-8"), newline=""), strict=True), [])
    except (UnicodeError, csv.Error) as error:
        raise BadRequest(f"The header of the CSV cannot be read: {error}.") from None
    if not header or "" in header or len(set(header)) < len(header):
        raise BadRequest(f"The header of the CSV must name each column once; it is {','.join(header)!r}.")
    content = data[end:]
    if len(header) > 1:
        content = content.rstrip(b"\r\n")  # an empty line is a row only where there is one column
    return CsvRows(tuple(header), content)


def _end_of_record(data: bytes) -> int:
    """Where the first record ends: at a line break outside quotes."""
    end = data.find(b"\n")
    while end >= 0 and data.count(b'"', 0, end) % 2:
        end = data.find(b"\n", end + 1)
    return len(data) if end < 0 else end + 1


def _array(value: sql.Composable, kind: ColumnType) -> sql.Composable:
    """A JSON array as PostgreSQL's."""
    assert kind.base is not None
    elements = "jsonb_array_elements" if types.is_json(kind.base) else "jsonb_array_elements_text"
    return sql.SQL("ARRAY(SELECT " + elements + "({}))::{}").format(value, _type(kind))


def _type(kind: ColumnType) -> sql.SQL:
    return sql.SQL(types.postgres(kind))  # a constant of the types module
