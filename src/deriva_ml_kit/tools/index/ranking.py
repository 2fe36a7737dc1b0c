"""Finds documents by words, and orders them.

Every word counts, also as the beginning of a longer one; documents with all of them come before those with some, and
what a thing is called counts for more than what is said about it (BM25, weighted). A word that is nowhere is taken for
the nearest that is somewhere. Whoever finds a term, by its name or a synonym, also finds the vocabulary that it is in
and the features and columns that take their values from it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field

from deriva_ml_kit.tools.index.documents import FIELDS, Document, Kind, storable
from deriva_ml_kit.tools.index.store import KIND_BITS, Store, numbers
from deriva_ml_kit.tools.index.words import either, every, every_word, nearest_word, plain, query_words, slips_between

OF_A_KIND = 40  # candidates of each kind that are looked at, and more if more are wanted
ENOUGH = 100  # documents with all words, so that those with some need not be looked for
COMMON = 20_000  # documents that a word is in, so that it says little by itself
STEMS, STEM_SLIPS = 12, 3  # stems that are looked at for a word that is nowhere, and how far they may be from its own
SNIPPET = 240
# Weights of title, names and body.
WEIGHTS = "8.0, 5.0, 1.0"
ALL_WORDS, SAME_TITLE, ASKED_KIND = 1.5, 2.0, 2.5
# Of equally good ones the more useful first.
WORTH = {
    Kind.SCHEMA: 1.0,
    Kind.TABLE: 1.2,
    Kind.COLUMN: 0.7,
    Kind.VOCABULARY: 1.2,
    Kind.FEATURE: 1.3,
    Kind.TERM: 1.1,
    Kind.DATASET: 1.1,
    Kind.WORKFLOW: 1.0,
    Kind.EXECUTION: 0.9,
    Kind.REFERENCE: 0.6,
}
# What a term hands on to what takes its values from the term's vocabulary.
HANDED_ON = {Kind.FEATURE: 0.6, Kind.VOCABULARY: 0.5, Kind.COLUMN: 0.3}
SPOKEN = {kind.value: kind for kind in Kind} | {"run": Kind.EXECUTION, "label": Kind.FEATURE}
# The numbers of documents say of which kind they are.
_CANDIDATES = f"""
WITH hit AS MATERIALIZED (
  SELECT rowid AS id, -bm25(text, {WEIGHTS}) AS score FROM text WHERE text MATCH ? AND rowid BETWEEN ? AND ?
)
SELECT id, score FROM (
  SELECT id, score, row_number() OVER (PARTITION BY id >> {KIND_BITS} ORDER BY score DESC, id) AS place FROM hit
) WHERE place <= ?
"""
_COLUMNS = ", ".join(FIELDS)


@dataclass(frozen=True)
class Hit:
    """A document that was found.

    Attributes:
        document: It.
        score: How well it fits; says something only beside those of the same search.
        snippet: The part of its text that fits.
    """

    document: Document
    score: float
    snippet: str


@dataclass
class Found:
    """What a search found.

    Attributes:
        hits: Best first.
        corrected: Words that are nowhere, and which were looked for in their place.
    """

    hits: list[Hit] = field(default_factory=list)
    corrected: dict[str, str] = field(default_factory=dict)


def find(store: Store, query: str, kinds: Collection[str] = (), limit: int = 10) -> Found:
    """Find what fits a query best.

    Args:
        store: The index.
        query: Any text.
        kinds: What to find; anything if empty.
        limit: How many at most.
    """
    found = Found()
    asked = _asked(said := query_words(query))
    words = _known(store, said, found.corrected)
    scores = _scores(store, words, kinds, limit) if words else {}
    documents = _documents(store, scores)
    for number, document in documents.items():
        scores[number] *= WORTH[Kind(document.kind)]
        scores[number] *= SAME_TITLE if plain(document.title) == plain(query).strip() else 1
        scores[number] *= ASKED_KIND if document.kind in asked else 1
    reasons = _hand_on(store, scores, documents)
    _same_rid(store, query, scores, documents)
    order = sorted(scores, key=lambda number: (-scores[number], documents[number].title, number))
    wanted = [number for number in order if not kinds or documents[number].kind in kinds][:limit]
    found.hits = [
        Hit(documents[number], round(scores[number], 3), reasons.get(number) or snippet(documents[number].body, words))
        for number in wanted
    ]
    return found


def snippet(text: str, words: Collection[str]) -> str:
    """The part of a text in which the words stand; its beginning if they stand nowhere."""
    text = " ".join(text.split())
    if len(text) <= SNIPPET:
        return text
    places = [match.start() for match in re.finditer(r"[^\W_]+", text) if _fits(plain(match[0]), words)]
    start = max(places[0] - SNIPPET // 4, 0) if places else 0
    start = text.rfind(" ", 0, start + 1) + 1
    end = start + SNIPPET
    return ("…" if start else "") + text[start:end].strip() + ("…" if end < len(text) else "")


def _fits(word: str, words: Collection[str]) -> bool:
    return any(word.startswith(wanted[: max(4, len(wanted) - 3)]) for wanted in words)


def _asked(words: Collection[str]) -> set[Kind]:
    """The kinds of things that are asked for by name: `which datasets …`."""
    return {SPOKEN[form] for word in words for form in (word, word.removesuffix("s")) if form in SPOKEN}


def _scores(store: Store, words: dict[str, int], kinds: Collection[str], limit: int) -> dict[int, float]:
    """Documents that may fit, and how well; `words` says in how many documents each is."""
    if not kinds:
        return _within(store, words, (0, numbers(list(Kind)[-1])[1]), limit, max(limit, ENOUGH))
    scores: dict[int, float] = {}
    for kind in {*kinds, Kind.TERM} if HANDED_ON.keys() & kinds else kinds:
        scores |= _within(store, words, numbers(kind), limit, limit)
    return scores


def _within(store: Store, words: dict[str, int], bounds: tuple[int, int], limit: int, enough: int) -> dict[int, float]:
    """Documents in a range of numbers; those with some of the words only if too few have all."""

    def candidates(expression: str) -> dict[int, float]:
        return dict(store.db.execute(_CANDIDATES, (expression, *bounds, max(limit, OF_A_KIND))))

    complete = candidates(every(words))
    if len(words) == 1:
        return complete
    scores = {number: score * ALL_WORDS for number, score in complete.items()}
    if len(complete) < enough:
        telling = [word for word, count in words.items() if count < COMMON] or ([] if complete else list(words))
        scores = (candidates(either(telling)) if telling else {}) | scores
    return scores


def _documents(store: Store, numbers: Collection[int]) -> dict[int, Document]:
    marks = ", ".join("?" * len(numbers))
    rows = store.db.execute(f"SELECT id, {_COLUMNS} FROM document WHERE id IN ({marks})", tuple(numbers))
    return {number: Document(*values) for number, *values in rows}


def _hand_on(store: Store, scores: dict[int, float], documents: dict[int, Document]) -> dict[int, str]:
    """Let terms speak for what takes its values from their vocabularies; gives what to say of those."""
    best: dict[str, int] = {}
    for number in sorted(scores, key=lambda number: -scores[number]):
        if documents[number].kind == Kind.TERM:
            best.setdefault(documents[number].uses, number)
    if not best:
        return {}
    reasons: dict[int, str] = {}
    rows = store.db.execute(f"SELECT id, {_COLUMNS} FROM document WHERE source = 'model' AND uses <> ''").fetchall()
    terms = {vocabulary: (scores[number], documents[number].title) for vocabulary, number in best.items()}
    for number, *values in rows:
        document = Document(*values)
        score, term = max((terms[name] for name in document.uses.split("\n") if name in terms), default=(0.0, ""))
        handed = score * HANDED_ON[Kind(document.kind)]
        if handed <= 0:
            continue
        if handed > scores.get(number, 0):
            reasons[number] = f"Has the term {term!r}. {snippet(document.body, ())}"
        documents[number] = document
        scores[number] = scores.get(number, 0) + handed
    return reasons


def _same_rid(store: Store, query: str, scores: dict[int, float], documents: dict[int, Document]) -> None:
    """Put the row first whose RID the query is."""
    text = storable(query.strip().upper())
    if text:
        for number, *values in store.db.execute(
            f"SELECT id, {_COLUMNS} FROM document WHERE rid = ? AND rid <> ''", (text,)
        ):
            documents[number] = Document(*values)
            scores[number] = max(scores.values(), default=1.0) + 1


def _known(store: Store, said: list[str], corrected: dict[str, str]) -> dict[str, int]:
    """The words that are somewhere, or such as they may stand for, and in how many documents, up to COMMON."""
    words: dict[str, int] = {}
    for word in said:
        count = _count(store, word)
        if not count and (other := _respelt(store, word)):
            corrected[word] = word = other  # noqa: PLW2901
            count = _count(store, word)
        if count:
            words[word] = count
    return words


def _count(store: Store, word: str) -> int:
    counted = f"SELECT count(*) FROM (SELECT 1 FROM text WHERE text MATCH ? LIMIT {COMMON})"
    return int(store.db.execute(counted, (either([word]),)).fetchone()[0])


def _respelt(store: Store, word: str) -> str | None:
    """The nearest word of the index. It knows words by their stems; the words themselves stand in the documents."""
    if any(sign.isdigit() for sign in word):
        return None  # the next number is another thing
    stem = _stem(store, word)
    # The first letter is taken to be right: to look through all words would take long.
    near = store.db.execute(
        "SELECT term FROM spelling WHERE term >= ? AND term < ? AND abs(length(term) - ?) <= ?"
        " AND (substr(term, 1, 2) = ? OR substr(term, -2) = ?)",
        (stem[0], chr(ord(stem[0]) + 1), len(stem), STEM_SLIPS, stem[:2], stem[-2:]),
    )
    by_slips = sorted((slips_between(stem, term, STEM_SLIPS), term) for (term,) in near)
    numbers: set[int] = set()
    for slips, term in by_slips[:STEMS]:
        if slips <= STEM_SLIPS:
            numbers |= {
                number for (number,) in store.db.execute("SELECT doc FROM place WHERE term = ? LIMIT 1", (term,))
            }
    texts = (f"{document.title} {document.names} {document.body}" for document in _documents(store, numbers).values())
    return nearest_word(word, {each for text in texts for each in every_word(text)})


def _stem(store: Store, word: str) -> str:
    """A word as the index knows it."""
    db = store.db
    tokens = "tokenize='porter unicode61 remove_diacritics 2'"
    db.execute(f"CREATE VIRTUAL TABLE IF NOT EXISTS temp.probe USING fts5(word, {tokens})")
    db.execute("CREATE VIRTUAL TABLE IF NOT EXISTS temp.probed USING fts5vocab(temp, probe, row)")
    db.execute("INSERT INTO temp.probe VALUES (?)", (word,))
    stems = [term for (term,) in db.execute("SELECT term FROM temp.probed")]
    db.execute("DELETE FROM temp.probe")
    return stems[0] if stems else word
