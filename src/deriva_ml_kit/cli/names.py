"""`bump-version` and `deriva-ml-run-notebook`: ours, whichever package wrote the file that is started.

The released deriva-ml installs programs of these names, too (the first needs a remote to push to, the second ends with
an ImportError). Both wheels write the same two files and no installer promises an order, so the file may be theirs.
What it imports is ours all the same: Python reads `names.pth` when it starts (the wheel puts it into site-packages as
deriva_ml_kit_names.pth), and where one of the two programs is started, it puts a stand-in in the place of the module
that their file imports. Beside main line, main line's programs run, whichever file was written.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any


def bump_version() -> Any:
    """Run `bump-version`."""
    return _run("deriva_ml.bump_version", "deriva_ml_kit.cli.main", "bump_version")


def run_notebook() -> Any:
    """Run `deriva-ml-run-notebook`."""
    return _run("deriva_ml.run_notebook", "deriva_ml_kit.runner.notebook_command", "main")


STAND_INS: dict[str, tuple[str, Callable[[], Any]]] = {
    "bump-version": ("deriva_ml.bump_version", bump_version),
    "deriva-ml-run-notebook": ("deriva_ml.run_notebook", run_notebook),
}


def take_over() -> None:
    """Let what the started program imports from deriva_ml be ours; called while Python starts."""
    program = Path(sys.argv[0]).name.removesuffix(".exe")
    if program not in STAND_INS:
        return
    theirs, ours = STAND_INS[program]
    stand_in = ModuleType(theirs, "Stands in for the program of this name; see deriva_ml_kit.cli.names.")
    stand_in.__dict__["main"] = ours
    sys.modules[theirs] = stand_in


def _run(theirs: str, ours: str, function: str) -> Any:
    sys.modules.pop(theirs, None)  # from here on the name means what is installed
    if _has_main_line():
        return importlib.import_module(theirs).main()
    return getattr(importlib.import_module(ours), function)()


def _has_main_line() -> bool:
    """Whether main line is installed, told by its runner's file: importing it to see would take seconds."""
    found = importlib.util.find_spec("deriva_ml")
    places = found.submodule_search_locations if found else None
    return any((Path(place) / "run_model.py").is_file() for place in places or [])
