"""Names and queries as words, and spelling."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deriva_ml_kit.tools.index import words
from deriva_ml_kit.tools.index.documents import storable


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("SubjectAge", "Subject Age"),
        ("Execution_Image_Diagnosis", "Execution Image Diagnosis"),
        ("MRIScan2", "MRI Scan 2"),
        ("age", "age"),
        ("_", ""),
    ],
)
def test_splits_names(name: str, parts: str) -> None:
    assert words.split_name(name) == parts


def test_a_question_is_its_words_without_those_that_ask() -> None:
    assert words.query_words("Which dataset has the eyes of Zoë?") == ["dataset", "eyes", "zoe"]


def test_words_that_ask_count_where_there_are_no_others() -> None:
    assert words.query_words("who is it") == ["who", "is", "it"]


@given(st.text())
def test_no_text_is_a_syntax_error(query: str) -> None:
    db = sqlite3.connect(":memory:")
    db.execute("CREATE VIRTUAL TABLE text USING fts5(body, tokenize='porter unicode61')")
    found = words.query_words(query)
    for expression in (words.either(found), words.every(found)) if found else ():
        db.execute("SELECT * FROM text WHERE text MATCH ?", (expression,)).fetchall()


@given(st.text(st.characters(codec=None)))
def test_stored_text_comes_back(text: str) -> None:
    kept = storable(text)
    assert sqlite3.connect(":memory:").execute("SELECT ?", (kept,)).fetchone()[0] == kept


def by_definition(one: str, other: str) -> int:
    """Slips between two words, by the recursion that defines them (optimal string alignment)."""
    if not one or not other:
        return len(one) + len(other)
    best = min(
        by_definition(one[1:], other) + 1,
        by_definition(one, other[1:]) + 1,
        by_definition(one[1:], other[1:]) + (one[0] != other[0]),
    )
    if len(one) > 1 and len(other) > 1 and one[0] == other[1] and one[1] == other[0]:
        best = min(best, by_definition(one[2:], other[2:]) + 1)
    return best


@given(st.text("abc", max_size=5), st.text("abc", max_size=5), st.integers(0, 3))
def test_counts_slips(one: str, other: str, most: int) -> None:
    assert words.slips_between(one, other, most) == min(by_definition(one, other), most + 1)


def test_the_nearest_word_has_the_fewest_slips() -> None:
    assert words.nearest_word("glesson", ["lesson", "gleason", "glass"]) in {"gleason", "lesson"}
    assert words.nearest_word("diagnossi", ["diagnosi", "diagnos"]) == "diagnosi"
    assert words.nearest_word("cat", ["car"]) is None, "short words have too many neighbours"
    assert words.nearest_word("image", ["gamma"]) is None
