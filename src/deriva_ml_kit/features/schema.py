"""A feature's columns as plain frozen values, so that rows can be checked without a catalog.

Goes in: what the catalog says about a feature (read by ``features.catalog``). Comes out: ``FeatureShape``, and the
two functions that turn a cell of text into the value to store, and a stored value into something to compare.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

Value = Any  # what JSON can hold: str, int, float, bool, None, list, dict


class Kind(StrEnum):
    """What a cell must hold."""

    TARGET = "RID of the target"
    TERM = "term"
    ASSET = "RID of an asset"
    TEXT = "text"
    INTEGER = "whole number"
    FLOAT = "number"
    BOOLEAN = "true or false"
    DATE = "date"
    TIMESTAMP = "date and time"
    TIMESTAMPTZ = "date and time with zone"
    JSON = "JSON"


_KINDS = {
    "boolean": (Kind.BOOLEAN, 0),
    "int2": (Kind.INTEGER, 16),
    "int4": (Kind.INTEGER, 32),
    "int8": (Kind.INTEGER, 64),
    "float4": (Kind.FLOAT, 32),
    "float8": (Kind.FLOAT, 64),
    "numeric": (Kind.FLOAT, 64),
    "date": (Kind.DATE, 0),
    "timestamp": (Kind.TIMESTAMP, 0),
    "timestamptz": (Kind.TIMESTAMPTZ, 0),
    "json": (Kind.JSON, 0),
    "jsonb": (Kind.JSON, 0),
}


def kind_of(typename: str) -> tuple[Kind, int]:
    """Return what a column of an ERMrest type holds, and its width in bits where that matters."""
    return _KINDS.get(typename, (Kind.TEXT, 0))


@dataclass(frozen=True)
class Column:
    """One column that a row may or must fill.

    Attributes:
        name: Name in the feature's table, and in the file's header.
        kind: What a cell holds.
        required: Whether an empty cell is a fault.
        bits: Width of an INTEGER or FLOAT.
        refers_to: The vocabulary of a TERM, the asset table of an ASSET, the target table of the TARGET.
        default: The value of an empty cell.
    """

    name: str
    kind: Kind
    required: bool = False
    bits: int = 0
    refers_to: str = ""
    default: Value = None


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The terms of a vocabulary table, found by name or synonym; equal only to itself, so that it can key a cache."""

    table: str
    names: frozenset[str]
    synonyms: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, table: str, terms: Iterable[tuple[str, Iterable[str]]]) -> Vocabulary:
        """Build from pairs of a term's name and its synonyms."""
        synonyms: dict[str, set[str]] = {}
        names = set()
        for name, others in terms:
            names.add(name)
            for other in others:
                synonyms.setdefault(other, set()).add(name)
        return cls(table, frozenset(names), {other: frozenset(terms) for other, terms in synonyms.items()})

    def resolve(self, text: str) -> frozenset[str]:
        """Return the names that ``text`` stands for: one if it is a term, none or several if it is not usable."""
        if text in self.names:
            return frozenset((text,))
        return self.synonyms.get(text, frozenset())


@dataclass(frozen=True)
class FeatureShape:
    """A feature as rows see it.

    Attributes:
        target: The column that holds the RID of the record that the value is about; named like the target table.
        name: The feature's name.
        table: The table that holds its values.
        columns: The value columns: terms, assets, plain values.
        vocabularies: The terms that TERM columns take, by vocabulary table.
    """

    target: Column
    name: str
    table: str
    columns: tuple[Column, ...]
    vocabularies: Mapping[str, Vocabulary] = field(default_factory=dict)

    @property
    def header(self) -> tuple[Column, ...]:
        """All columns that a file may have, the target first."""
        return (self.target, *self.columns)


_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_TRUTH = {"true": True, "t": True, "yes": True, "y": True, "1": True}
_TRUTH |= {"false": False, "f": False, "no": False, "n": False, "0": False}


def parse(column: Column, text: str) -> Value:
    """Turn a cell that is not empty into the value to store; terms and RIDs come back as they are.

    Raises:
        ValueError: The text is no such value; the message says what is wanted.
    """
    parser = _PARSERS.get(column.kind)
    return parser(text.strip() if column.kind is not Kind.TEXT else text, column.bits) if parser else text.strip()


def _text(text: str, _bits: int) -> str:
    if "\0" in text:
        raise ValueError("holds a NUL character, which a catalog cannot store")
    return text


def _boolean(text: str, _bits: int) -> bool:
    if text.lower() not in _TRUTH:
        raise ValueError(f"{text!r} is not true or false (also yes/no, t/f, y/n, 1/0)")
    return _TRUTH[text.lower()]


def _no_constant(name: str) -> Value:
    raise ValueError(f"{name} is no JSON value")


def _json(text: str, _bits: int) -> Value:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except ValueError as error:
        raise ValueError(f"is not JSON: {error}") from None


def _integer(text: str, bits: int) -> int:
    if not _INTEGER.fullmatch(text):
        raise ValueError(f"{text!r} is not a whole number")
    limit = 1 << (bits - 1)
    # The length is looked at first: Python refuses to convert thousands of digits.
    if len(text) > 40 or not -limit <= int(text) < limit:
        raise ValueError(f"{text} does not fit: the column holds -{limit} to {limit - 1}")
    return int(text)


def _number(text: str, bits: int) -> float:
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is not a number (digits with a decimal point; an unknown value is an empty cell)")
    number = float(text)
    if math.isinf(number) or (bits == 32 and _single(number) is None):
        raise ValueError(f"{text} is out of the range of the column")
    return number


def _single(number: float) -> float | None:
    """Return the number as PostgreSQL's float4 keeps it, or None where PostgreSQL refuses it as too large or small."""
    try:
        (rounded,) = struct.unpack("<f", struct.pack("<f", number))
    except OverflowError:
        return None
    return None if rounded == 0 != number else float(rounded)


def _date(text: str, _bits: int) -> str:
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    raise ValueError(f"{text!r} is not a date of the form YYYY-MM-DD")


def _timestamp(text: str, _bits: int) -> str:
    moment = _moment(text)
    if moment.tzinfo is not None:
        raise ValueError(f"{text!r} has a time zone, and the column keeps none: leave it out")
    return moment.isoformat()


def _timestamptz(text: str, _bits: int) -> str:
    moment = _moment(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone: add one, as in 2026-01-31T09:30:00Z")
    return moment.isoformat()


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a date and time of the form YYYY-MM-DDTHH:MM:SS") from None


_PARSERS: Mapping[Kind, Callable[[str, int], Value]] = {
    Kind.TEXT: _text,
    Kind.INTEGER: _integer,
    Kind.FLOAT: _number,
    Kind.BOOLEAN: _boolean,
    Kind.DATE: _date,
    Kind.TIMESTAMP: _timestamp,
    Kind.TIMESTAMPTZ: _timestamptz,
    Kind.JSON: _json,
}


def comparable(column: Column, value: Value) -> Value:
    """Return a hashable form in which a value sent and the same value read back are equal."""
    if value is None:
        return None
    match column.kind:
        case Kind.FLOAT:
            return _single(float(value)) if column.bits == 32 else float(value)
        case Kind.TIMESTAMPTZ:
            return datetime.fromisoformat(value).astimezone(UTC)
        case Kind.TIMESTAMP:
            return datetime.fromisoformat(value)
        case Kind.JSON:
            return json.dumps(value, sort_keys=True)
        case _:
            return value
