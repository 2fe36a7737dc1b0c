"""Rows against the table that they are for, all of them, before anything is written.

In: rows as they were given, the table. Out: the values to store, terms by their names, or every fault with its line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from deriva.core import urlquote

from deriva_ml_kit.errors import Fault
from deriva_ml_kit.features.schema import Column, Kind, Vocabulary, comparable, kind_of, parse
from deriva_ml_kit.mainline.catalog.paged import paged
from deriva_ml_kit.mainline.catalog.rows import batches, table_name
from deriva_ml_kit.nearest import suggestion
from deriva_ml_kit.tools.paging import total
from deriva_ml_kit.tools.rows.file import Given
from deriva_ml_kit.tools.schema.described import SYSTEM
from deriva_ml_kit.tools.schema.filters import LONGEST

if TYPE_CHECKING:
    from deriva.core.ermrest_model import Table

    from deriva_ml_kit.mainline import DerivaML

Values = dict[str, Any]
PAGE_ROWS = 20_000
# From so many-th of a table on, to read all of it costs less than to ask for its rows by their values.
WORTH_READING = 10


@dataclass(frozen=True)
class Cells:
    """What the cells of a column hold.

    Attributes:
        column: Name, kind, whether it is required, default.
        listed: Whether a cell holds a list of such values.
        numbered: Whether the catalog numbers rows in it by itself.
    """

    column: Column
    listed: bool
    numbered: bool

    @property
    def is_plain(self) -> bool:
        """Whether rows can be asked for by their values: not by lists and JSON."""
        return not self.listed and self.column.kind is not Kind.JSON


@dataclass(frozen=True)
class Reference:
    """Columns that name a row of another table."""

    columns: tuple[str, ...]
    table: Table
    to: tuple[str, ...]


@dataclass
class Checked:
    """Rows without fault.

    Attributes:
        read: How many rows there were.
        rows: What to store; all have the same columns.
        defaults: Columns that take the catalog's default.
        skipped: How many rows were left out since the table has rows of their keys.
        terms: What was written where the term is called otherwise: synonym to name.
    """

    read: int
    rows: list[Values]
    defaults: list[str]
    skipped: int
    terms: dict[str, str]


def check(
    ml: DerivaML,
    table: Table,
    given: Iterable[Given | Fault],
    *,
    key: Sequence[str] | None,
    skip: bool,
    tell: Callable[[str], None],
) -> Checked | list[Fault]:
    """Check rows.

    Args:
        ml: The catalog.
        table: The table that they are for.
        given: The rows.
        key: Columns that tell one row from the others; the table's own keys where not given.
        skip: Leave out rows whose key the table has, instead of taking it as a fault.
        tell: Called now and then with what has been done; may raise an error to end it.
    """
    checker = _Checker(ml, table, key, tell)
    for number, record in enumerate(given, start=1):
        if isinstance(record, Fault):
            checker.faults.append(record)
        else:
            checker.take(record)
        if number % 1000 == 0:
            tell(f"{number} rows are read")
    return checker.result(skip=skip)


def value_of(cells: Cells, given: Any, *, text: bool) -> Any:
    """What is stored for a value that was given.

    Raises:
        ValueError: The column cannot hold it; the message says what is wanted.
    """
    if not cells.listed:
        return _single(cells.column, given, text=text)
    items = parse(Column("", Kind.JSON), given) if text else given
    if not isinstance(items, list):
        raise ValueError(f"{given!r} is no list of values, as in [1, 2]")
    return [None if item is None else _single(cells.column, item, text=False) for item in items]


def _single(column: Column, given: Any, *, text: bool) -> Any:
    if isinstance(given, str) and (text or column.kind is not Kind.JSON):
        if not given.isascii() and given.encode("utf-8", "ignore").decode("utf-8") != given:
            raise ValueError("holds half a character, which a catalog cannot store")
        return parse(column, given)
    if column.kind is Kind.JSON:
        return given
    if isinstance(given, dict | list) or isinstance(given, bool) is not (column.kind is Kind.BOOLEAN):
        raise ValueError(f"{json.dumps(given)} is no {column.kind.value}")
    whole = isinstance(given, float) and given.is_integer() and column.kind is Kind.INTEGER
    return parse(column, json.dumps(int(given) if whole else given))


def cells_of(table: Table) -> dict[str, Cells]:
    """What the columns of a table hold, without those that the catalog fills itself."""
    return {column.name: _cells(column) for column in table.columns if column.name not in SYSTEM}


def cells_like(name: str, typename: str, *, required: bool = False, default: Any = None) -> Cells:
    """What a column of a type holds."""
    kind, bits = kind_of(typename.removesuffix("[]").replace("serial", "int"))
    made = Column(name, kind, required=required, bits=bits, default=default)
    return Cells(made, typename.endswith("[]"), typename.startswith("serial"))


def _cells(column: Any) -> Cells:
    required = not column.nullok and column.default is None
    return cells_like(column.name, column.type.typename, required=required, default=column.default)


class _Checker:
    def __init__(self, ml: DerivaML, table: Table, key: Sequence[str] | None, tell: Callable[[str], None]) -> None:
        self.ml = ml
        self.tell = tell
        self.table = table
        self.cells = cells_of(table)
        self.faults: list[Fault] = []
        self.lines: list[int] = []
        self.rows: list[Values] = []
        self.given: set[str] = set()
        self.terms: dict[str, str] = {}
        self.unknown: set[str] = set()
        own = [tuple(column.name for column in each.unique_columns) for each in table.keys]
        self.keys = [tuple(key)] if key else [each for each in own if all(map(self._is_plain, each))]
        self.vocabularies: dict[str, Vocabulary] = {}
        self.references: list[Reference] = []
        for link in table.foreign_keys:
            columns = tuple(column.name for column in link.foreign_key_columns)
            to = tuple(column.name for column in link.referenced_columns)
            if set(columns) <= set(SYSTEM):
                continue
            if to == ("Name",) and ml.model.is_vocabulary(link.pk_table):
                self.vocabularies[columns[0]] = _vocabulary(ml, link.pk_table)
            else:
                self.references.append(Reference(columns, link.pk_table, to))
        self.resolve = lru_cache(maxsize=4096)(self._resolved)

    def _is_plain(self, name: str) -> bool:
        """Whether rows can be asked for by the values of a column."""
        return name in self.cells and self.cells[name].is_plain

    def take(self, record: Given) -> None:
        """Check a row by itself."""
        values: Values = {}
        for name, given in record.values.items():
            if name not in self.cells:
                self._unknown(name, record.line)
                continue
            try:
                value = value_of(self.cells[name], given, text=record.text)
                values[name] = self.resolve(name, value) if name in self.vocabularies else value
            except ValueError as error:
                self.faults.append(Fault(str(error), line=record.line, column=name))
                values[name] = None
        self.given |= values.keys()
        self.rows.append(values)
        self.lines.append(record.line)

    def result(self, *, skip: bool) -> Checked | list[Fault]:
        """The rows with what only all of them together show."""
        self._missing()
        for reference in self.references:
            self._refer(reference)
        skipped: set[int] = set()
        for key in self.keys:
            if not set(key) <= self.given:
                continue  # empty in all rows, so nothing repeats it
            skipped |= self._repeated(key, skip=skip)
        if self.faults:
            return sorted(self.faults, key=lambda fault: fault.line or 0)
        names = sorted(self.given)
        rows = [self._filled(row, names) for number, row in enumerate(self.rows) if number not in skipped]
        defaults = [name for name in self.cells if name not in self.given]
        return Checked(len(self.rows), rows, defaults, len(skipped), self.terms)

    def _filled(self, row: Values, names: Sequence[str]) -> Values:
        return {name: row[name] if name in row else self.cells[name].column.default for name in names}

    def _unknown(self, name: str, line: int) -> None:
        """A column that the table lacks; said once."""
        if name in self.unknown:
            return
        self.unknown.add(name)
        hint = "the catalog fills it" if name in SYSTEM else suggestion(name, self.cells)
        self.faults.append(Fault(f"table {self.table.name} takes no such column; {hint}", line=line, column=name))

    def _missing(self) -> None:
        for name, cells in self.cells.items():
            if not cells.column.required or (cells.numbered and name not in self.given):
                continue
            lines = [line for line, row in zip(self.lines, self.rows, strict=True) if name not in row]
            if lines and len(lines) == len(self.rows):
                self.faults.append(Fault(f"no row has this column, and it is required ({_kind(cells)})", column=name))
            else:
                self.faults += (Fault("is empty, and a value is required", line=line, column=name) for line in lines)

    def _resolved(self, column: str, text: str) -> str:
        vocabulary = self.vocabularies[column]
        names = vocabulary.resolve(text)
        if len(names) == 1:
            name = next(iter(names))
            if name != text:
                self.terms[text] = name
            return name
        if names:
            raise ValueError(f"{text!r} is a synonym of {' and of '.join(sorted(names))}: write the term's name")
        hint = suggestion(text, [*vocabulary.names, *vocabulary.synonyms])
        raise ValueError(f"{text!r} is no term of {vocabulary.table}; {hint}")

    def _refer(self, reference: Reference) -> None:
        """Rows that name what is not there."""
        named = {number: self._tuple(row, reference.columns) for number, row in enumerate(self.rows)}
        wanted = {each for each in named.values() if each is not None}
        there = existing(self.ml.catalog, reference.table, reference.to, wanted, self.tell)
        for number, values in named.items():
            if values is not None and values not in there:
                what = ", ".join(f"{name} {value}" for name, value in zip(reference.to, values, strict=True))
                place = ", ".join(reference.columns)
                self.faults.append(
                    Fault(f"no {reference.table.name} has the {what}", line=self.lines[number], column=place)
                )

    def _repeated(self, key: tuple[str, ...], *, skip: bool) -> set[int]:
        """Rows whose key the table has; those that repeat an earlier row of the input are faults."""
        named = {number: self._tuple(row, key) for number, row in enumerate(self.rows)}
        wanted = {each for each in named.values() if each is not None}
        there = existing(self.ml.catalog, self.table, key, wanted, self.tell)
        first: dict[tuple[Any, ...], int] = {}
        found: set[int] = set()
        place = ", ".join(key)
        for number, values in named.items():
            if values is None:
                continue
            line = self.lines[number]
            shown = ", ".join(str(value) for value in values)
            if (before := first.setdefault(values, line)) != line:
                self.faults.append(Fault(f"{shown} is also on line {before}", line=line, column=place))
            elif values in there and skip:
                found.add(number)
            elif values in there:
                self.faults.append(Fault(f"{self.table.name} has a row with {shown} already", line=line, column=place))
        return found

    def _tuple(self, row: Values, names: Sequence[str]) -> tuple[Any, ...] | None:
        """The values of these columns, so that they can be compared; None if one of them is empty."""
        values = tuple(self._comparable(name, row.get(name)) for name in names)
        return None if None in values else values

    def _comparable(self, name: str, value: Any) -> Any:
        return comparable(self.cells[name].column, value)


def existing(
    catalog: Any,
    table: Table,
    columns: Sequence[str],
    wanted: Collection[tuple[Any, ...]],
    tell: Callable[[str], None],
) -> set[tuple[Any, ...]]:
    """Those of the wanted values that rows of the table have in these columns, all in forms that can be compared."""
    place = table_name(table.schema.name, table.name)
    count = total(catalog, place) if wanted else 0
    if not count:
        return set()
    kinds = [_cells(table.columns[name]).column for name in columns]
    quoted = [urlquote(name, "") for name in columns]
    if len(wanted) * WORTH_READING > count:
        answers = batches(
            paged(catalog, place, wanted=list(dict.fromkeys(["RID", *columns])), page_rows=PAGE_ROWS), PAGE_ROWS
        )
    else:
        parts = _filters(quoted, sorted(wanted, key=str))
        answers = (catalog.get(f"/attribute/{place}/{part}/{','.join(quoted)}").json() for part in parts)
    found: set[tuple[Any, ...]] = set()
    for rows in answers:
        tell(f"rows of {table.name} are compared")
        found |= {tuple(comparable(kind, row[name]) for kind, name in zip(kinds, columns, strict=True)) for row in rows}
    return found


def _filters(columns: Sequence[str], wanted: Iterable[tuple[Any, ...]]) -> Iterator[str]:
    """Conditions that together hold for the wanted values, each short enough for a request."""
    part: list[str] = []
    for values in wanted:
        texts = [urlquote(_literal(value), "") for value in values]
        one = (
            texts[0]
            if len(columns) == 1
            else f"({'&'.join(f'{name}={text}' for name, text in zip(columns, texts, strict=True))})"
        )
        if part and sum(map(len, part)) + len(part) + len(one) > LONGEST:
            yield _condition(columns, part)
            part = []
        part.append(one)
    if part:
        yield _condition(columns, part)


def _condition(columns: Sequence[str], part: Sequence[str]) -> str:
    return f"{columns[0]}=any({','.join(part)})" if len(columns) == 1 else ";".join(part)


def _literal(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _vocabulary(ml: DerivaML, table: Table) -> Vocabulary:
    return Vocabulary.of(table.name, ((term.name, term.synonyms or []) for term in ml.list_vocabulary_terms(table)))


def _kind(cells: Cells) -> str:
    return f"a list of {cells.column.kind.value}" if cells.listed else cells.column.kind.value
