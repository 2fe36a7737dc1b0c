"""One call, from arguments as an agent wrote them to an answer of bounded size, or an error as data. Never raises."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from deriva_ml_kit.nearest import nearest
from deriva_ml_kit.tools.answers import bounded
from deriva_ml_kit.tools.call import Call
from deriva_ml_kit.tools.failure import Code, Failure, ToolError, failure_of
from deriva_ml_kit.tools.place import catalog_of
from deriva_ml_kit.tools.registry import Arguments, Tool, names_of, tools

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
    except Exception as error:
        failure = failure_of(error)
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
    try:
        return found.arguments.model_validate(dict(given))
    except ValidationError as error:
        raise _complaint(found, error) from None


def _complaint(found: Tool, error: ValidationError) -> ToolError:
    names = {name for key, field in found.arguments.model_fields.items() for name in names_of(key, field)}
    said, candidates = [], []
    for each in error.errors(include_url=False, include_context=False):
        place = ".".join(str(part) for part in each["loc"]) or "the arguments"
        if each["type"] == "extra_forbidden" and len(each["loc"]) == 1:
            said.append(f"{place}: there is no such argument")
            candidates += nearest(place, names)
        elif each["type"] == "missing":
            said.append(f"{place}: is missing")
        else:
            said.append(f"{place}: {each['msg']} (found {_shown(each['input'])})")
    taken = ", ".join(found.arguments.model_fields)
    return ToolError(
        Code.BAD_ARGUMENT,
        f"{found.name}: {'; '.join(said)}.",
        remedy=f"It takes {taken}." if taken else "It takes no arguments.",
        candidates=candidates,
    )


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}…"


def call_of(tool_name: str, project: Path | None = None, **fields: Any) -> Call:
    """A call that works in a project's folder, by default the one that we are in."""
    return Call(tool_name, project or Path.cwd(), **fields)


__all__ = ["Outcome", "call_of", "checked", "failed", "find", "invoke"]
