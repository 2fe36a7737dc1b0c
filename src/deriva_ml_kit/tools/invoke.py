"""One call, from arguments as an agent wrote them to an answer of bounded size, or an error as data. Never raises."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from deriva_ml_kit.nearest import nearest
from deriva_ml_kit.tools.answers import bounded
from deriva_ml_kit.tools.call import Call
from deriva_ml_kit.tools.failure import Code, Failure, ToolError, failure_of
from deriva_ml_kit.tools.given import shown, unpacked, unsound
from deriva_ml_kit.tools.place import catalog_of
from deriva_ml_kit.tools.registry import Arguments, Tool, names_of, tools

SHOWN = 20  # of what is wrong with the arguments
# Errors after which a connection is as good as before: the call was wrong, not the work.
REFUSALS = (Code.BAD_ARGUMENT, Code.NOT_FOUND, Code.CANNOT_DECIDE)

logger = logging.getLogger("deriva_ml_kit.tools")


@dataclass(frozen=True)
class Outcome:
    """How a call went.

    Attributes:
        document: The answer, or `{"error": …}`.
        failure: What went wrong; None if nothing.
    """

    document: dict[str, Any]
    failure: Failure | None = None


def failed(failure: Failure) -> Outcome:
    """The outcome of a call that failed."""
    return Outcome(bounded({"error": failure.as_json()}), failure)


def invoke(name: str, given: Mapping[str, Any], call: Call) -> Outcome:
    """Check the arguments, run the tool, bound its answer.

    Args:
        name: Name of the tool.
        given: Its arguments.
        call: Where it works; hostname and catalog are filled in from the arguments, or from the project.
    """
    sound = False
    try:
        found = find(name)
        arguments = checked(found, given)
        values = {key: getattr(arguments, key) for key in type(arguments).model_fields}
        if found.catalog:
            call.hostname, call.catalog_id = catalog_of(values.pop("hostname"), values.pop("catalog_id"), call.project)
        document = found.function(call, **values).as_json()
        sound = True
        return Outcome(document)
    except (Exception, SystemExit) as error:
        failure = failure_of(error)
        sound = failure.code in REFUSALS
        if failure.code is Code.INTERNAL:
            logger.exception("%s failed", name)
        return failed(failure)
    finally:
        call.close(sound=sound)


def find(name: str) -> Tool:
    """The tool of a name.

    Raises:
        ToolError: There is none.
    """
    known = tools()
    if name not in known:
        raise ToolError(
            Code.UNKNOWN_TOOL, f"There is no tool {name!r}.", candidates=nearest(name, known), remedy="List the tools."
        )
    return known[name]


def checked(found: Tool, given: Mapping[str, Any]) -> Arguments:
    """The arguments as the tool takes them.

    Raises:
        ToolError: Some are missing, unknown, or of the wrong kind; names all of them.
    """
    if not isinstance(given, Mapping):
        raise ToolError(Code.BAD_ARGUMENT, f"{found.name} takes arguments by name, not {shown(given)}.")
    fields = _fields(found)
    values = {
        name: unpacked(value, fields[name][1].annotation) if name in fields else value for name, value in given.items()
    }
    refused = {name: why for name, value in values.items() if (why := unsound(name, value) or unsound("name", name))}
    said, candidates = list(refused.values()), []
    try:
        arguments = found.arguments.model_validate({name: values[name] for name in values if name not in refused})
    except ValidationError as error:
        for each in error.errors(include_url=False, include_context=False):
            if each["type"] != "missing" or not refused.keys() & set(names_of(*fields[str(each["loc"][0])])):
                said.append(_said(each, values, fields))
            if each["type"] == "extra_forbidden" and len(each["loc"]) == 1 and len(said) <= SHOWN:
                candidates += nearest(str(each["loc"][0]), fields)
    if not said:
        return arguments
    more = f"; and {len(said) - SHOWN} more" if len(said) > SHOWN else ""
    taken = ", ".join(names_of(key, field)[0] for key, field in found.arguments.model_fields.items())
    raise ToolError(
        Code.BAD_ARGUMENT,
        f"{found.name}: {'; '.join(said[:SHOWN])}{more}.",
        remedy=f"It takes {taken}." if taken else "It takes no arguments.",
        candidates=list(dict.fromkeys(candidates)),
    )


def _fields(found: Tool) -> dict[str, tuple[str, FieldInfo]]:
    """Every name under which an argument is taken -> its own name, and what it is."""
    fields = found.arguments.model_fields.items()
    return {name: (key, field) for key, field in fields for name in names_of(key, field)}


def _said(each: ErrorDetails, values: Mapping[str, Any], fields: Mapping[str, tuple[str, FieldInfo]]) -> str:
    """What is wrong with one argument."""
    place = ".".join(str(part) for part in each["loc"]) or "the arguments"
    if each["type"] == "missing":
        return f"{place}: is missing"
    if each["type"] != "extra_forbidden" or len(each["loc"]) > 1:
        return f"{place}: {each['msg'].removeprefix('Value error, ')} (found {shown(each['input'])})"
    if place not in fields:
        return f"{shown(place)[1:-1]}: there is no such argument"
    key, field = fields[place]
    return f"{place}: is another name of {' and '.join(name for name in names_of(key, field) if name in values)}"


def call_of(tool_name: str, project: Path | None = None, **fields: Any) -> Call:
    """A call that works in a project's folder, by default the one that we are in."""
    return Call(tool_name, project or Path.cwd(), **fields)


__all__ = ["Outcome", "call_of", "checked", "failed", "find", "invoke"]
