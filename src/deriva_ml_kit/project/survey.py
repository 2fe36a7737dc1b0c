"""What a repository says of a project: designs, pins, the tables its sources name, its scripts, its receipts.

In: a folder, of this plugin's making or not. Out: `Survey`. Nothing is run or imported, and no catalog is asked. What
is looked for is found by what it says, not by the name of its file alone.
"""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from deriva_ml_kit import worktree
from deriva_ml_kit.design import named
from deriva_ml_kit.design.document import FOLDER, Design, parse
from deriva_ml_kit.design.history import git, root_of
from deriva_ml_kit.design.named import NamedFeature
from deriva_ml_kit.errors import UsageError

# Calls that say that a table exists, and how many names they begin with.
MAKES_TABLES = {"create_asset": 1, "create_vocabulary": 1, "create_feature": 2, "create_table": 1, "define": 1}
LEFT_OUT = {".venv", "venv", "node_modules", "site-packages", "vendor", "build", "dist", "outputs", "multirun"}
LARGEST_SOURCE = 500_000  # bytes
# What a script that does a part of cycle zero is called, or else what it says.
SCRIPTS = {
    "schema": (r"schema", r"\bcreate_(asset|feature|vocabulary)\("),
    "ingest": (r"ingest|load_data|upload", r"\basset_file_path\("),
    "labels": (r"populate|annotat", r"\badd_features\("),
    "development": (r"dev_dataset", r"\bmake_dev_dataset\("),
    "split": (r"split", r"\bsplit_dataset\("),
    "train": (r"train", r"\brun_tiered\("),
}
DRIVES = re.compile(r"\b(PARSER|argparse|script\.run|__main__)\b")
_PIN = re.compile(r"([0-9A-Z]{1,4}(?:-[0-9A-Z]{4})*)@([0-9]+\.[0-9]+\.[0-9]+)")


@dataclass(frozen=True)
class Pin:
    """A dataset in a version, and where that is written."""

    name: str
    rid: str
    version: str
    file: str

    def __str__(self) -> str:
        return f"{self.rid}@{self.version}"


@dataclass(frozen=True)
class Named:
    """A table, or a feature of one, that the repository says exists, and where it says so."""

    table: str
    feature: str | None
    place: str

    def __str__(self) -> str:
        return f"{self.table}.{self.feature}" if self.feature else self.table


@dataclass(frozen=True)
class Group:
    """A choice of datasets by role: role -> name of the pin."""

    name: str
    roles: Mapping[str, str]


@dataclass
class Survey:
    """What was found; see the module.

    Attributes:
        root: The repository's folder.
        commit: The commit that is checked out; None without git or before the first commit.
        uncommitted: Files that differ from it.
        models: Design documents of models.
        pins: Datasets that the project uses.
        named: Tables and features that its sources make, or its designs name.
        scripts: Part of cycle zero -> the script that does it.
        experiments: Names of what deriva-ml-run can run.
        groups: The choices of datasets that it has.
        catalog: Host and catalog that a file names, and the file.
    """

    root: Path
    commit: str | None = None
    uncommitted: list[str] = field(default_factory=list)
    models: list[Design] = field(default_factory=list)
    pins: list[Pin] = field(default_factory=list)
    named: list[Named] = field(default_factory=list)
    scripts: dict[str, str] = field(default_factory=dict)
    experiments: list[str] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    catalog: tuple[str, str, str] | None = None

    @cached_property
    def design(self) -> Design | None:
        """The model that counts: the one that is furthest."""
        order = ("Draft", "Approved", "Built", "Validated")
        rank = {word: number for number, word in enumerate(order)}
        return max(self.models, key=lambda each: rank.get(each.status.word if each.status else "", -1), default=None)

    @cached_property
    def labels(self) -> NamedFeature | None:
        """The feature that holds the labels, as the design names it."""
        if self.design is None:
            return None
        try:
            return named.feature(self.design, "Labels") or named.input_feature(self.design)
        except UsageError:
            return None

    def has(self, commit: str) -> bool:
        """Whether the repository has a commit."""
        return git(self.root, "cat-file", "-e", f"{commit}^{{commit}}") is not None

    def changed_since(self, commit: str) -> list[str] | None:
        """Files that differ between a commit and this one; None if the repository does not have it."""
        found = git(self.root, "diff", "--name-only", "--no-renames", f"{commit}^{{commit}}", "HEAD", "--")
        return None if found is None else found.split("\n")[:-1]


def survey(folder: Path) -> Survey:
    """Look at the repository that a folder is in."""
    root = root_of(folder) or folder.resolve()
    head = git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    found = Survey(root, commit=head.strip() if head else None)
    found.uncommitted = worktree.uncommitted_in(git(root, *worktree.STATUS) or "")
    found.models = [_design(file) for file in sorted((root / FOLDER / "model").glob("*.md"))]
    for file in _files(root):
        name = file.relative_to(root).as_posix()
        if file.suffix == ".toml":
            found.pins += _pins(file, name)
        elif file.suffix == ".json":
            found.catalog = found.catalog or _catalog(file, name)
        elif file.suffix == ".py" and not name.startswith("tests/"):
            _source(found, file, name)
    found.named += [each for design in found.models for each in _of_design(design, root)]
    return found


def _files(folder: Path) -> Iterator[Path]:
    """Files of a project below a folder; hidden folders and those of tools are left out."""
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith(".") or entry.name in LEFT_OUT or entry.is_symlink():
            continue
        if entry.is_dir():
            yield from _files(entry)
        elif entry.suffix in (".py", ".toml", ".json") and entry.stat().st_size < LARGEST_SOURCE:
            yield entry


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""


def _design(file: Path) -> Design:
    return parse(_text(file), file)


def _pins(file: Path, name: str) -> Iterator[Pin]:
    try:
        document = tomllib.loads(_text(file))
    except tomllib.TOMLDecodeError:
        return
    for key, value in document.items():
        if isinstance(value, str) and (match := _PIN.fullmatch(value)):
            yield Pin(key, match[1], match[2], name)


def _catalog(file: Path, name: str) -> tuple[str, str, str] | None:
    try:
        document = json.loads(_text(file))
        return str(document["hostname"]), str(document["catalog_id"]), name
    except (ValueError, KeyError, TypeError):
        return None


def _source(found: Survey, file: Path, name: str) -> None:
    text = _text(file)
    if DRIVES.search(text):
        for part, (called, says) in SCRIPTS.items():
            if re.search(called, file.stem):
                found.scripts[part] = name
            elif re.search(says, text):
                found.scripts.setdefault(part, name)
    try:
        calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    except (SyntaxError, ValueError, RecursionError):
        return
    for call in calls:
        function = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        _table(found, call, function, f"{name}:{call.lineno}")
        _dataset(found, call, function, name)
        if "experiment" in file.stem and isinstance(option := _keyword(call, "name"), str):
            found.experiments.append(option)


def _table(found: Survey, call: ast.Call, called: str, place: str) -> None:
    words = _words(call)[: MAKES_TABLES.get(called, 0)]
    owner = getattr(call.func, "value", None)
    if called == "define" and getattr(owner, "id", "") != "Table":
        return
    if called == "create_feature" and len(words) == 2:
        found.named.append(Named(words[0], words[1], place))
    elif words and called != "create_feature":
        found.named.append(Named(words[0], None, place))


def _dataset(found: Survey, call: ast.Call, called: str, name: str) -> None:
    if called in ("DatasetSpecConfig", "DatasetSpec"):
        pin = _PIN.fullmatch(f"{_keyword(call, 'rid')}@{_keyword(call, 'version')}")
        found.pins += [Pin(pin[1], pin[1], pin[2], name)] if pin else []
    roles = _keyword(call, "roles")
    if called == "store_datasets" and isinstance(roles, dict) and all(isinstance(pin, str) for pin in roles.values()):
        found.groups.append(Group("".join(_words(call)[:1]), roles))


def _words(call: ast.Call) -> list[str]:
    """The texts that a call begins with."""
    words = []
    for argument in call.args:
        if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str)):
            break
        words.append(argument.value)
    return words


def _keyword(call: ast.Call, name: str) -> Any:
    """A keyword argument that is written out; None for any other."""
    for word in call.keywords:
        if word.arg == name:
            try:
                return ast.literal_eval(word.value)
            except (ValueError, TypeError):
                return None
    return None


def _of_design(design: Design, root: Path) -> Iterator[Named]:
    for feature, line in named.features(design):
        yield Named(feature.table, feature.name, f"{design.file.relative_to(root).as_posix()}:{line}")
