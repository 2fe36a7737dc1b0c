"""Arguments as agents write them: what is understood although it is written otherwise, and what no tool can take."""

from __future__ import annotations

import json
import math
import reprlib
import types
from collections.abc import Iterator
from typing import Annotated, Any, Union, get_args, get_origin

DEEPEST = 30
LARGEST_BITS = 1_024
SHOWN_CHARACTERS = 100


def unpacked(value: Any, annotation: Any) -> Any:
    """A list or an object that was given as JSON in a text, where the argument takes such and no text."""
    if not isinstance(value, str) or not value.lstrip().startswith(("[", "{")) or _takes_text(annotation):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def unsound(name: str, value: Any) -> str | None:
    """Why no tool can take a value: what neither a catalog stores nor JSON holds. None if nothing is wrong with it."""
    for place, part, depth in _parts(name, value):
        if depth > DEEPEST:
            return f"{name}: is nested more than {DEEPEST} deep"
        if isinstance(part, str) and "\0" in part:
            return f"{place}: holds a NUL character, which a catalog cannot store (found {shown(part)})"
        if isinstance(part, str) and not _is_unicode(part):
            return f"{place}: holds half of a character, which UTF-8 cannot (found {shown(part)})"
        if isinstance(part, float) and not math.isfinite(part):
            return f"{place}: {part} is no number that JSON has"
        if isinstance(part, int) and part.bit_length() > LARGEST_BITS:
            return f"{place}: the number is too large"
    return None


def shown(value: Any) -> str:
    """A value for a message, whatever its size."""
    text = _REPR.repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def _parts(place: str, value: Any) -> Iterator[tuple[str, Any, int]]:
    """Everything in a value, the names in mappings included, with its place and depth."""
    left = [(place, value, 0)]
    while left:
        place, part, depth = left.pop()
        yield place, part, depth
        if isinstance(part, dict):
            left += [(place, name, depth + 1) for name in part]
            left += [(f"{place}.{shown(name)[1:-1]}", item, depth + 1) for name, item in part.items()]
        elif isinstance(part, list | tuple):
            left += [(f"{place}[{number}]", item, depth + 1) for number, item in enumerate(part)]


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _takes_text(annotation: Any) -> bool:
    """Whether the argument is a text, and nothing else but None."""
    if get_origin(annotation) is Annotated:
        return _takes_text(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return all(_takes_text(part) for part in get_args(annotation) if part is not type(None))
    return isinstance(annotation, type) and issubclass(annotation, str)


_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = SHOWN_CHARACTERS
