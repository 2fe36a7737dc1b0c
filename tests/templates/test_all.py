"""What all templates have in common: they teach by --help, stand alone, and can be edited by region."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from regions import regions

SKILLS = Path(__file__).parents[2] / "skills"
TEMPLATES = sorted(SKILLS.glob("*/scripts/*.py"))
ALLOWED = {"deriva_ml_kit", "deriva_ml", "deriva", "pandas", *sys.stdlib_module_names}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_help_names_every_option_with_a_text_and_shows_examples(template: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(template), "--help"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"COLUMNS": "120"},
    )
    assert done.returncode == 0, done.stderr
    assert "examples:" in done.stdout
    assert "exit codes:" in done.stdout
    for option in ("--hostname", "--catalog-id", "--dry-run", "--allow-dirty", "--json"):
        assert re.search(rf"^  {option}\b.*", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_a_template_imports_nothing_of_the_plugin_folder(template: Path) -> None:
    imported = set()
    for node in ast.walk(ast.parse(template.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add((node.module or "").split(".")[0])
    assert imported <= ALLOWED


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_a_wrong_call_is_answered_with_exit_code_2(template: Path) -> None:
    done = subprocess.run([sys.executable, str(template), "--nonsense"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_the_places_to_edit_are_marked() -> None:
    marked = {path.stem: set(regions(path.read_text())) for path in TEMPLATES}
    assert marked["basic_execution"] == {"imports", "load", "build", "run"}
    assert marked["populate_feature_values"] == {"columns"}
    assert marked["make_dev_dataset"] == {"edge_cases"}
    assert marked["monitor_drift"] == {"columns", "seasons"}
    assert marked["ab_test"] == {"rows"}
