"""Calls of tools as documents print them: the tool must be there, and take what it is given.

In: the text of a fenced block or of an inline code span. Out: the calls in it, and for each what is wrong. Nothing is
called. A value that is left to the reader (`...`, `…`) is taken as right; placeholders are filled in as in commands.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from deriva_ml_kit.nearest import suggestion
from deriva_ml_kit.tools.failure import ToolError
from deriva_ml_kit.tools.invoke import checked
from deriva_ml_kit.tools.registry import Tool, names_of, tools
from deriva_ml_kit.tools.written import written
from plugin_checks.commands import PLACEHOLDERS, fill_in

# What can only be a tool's name, wherever it stands; names such as `create_table` are methods as well.
_NAMED = re.compile(
    r"(?<![\w./-])(?:deriva_ml_(?!kit\b)[a-z_]+|rag_[a-z_]+|local_catalog_[a-z]+)\b|(?<=deriva-ml-kit tool )[a-z_]+"
)
_CALLED = re.compile(r"(?<![\w.])(?P<name>[a-z_]+)\(")
_OPEN = re.compile(r"(?<==)(?:\.\.\.|…)|\{\.\.\.\}")


def unknown(text: str) -> list[str]:
    """Names in a text that are written as those of tools are, and belong to none."""
    return [f"{name}: {suggestion(name, tools())}" for name in _NAMED.findall(text) if name not in tools()]


def calls(text: str) -> list[str]:
    """The calls of tools in a text."""
    found = []
    for match in _CALLED.finditer(text):
        if match["name"] in tools() and (end := _end(text, match.end())):
            found.append(text[match.start() : end])
    return found


def complaints(text: str) -> list[str]:
    """What is wrong with the calls in a text."""
    return [f"{call}: {said}" for call in calls(text) for said in _complaints(call)]


def _complaints(call: str) -> Iterator[str]:
    missing = sorted(set(re.findall(r"<[^<>\s\"]+>", call)) - PLACEHOLDERS.keys())
    yield from (f"unknown placeholder {name}" for name in missing)
    if missing:
        return
    text = fill_in(call)
    try:
        if _OPEN.search(text):
            yield from _unknown_arguments(_OPEN.sub("None", text))
        else:
            name, given = written(text)
            checked(tools()[name], given)
    except ToolError as error:
        yield str(error)


def _unknown_arguments(text: str) -> Iterator[str]:
    name, given = written(text)
    found: Tool = tools()[name]
    known = [other for key, field in found.arguments.model_fields.items() for other in names_of(key, field)]
    yield from (f"there is no argument {argument}" for argument in given if argument not in known)


def _end(text: str, start: int) -> int | None:
    """Where a call that begins before `start` ends: the first bracket with which it is an expression."""
    for place in (match.end() for match in re.finditer(r"\)", text[start:])):
        try:
            ast.parse("f(" + _OPEN.sub("None", text[start : start + place]), mode="eval")
        except (SyntaxError, ValueError):
            continue
        return start + place
    return None
