"""A project's config files, imported; each registers its options in hydra-zen's store.

In: the folder of config files. Out: nothing but what they registered; or the line of the file that could not be read.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

from deriva_ml_kit.errors import Fault, Faults, KitError, UsageError
from deriva_ml_kit.nearest import suggestion

LAST = "experiments"  # refers to what the others register


def load_configs(package_name: str = "configs") -> list[str]:
    """Import every module of a package of config files.

    Args:
        package_name: The package, which Python can find.

    Returns:
        Names of the modules, sorted; nothing if there is no such package.
    """
    try:
        package = importlib.import_module(package_name)
    except ModuleNotFoundError as error:
        if error.name == package_name.partition(".")[0]:
            return []
        raise
    return sorted(_modules_of(package))


def load_folder(folder: Path) -> None:
    """Import the config files of a project, which then finds its own modules (`models.…`) as well.

    Raises:
        UsageError: There is no such folder, or it is no package.
        Faults: A file cannot be imported; names file and line.
    """
    if not folder.is_dir():
        raise UsageError(
            f"There is no folder {folder} of config files.",
            remedy="Run this in the project's folder, or name its config files: --config-dir PATH. "
            "`new-project` makes a project with some.",
        )
    folder = folder.resolve()
    _make_importable(folder.parent, folder.parent.parent)
    before = sys.modules.get(folder.name)
    if before is not None and folder not in map(Path, getattr(before, "__path__", [])):
        raise UsageError(f"{folder.name} is the name of another package, {before.__file__}; rename the folder.")
    try:
        loaded = load_configs(folder.name)
    except KitError:
        raise
    except (Exception, SystemExit) as error:
        raise _explained(error, folder) from error
    if not loaded:
        raise UsageError(f"{folder} holds no config files.", remedy="Put an __init__.py and config files into it.")


def _modules_of(package: ModuleType) -> Iterator[str]:
    names = {found.name: found.ispkg for found in pkgutil.iter_modules(package.__path__)}
    for name in sorted(names, key=lambda name: (name == LAST, name)):
        full = f"{package.__name__}.{name}"
        if names[name]:
            yield from _modules_of(importlib.import_module(full))
        else:
            importlib.import_module(full)
            yield full


def _make_importable(*folders: Path) -> None:
    for folder in reversed([str(folder) for folder in folders]):
        if folder not in sys.path:
            sys.path.insert(0, folder)


def _explained(error: BaseException, folder: Path) -> Faults:
    """The last line of the person's own code that took part."""
    project = folder.parent
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).is_relative_to(project):
        return _fault(f"is no Python: {error.msg}", Path(error.filename), error.lineno)
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(project) and "site-packages" not in frame.filename
    ]
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    place = own[-1] if own else None
    return _fault(
        text, Path(place.filename) if place else folder, place.lineno if place else None, _hint(error, folder)
    )


def _fault(message: str, file: Path, line: int | None, remedy: str | None = None) -> Faults:
    fault = Fault(message, file=shown(file), line=line, remedy=remedy)
    return Faults([fault], message="The config files cannot be read; nothing was run:")


def _hint(error: BaseException, folder: Path) -> str | None:
    if isinstance(error, ModuleNotFoundError) and error.name:
        head, _, tail = error.name.partition(".")
        if (folder.parent / head).is_dir():
            there = [path.stem for path in (folder.parent / head).glob("*.py") if path.stem != "__init__"]
            return suggestion(tail or head, there)
        return f"install it with `uv add {head}`, or correct the name"
    if isinstance(error, ImportError) and error.name and (module := sys.modules.get(error.name)):
        missing = str(error).partition("cannot import name '")[2].partition("'")[0]
        return suggestion(missing, _public(module)) if missing else None
    return None


def _public(module: ModuleType) -> Sequence[str]:
    return [name for name in dir(module) if not name.startswith("_")]


def shown(path: Path) -> str:
    """A path as a person in the current folder would type it."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
