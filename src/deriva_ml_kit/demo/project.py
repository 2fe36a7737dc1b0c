"""Make the project folder as a person would have it: copied and edited templates, configs, a design document, git.

What stands in the folder already is left as it is.
"""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

from deriva_ml_kit.demo.regions import apply_edits
from deriva_ml_kit.demo.shell import Shell
from deriva_ml_kit.errors import KitError, UsageError

FILES = Path(__file__).parent / "project"
COPIES = {
    "make_dev_dataset.py": "model-development-workflow/scripts/make_dev_dataset.py",
    "populate_digit.py": "create-feature/scripts/populate_feature_values.py",
    "warm_cache.py": "manage-deriva-storage/scripts/warm_cache.py",
    "train_digits.py": "execution-lifecycle/scripts/basic_execution.py",
}
PYPROJECT = """\
[project]
name = "digits"
version = "0.1.0"
description = "Handwritten digits on a DERIVA catalog"
requires-python = ">=3.11,<3.14"
dependencies = ["deriva-ml-kit[local]", "pillow", "scikit-learn"]

[tool.uv]
package = false
# regex 2024.7 (asked for by deriva-ml) has no wheel for Python 3.13; later releases work.
override-dependencies = {overrides}
# The versions that these scripts were tested with.
constraint-dependencies = {constraints}

[tool.uv.sources]
deriva-ml-kit = {{ path = "vendor/{wheel}" }}
"""


def plugin_root() -> Path:
    """The folder that holds this package's source, the skills and pyproject.toml.

    Raises:
        UsageError: the package is installed without its source.
    """
    root = Path(__file__).resolve().parents[3]
    if not (root / "skills").is_dir() or not (root / "pyproject.toml").is_file():
        raise UsageError(
            "cycle-zero needs the plugin's folder: it copies templates from skills/ and builds a wheel.",
            remedy="Run it in a clone of the plugin: uv run cycle-zero",
        )
    return root


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds somebody's other work.

    Raises:
        UsageError: the folder is not empty and was not made by cycle-zero.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file.", remedy="Name another folder.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / ".cycle-zero").is_dir():
        raise UsageError(f"{folder} is not empty and was not made by cycle-zero.", remedy="Name another folder.")


def write_files(folder: Path) -> list[str]:
    """Write every file that is missing, the templates edited; gives the names of the new ones."""
    skills = plugin_root() / "skills"
    texts = {
        str(path.relative_to(FILES)): path.read_text(encoding="utf-8")
        for path in sorted(FILES.rglob("*"))
        if path.is_file() and path.suffix in {".py", ".toml", ".md"} and "edits" not in path.relative_to(FILES).parts
    }
    texts[".gitignore"] = (FILES / "gitignore").read_text(encoding="utf-8")
    for name, template in COPIES.items():
        texts[f"src/scripts/{name}"] = _edited(name, (skills / template).read_text(encoding="utf-8"))
    new = [name for name in texts if not (folder / name).exists()]
    for name in new:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(texts[name], encoding="utf-8")
    return new


def _edited(name: str, template: str) -> str:
    """The template with its edits, where there are some for this script."""
    edits = FILES / "edits" / name
    return apply_edits(template, edits.read_text(encoding="utf-8")) if edits.exists() else template


def install(shell: Shell) -> None:
    """Put a wheel of the kit into vendor/, write pyproject.toml, and let uv make the environment."""
    root = plugin_root()
    vendor = shell.folder / "vendor"
    if not list(vendor.glob("*.whl")):
        shell.run("uv", "build", "--wheel", "--quiet", "--out-dir", str(vendor), str(root))
        (vendor / ".gitignore").unlink(missing_ok=True)  # uv writes one that would keep the wheel out of git
    wheel = next(vendor.glob("*.whl")).name
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["uv"]
    text = PYPROJECT.format(
        wheel=wheel,
        overrides=_toml_list(settings["override-dependencies"]),
        constraints=_toml_list(settings["constraint-dependencies"]),
    )
    target = shell.folder / "pyproject.toml"
    if not target.exists():
        target.write_text(text, encoding="utf-8")
    shell.run("uv", "sync", "--quiet")


def _toml_list(values: list[str]) -> str:
    """A TOML array, one value a line."""
    return "[\n" + "".join(f'  "{value}",\n' for value in values) + "]" if values else "[]"


def make_repository(shell: Shell) -> None:
    """`git init` on branch main, with a committer of its own where the person has set none."""
    if shutil.which("git") is None:
        raise KitError("git is not installed.", remedy="Install git: the commit of a script is part of every result.")
    if not (shell.folder / ".git").exists():
        shell.run("git", "init", "--quiet", "--initial-branch=main")
    try:
        shell.run("git", "config", "user.email")
    except KitError:
        shell.run("git", "config", "user.name", "Cycle Zero")
        shell.run("git", "config", "user.email", "cycle-zero@localhost")


def commit(shell: Shell, message: str) -> None:
    """Commit everything that changed, if anything did."""
    if shell.run("git", "status", "--porcelain"):
        shell.run("git", "add", "--all")
        shell.run("git", "commit", "--quiet", "--message", message)
