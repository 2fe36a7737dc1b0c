"""The file of an index: shared, interrupted, damaged."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deriva_ml_kit.tools.failure import Code, ToolError
from deriva_ml_kit.tools.index import ranking, store
from deriva_ml_kit.tools.index.documents import Document, Kind
from deriva_ml_kit.tools.index.store import Store, index_file, repaired


def nobody_waits() -> None:
    """A check that never ends the work."""


def term(name: str, body: str = "") -> Document:
    return Document(f"row:lab:Word:{name}", "lab:Word", Kind.TERM, name, name, body, "lab", "Word", rid=name.upper())


def titles(index: Store, query: str, limit: int = 100) -> list[str]:
    return [hit.document.title for hit in ranking.find(index, query, limit=limit).hits]


@pytest.fixture
def index(tmp_path: Path) -> Store:
    with Store(tmp_path / "index.sqlite") as opened:
        yield opened  # type: ignore[misc]


def test_says_what_putting_a_document_changed(index: Store) -> None:
    assert [index.put(term("iris")), index.put(term("iris")), index.put(term("iris", "of the eye"))] == [
        "added",
        "unchanged",
        "changed",
    ]
    assert titles(index, "eye") == ["iris"]
    assert index.drop([term("iris").key]) == 1
    assert titles(index, "eye") == []


def test_an_interrupted_update_leaves_the_index_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "index.sqlite"
    with Store(file) as index:
        index.put(term("iris"))
        with pytest.raises(KeyboardInterrupt), index.writing(nobody_waits, wait=True):
            index.put(term("lens"))
            index.drop([term("iris").key])
            raise KeyboardInterrupt
        assert titles(index, "iris lens") == ["iris"]
    with Store(file) as again:
        assert titles(again, "iris lens") == ["iris"]


def test_readers_do_not_wait_for_a_writer_and_a_second_writer_is_told(tmp_path: Path) -> None:
    file = tmp_path / "index.sqlite"
    with Store(file) as one, Store(file) as other:
        one.put(term("iris"))
        with one.writing(nobody_waits, wait=True) as mine:
            one.put(term("lens"))
            assert mine
            assert titles(other, "iris lens") == ["iris"]
            with other.writing(nobody_waits, wait=False) as theirs:
                assert not theirs
        assert sorted(titles(other, "iris lens")) == ["iris", "lens"]


def test_who_waits_to_write_can_give_up(tmp_path: Path) -> None:
    file = tmp_path / "index.sqlite"

    def give_up() -> None:
        raise ToolError(Code.CANCELLED, "ended")

    with (
        Store(file) as one,
        Store(file) as other,
        one.writing(nobody_waits, wait=True),
        pytest.raises(ToolError, match="ended"),
        other.writing(give_up, wait=True),
    ):
        pytest.fail("nobody else may write now")


def test_threads_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    file = tmp_path / "index.sqlite"
    begin = threading.Barrier(4)

    def write(number: int) -> None:
        begin.wait()
        with Store(file) as index:
            for n in range(5):
                with index.writing(nobody_waits, wait=True) as mine:
                    assert mine
                    index.put(term(f"word{number}x{n}"))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Store(file) as index:
        assert index.counts() == {"term": 20}


@pytest.mark.parametrize("content", [b"this is no database, whatever its name says" * 100, b"\0" * 5000, b"SQLite"])
def test_a_damaged_file_is_made_anew(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "index.sqlite"
    file.write_bytes(content)
    with Store(file) as index:
        index.put(term("iris"))
        assert titles(index, "iris") == ["iris"]


def test_a_file_that_is_damaged_inside_is_made_anew(tmp_path: Path) -> None:
    file = tmp_path / "index.sqlite"
    with Store(file) as index:
        with index.writing(nobody_waits, wait=True):
            for n in range(2000):
                index.put(term(f"word{n}", "many words " * 20))
        index.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(file.read_bytes())
    content[4096:] = b"\x55" * (len(content) - 4096)
    file.write_bytes(content)
    assert repaired(file, lambda index: titles(index, "many")) == []
    with Store(file) as index:
        assert index.counts() == {}


def test_a_file_of_another_format_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "index.sqlite"
    with Store(file) as index:
        index.put(term("iris"))
        index.db.execute("PRAGMA user_version = 999")
    with Store(file) as index:
        assert index.counts() == {}
        assert index.db.execute("PRAGMA user_version").fetchone() == (store.FORMAT,)


def test_a_folder_that_cannot_be_made_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ToolError, match="cannot be used") as caught:
        Store(tmp_path / "file" / "index.sqlite")
    assert caught.value.remedy


def test_a_python_without_full_text_search_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_TABLES", "CREATE VIRTUAL TABLE text USING fts55(title);")
    with pytest.raises(ToolError, match="no full-text search"):
        Store(tmp_path / "index.sqlite")


def test_each_catalog_has_a_file_of_its_own() -> None:
    places = [("a", "1"), ("a", "11"), ("a1", "1"), ("a:1", "1"), ("a", "../b"), ("a", ".."), ("a#1", ""), ("a", "1@2")]
    files = {index_file(*place) for place in places}
    assert len(files) == len(places)
    assert {file.parent for file in files} == {index_file().parent}
    assert index_file("Data.Example.org", "1") == index_file("data.example.org", "1")


WORDS = st.sampled_from(["eye", "eyes", "retina", "lens", "left", "right", "naïve"])
TEXTS = st.lists(WORDS, min_size=1, max_size=4).map(" ".join)


@settings(max_examples=40)
@given(st.lists(TEXTS, max_size=8, unique=True), st.sampled_from(["eye", "retina", "lens", "left", "right", "naive"]))
def test_finds_what_reading_every_text_finds(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], word: str
) -> None:
    with Store(tmp_path_factory.mktemp("index") / "index.sqlite") as index:
        for n, text in enumerate(texts):
            index.put(Document(str(n), "lab:Word", Kind.TERM, text))
        plainly = [
            text for text in texts if word in text.replace("ï", "i").split() or (word == "eye" and "eyes" in text)
        ]
        assert sorted(titles(index, word)) == sorted(plainly)


@given(st.text(st.characters(codec=None), max_size=60))
def test_no_query_raises(tmp_path_factory: pytest.TempPathFactory, query: str) -> None:
    with Store(tmp_path_factory.getbasetemp() / "any-query.sqlite") as index:
        index.put(term("iris", "of the eye"))
        ranking.find(index, query)
