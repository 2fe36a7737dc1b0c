"""Every error that the kit raises on purpose, as one tree; programs turn them into a short message and an exit code.

    KitError            1  the work was understood and failed
    ├── UsageError      2  the call is wrong: an argument, a file, a value that the person can correct
    ├── Undecidable     2  the question cannot be answered (no data, no catalog to ask); "no" would be a lie
    └── Faults          2  several faults found in one input, each with its place, reported all at once

A message names the value and the place; the remedy is the next thing to type or to change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass


class KitError(Exception):
    """Something failed for a reason that the person can act upon.

    Args:
        message: What is wrong, naming the value and the place.
        remedy: What to do about it, a command where there is one.
    """

    exit_code = 1

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n{self.remedy}" if self.remedy else self.message

    def as_json(self) -> dict[str, object]:
        """The error as programs read it: `type`, `message`, and `remedy` where there is one."""
        document: dict[str, object] = {"type": type(self).__name__, "message": self.message}
        if self.remedy:
            document["remedy"] = self.remedy
        return document


class UsageError(KitError):
    """The call is wrong: an argument, a file or a value that the person can correct."""

    exit_code = 2


class Undecidable(KitError):
    """The question cannot be answered either way, because what it needs is not there."""

    exit_code = 2


@dataclass(frozen=True)
class Fault:
    """One thing wrong in an input, and where.

    Args:
        message: What is wrong, without the place.
        file: The file as the person named it.
        line: Line in that file, counted from 1 (for CSV the line on which the record begins).
        column: Column name.
        value: The offending text as found.
        remedy: What to write instead.
    """

    message: str
    file: str | None = None
    line: int | None = None
    column: str | None = None
    value: str | None = None
    remedy: str | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line) if part is not None)
        heads = [place, f"column {self.column}" if self.column is not None else ""]
        text = ": ".join([*filter(None, heads), self.message])
        if self.value is not None:
            text += f" (found {self.value!r})"
        return f"{text}; {self.remedy}" if self.remedy else text


class Faults(UsageError):
    """Everything that is wrong with one input, found before anything was written.

    Args:
        faults: At least one, in the order of the file.
        message: One line above the list; counts them when not given.
        remedy: What to do about all of them.
        shown: How many the text lists; the JSON form always holds all.
    """

    def __init__(
        self, faults: Sequence[Fault], *, message: str | None = None, remedy: str | None = None, shown: int = 50
    ) -> None:
        if not faults:
            raise ValueError("Faults needs at least one fault")
        count = f"{len(faults)} fault{'s' if len(faults) > 1 else ''} found, nothing was written"
        super().__init__(message or count, remedy=remedy)
        self.faults = tuple(faults)
        self.shown = shown

    def __str__(self) -> str:
        lines = [self.message, *(f"  {fault}" for fault in self.faults[: self.shown])]
        if len(self.faults) > self.shown:
            lines.append(f"  … and {len(self.faults) - self.shown} more (--json lists them all)")
        if self.remedy:
            lines.append(self.remedy)
        return "\n".join(lines)

    def as_json(self) -> dict[str, object]:
        """As for KitError, with `faults`: a list of objects holding the fields that are known."""
        found = [{key: value for key, value in asdict(fault).items() if value is not None} for fault in self.faults]
        return {**super().as_json(), "faults": found}
