"""What a new project is made of: the files of `template/`, the scripts of the skills, a wheel of the kit.

In: the name of the project. Out: file name -> text. Nothing is written here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deriva_ml_kit.errors import UsageError

TEMPLATE = Path(__file__).parent / "template"
# Scripts of the skills, as they are, by the name that they get in src/scripts.
SCRIPTS = {
    "basic_execution.py": "execution-lifecycle/scripts/basic_execution.py",
    "make_dev_dataset.py": "model-development-workflow/scripts/make_dev_dataset.py",
    "populate_digit.py": "create-feature/scripts/populate_feature_values.py",
    "warm_cache.py": "manage-deriva-storage/scripts/warm_cache.py",
}
PYPROJECT = "pyproject.toml"


def plugin_root() -> Path:
    """The folder that holds this package's source, the skills and pyproject.toml.

    Raises:
        UsageError: The package is installed without its source.
    """
    root = Path(__file__).resolve().parents[3]
    if not (root / "skills").is_dir() or not (root / PYPROJECT).is_file():
        raise UsageError(
            "A new project needs the plugin's folder: scripts are copied from its skills, and a wheel is built of it.",
            remedy="Run it from a clone of the plugin: uv run --project PLUGIN_FOLDER new-project DIR",
        )
    return root


def texts(name: str) -> dict[str, str]:
    """All files of a project called `name`, pyproject.toml first."""
    root = plugin_root()
    files = {
        path.relative_to(TEMPLATE).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(TEMPLATE.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    files[".gitignore"] = files.pop("gitignore")
    files |= {
        f"src/scripts/{target}": (root / "skills" / source).read_text(encoding="utf-8")
        for target, source in SCRIPTS.items()
    }
    plugin = tomllib.loads((root / PYPROJECT).read_text(encoding="utf-8"))
    return {PYPROJECT: _pyproject(files.pop("pyproject.in"), name, plugin)} | {
        path: text.replace("@name@", name) for path, text in files.items()
    }


def _pyproject(template: str, name: str, plugin: Mapping[str, Any]) -> str:
    uv = plugin["tool"]["uv"]
    values = {
        "name": name,
        "wheel": _wheel(plugin),
        "overrides": _toml_list(uv["override-dependencies"]),
        "constraints": _toml_list(uv["constraint-dependencies"]),
    }
    for key, value in values.items():
        template = template.replace(f"@{key}@", value)
    return template


def _wheel(plugin: Mapping[str, Any]) -> str:
    return f"deriva_ml_kit-{plugin['project']['version']}-py3-none-any.whl"


def _toml_list(values: Sequence[str]) -> str:
    """A TOML array, one value a line."""
    return "[\n" + "".join(f'  "{value}",\n' for value in values) + "]" if values else "[]"
