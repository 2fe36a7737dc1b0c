"""Reading a CSV file: lines are counted right, and whatever cannot be read is a fault with its place."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deriva_ml_kit.errors import Fault
from deriva_ml_kit.features.table import Header, Row, read_table


def read(tmp_path: Path, content: bytes) -> list[Header | Row | Fault]:
    path = tmp_path / "values.csv"
    path.write_bytes(content)
    return list(read_table(path))


def only_fault(tmp_path: Path, content: bytes) -> Fault:
    faults = [record for record in read(tmp_path, content) if isinstance(record, Fault)]
    assert len(faults) == 1, faults
    return faults[0]


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    assert read(tmp_path, b"\xef\xbb\xbfImage,Grade\r\n1-AAAA,good\r\n") == [
        Header(1, ("Image", "Grade")),
        Row(2, {"Image": "1-AAAA", "Grade": "good"}),
    ]


def test_blank_lines_and_rows_of_nothing_but_commas_are_skipped_and_counted(tmp_path: Path) -> None:
    records = read(tmp_path, b"\nImage,Grade\n\n1-AAAA,good\n,\n  ,\n1-AAAB,bad\n\n")
    assert [record.line for record in records] == [2, 4, 7]


def test_lines_are_counted_through_newlines_in_quotes(tmp_path: Path) -> None:
    records = read(tmp_path, b'Image,Note\n1-AAAA,"two\nlines"\n1-AAAB,"a\r\nb\nc"\n1-AAAC,x\n')
    assert [(record.line, record.cells["Note"]) for record in records if isinstance(record, Row)] == [
        (2, "two\nlines"),
        (4, "a\r\nb\nc"),
        (7, "x"),
    ]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", b",,\n"])
def test_an_empty_file_is_a_fault(tmp_path: Path, content: bytes) -> None:
    assert "empty" in only_fault(tmp_path, content).message


def test_a_header_without_rows_is_a_fault(tmp_path: Path) -> None:
    assert "no rows" in only_fault(tmp_path, b"Image,Grade\n\n").message


def test_bytes_that_are_not_utf8_are_reported_with_offset_and_line_and_reading_goes_on(tmp_path: Path) -> None:
    records = read(tmp_path, b"Image,Note\n1-AAAA,caf\xe9\n1-AAAB,tea\n1-AAAC,\xff\n")
    faults = [record for record in records if isinstance(record, Fault)]
    assert [(fault.line, fault.message.split(" is not")[0]) for fault in faults] == [
        (2, "byte 21 (0xe9)"),
        (4, "byte 41 (0xff)"),
    ]
    assert [record.line for record in records if isinstance(record, Row)] == [3]


def test_utf16_is_named_as_such(tmp_path: Path) -> None:
    assert "UTF-16" in only_fault(tmp_path, "Image,Grade\n1-AAAA,good\n".encode("utf-16")).message


def test_rows_with_too_many_or_too_few_cells_are_faults_and_the_others_are_read(tmp_path: Path) -> None:
    records = read(tmp_path, b"Image,Grade\n1-AAAA\n1-AAAB,good\n1-AAAC,good,extra\n")
    assert [(record.line, type(record)) for record in records[1:]] == [(2, Fault), (3, Row), (4, Fault)]


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"Image;Grade\n1;2\n", 1, "separated by ';'"),
        (b"Image\tGrade\n1\t2\n", 1, "separated by '\\t'"),
        (b"Image,Image\n1,2\n", 1, "twice"),
        (b"Image,,Grade\n1,2,3\n", 1, "column 2 has no name"),
        (b'Image,Grade\n1,2\n3,"4\n5,6\n', 3, "never closed"),
        (b"Image,Grade\r1,2\r", 1, "carriage return"),
        (b'Image,Grade\n1,"2"x\n', 2, "not CSV"),
        (b"Image,Grade\n1," + b"x" * 200_000 + b"\n", 2, "longer than"),
    ],
)
def test_what_is_not_a_table_is_said_with_its_line(tmp_path: Path, content: bytes, line: int, words: str) -> None:
    fault = only_fault(tmp_path, content)
    assert fault.line == line
    assert words in fault.message


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@settings(max_examples=60)
@given(rows=st.lists(st.tuples(CELL.filter(str.strip), CELL), min_size=1, max_size=8), mark=st.booleans())
def test_whatever_a_csv_writer_writes_is_read_back_with_its_lines(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], mark: bool
) -> None:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(("Image", "Note"))
    lines = []
    for row in rows:
        lines.append(buffer.getvalue().count("\n") + 1)
        writer.writerow(row)
    content = buffer.getvalue().encode("utf-8-sig" if mark else "utf-8")
    records = read(tmp_path_factory.mktemp("csv"), content)
    assert records == [
        Header(1, ("Image", "Note")),
        *(Row(line, {"Image": a, "Note": b}) for line, (a, b) in zip(lines, rows, strict=True)),
    ]


@settings(max_examples=80)
@given(content=st.binary(max_size=120))
def test_no_bytes_at_all_make_the_reader_raise(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    records = read(tmp_path_factory.mktemp("csv"), content)
    assert records
