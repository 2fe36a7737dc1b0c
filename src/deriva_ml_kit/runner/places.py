"""Where in a project's config files an option is registered, and where in it a key is written.

Pure: reads the sources, runs nothing. Names that are worked out when the files run are not found.
"""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator
from pathlib import Path


def place_of(folder: Path, option: str, key: str | None = None) -> tuple[Path, int] | None:
    """File and line that register an option: of the key in it where one is given and written there.

    Args:
        folder: The config files.
        option: Name of the option, such as `my_experiment`.
        key: Last part of a key, such as `epochs`.
    """
    for file, tree in _trees(folder):
        for call in _registrations(tree, option):
            return file, next(_mentions(call, key), call.lineno)
    return None


def mention_of(folder: Path, text: str) -> tuple[Path, int] | None:
    """File and line of a text that stands in the config files as it is, such as the name of an option."""
    return next(((file, line) for file, tree in _trees(folder) for line in _mentions(tree, text)), None)


def _trees(folder: Path) -> Iterator[tuple[Path, ast.Module]]:
    for file in sorted(folder.rglob("*.py")):
        with contextlib.suppress(SyntaxError, ValueError):
            yield file, ast.parse(file.read_bytes())


def _registrations(tree: ast.Module, option: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            named = [word.value for word in node.keywords if word.arg == "name"]
            if any(isinstance(value, ast.Constant) and value.value == option for value in [*named, *node.args[:1]]):
                yield node


def _mentions(tree: ast.AST, text: str | None) -> Iterator[int]:
    """Lines of a text, or of an argument of that name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == text is not None:
            yield node.value.lineno
        elif isinstance(node, ast.Constant) and node.value == text is not None:
            yield node.lineno
