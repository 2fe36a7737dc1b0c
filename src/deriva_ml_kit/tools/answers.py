"""Models of answers, and how they are kept to a size that an agent can read.

An answer stands twice in what MCP sends, as text and as structure, and agents stop reading at 25,000 tokens. JSON is
dense: rows of RIDs, checksums and times have 1.8 to 2.3 bytes a token, RIDs alone and rare characters 1.4. So twice
17,000 bytes stay below that, whatever is in them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

LIMIT_BYTES = 17_000
LONG_TEXT = 2_000
SHOWN_NOTES = 20
NOTES_BYTES = 2_000  # of what was cut, and where to go on
LESS_AT_ONCE = "Some was cut, see shortened; ask about less at once to see it whole."


class Answer(BaseModel):
    """What a tool answers.

    Attributes:
        next_step: What to do next, a call or a command where there is one.
        shortened: What was cut so that the answer can be read, and how to get the rest.
    """

    model_config = ConfigDict(defer_build=True)  # only few are used in one run

    next_step: str | None = Field(default=None, description="What to do next")
    shortened: list[str] = Field(default_factory=list, description="What was cut, and how to get the rest")

    def as_json(self) -> dict[str, Any]:
        """It as JSON holds it, of bounded size."""
        return bounded(self._dumped())

    def _dumped(self) -> dict[str, Any]:
        return self.model_dump(mode="json", fallback=_plain)


class Page(Answer):
    """An answer that lists something, a part at a time. The subclass has the list, and names it in ROWS.

    Attributes:
        count: How many are in this answer.
        total: How many there are in all; None where counting would cost more than it tells.
        truncated: Whether there are more.
        next_cursor: Give it as `cursor` to get what follows.
    """

    ROWS: ClassVar[str]

    count: int = Field(default=0, description="How many are in this answer")
    total: int | None = Field(default=None, description="How many there are in all")
    truncated: bool = Field(default=False, description="Whether there are more")
    next_cursor: str | None = Field(default=None, description="Give it as cursor to get what follows")

    _cursors: Sequence[str] = PrivateAttr(default=())

    @classmethod
    def of(
        cls,
        rows: Sequence[Any],
        *,
        total: int | None,
        cursor: Callable[[int], str],
        more: bool | None = None,
        **fields: Any,
    ) -> Self:
        """An answer of rows that were read.

        Args:
            rows: What this page holds, in order.
            total: How many there are in all, if that is known.
            cursor: For the position of a row in `rows`, the cursor that goes on behind it.
            more: Whether rows follow; otherwise `total` says it of a first page.
            **fields: The answer's other fields.
        """
        made = cls.model_validate({cls.ROWS: list(rows), "total": total, "count": len(rows), **fields})
        made._cursors = [cursor(position) for position in range(len(rows))]
        made.truncated = more if more is not None else total is not None and total > len(rows)
        made.next_cursor = made._cursors[-1] if made.truncated and rows else None
        return made

    def as_json(self) -> dict[str, Any]:
        """It as JSON holds it; rows that would make it too large are left for the next page."""
        document = self._dumped()
        found = document[self.ROWS]
        rows, notes = [], []
        room = LIMIT_BYTES - NOTES_BYTES - size(document | {self.ROWS: [], "shortened": []})
        longest = LONG_TEXT if len(found) > 1 else LIMIT_BYTES  # who asks for one row wants to read it
        for number, row in enumerate(found):
            cut = _Cut(text=longest)
            rows.append(cut.of(row, f"{self.ROWS}[{number}]"))
            room -= size(rows[-1]) + len(", ")
            if room < 0 and number:  # the first is shown in any case, cut as far as it must be
                rows.pop()
                break
            notes += cut.notes
        if len(rows) < len(found):
            cursor = self._cursors[len(rows) - 1]
            document |= {"count": len(rows), "truncated": True, "next_cursor": cursor}
            notes.insert(0, f"{self.ROWS}: the first {len(rows)} of this page fit; go on with cursor={cursor!r}")
        return bounded(document | {self.ROWS: rows, "shortened": [*document["shortened"], *notes]}, whole=self.ROWS)


def size(document: Any) -> int:
    """Bytes of a document as JSON."""
    return len(json.dumps(document, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass"))


def bounded(document: dict[str, Any], limit: int = LIMIT_BYTES, *, whole: str = "") -> dict[str, Any]:
    """The document as JSON can hold it, its longest texts and lists cut until it is small enough.

    Args:
        document: What to cut; its `shortened` will also name what was cut.
        limit: Bytes that it may have.
        whole: The field whose list keeps its length.
    """
    made = _pruned(document, _Cut(), whole)
    step = 0
    while size(made) > limit and step < _Cut.STEPS:
        made = _pruned(document, _Cut.step(step), whole)
        step += 1
    if made.get("shortened") and "next_step" in made and not (made["next_step"] or made.get("next_cursor")):
        made["next_step"] = LESS_AT_ONCE
    return made


def _pruned(document: Mapping[str, Any], cut: _Cut, whole: str) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in document.items():
        if name == "shortened":
            made[name] = value  # keeps its place among the fields
        elif name == whole:
            made[name] = [cut.of(row, f"{name}[{number}]") for number, row in enumerate(value)]
        else:
            made[name] = cut.of(value, name)
    notes = list(dict.fromkeys([*document.get("shortened", ()), *cut.notes]))
    if notes or "shortened" in made:
        made["shortened"] = _listed(notes, cut)
    return made


def _listed(notes: Sequence[str], cut: _Cut) -> list[str]:
    """The first notes, and how many more there are."""
    shown: list[str] = []
    room = NOTES_BYTES
    for note in notes[:SHOWN_NOTES]:
        text = _clean(note if len(note) <= cut.note else f"{note[: cut.note]}…")
        room -= size(text)
        if room < 0 and shown:
            break
        shown.append(text)
    more = len(notes) - len(shown)
    return [*shown, f"and {more} more"] if more else shown


@dataclass
class _Cut:
    """How much of a document is kept, and what was cut so far.

    Attributes:
        text: Characters of a text.
        items: Items of a list.
        keys: Entries of a mapping; those of models are far fewer.
        depth: How many levels.
        note: Characters of a note.
        notes: A line for each thing that was cut.
    """

    STEPS: ClassVar[int] = 18

    text: float = math.inf
    items: float = math.inf
    keys: float = math.inf
    depth: float = 100
    note: int = 300
    notes: list[str] = field(default_factory=list)

    @classmethod
    def step(cls, step: int) -> _Cut:
        """Each keeps half of the one before: the last leaves next to nothing, whatever the document."""
        keys, depth = max(200_000 >> step, 2), max(36 - 2 * step, 2)
        return cls(max(4_000 >> step, 12), max(200 >> step, 1), keys, depth, note=max(300 >> step, 60))

    def of(self, value: Any, place: str, level: int = 0) -> Any:
        """The value, cut; texts and numbers that JSON or UTF-8 cannot hold become such as they can."""
        if isinstance(value, str):
            return self._text(value, place)
        if isinstance(value, float) and not math.isfinite(value):
            return None
        if isinstance(value, list | dict) and level >= self.depth:
            self.notes.append(f"{place}: what is nested deeper")
            return type(value)()
        if isinstance(value, list):
            kept = value if len(value) <= self.items else value[: int(self.items)]
            if len(kept) < len(value):
                self.notes.append(f"{place}: the first {len(kept)} of {len(value)}")
            return [self.of(item, f"{place}[{number}]", level + 1) for number, item in enumerate(kept)]
        if isinstance(value, dict):
            names = list(value) if len(value) <= self.keys else list(value)[: int(self.keys)]
            if len(names) < len(value):
                self.notes.append(f"{place}: the first {len(names)} of {len(value)}")
            return {self._text(name, place): self.of(value[name], f"{place}.{name}", level + 1) for name in names}
        return value

    def _text(self, text: str, place: str) -> str:
        if len(text) <= self.text:
            return _clean(text)
        self.notes.append(f"{place}: the first {int(self.text)} of {len(text)} characters")
        return _clean(text[: int(self.text)]) + "…"


def _clean(text: str) -> str:
    """The text without halves of characters, which no file and no connection takes."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _plain(value: Any) -> Any:
    """What pydantic does not know: numbers of numpy and pandas as Python's, anything else as text."""
    return value.item() if callable(getattr(value, "item", None)) else str(value)
