"""What an update of an index has changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from deriva_ml_kit.tools.index.documents import Document
from deriva_ml_kit.tools.index.store import Store


@dataclass
class Refreshed:
    """What a refresh did.

    Attributes:
        added: How many documents of each kind are new.
        changed: How many are other than they were.
        removed: How many are gone.
        left: Tables that were not read because that would have taken too long, with their numbers of rows.
        closed: Tables that this user may not read.
        busy: Nothing was done: another process is at it.
        anew: The index was empty before, or another catalog's.
    """

    added: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)
    left: dict[str, int] = field(default_factory=dict)
    closed: list[str] = field(default_factory=list)
    busy: bool = False
    anew: bool = False

    def count(self, kind: str, change: str) -> None:
        """Count a document."""
        if change != "unchanged":
            (self.added if change == "added" else self.changed)[kind] += 1


def replace(store: Store, source: str, documents: Iterable[Document], done: Refreshed) -> None:
    """Make the documents of a source these."""
    gone = store.kinds(source)
    for document in documents:
        done.count(document.kind, store.put(document))
        gone.pop(document.key, None)
    for key, kind in gone.items():
        done.removed[kind] += store.drop([key])
