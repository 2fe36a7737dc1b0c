"""Check rows against a feature, all of them, before anything is written.

Goes in: the records of ``table.read_table``, a ``FeatureShape``, and ``Known``: what the catalog holds, asked for a
batch of RIDs at a time. Comes out: ``Checked`` rows in the order of the file, with ``Fault`` in between. Pure: no file,
no catalog. Memory grows by one RID for each row (to find duplicates), not by the rows' contents.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from deriva_ml_kit.errors import Fault
from deriva_ml_kit.features.schema import Column, FeatureShape, Kind, Value, Vocabulary, comparable, parse
from deriva_ml_kit.features.table import Header, Row
from deriva_ml_kit.nearest import suggestion

BATCH = 500


class Known(Protocol):
    """What the catalog holds already."""

    def rids(self, table: str, rids: Collection[str]) -> set[str]:
        """Return those of ``rids`` that are in the table."""

    def values(self, targets: Collection[str]) -> Iterable[Mapping[str, Value]]:
        """Return the feature's rows about these targets, as column name to stored value."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A row without fault.

    Attributes:
        line: Where it stands in the file.
        values: Column name to value, the target's RID included; a term is the term's name.
        present: Whether the catalog holds exactly these values for this target already.
    """

    line: int
    values: dict[str, Value]
    present: bool


def check_rows(
    records: Iterable[Header | Row | Fault], shape: FeatureShape, known: Known, batch: int = BATCH
) -> Iterator[Checked | Fault]:
    """Check every record; see the module's description."""
    checker = _Checker(shape, known)
    rows: list[Row] = []
    for record in records:
        match record:
            case Header():
                yield from checker.header(record)
            case Row():
                rows.append(record)
                if len(rows) == batch:
                    yield from checker.rows(rows)
                    rows.clear()
            case Fault():
                yield record
    yield from checker.rows(rows)


class _Checker:
    def __init__(self, shape: FeatureShape, known: Known) -> None:
        self.shape = shape
        self.known = known
        self.columns: tuple[Column, ...] = ()
        self.first_line: dict[str, int] = {}
        self.resolve = lru_cache(maxsize=4096)(_resolve)

    def header(self, header: Header) -> Iterator[Fault]:
        """Compare the header with the feature; columns that are missing or unknown are reported here, once."""
        self.columns = tuple(column for column in self.shape.header if column.name in header.names)
        wanted = [column.name for column in self.shape.header]
        for name in header.names:
            if name not in wanted:
                message = f"feature {self.shape.name} has no such column; {suggestion(name, wanted)}"
                yield Fault(message, line=header.line, column=name)
        for column in self.shape.header:
            if column.required and column.default is None and column not in self.columns:
                what = f"the RID of the {column.refers_to}" if column.kind is Kind.TARGET else column.kind.value
                yield Fault(
                    f"the file has no such column, and it is required ({what})", line=header.line, column=column.name
                )

    def rows(self, rows: list[Row]) -> Iterator[Checked | Fault]:
        """Check a batch: each cell alone, then all RIDs with one question per table."""
        converted = [(row.line, *self._convert(row)) for row in rows]
        missing = self._missing([values for _, values, _ in converted])
        present = self._present([values for _, values, faults in converted if not faults])
        for line, values, found in converted:
            faults = [*found, *self._unknown(line, values, missing), *self._duplicate(line, values)]
            yield from faults
            if not faults:
                yield Checked(line, values, self._comparable(values) in present)

    def _convert(self, row: Row) -> tuple[dict[str, Value], list[Fault]]:
        values: dict[str, Value] = {}
        faults: list[Fault] = []
        for column in self.columns:
            try:
                values[column.name] = self._value(column, row.cells[column.name])
            except ValueError as error:
                faults.append(Fault(str(error), line=row.line, column=column.name))
        for column in self.shape.columns:
            if column not in self.columns:
                values[column.name] = column.default
        return values, faults

    def _value(self, column: Column, text: str) -> Value:
        if not text.strip():
            if column.required and column.default is None:
                raise ValueError("is empty, and a value is required")
            return column.default
        value = parse(column, text)
        if column.kind is Kind.TERM:
            return self.resolve(self.shape.vocabularies[column.refers_to], value)
        return value

    def _references(self) -> list[Column]:
        return [column for column in self.columns if column.kind in (Kind.TARGET, Kind.ASSET)]

    def _missing(self, rows: list[dict[str, Value]]) -> dict[str, set[str]]:
        """Return, for each table, the RIDs of this batch that it does not hold."""
        named: dict[str, set[str]] = {}
        for column in self._references():
            rids = {rid for values in rows if (rid := values.get(column.name)) is not None}
            named.setdefault(column.refers_to, set()).update(rids)
        return {table: rids - self.known.rids(table, rids) if rids else set() for table, rids in named.items()}

    def _unknown(self, line: int, values: Mapping[str, Value], missing: Mapping[str, set[str]]) -> Iterator[Fault]:
        for column in self._references():
            if (rid := values.get(column.name)) in missing[column.refers_to]:
                yield Fault(f"no {column.refers_to} has the RID {rid}", line=line, column=column.name)

    def _present(self, rows: list[dict[str, Value]]) -> set[tuple[Value, ...]]:
        targets = {rid for values in rows if (rid := values.get(self.shape.target.name)) is not None}
        return {self._comparable(stored) for stored in self.known.values(targets)} if targets else set()

    def _comparable(self, values: Mapping[str, Value]) -> tuple[Value, ...]:
        return tuple(comparable(column, values.get(column.name)) for column in self.shape.header)

    def _duplicate(self, line: int, values: Mapping[str, Value]) -> Iterator[Fault]:
        rid = values.get(self.shape.target.name)
        if rid is not None and (first := self.first_line.setdefault(rid, line)) != line:
            message = f"{rid} is also on line {first}; an execution gives one value of a feature to a record"
            yield Fault(message, line=line, column=self.shape.target.name)


def _resolve(vocabulary: Vocabulary, text: str) -> str:
    """Return the name of the term that ``text`` names, by itself or as a synonym."""
    names = vocabulary.resolve(text)
    if len(names) == 1:
        return next(iter(names))
    if names:
        raise ValueError(f"{text!r} is a synonym of {' and of '.join(sorted(names))}: write the term's name")
    hint = suggestion(text, [*vocabulary.names, *vocabulary.synonyms])
    raise ValueError(f"{text!r} is no term of {vocabulary.table}; {hint}")
