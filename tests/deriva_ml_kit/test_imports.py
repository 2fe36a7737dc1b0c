"""The plain library's classes are found in a project's sources, wherever they are taken from."""

import importlib
from pathlib import Path

import pytest

from deriva_ml_kit.imports import SUPPLIED, plain_imports, python_files


def found(tmp_path: Path, code: str) -> list[tuple[int | None, str]]:
    source = tmp_path / "project.py"
    source.write_text(code)
    return [(fault.line, fault.message.partition(" ")[0]) for fault in plain_imports(source)]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("from deriva_ml import DerivaML", [(1, "DerivaML")]),
        ("import os\nfrom deriva_ml.core.base import DerivaML as ML", [(2, "DerivaML")]),
        ("import deriva_ml\nclass M(deriva_ml.DerivaML): ...", [(2, "DerivaML")]),
        ("import deriva_ml.execution.execution as e\nx = e.Execution", [(2, "Execution")]),
        ("from deriva_ml import DerivaML, BuiltinTypes, Execution", [(1, "DerivaML"), (1, "Execution")]),
        ("from deriva_ml_kit import DerivaML\nfrom deriva_ml import BuiltinTypes, ColumnDefinition", []),
        ("from deriva_ml_kit.mainline import DerivaML", []),
        ("class deriva_ml_like: ...\nx.deriva_ml.DerivaML", []),
    ],
)
def test_it_is_found(tmp_path: Path, code: str, expected: list[tuple[int, str]]) -> None:
    assert found(tmp_path, code) == expected


def test_a_file_that_is_no_python_is_said_to_be_none(tmp_path: Path) -> None:
    assert found(tmp_path, "def (:") == [(1, "is")]


def test_environments_are_left_out(tmp_path: Path) -> None:
    for name in ("src/a.py", ".venv/lib/python3.12/site-packages/b.py"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()

    assert [file.name for file in python_files([tmp_path])] == ["a.py"]


@pytest.mark.parametrize("name", sorted(SUPPLIED))
def test_what_is_refused_is_supplied_otherwise(name: str) -> None:
    from deriva_ml_kit import mainline  # noqa: PLC0415
    from deriva_ml_kit.mainline.generation import HOMES  # noqa: PLC0415

    (home,) = (home for home, names in HOMES.items() if name in names)
    assert getattr(importlib.import_module(home), name) is not getattr(mainline, name)
