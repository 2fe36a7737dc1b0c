"""Pins in a TOML file: one line changes, the others stay as they are."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from deriva_ml_kit.datasets.pins import read_pins, write_pin
from deriva_ml_kit.errors import UsageError

BEFORE = """# What we use
testing = "2-AAAA@0.1.0"  # kept back
development = '2-BBBB@0.1.0'

[notes]
development = "another thing"
"""


def test_a_file_is_made_with_its_folders_and_read_back(tmp_path: Path):
    file = tmp_path / "src/configs/datasets.toml"
    assert read_pins(file) == {}
    assert write_pin(file, "development", "2-ABCD@0.2.0")
    assert read_pins(file) == {"development": "2-ABCD@0.2.0"}
    assert not write_pin(file, "development", "2-ABCD@0.2.0")


def test_only_the_line_of_the_pin_changes(tmp_path: Path):
    file = tmp_path / "datasets.toml"
    file.write_text(BEFORE)
    write_pin(file, "development", "2-BBBB@0.2.0")
    assert file.read_text() == BEFORE.replace("development = '2-BBBB@0.1.0'", 'development = "2-BBBB@0.2.0"')
    write_pin(file, "training", "2-CCCC@0.1.0")
    assert tomllib.loads(file.read_text()) == {
        "testing": "2-AAAA@0.1.0",
        "development": "2-BBBB@0.2.0",
        "training": "2-CCCC@0.1.0",
        "notes": {"development": "another thing"},
    }


def test_a_file_without_last_line_break_gets_one(tmp_path: Path):
    file = tmp_path / "datasets.toml"
    file.write_text('a = "1-A@0.1.0"')
    write_pin(file, "b", "1-B@0.1.0")
    assert read_pins(file) == {"a": "1-A@0.1.0", "b": "1-B@0.1.0"}


@pytest.mark.parametrize(
    ("text", "name"), [("a = ", "b"), ("[a]\nx = 1\n", "a"), ("", "two words"), ("a = [\n1,\n]\n[b]\n", "a")]
)
def test_what_cannot_be_pinned_is_refused_and_the_file_left_alone(tmp_path: Path, text: str, name: str):
    file = tmp_path / "datasets.toml"
    file.write_text(text)
    with pytest.raises(UsageError):
        write_pin(file, name, "1-A@0.1.0")
    assert file.read_text() == text
