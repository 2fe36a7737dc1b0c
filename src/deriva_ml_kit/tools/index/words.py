"""Names as words, queries as words, and the nearest word to one that is spelt wrongly."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

MOST_WORDS = 24
# Words that say what kind of sentence it is, not what is looked for.
STOP = frozenset(
    re.findall(
        r"\w+",
        """a about all an and any are as at be been by can could do does for from get give had has have how i if in into
        is it its list me my no not of on or our out please show some tell than that the their them then there these
        they this to use used uses using was we were what when where which who whose why will with would you your""",
    )
)
_WORD = re.compile(r"[^\W_]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=[0-9])")


def split_name(name: str) -> str:
    """The words of a name: `SubjectAge_2` is `Subject Age 2`."""
    return " ".join(_HUMP.sub(" ", name).replace("_", " ").split())


def spoken(*names: str) -> str:
    """Names as they are written, and as their words where that differs."""
    return " ".join(dict.fromkeys(form for name in names for form in (name, split_name(name)) if form))


def plain(text: str) -> str:
    """The text in lower case, without accents, and without what cannot be stored."""
    decomposed = unicodedata.normalize("NFKD", text.replace("\0", " ").encode("utf-8", "replace").decode("utf-8"))
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign)).lower()


def every_word(text: str) -> list[str]:
    """The words of a text, as the index has them before it stems them."""
    return _WORD.findall(plain(text))


def query_words(query: str) -> list[str]:
    """The words that are looked for, each once; stop words only where there are no others."""
    words = list(dict.fromkeys(every_word(query)))
    return ([word for word in words if word not in STOP] or words)[:MOST_WORDS]


def quoted(word: str) -> str:
    """A word as FTS5 takes it in a query: nothing in it is an operator."""
    return '"' + word.replace('"', '""') + '"'


def either(words: Iterable[str]) -> str:
    """The query for documents with any of the words, or words that begin so."""
    return " OR ".join(form for word in words for form in _forms(word))


def every(words: Iterable[str]) -> str:
    """The query for documents with all of the words."""
    return " AND ".join(f"({' OR '.join(_forms(word))})" for word in words)


def _forms(word: str) -> list[str]:
    return [quoted(word)] if len(word) < 3 else [quoted(word), f"{quoted(word)}*"]


def nearest_word(word: str, known: Iterable[str]) -> str | None:
    """The known word with the fewest slips to this one: one in words of four letters, two in words of eight."""
    allowed = 2 if len(word) >= 8 else 1 if len(word) >= 4 else 0
    near = [(slips, each) for each in known if (slips := slips_between(word, each, allowed)) <= allowed]
    return min(near)[1] if allowed and near else None


def slips_between(one: str, other: str, most: int) -> int:
    """How many letters are wrong, missing, too many, or swapped with the next; `most` + 1 if more than `most`."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before, row = [0] * (len(other) + 1), list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        last, before, row = before, row, [i]
        for j, b in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return min(row[-1], most + 1)
