"""Errors as data: what an agent needs to mend its next call."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import asdict
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, Field

from deriva_ml_kit.errors import Faults, KitError, Undecidable, UsageError
from deriva_ml_kit.nearest import nearest

SHOWN_FAULTS = 50


class Code(StrEnum):
    """What kind of error it is; decides what can be done about it."""

    BAD_ARGUMENT = "bad_argument"
    UNKNOWN_TOOL = "unknown_tool"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    NO_CATALOG = "no_catalog"
    NOT_LOGGED_IN = "not_logged_in"
    NOT_ALLOWED = "not_allowed"
    CANNOT_DECIDE = "cannot_decide"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    FAILED = "failed"
    INTERNAL = "internal"


class Failure(BaseModel):
    """Why a tool did not do what was asked.

    Attributes:
        code: What kind of error it is.
        message: What is wrong, naming the value and the place.
        remedy: What to do about it.
        candidates: Names or RIDs that exist and may have been meant.
        faults: All that is wrong with an input, each with its place; the first 50.
    """

    code: Code
    message: str
    remedy: str | None = None
    candidates: list[str] = Field(default_factory=list)
    faults: list[dict[str, Any]] = Field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """It without what is empty."""
        return {key: value for key, value in self.model_dump(mode="json").items() if value}


class ToolError(KitError):
    """A tool cannot do what was asked.

    Args:
        code: What kind of error it is.
        message: What is wrong, naming the value and the place.
        remedy: What to do about it.
        candidates: Names or RIDs that exist and may have been meant.
    """

    exit_code = 2

    def __init__(
        self, code: Code, message: str, *, remedy: str | None = None, candidates: list[str] | None = None
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.code = code
        self.candidates = candidates or []
        if code in (Code.FAILED, Code.INTERNAL, Code.TIMEOUT):
            self.exit_code = 1


def not_found(what: str, name: str, known: list[str], *, where: str = "", remedy: str | None = None) -> ToolError:
    """There is no such thing; names those that resemble it, or all if they are few."""
    close = nearest(name, known) or (sorted(known) if len(known) <= 12 else [])
    return ToolError(
        Code.NOT_FOUND, f"{where or 'The catalog'} has no {what} {name!r}.", remedy=remedy, candidates=close
    )


def failure_of(error: BaseException) -> Failure:
    """The error as data; what nobody foresaw is `internal`, with the kind of error and its text."""
    found = _of_kit(error) if isinstance(error, KitError) else _of_system(error) or _of_library(error)
    found = found or Failure(code=Code.INTERNAL, message=f"{type(error).__name__}: {error}")
    found.message, found.remedy = without_secrets(found.message), found.remedy or _REMEDIES.get(found.code)
    return found


def without_secrets(text: str) -> str:
    """The text without what somebody could log in with."""
    return _SECRET.sub(lambda found: f"{found['name']}…", text)


# A value behind such a name, as headers, cookies, forms, JSON and addresses have it.
_SECRET = re.compile(
    r"""(?P<name>\b(?:cookie|authorization|(?:[\w-]{0,30}[_-])?(?:token|password|secret)|webauthn)['"]?\s*[=:]\s*['"]?"""
    r"""(?:(?:bearer|basic)\s+|webauthn=)?|\bbearer\s+(?=\S*\d)|://(?=[^/@\s]+@))[^\s'",;&@]+""",
    re.IGNORECASE,
)
_REMEDIES = {
    Code.NOT_LOGGED_IN: "Log in: uv run deriva-local login for a catalog on this machine, else "
    "uv run deriva-globus-auth-utils login --host HOST.",
    Code.NOT_ALLOWED: "Ask the owners of the catalog for the right.",
    Code.CONFLICT: "Read what is there now, then call again with what fits.",
}


def _of_kit(error: KitError) -> Failure:
    if isinstance(error, ToolError):
        return Failure(code=error.code, message=error.message, remedy=error.remedy, candidates=error.candidates)
    shown = error.faults[:SHOWN_FAULTS] if isinstance(error, Faults) else ()
    faults = [{name: value for name, value in asdict(fault).items() if value is not None} for fault in shown]
    candidates = [str(each) for each in getattr(error, "candidates", ())]
    return Failure(code=_code(error), message=error.message, remedy=error.remedy, candidates=candidates, faults=faults)


def _code(error: KitError) -> Code:
    return _named(error) or (Code.BAD_ARGUMENT if error.exit_code == UsageError.exit_code else Code.FAILED)


def _named(error: BaseException) -> Code | None:
    return next((_BY_NAME[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in _BY_NAME), None)


# By name: importing main line's classes takes seconds, and most tools fail without them.
_BY_NAME = {
    "DerivaMLAuthenticationError": Code.NOT_LOGGED_IN,
    "DerivaMLInvalidTerm": Code.NOT_FOUND,
    "DerivaMLNotFoundError": Code.NOT_FOUND,
    "DerivaMLReadOnlyError": Code.NOT_ALLOWED,
    "DerivaMLTableTypeError": Code.BAD_ARGUMENT,
    "Overtaken": Code.CONFLICT,
    Undecidable.__name__: Code.CANNOT_DECIDE,
}
_BY_STATUS = {
    400: Code.BAD_ARGUMENT,
    401: Code.NOT_LOGGED_IN,
    403: Code.NOT_ALLOWED,
    404: Code.NOT_FOUND,
    408: Code.TIMEOUT,
    409: Code.CONFLICT,
    412: Code.CONFLICT,
    504: Code.TIMEOUT,
}


def _of_system(error: BaseException) -> Failure | None:
    """An error of this machine: a file, a program, memory. Those of requests are the network's."""
    if isinstance(error, RecursionError):
        return Failure(code=Code.FAILED, message="Something is nested too deeply.")
    if isinstance(error, subprocess.TimeoutExpired):
        return Failure(code=Code.TIMEOUT, message=f"{error.cmd[0]} did not end within {error.timeout:.0f} s.")
    if not isinstance(error, OSError) or type(error).__module__.startswith("requests"):
        return None
    code = Code.FAILED
    if isinstance(error, FileNotFoundError):
        code = Code.NOT_FOUND
    elif isinstance(error, PermissionError):
        code = Code.NOT_ALLOWED
    elif isinstance(error, IsADirectoryError | NotADirectoryError | FileExistsError):
        code = Code.BAD_ARGUMENT
    what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    return Failure(code=code, message=f"{what}.", remedy="Check the path." if code is not Code.FAILED else None)


def _of_library(error: BaseException) -> Failure | None:
    """An error that deriva, or the network, raised on purpose."""
    if "deriva_ml_kit.mainline" not in sys.modules:
        return None
    import requests  # noqa: PLC0415  (imported already)

    from deriva_ml_kit.mainline import DerivaMLException  # noqa: PLC0415
    from deriva_ml_kit.mainline.catalog.rows import NETWORK_ERRORS, said  # noqa: PLC0415

    if isinstance(error, requests.JSONDecodeError):
        return Failure(code=Code.FAILED, message="The host's answer is no JSON.", remedy="Is it a DERIVA host?")
    if not isinstance(error, NETWORK_ERRORS | DerivaMLException):
        return None
    response = getattr(error, "response", None)
    if response is None:  # deriva's path expressions keep the server's answer in their reason
        response = getattr(getattr(error, "reason", None), "response", None)
    status = getattr(response, "status_code", 0)
    code = Code.TIMEOUT if isinstance(error, requests.Timeout) else _named(error) or _BY_STATUS.get(status, Code.FAILED)
    remedy = "The host is in trouble: try again later." if status >= 500 else None
    return Failure(code=code, message=said(error), remedy=remedy)
