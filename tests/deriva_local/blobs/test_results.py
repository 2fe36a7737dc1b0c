"""Results of exports: for who asked, by name, for a while."""

from __future__ import annotations

import os
import time

import pytest

from deriva_local.blobs.results import ResultFolder
from deriva_local.errors import Forbidden, NotFound

HOUR = 3600


def finished(results: ResultFolder, owner: str = "ada"):
    with results.growing() as result:
        (result.files / "sub").mkdir()
        (result.files / "sub" / "a.csv").write_text("a")
        (result.files / "b.csv").write_text("b")
        return results.finish(result, owner)


def test_a_finished_result_is_found_by_its_owner_alone(tmp_path):
    results = ResultFolder(tmp_path, HOUR)
    key = finished(results).key

    found = ResultFolder(tmp_path, HOUR).find(key, "ada")

    assert found.names == ("b.csv", "sub/a.csv")
    assert found.open("sub/a.csv").read() == b"a"
    with pytest.raises(Forbidden):
        results.find(key, "ben")


@pytest.mark.parametrize("name", ["../result.json", "sub/../b.csv", "/etc/passwd", "sub", "c.csv", ""])
def test_no_other_file_can_be_had(tmp_path, name):
    with pytest.raises(NotFound):
        finished(ResultFolder(tmp_path, HOUR)).open(name)


@pytest.mark.parametrize("key", ["", ".", "..", "x", "../" + "x" * 22, "x" * 22])
def test_no_other_key_leads_anywhere(tmp_path, key):
    results = ResultFolder(tmp_path, HOUR)
    finished(results)

    with pytest.raises(NotFound):
        results.find(key, "ada")


def test_a_result_expires(tmp_path):
    results = ResultFolder(tmp_path, HOUR)
    old, new = finished(results), finished(results)
    os.utime(old.folder / "result.json", (time.time() - HOUR - 1,) * 2)

    with pytest.raises(NotFound, match="60 minutes"):
        results.find(old.key, "ada")
    assert not old.folder.exists()
    assert results.find(new.key, "ada") == new


def test_a_failed_export_leaves_nothing_and_an_unfinished_one_goes_at_the_next_start(tmp_path):
    results = ResultFolder(tmp_path, HOUR)
    kept = finished(results)
    with pytest.raises(RuntimeError), results.growing() as result:
        raise RuntimeError
    assert not result.folder.exists()
    with results.growing() as unfinished:
        pass

    results.clear()

    assert list(tmp_path.iterdir()) == [kept.folder]
    assert not unfinished.folder.exists()
