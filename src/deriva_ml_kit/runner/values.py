"""Whether the values of a configuration are what the functions that get them say they take.

In: a composed configuration. Out: a fault for each value that does not fit its annotation. Hydra's own check knows
fewer kinds: it lets anything pass for `int | None`, `Literal[…]` and `Annotated[…]`, and for every parameter of a
function one of whose annotations cannot be looked up.
"""

from __future__ import annotations

import collections.abc
import inspect
import types
import typing
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from omegaconf import DictConfig, ListConfig, OmegaConf
from pydantic import ConfigDict, TypeAdapter, ValidationError

from deriva_ml_kit.nearest import suggestion

SCALARS = (int, float, bool, str, type(None), Path)
CONTAINERS = (list, tuple, dict, set, frozenset, collections.abc.Sequence, collections.abc.Mapping)
TOLD = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    type(None): "null",
    Path: "a path",
}


def wrong_values(config: DictConfig) -> Iterator[tuple[str, str]]:
    """Each value that does not fit: its key, written with dots, and what is wrong with it."""
    for prefix, node in _targets(config, ""):
        if (target := _target_of(node)) is None:
            continue
        hints, takes = hints_of(target), parameters_of(target)
        for name in map(str, node):
            if takes is not None and not name.startswith("_") and name not in takes:
                yield f"{prefix}{name}", f"{target.__name__} has no such parameter; {suggestion(name, takes)}"
            elif not OmegaConf.is_missing(node, name) and (wrong := misfit(_plain(node, name), hints.get(name, Any))):
                yield f"{prefix}{name}", wrong


def misfit(value: Any, hint: Any) -> str | None:
    """What is wrong with a value where a parameter has this annotation; None if it fits, or nobody can tell."""
    if not _is_known(hint) or (isinstance(value, Mapping) and "_target_" in value):
        return None
    try:
        read = TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True)).validate_python(value)
    except ValidationError as error:
        return f"{value!r} is not {told(hint)}{_detail(error, hint)}"
    if isinstance(value, str) and isinstance(read, int | float) and not isinstance(read, Enum):
        return f"the text {value!r} is not {told(hint)}"  # the function would get the text
    return None


def told(hint: Any) -> str:
    """An annotation in words."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        words = told(arguments[0])
    elif origin is Literal:
        words = f"one of {', '.join(repr(choice) for choice in arguments)}"
    elif isinstance(hint, type) and issubclass(hint, Enum):
        words = f"one of {', '.join(repr(each.value) for each in hint)}"
    elif origin in (Union, types.UnionType):
        words = " or ".join(told(each) for each in sorted(arguments, key=lambda each: each is type(None)))
    elif {origin, hint} & {dict, collections.abc.Mapping}:
        words = "a mapping {key: value}"
    elif origin in CONTAINERS or hint in CONTAINERS:
        inner = {_plural(each) for each in arguments if each is not Ellipsis}
        words = f"a list of {inner.pop()}" if len(inner) == 1 else "a list"
    else:
        words = TOLD.get(hint) or str(getattr(hint, "__name__", hint))
    return words


def _plural(hint: Any) -> str:
    return f"{told(hint).removeprefix('a ')}s" if hint in (int, float, str, Path) else "values"


def hints_of(target: Any) -> dict[str, Any]:
    """Annotations of a function's parameters; of a class, those of its constructor. One that is unknown is left out."""
    function = target.__init__ if inspect.isclass(target) else target
    names = getattr(inspect.unwrap(function), "__globals__", {})
    found = {}
    for name, hint in getattr(function, "__annotations__", {}).items():
        try:
            read = eval(hint, names) if isinstance(hint, str) else hint  # of the person's own file
        except Exception:  # imported for type checkers only
            continue
        if name != "return" and not isinstance(read, str):
            found[name] = read
    return found


def parameters_of(target: Any) -> list[str] | None:
    """Names of a function's parameters; None if it takes any, or nobody can tell."""
    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters):
        return None
    return [each.name for each in parameters if each.kind is not inspect.Parameter.POSITIONAL_ONLY]


def _targets(node: Any, prefix: str) -> Iterator[tuple[str, DictConfig]]:
    """The nodes below one that name what they are made into, itself included."""
    if isinstance(node, DictConfig) and not node._is_none() and not node._is_missing() and not node._is_interpolation():
        if "_target_" in node:
            yield prefix, node
        for key in node:
            yield from _targets(node._get_node(key), f"{prefix}{key!s}.")
    elif isinstance(node, ListConfig) and not node._is_none() and not node._is_missing():
        for number in range(len(node)):
            yield from _targets(node._get_node(number), f"{prefix}{number}.")


def _target_of(node: DictConfig) -> Any:
    from hydra.utils import get_object  # noqa: PLC0415

    name = node.get("_zen_target", node["_target_"])
    if not isinstance(name, str) or name.startswith(("deriva_ml_kit.mainline", "deriva_ml.", "hydra_zen.")):
        return None  # their own checks say more, and to import them takes seconds
    try:
        return get_object(name)
    except Exception:
        return None  # the run itself says so


def _plain(node: DictConfig, name: Any) -> Any:
    value = node[name]
    return OmegaConf.to_container(value, resolve=True) if isinstance(value, DictConfig | ListConfig) else value


def _is_known(hint: Any) -> bool:
    """Whether a value can be compared with an annotation without knowing the person's classes."""
    origin = typing.get_origin(hint)
    if origin is Literal:
        return True
    if origin is Annotated:
        return _is_known(typing.get_args(hint)[0])
    if origin in (Union, types.UnionType, *CONTAINERS):
        return all(each is Ellipsis or each is Any or _is_known(each) for each in typing.get_args(hint))
    return hint in SCALARS or hint in CONTAINERS or (isinstance(hint, type) and issubclass(hint, Enum))


def _detail(error: ValidationError, hint: Any) -> str:
    """Where in a list it is, and which limit it breaks."""
    first = error.errors()[0]
    place = next((f", at {step}" for step in first["loc"] if isinstance(step, int)), "")
    said = first["msg"] if typing.get_origin(hint) is Annotated else ""
    return f"{place}{f': {said}' if said else ''}"
