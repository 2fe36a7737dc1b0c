"""The cache index answers for exactly one version, one catalog, and only while the bag is there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from deriva_ml_kit.mainline.bag.index import CacheIndex, Entry


@pytest.fixture
def entry(tmp_path: Path) -> Entry:
    bag = tmp_path / "bag"
    bag.mkdir()
    return Entry("localhost:8443", "1", "1-AAAA", "1.2.0", "2TA-XKFE", str(bag), True, 10, 3, 999, "2026-01-31")


@pytest.fixture
def index(tmp_path: Path, entry: Entry) -> CacheIndex:
    index = CacheIndex(tmp_path, "localhost:8443", "1")
    index.record(entry)
    return index


def test_an_entry_is_found_again_for_its_own_version_only(index: CacheIndex, entry: Entry) -> None:
    assert index.find("1-AAAA", "1.2.0") == entry
    assert index.find("1-AAAA", "1.3.0") is None
    assert index.find("1-AAAB", "1.2.0") is None


def test_another_catalog_or_host_has_an_index_of_its_own(index: CacheIndex, tmp_path: Path) -> None:
    assert CacheIndex(tmp_path, "localhost:8443", "2").find("1-AAAA", "1.2.0") is None
    assert CacheIndex(tmp_path, "localhost:8444", "1").find("1-AAAA", "1.2.0") is None


def test_an_entry_without_its_bag_does_not_count(index: CacheIndex, entry: Entry) -> None:
    Path(entry.bag).rmdir()
    assert index.find("1-AAAA", "1.2.0") is None
    assert index.versions("1-AAAA") == []


def test_recording_again_replaces(index: CacheIndex, entry: Entry) -> None:
    index.record(replace(entry, materialized=False))
    index.record(replace(entry, version="1.3.0"))
    assert index.versions("1-AAAA") == ["1.2.0", "1.3.0"]
    found = index.find("1-AAAA", "1.2.0")
    assert found is not None
    assert not found.materialized


@pytest.mark.parametrize("content", ["", '{"rid": "1-AAAA"}', "[1]"])
def test_a_broken_entry_counts_as_none(index: CacheIndex, tmp_path: Path, content: str) -> None:
    [file] = tmp_path.rglob("1-AAAA@1.2.0.json")
    file.write_text(content)
    assert index.find("1-AAAA", "1.2.0") is None
