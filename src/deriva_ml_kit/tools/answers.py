"""Models of answers, and how they are kept to a size that an agent can read.

An answer stands twice in what MCP sends, as text and as structure, and agents stop reading at 25,000 tokens: 36,000
bytes of JSON, at no fewer than three bytes a token, stay below that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

LIMIT_BYTES = 36_000
LONG_TEXT = 2_000
SHORTEST_TEXT = 200


class Answer(BaseModel):
    """What a tool answers.

    Attributes:
        next_step: What to do next, a call or a command where there is one.
        shortened: What was cut so that the answer can be read, and how to get the rest.
    """

    model_config = ConfigDict(ser_json_inf_nan="null")

    next_step: str | None = Field(None, description="What to do next")
    shortened: list[str] = Field(default_factory=list, description="What was cut, and how to get the rest")

    def as_json(self) -> dict[str, Any]:
        """It as JSON holds it, of bounded size."""
        return bounded(self.model_dump(mode="json", exclude_defaults=False))


class Page(Answer):
    """An answer that lists something, a part at a time. The subclass has the list, and names it in ROWS.

    Attributes:
        count: How many are in this answer.
        total: How many there are in all; None where counting would cost more than it tells.
        truncated: Whether there are more.
        next_cursor: Give it as `cursor` to get what follows.
    """

    ROWS: ClassVar[str]

    count: int = Field(0, description="How many are in this answer")
    total: int | None = Field(None, description="How many there are in all")
    truncated: bool = Field(False, description="Whether there are more")
    next_cursor: str | None = Field(None, description="Give it as cursor to get what follows")

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
        document = self.model_dump(mode="json")
        rows = document[self.ROWS]
        rows[:] = [_clipped(row, LONG_TEXT, document["shortened"], f"{self.ROWS}[{n}]") for n, row in enumerate(rows)]
        kept = _fitting(document, rows)
        if 0 < kept < len(rows):
            del rows[kept:]
            document |= {"count": kept, "truncated": True, "next_cursor": self._cursors[kept - 1]}
            document["shortened"] = [
                *(note for note in document["shortened"] if not _of_dropped(note, self.ROWS, kept)),
                f"{self.ROWS}: the first {kept} of this page fit; go on with cursor={self._cursors[kept - 1]!r}",
            ]
        return bounded(document)


def size(document: Any) -> int:
    """Bytes of a document as JSON."""
    return len(json.dumps(document, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass"))


def bounded(document: dict[str, Any], limit: int = LIMIT_BYTES) -> dict[str, Any]:
    """The document, its longest texts and lists cut until it is small enough; `shortened` names what was cut."""
    longest = LONG_TEXT * 4
    items = 400
    while size(document) > limit and (longest > SHORTEST_TEXT or items > 1):
        notes: list[str] = list(document.get("shortened", []))
        longest, items = max(longest // 2, SHORTEST_TEXT), max(items // 2, 1)
        document = {
            key: value if key == "shortened" else _clipped(value, longest, notes, key, items)
            for key, value in document.items()
        }
        document["shortened"] = sorted(set(notes))[:20]
    return document


def _fitting(document: Mapping[str, Any], rows: Sequence[Any]) -> int:
    """How many rows fit beside the rest of the document."""
    room = LIMIT_BYTES - size({**document, "shortened": document["shortened"][:20]}) + size(rows) - 300
    for kept, row in enumerate(rows):
        room -= size(row) + 2
        if room < 0:
            return max(kept, 1)
    return len(rows)


def _of_dropped(note: str, rows: str, kept: int) -> bool:
    inside = note.removeprefix(f"{rows}[")
    return inside != note and int(inside.partition("]")[0]) >= kept


def _clipped(value: Any, longest: int, notes: list[str], place: str, items: int = 1_000_000) -> Any:
    """The value with long texts and lists cut; `notes` gets a line for each."""
    if isinstance(value, str) and len(value) > longest:
        notes.append(f"{place}: the first {longest} of {len(value)} characters")
        return value[:longest] + "…"
    if isinstance(value, list):
        if len(value) > items:
            notes.append(f"{place}: the first {items} of {len(value)}")
        return [_clipped(item, longest, notes, f"{place}[{n}]", items) for n, item in enumerate(value[:items])]
    if isinstance(value, dict):
        return {key: _clipped(item, longest, notes, f"{place}.{key}", items) for key, item in value.items()}
    return value
