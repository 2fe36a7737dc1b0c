"""Where in a project's config files an option is registered, and where in it a key is written.

Pure: reads the sources, runs nothing. Names that are worked out when the files run are not found.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path


def place_of(folder: Path, option: str, key: str | None = None) -> tuple[Path, int] | None:
    """File and line that register an option: of the key in it where one is given and written there.

    Args:
        folder: The config files.
        option: Name of the option, such as `my_experiment`.
        key: Last part of a key, such as `epochs`; or any text written in the option.
    """
    for file in sorted(folder.rglob("*.py")):
        try:
            tree = ast.parse(file.read_bytes())
        except (SyntaxError, ValueError):
            continue
        for call in _registrations(tree, option):
            return file, next((line for line in _mentions(call, key) if key), call.lineno)
    return None


def _registrations(tree: ast.Module, option: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            named = [word.value for word in node.keywords if word.arg == "name"]
            if any(isinstance(value, ast.Constant) and value.value == option for value in [*named, *node.args[:1]]):
                yield node


def _mentions(call: ast.Call, key: str | None) -> Iterator[int]:
    for node in ast.walk(call):
        if isinstance(node, ast.keyword) and node.arg == key:
            yield node.value.lineno
        elif isinstance(node, ast.Constant) and node.value == key:
            yield node.lineno
