"""The known names that look most like a mistyped one, for error messages that say what was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_LISTED = 12


def nearest(name: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """Return up to ``limit`` of ``known`` that resemble ``name``, best first; letter case does not count."""
    by_folded: dict[str, str] = {}
    for candidate in known:
        by_folded.setdefault(candidate.casefold(), candidate)
    close = get_close_matches(name.casefold(), by_folded, n=limit, cutoff=0.6)
    return [by_folded[folded] for folded in close]


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence that points from ``name`` to the names that exist.

    The nearest ones if there are any; else all of them, if they are few enough to read; else their number.
    """
    names = sorted(set(known))
    close = nearest(name, names)
    if close:
        return f"did you mean {' or '.join(repr(candidate) for candidate in close)}?"
    if not names:
        return "there are none yet."
    if len(names) <= _LISTED:
        return f"known: {', '.join(names)}."
    return f"nothing similar among the {len(names)} known names."


def remedy(name: str, known: Iterable[str]) -> str:
    """Return the same as a sentence of its own."""
    text = suggestion(name, known)
    return text[0].upper() + text[1:]
