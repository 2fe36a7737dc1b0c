"""Python as documents print it: names that it imports must exist, and calls must fit the signatures of what they call.

In: the text of a fenced Python block, or a dotted name from inline code. Out: complaints. Nothing is run.
`ml`, `exe`, `bag`, `dataset` and `record` stand for a DerivaML, an Execution, a DatasetBag, a Dataset and an
ExecutionRecord, in every document.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from functools import cache
from typing import Any

_DOTTED = re.compile(r"(?<![\w.])(?P<object>ml|exe|bag|dataset|record)\.(?P<name>[A-Za-z_]\w*)")


@cache
def objects() -> dict[str, type]:
    """The classes of the variables that documents use without making them."""
    from deriva_ml_kit import mainline  # noqa: PLC0415 - slow to import, and not every test needs it

    classes = {"ml": "DerivaML", "exe": "Execution", "bag": "DatasetBag"}
    classes |= {"dataset": "Dataset", "record": "ExecutionRecord"}
    return {variable: getattr(mainline, name) for variable, name in classes.items()}


def complaints(code: str) -> list[str]:
    """What is wrong with a block of code."""
    try:
        tree = ast.parse(code)
    except SyntaxError as error:
        return [f"line {error.lineno}: {error.msg}"]
    known: dict[str, Any] = {}
    found = list(_imports(tree, known))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in objects():
            found += missing(node.value.id, node.attr)
        if isinstance(node, ast.Call):
            found += _call(node, known)
    return found


def calls(code: str) -> int:
    """How many calls of a block are bound to a signature."""
    known: dict[str, Any] = {}
    tree = ast.parse(code)
    list(_imports(tree, known))
    return sum(isinstance(node, ast.Call) and _target(node, known) is not None for node in ast.walk(tree))


def names_in(text: str) -> list[tuple[str, str]]:
    """The `ml.name`, `exe.name`, `bag.name`… in inline code, as (object, name)."""
    return [(match["object"], match["name"]) for match in _DOTTED.finditer(text)]


def missing(variable: str, name: str) -> list[str]:
    """A complaint if the class that the variable stands for has no such attribute."""
    cls = objects()[variable]
    known = hasattr(cls, name) or name in getattr(cls, "model_fields", {}) or name in _assigned_in_init(cls)
    return [] if known else [f"{cls.__name__} has no {name}"]


@cache
def _assigned_in_init(cls: type) -> frozenset[str]:
    """Attributes that the class and its bases give their objects as `self.name = …`."""
    names: set[str] = set()
    for base in cls.__mro__[:-1]:
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(base)))):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                names.add(node.attr)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Attribute):
                names.add(node.target.attr)
    return frozenset(names)


def _imports(tree: ast.AST, known: dict[str, Any]) -> Iterator[str]:
    """Complaints about imports; what they bring goes into `known`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                known[alias.asname or alias.name.partition(".")[0]] = importlib.import_module(alias.name)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            module = importlib.import_module(node.module)
            for alias in node.names:
                if hasattr(module, alias.name):
                    known[alias.asname or alias.name] = getattr(module, alias.name)
                else:
                    yield f"{node.module} has no {alias.name}"


def _target(node: ast.Call, known: dict[str, Any]) -> tuple[Any, bool] | None:
    """What a call calls, and whether it is a method that wants `self` first; None when that cannot be told."""
    match node.func:
        case ast.Attribute(value=ast.Name(id=variable), attr=name) if variable in objects():
            static = inspect.getattr_static(objects()[variable], name, None)
            target = getattr(objects()[variable], name, None)
            return (target, not isinstance(static, classmethod | staticmethod)) if callable(target) else None
        case ast.Attribute(value=ast.Name(id=variable), attr=name) if variable in known:
            target = getattr(known[variable], name, None)
            return (target, False) if callable(target) else None
        case ast.Name(id=name) if callable(known.get(name)):
            return known[name], False
    return None


def _call(node: ast.Call, known: dict[str, Any]) -> list[str]:
    target = _target(node, known)
    if target is None:
        return []
    function, wants_self = target
    if any(isinstance(arg, ast.Starred) for arg in node.args) or any(key.arg is None for key in node.keywords):
        return []
    positional = [None] * (len(node.args) + wants_self)
    try:
        inspect.signature(function).bind(*positional, **{str(key.arg): None for key in node.keywords})
    except TypeError as error:
        return [f"line {node.lineno}: {ast.unparse(node.func)}: {error}"]
    except ValueError:
        return []  # written in C, without a signature
    return []
