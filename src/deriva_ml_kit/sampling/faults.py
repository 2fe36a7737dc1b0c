"""What is wrong with records or with what is asked of them."""

from __future__ import annotations

from collections.abc import Iterable

from deriva_ml_kit.errors import Faults

SHOWN = 5


class CannotSample(Faults, ValueError):
    """The records cannot be drawn or split as asked; lists every reason. (A ValueError, as main line raises it.)"""


def listed(names: Iterable[object], shown: int = SHOWN) -> str:
    """Return the first names as text, and how many more there are."""
    known = list(names)
    more = f" and {len(known) - shown} more" if len(known) > shown else ""
    return ", ".join(map(str, known[:shown])) + more
