"""What a rule says, and the words it says it with."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from deriva_ml_kit.tiers.receipt import Status

SHOWN = 5


@dataclass(frozen=True)
class Finding:
    """The outcome of one rule; `required` overrides what the rule says of itself."""

    status: Status
    value: Any = None
    limit: Any = None
    detail: str | None = None
    remedy: str | None = None
    required: bool | None = None


class Unjudged(Exception):
    """A rule cannot say pass or fail; carries what it says instead."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.detail)
        self.finding = finding


def judged(good: bool, value: Any, limit: Any, *, remedy: str, detail: str | None = None) -> Finding:
    """Pass or fail; the remedy is only told to those who need it."""
    status = Status.PASS if good else Status.FAIL
    return Finding(status, plain(value), plain(limit), detail, None if good else remedy)


def skip(reason: str) -> Unjudged:
    """The rule does not apply here."""
    return Unjudged(Finding(Status.SKIP, detail=reason))


def insufficient(detail: str, remedy: str, *, required: bool | None = None, value: Any = None) -> Unjudged:
    """The rule applies and there is not enough to judge by."""
    return Unjudged(Finding(Status.INSUFFICIENT, plain(value), None, detail, remedy, required))


def plain(value: Any) -> Any:
    """Return a value as JSON holds it: numbers of six digits, and what is no finite number as text."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def listed(names: Iterable[Any]) -> str:
    """Return the first names as text, and how many more there are."""
    known = [str(name) for name in names]
    return ", ".join(known[:SHOWN]) + (f" and {len(known) - SHOWN} more" if len(known) > SHOWN else "")
