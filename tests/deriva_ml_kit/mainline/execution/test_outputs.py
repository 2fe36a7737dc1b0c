import pickle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deriva_ml_kit.mainline.execution.outputs import AssetFilePath, Register, Registered


@pytest.fixture
def register(tmp_path: Path) -> Register:
    return Register(tmp_path)


def test_a_path_made_from_an_asset_path_is_an_ordinary_one() -> None:
    path = AssetFilePath("/results/model.pt", "Execution_Asset", "model.pt", {}, ["Model_File"])

    assert path.parent == Path("/results")
    assert path.parent / "x" == Path("/results/x")
    assert path.with_suffix(".bin") == Path("/results/model.bin")
    assert path.resolve() == Path("/results/model.pt")
    assert path.asset_types == ["Model_File"]


def test_an_asset_path_can_be_sent_to_another_process() -> None:
    path = AssetFilePath("/results/model.pt", "Execution_Asset", "model.pt", {}, ["Model_File"])

    assert pickle.loads(pickle.dumps(path)) == Path("/results/model.pt")


def test_what_was_registered_is_there_after_a_crash_even_if_the_last_line_is_torn(register: Register) -> None:
    entry = Registered("deriva-ml/Execution_Asset", "asset/x/a.txt", "a.txt", ["T"], {"Subject": None})
    register.add(entry)
    with (register.root / "registered.jsonl").open("a") as lines:
        lines.write('{"table": "deriva-ml/Exec')

    assert Register(register.root).entries() == [entry]


def test_registering_a_file_again_replaces_what_was_said_about_it(register: Register) -> None:
    register.add(Registered("s/T", "asset/a", "a", ["Old"]))
    register.add(Registered("s/T", "asset/a", "a", ["New"]))

    assert [entry.asset_types for entry in register.entries()] == [["New"]]


def test_files_of_the_same_name_with_other_metadata_lie_apart(register: Register) -> None:
    one, two = (register.place("s", "Image", "scan.png", {"Subject": rid}) for rid in ("1-AAAA", "1-BBBB"))

    assert one != two
    assert one == register.place("s", "Image", "scan.png", {"Subject": "1-AAAA"})


@settings(max_examples=50)
@given(st.text(st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), min_size=1, max_size=60))
def test_any_name_that_a_file_can_have_is_kept_as_it_is(tmp_path_factory, name: str) -> None:
    register = Register(tmp_path_factory.mktemp("execution"))
    if name in (".", ".."):
        with pytest.raises(ValueError, match="not a file name"):
            register.place("s", "T", name, {})
    else:
        assert register.place("s", "T", name, {"Note": name * 20}).name == name


@pytest.mark.parametrize("name", ["", "a/b", "..", "../x"])
def test_names_that_would_leave_the_folder_are_refused(register: Register, name: str) -> None:
    with pytest.raises(ValueError, match="not a file name"):
        register.place("s", "T", name, {})
