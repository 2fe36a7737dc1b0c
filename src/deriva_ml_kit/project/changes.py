"""Which part of the version fits what changed: told file by file, from both versions of each file.

    none    documents, tests, comments
    patch   fixes, values of configurations, new versions of the same datasets, dependencies
    minor   new experiments, models, splits, scripts, notebooks
    major   the schema or what datasets consist of changed; a model or a configuration is gone

In: the changed files with their text before and after. Out: one Evidence a file. Nothing is run or imported.
"""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import PurePosixPath
from typing import Any

DOCUMENTS = {".md", ".rst", ".txt", ".pdf", ".png", ".svg", ".jpg"}
DOCUMENT_NAMES = {"LICENSE", "NOTICE", "CITATION.cff", ".gitignore", ".gitattributes", ".python-version"}
DOCUMENT_FOLDERS = {"docs", "doc", "tests", "test", ".github", ".vscode", ".claude"}
CONFIG_FOLDERS = {"configs", "config", "conf"}
# Calls that decide what the catalog, and so a dataset's bag, consists of.
FORMAT_CALLS = {
    "add_dataset_element_type",
    "create_asset",
    "create_feature",
    "create_ml_catalog",
    "create_table",
    "create_vocabulary",
}
PIN = re.compile(r"(?P<rid>[0-9A-Z-]+)@(?P<version>\d+\.\d+\.\d+)")


class Part(IntEnum):
    """The part of a version that is raised."""

    patch = 1
    minor = 2
    major = 3


@dataclass(frozen=True)
class Change:
    """One changed file; of a renamed one, both paths.

    Args:
        path: Path now, or the one it had if it is gone.
        before: Text before; None if it was not there.
        after: Text now; None if it is gone.
        old_path: Path before, where it has changed.
    """

    path: str
    before: str | None
    after: str | None
    old_path: str | None = None


@dataclass(frozen=True)
class Evidence:
    """What one changed file asks for: a part of the version, or none, and why."""

    file: str
    part: Part | None
    reason: str


def judge(changes: Sequence[Change]) -> list[Evidence]:
    """Judge all changed files; what moved from one configuration file to another is neither gone nor new."""
    there = {name for change in changes if change.before is not None for name in _names(_was(change), change.before)}
    here = {name for change in changes if change.after is not None for name in _names(change.path, change.after)}
    return [_judge(change, there, here) for change in changes]


def fitting(evidence: Iterable[Evidence]) -> Part | None:
    """The part that all evidence together asks for."""
    return max((each.part for each in evidence if each.part), default=None)


def _judge(change: Change, there: set[str], here: set[str]) -> Evidence:
    path = PurePosixPath(change.path)
    if _is_document(path):
        return Evidence(change.path, None, "document or test")
    if change.before == change.after:
        return Evidence(change.path, None, f"moved from {change.old_path}" if change.old_path else "same text")
    part, reason = max(_reasons(change, path, there, here), key=lambda found: found[0] or 0)
    return Evidence(change.path, part, reason)


Reason = tuple[Part | None, str]


def _reasons(change: Change, path: PurePosixPath, there: set[str], here: set[str]) -> Iterator[Reason]:
    """Every reason that a file gives; at least one."""
    folders = set(path.parts[:-1])
    if folders & CONFIG_FOLDERS:
        yield from _configuration(change, there, here)
    elif path.name == "pyproject.toml":
        yield _project(change)
    elif path.name == "uv.lock":
        yield Part.patch, "locked dependencies"
    elif path.suffix == ".ipynb":
        yield _notebook(change)
    elif path.suffix == ".py":
        yield from _code(change, path)
    else:
        yield Part.patch, "file added" if change.before is None else "file removed" if change.after is None else "file"


def _is_document(path: PurePosixPath) -> bool:
    if path.name.startswith("requirements"):
        return False
    return path.suffix in DOCUMENTS or path.name in DOCUMENT_NAMES or bool(DOCUMENT_FOLDERS & set(path.parts[:-1]))


def _configuration(change: Change, there: set[str], here: set[str]) -> Iterator[Reason]:
    before, after = _names(_was(change), change.before), _names(change.path, change.after)
    if gone := sorted(before - here):
        yield Part.major, f"no longer configures {', '.join(gone)}"
    if new := sorted(after - there):
        yield Part.minor, f"configures {', '.join(new)}"
    old_pins, pins = _pins(_was(change), change.before), _pins(change.path, change.after)
    for name in sorted(old_pins.keys() & pins.keys()):
        if old_pins[name] != pins[name]:
            same = old_pins[name].partition("@")[0] == pins[name].partition("@")[0]
            part = Part.patch if same else Part.minor
            yield part, f"{name} is {'now' if same else 'another dataset,'} {pins[name]} (was {old_pins[name]})"
    if change.path.endswith((".yaml", ".yml")) and None in (change.before, change.after):
        yield (Part.minor, "configuration added") if change.before is None else (Part.major, "configuration removed")
    yield (None, "comments only") if _same_code(change) else (Part.patch, "values of the configuration")


def _project(change: Change) -> Reason:
    before, after = _toml(change.before), _toml(change.after)
    for document in (before, after):
        document.get("project", {}).pop("version", None)
    return (None, "version or comments only") if before == after else (Part.patch, "dependencies or settings")


def _notebook(change: Change) -> Reason:
    if change.before is None:
        return Part.minor, "new notebook"
    if change.after is None:
        return Part.patch, "notebook removed"
    same = _cells(change.before) == _cells(change.after)
    return (None, "outputs or text only") if same else (Part.patch, "code of a notebook")


def _code(change: Change, path: PurePosixPath) -> Iterator[Reason]:
    if _same_code(change):
        yield None, "comments only"
        return
    before, after = _format_calls(change.before), _format_calls(change.after)
    if gone := sorted((before - after).elements()):
        yield Part.major, f"changes what the catalog consists of: no longer {_short(gone[0])}"
    elif new := sorted((after - before).elements()):
        yield Part.minor, f"adds to what the catalog consists of: {_short(new[0])}"
    if "schema" in path.stem.lower():
        yield (Part.minor, "new schema script") if change.before is None else (Part.major, "schema script")
    elif "models" in path.parts[:-1] and path.name != "__init__.py" and None in (change.before, change.after):
        yield (Part.minor, "new model") if change.before is None else (Part.major, "model removed")
    elif "scripts" in path.parts[:-1] and change.before is None:
        yield Part.minor, "new script"
    yield Part.patch, "code"


def _names(path: str, text: str | None) -> set[str]:
    """What a configuration file registers by name: experiments, groups' options, pinned datasets."""
    if text is None or not CONFIG_FOLDERS & set(PurePosixPath(path).parts[:-1]):
        return set()
    found = set(_pins(path, text))
    for call in _calls(text) if path.endswith(".py") else ():
        given = [keyword.value for keyword in call.keywords if keyword.arg == "name"]
        called = _called(call)
        if not given and (called.endswith("_config") or called.startswith("store_")):  # multirun_config("lr_sweep", …)
            given = call.args[:1]
        found |= {value.value for value in given if isinstance(value, ast.Constant) and isinstance(value.value, str)}
    return found


def _pins(path: str, text: str | None) -> dict[str, str]:
    """Names and `RID@version` of the datasets that a TOML file pins."""
    if not path.endswith(".toml"):
        return {}
    return {name: value for name, value in _leaves(_toml(text)) if isinstance(value, str) and PIN.fullmatch(value)}


def _leaves(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in document.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _toml(text: str | None) -> dict[str, Any]:
    try:
        return tomllib.loads(text or "")
    except tomllib.TOMLDecodeError:
        return {"": text}


def _cells(text: str) -> list[str]:
    """Sources of the code cells; the text itself if it is no notebook."""
    try:
        cells = json.loads(text)["cells"]
        return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError):
        return [text]


def _same_code(change: Change) -> bool:
    """Whether only comments, docstrings and layout of a Python file differ."""
    if change.before is None or change.after is None or not change.path.endswith(".py"):
        return False
    before, after = _tree(change.before), _tree(change.after)
    return before is not None and after is not None and _bare(before) == _bare(after)


def _bare(tree: ast.Module) -> str:
    """The code without docstrings, as text that does not depend on layout."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and len(node.body) > 1:
                del node.body[0]
    return ast.dump(tree)


def _format_calls(text: str | None) -> Counter[str]:
    return Counter(ast.unparse(call) for call in _calls(text or "") if _called(call) in FORMAT_CALLS)


def _calls(text: str) -> Iterator[ast.Call]:
    tree = _tree(text)
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Call):
            yield node


def _called(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _tree(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError):
        return None


def _was(change: Change) -> str:
    return change.old_path or change.path


def _short(text: str, width: int = 70) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
