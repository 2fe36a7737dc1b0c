"""Answers stay small enough to be read, whatever is in them, and say how to go on."""

import json
import math
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deriva_ml_kit.tools.answers import LIMIT_BYTES, LONG_TEXT, Answer, Page, bounded, size


class Rows(Page):
    """Rows of a table."""

    ROWS: ClassVar[str] = "records"

    about: str = ""
    records: list[dict[str, Any]]


class Anything(Answer):
    """Whatever it is."""

    value: Any = None


texts = st.text(max_size=50) | st.builds(
    lambda text, times: text * times, st.text(min_size=1, max_size=3), st.integers(1, 20_000)
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
nested = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=5), max_leaves=8
)
short = st.text(max_size=10) | st.integers() | st.lists(st.text(max_size=3), max_size=3)
many = st.builds(lambda one, times: [one] * times, short, st.integers(0, 3_000)) | st.builds(
    lambda one, times: {f"name {n}": one for n in range(times)}, short, st.integers(0, 3_000)
)
deep = st.builds(lambda times: json.loads("[" * times + "]" * times), st.integers(1, 200))
values = nested | many | deep | st.lists(st.dictionaries(texts, many, max_size=2), max_size=2)
rows = st.lists(st.dictionaries(st.text(max_size=8), scalars | st.lists(scalars, max_size=5), max_size=6), max_size=60)


def page(records: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    return Rows.of(records, total=len(records), cursor=lambda position: f"after {position}", **fields).as_json()


def written(document: dict[str, Any]) -> bytes:
    """What is sent; JSON has no NaN, and UTF-8 no half of a character."""
    return json.dumps(document, ensure_ascii=False, allow_nan=False).encode("utf-8")


@given(st.dictionaries(st.sampled_from("abcdefgh"), values))
@settings(max_examples=60, deadline=None)
def test_any_document_is_made_small_enough_to_be_read(document: dict[str, Any]):
    assert len(written(bounded(document))) <= LIMIT_BYTES


@given(st.dictionaries(st.sampled_from("abc"), scalars | st.lists(scalars, max_size=5)))
def test_a_small_document_is_left_as_it_is(document: dict[str, Any]):
    small = size(document) <= LIMIT_BYTES
    shown = bounded(document)

    assert not small or {name: shown[name] for name in document} == json.loads(
        json.dumps(document), parse_constant=lambda _: None
    )
    assert "shortened" not in shown or not small


@given(rows, texts)
@settings(max_examples=60, deadline=None)
def test_pages_follow_one_another_without_a_gap(records: list[dict[str, Any]], about: str):
    """Whoever follows the cursors has read every row once, in order."""
    numbered = [{"number": number, **row} for number, row in enumerate(records)]
    seen: list[int] = []
    start = 0
    while True:
        rest = numbered[start:]
        made = Rows.of(rest, total=len(numbered), more=False, cursor=lambda n, start=start: str(start + n), about=about)
        document = made.as_json()
        assert len(written(document)) <= LIMIT_BYTES
        assert document["count"] == len(document["records"])
        seen += [row["number"] for row in document["records"]]
        assert document["truncated"] == (len(document["records"]) < len(rest)) == bool(document["next_cursor"])
        if not document["truncated"]:
            break
        start = int(document["next_cursor"]) + 1

    assert seen == list(range(len(numbered)))


def test_a_page_that_is_cut_says_where_it_goes_on():
    document = page([{"text": "x" * 1_000} for _ in range(100)])

    last = len(document["records"]) - 1
    assert 10 < last < 20
    assert document["next_cursor"] == f"after {last}"
    assert document["shortened"] == [
        f"records: the first {last + 1} of this page fit; go on with cursor='after {last}'"
    ]


def test_what_is_cut_and_has_no_next_page_is_to_be_asked_for_in_parts():
    cut = Rows.of([{"a": 1}], total=1, cursor=str, about="x" * 100_000)

    assert "ask about less at once" in cut.as_json()["next_step"]
    cut.next_step = "get_table()"
    assert cut.as_json()["next_step"] == "get_table()"
    assert Rows.of([{"a": 1}], total=1, cursor=str).as_json()["next_step"] is None


def test_the_text_of_a_single_row_is_shown_as_far_as_there_is_room():
    text = "x" * (3 * LONG_TEXT)

    assert page([{"text": text}])["records"] == [{"text": text}]
    assert [len(row["text"]) for row in page([{"text": text}] * 2)["records"]] == [LONG_TEXT + 1] * 2


def test_a_page_that_fits_goes_on_behind_its_last_row_if_there_are_more():
    document = Rows.of([{"a": 1}, {"a": 2}], total=10, cursor=str).as_json()

    assert (document["next_cursor"], document["truncated"], document["shortened"]) == ("1", True, [])


def test_the_last_page_has_no_cursor():
    document = Rows.of([{"a": 1}], total=10, more=False, cursor=str).as_json()

    assert (document["next_cursor"], document["truncated"], document["total"]) == (None, False, 10)


def test_a_row_that_is_too_large_is_shown_cut_and_the_next_page_begins_behind_it():
    huge = {"name": "first", "many": [{"text": "ü" * 500} for _ in range(500)]}
    document = page([huge, {"name": "second", "many": []}])

    assert len(written(document)) <= LIMIT_BYTES
    assert [row["name"] for row in document["records"]] == ["first"]
    assert document["next_cursor"] == "after 0"
    assert any(note.startswith("records[0].many: the first") for note in document["shortened"])


def test_a_large_field_beside_the_rows_is_cut_and_not_the_rows():
    document = page([{"n": n} for n in range(300)], about="x" * 100_000)

    assert len(written(document)) <= LIMIT_BYTES
    assert document["count"] == len(document["records"]) >= 1


def test_a_long_text_in_a_row_is_cut_with_a_note_of_its_length():
    document = page([{"text": "x" * 5_000}, {"text": ""}])

    assert document["records"][0]["text"] == "x" * LONG_TEXT + "…"
    assert document["shortened"] == ["records[0].text: the first 2000 of 5000 characters"]


def test_a_note_tells_the_length_that_there_really_was():
    document = bounded({"text": "x" * 1_000_000})

    assert document["shortened"][0].endswith("of 1000000 characters")
    assert len(document["shortened"]) == 1


def test_notes_are_few_and_the_way_on_comes_first():
    document = page([{"text": "x" * 2_001} for _ in range(60)])

    assert document["shortened"][0].startswith("records: the first")
    assert document["shortened"][1].startswith("records[0].text")
    assert len(document["shortened"]) <= 21


def test_what_a_small_answer_cannot_hold_as_json_is_written_as_it_can():
    value = {"count": np.int64(3), "mean": np.float32(0.5), "none": math.nan, "far": [math.inf], "half": "a\ud800"}
    document = Anything(value=value).as_json()

    assert document["value"] == {"count": 3, "mean": 0.5, "none": None, "far": [None], "half": "a?"}
    assert written(document)


@pytest.mark.parametrize("unit", ["a", "ü", "世", "🦊", "\x01", '"', "\\"])
def test_size_is_counted_in_bytes_of_json(unit: str):
    document = page([{"text": unit * 1_000} for _ in range(100)])

    assert 0.7 * LIMIT_BYTES < len(written(document)) <= LIMIT_BYTES
