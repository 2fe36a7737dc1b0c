"""Where main line is installed, `deriva_ml_kit.mainline` is main line, untouched."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from contract_checks import fake, surface

from deriva_ml_kit.mainline import generation

PROGRAM = """
import importlib, json, sys
import deriva_ml_kit
from deriva_ml_kit import mainline
from deriva_ml_kit.mainline import generation

class MyProjectML(deriva_ml_kit.DerivaML):
    pass

same = {
    name: getattr(mainline, name) is getattr(importlib.import_module(home), name)
    for home, names in generation.HOMES.items() for name in names
}
ours = [name for name in sys.modules if name.startswith("deriva_ml_kit.mainline.")]
print(json.dumps({
    "same": same, "ours": ours, "all": mainline.__all__, "bases": [base.__module__ for base in MyProjectML.__mro__],
    "file": importlib.import_module("deriva_ml").__file__,
}))
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("main-line")
    fake.write_package(folder)
    return folder


def test_its_objects_are_handed_on_untouched(package: Path) -> None:
    env = os.environ | {"PYTHONPATH": str(package)}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)

    assert Path(found["file"]).is_relative_to(package)
    assert [name for name, same in found["same"].items() if not same] == []
    assert set(found["same"]) | set(generation.OWN) == set(found["all"])
    assert found["bases"][1] == "deriva_ml.core.base"
    assert set(found["ours"]) <= {"deriva_ml_kit.mainline.generation", *needed(*generation.OWN.values())}


def needed(*modules: str) -> set[str]:
    """Modules with their packages, and the errors that our additions raise."""
    errors = ("deriva_ml_kit.mainline.errors", "deriva_ml_kit.mainline.execution.report")
    return {name for module in (*modules, *errors) for name in (module, module.rpartition(".")[0])}


def test_the_release_is_not_taken_for_main_line() -> None:
    assert not generation.has_main_line()


def test_every_name_has_the_home_that_main_line_gives_it() -> None:
    wrong = {
        name: home
        for home, names in generation.HOMES.items()
        for name in names
        if home not in surface.homes().get(name, ())
    }
    assert wrong == {}
