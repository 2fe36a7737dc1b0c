"""A call as it is written in a document: `deriva_ml_get_feature(target_table="Image", feature_name="Diagnosis")`.

Literals only; nothing is evaluated. Arguments without a name are the tool's own, in their order; hostname and
catalog_id are always named.
"""

from __future__ import annotations

import ast
import inspect
from typing import Any

from deriva_ml_kit.tools.failure import Code, ToolError
from deriva_ml_kit.tools.given import shown
from deriva_ml_kit.tools.invoke import find

REMEDY = 'Write it as deriva_ml_get_feature(target_table="Image", feature_name="Diagnosis").'


def written(text: str) -> tuple[str, dict[str, Any]]:
    """Name of the tool and its arguments.

    Raises:
        ToolError: It is no call, there is no such tool, or an argument is no literal.
    """
    name, node = _call(text)
    own = list(inspect.signature(find(name).function).parameters)[1:]
    if len(node.args) > len(own):
        raise ToolError(
            Code.BAD_ARGUMENT, f"{name} takes {len(own)} arguments without name, not {len(node.args)}.", remedy=REMEDY
        )
    given = {key: _literal(name, key, value) for key, value in zip(own, node.args, strict=False)}
    for keyword in node.keywords:
        if keyword.arg is None:
            raise ToolError(Code.BAD_ARGUMENT, f"{name}: ** is not understood.", remedy=REMEDY)
        if keyword.arg in given:
            raise ToolError(Code.BAD_ARGUMENT, f"{name}: {keyword.arg} is given twice.", remedy=REMEDY)
        given[keyword.arg] = _literal(name, keyword.arg, keyword.value)
    return name, given


def _call(text: str) -> tuple[str, ast.Call]:
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ToolError(Code.BAD_ARGUMENT, f"{shown(text)} is no call: {error}.", remedy=REMEDY) from None
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise ToolError(Code.BAD_ARGUMENT, f"{shown(text)} is no call of a tool.", remedy=REMEDY)
    return node.func.id, node


def _literal(tool: str, name: str, node: ast.expr) -> Any:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        value = ...
    if value is ... or isinstance(value, bytes | complex | set):
        raise ToolError(
            Code.BAD_ARGUMENT,
            f"{tool}: {name}={ast.unparse(node)[:100]} is no value.",
            remedy="Write texts in quotes, numbers, True, False, None, and lists and objects of them.",
        )
    return value
