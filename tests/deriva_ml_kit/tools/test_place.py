"""Which catalog a call is about: the one it names, or else the project's."""

import json
from pathlib import Path
from typing import Any

import pytest

from deriva_ml_kit.tools.failure import Code, ToolError
from deriva_ml_kit.tools.place import CATALOG_FILE, catalog_of


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write(tmp_path, json.dumps({"hostname": "data.example.org", "catalog_id": 7}))
    return tmp_path


def write(project: Path, text: str) -> None:
    file = project / CATALOG_FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def refusal(*place: Any) -> ToolError:
    with pytest.raises(ToolError) as caught:
        catalog_of(*place)
    assert caught.value.remedy
    return caught.value


@pytest.mark.parametrize(
    ("hostname", "catalog_id", "place"),
    [
        (None, None, ("data.example.org", "7")),
        ("", "", ("data.example.org", "7")),
        (None, "8", ("data.example.org", "8")),
        ("data.example.org", None, ("data.example.org", "7")),
        ("https://data.example.org/", None, ("data.example.org", "7")),
        ("localhost:8443", "1", ("localhost:8443", "1")),
        ("[::1]:8443", "1", ("[::1]:8443", "1")),
        ("a", "alias-of.it_1", ("a", "alias-of.it_1")),
        ("a", "1@2TA-ABCD-EFGH", ("a", "1@2TA-ABCD-EFGH")),
    ],
)
def test_a_call_names_its_catalog_or_the_project_does(
    project: Path, hostname: str | None, catalog_id: str | None, place: tuple[str, str]
):
    assert catalog_of(hostname, catalog_id, project) == place


def test_a_number_of_the_projects_is_not_that_of_another_host(project: Path):
    error = refusal("localhost:8443", None, project)

    assert (error.code, "Which catalog?" in error.message) == (Code.NO_CATALOG, True)


def test_without_either_nothing_is_guessed(tmp_path: Path):
    assert refusal(None, None, tmp_path).code is Code.NO_CATALOG
    assert "Which host?" in refusal(None, "1", tmp_path).message


@pytest.mark.parametrize(
    "hostname", ["a b", "a/b", "me@a", "a?b", "a#b", "a:99999", "a:b", ":1", "..", "-", "ü", "a\\b"]
)
def test_what_is_no_host_is_refused(tmp_path: Path, hostname: str):
    error = refusal(hostname, "1", tmp_path)

    assert error.code is Code.BAD_ARGUMENT
    assert error.message.endswith("is not a host name.")


@pytest.mark.parametrize("catalog_id", ["..", "../1", "1/2", "1?x", "1#", "1 2", "1%2F", "1@", "ü", "x" * 101])
def test_what_is_no_catalog_is_refused(tmp_path: Path, catalog_id: str):
    """It stands in addresses and in names of folders."""
    assert refusal("localhost:8443", catalog_id, tmp_path).code is Code.BAD_ARGUMENT


@pytest.mark.parametrize("text", ["{", "[1]", '"x"', "1", "\xff"])
def test_a_file_that_names_none_is_said(tmp_path: Path, text: str):
    write(tmp_path, text)

    assert str(CATALOG_FILE) in refusal(None, None, tmp_path).message
