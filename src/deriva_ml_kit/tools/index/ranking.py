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

from deriva_ml_kit.tools.index.documents import FIELDS, Document, Kind
from deriva_ml_kit.tools.index.store import Store
from deriva_ml_kit.tools.index.words import either, every, nearest_word, plain, query_words

OF_A_KIND = 40  # candidates of each kind that are looked at
SNIPPET = 240
# Weights of title, names and body.
WEIGHTS = "8.0, 5.0, 1.0"
ALL_WORDS, SAME_TITLE, ASKED_KIND = 1.5, 2.0, 1.6
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
_CANDIDATES = f"""
WITH hit AS MATERIALIZED (SELECT rowid AS id, -bm25(text, {WEIGHTS}) AS score FROM text WHERE text MATCH ?)
SELECT id, score FROM (
  SELECT id, score, row_number() OVER (PARTITION BY kind ORDER BY score DESC, id) AS place
  FROM hit JOIN document USING (id)
) WHERE place <= {OF_A_KIND}
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
    words = [found.corrected.get(word, word) for word in query_words(query) if _known(store, word, found.corrected)]
    scores = _scores(store, words) if words else {}
    documents = _documents(store, scores)
    asked = {SPOKEN[form] for word in words for form in (word, word.removesuffix("s")) if form in SPOKEN}
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


def _scores(store: Store, words: list[str]) -> dict[int, float]:
    """Documents that may fit, and how well."""
    scores = dict(store.db.execute(_CANDIDATES, (either(words),)))
    if len(words) > 1:
        complete = dict(store.db.execute(_CANDIDATES, (every(words),)))
        scores |= {number: score * ALL_WORDS for number, score in complete.items()}
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
        if number not in scores:
            reasons[number] = f"Has the term {term!r}. {snippet(document.body, ())}"
        documents[number] = document
        scores[number] = scores.get(number, 0) + handed
    return reasons


def _same_rid(store: Store, query: str, scores: dict[int, float], documents: dict[int, Document]) -> None:
    """Put the row first whose RID the query is."""
    text = query.strip().upper()
    if text:
        for number, *values in store.db.execute(
            f"SELECT id, {_COLUMNS} FROM document WHERE rid = ? AND rid <> ''", (text,)
        ):
            documents[number] = Document(*values)
            scores[number] = max(scores.values(), default=1.0) + 1


def _known(store: Store, word: str, corrected: dict[str, str]) -> bool:
    """Whether a word, or one that begins so, is anywhere; if not, it may stand for another that is."""
    if store.db.execute("SELECT 1 FROM text WHERE text MATCH ? LIMIT 1", (either([word]),)).fetchone():
        return True
    if other := _respelt(store, word):
        corrected[word] = other
    return other is not None


def _respelt(store: Store, word: str) -> str | None:
    """The nearest word of the index, as some document has it. The index knows words by their stems only."""
    stem = _stem(store, word)
    near = store.db.execute(
        "SELECT term FROM spelling WHERE abs(length(term) - ?) <= 2"
        " AND (substr(term, 1, 2) = ? OR substr(term, -2) = ?)",
        (len(stem), stem[:2], stem[-2:]),
    )
    found = nearest_word(stem, [term for (term,) in near])
    if found is None:
        return None
    (number,) = store.db.execute("SELECT doc FROM place WHERE term = ? LIMIT 1", (found,)).fetchone()
    document = next(iter(_documents(store, [number]).values()))
    words = re.findall(r"[^\W_]+", plain(f"{document.title} {document.names} {document.body}"))
    return nearest_word(word, {each for each in words if _stem(store, each) == found}) or found


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
