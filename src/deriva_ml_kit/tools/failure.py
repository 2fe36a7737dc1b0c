"""Errors as data: what an agent needs to mend its next call."""

from __future__ import annotations

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
    if isinstance(error, ToolError):
        return Failure(code=error.code, message=error.message, remedy=error.remedy, candidates=error.candidates)
    if isinstance(error, KitError):
        shown = error.faults[:SHOWN_FAULTS] if isinstance(error, Faults) else ()
        faults = [{name: value for name, value in asdict(fault).items() if value is not None} for fault in shown]
        candidates = [*getattr(error, "candidates", ())]
        return Failure(
            code=_code(error), message=error.message, remedy=error.remedy, candidates=candidates, faults=faults
        )
    return _of_library(error) or Failure(code=Code.INTERNAL, message=f"{type(error).__name__}: {error}")


def _code(error: KitError) -> Code:
    for kind in type(error).__mro__:
        if kind.__name__ in _BY_NAME:
            return _BY_NAME[kind.__name__]
    return Code.FAILED


# By name: importing main line's classes takes seconds, and most tools fail without them.
_BY_NAME = {
    "DerivaMLAuthenticationError": Code.NOT_LOGGED_IN,
    "DerivaMLNotFoundError": Code.NOT_FOUND,
    "DerivaMLConfigurationError": Code.BAD_ARGUMENT,
    "DerivaMLReadOnlyError": Code.NOT_ALLOWED,
    "DerivaMLDataError": Code.BAD_ARGUMENT,
    Undecidable.__name__: Code.CANNOT_DECIDE,
    UsageError.__name__: Code.BAD_ARGUMENT,
}
_BY_STATUS = {401: Code.NOT_LOGGED_IN, 403: Code.NOT_ALLOWED, 404: Code.NOT_FOUND, 409: Code.CONFLICT}


def _of_library(error: BaseException) -> Failure | None:
    """An error that deriva, or the network, raised on purpose."""
    if "deriva_ml_kit.mainline" not in sys.modules:
        return None
    from deriva_ml_kit.mainline import DerivaMLException, DerivaMLInvalidTerm  # noqa: PLC0415  (imported already)
    from deriva_ml_kit.mainline.catalog.rows import NETWORK_ERRORS, said  # noqa: PLC0415

    if isinstance(error, DerivaMLInvalidTerm):
        return Failure(code=Code.NOT_FOUND, message=said(error))
    if isinstance(error, NETWORK_ERRORS | DerivaMLException):
        status = getattr(getattr(error, "response", None), "status_code", None)
        return Failure(code=_BY_STATUS.get(status or 0, Code.FAILED), message=said(error))
    return None
