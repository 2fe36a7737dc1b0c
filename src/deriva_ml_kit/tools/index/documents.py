"""What can be found: one document for each thing of a catalog, and for each section of the plugin's pages."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum

LONGEST = 4_000  # characters of a text; more adds size and finds nothing new


class Kind(StrEnum):
    """What a document is about."""

    SCHEMA = "schema"
    TABLE = "table"
    COLUMN = "column"
    VOCABULARY = "vocabulary"
    FEATURE = "feature"
    TERM = "term"
    DATASET = "dataset"
    EXECUTION = "execution"
    WORKFLOW = "workflow"
    REFERENCE = "reference"


OF_MODEL = frozenset({Kind.SCHEMA, Kind.TABLE, Kind.COLUMN, Kind.VOCABULARY, Kind.FEATURE})
OF_ROWS = frozenset({Kind.TERM, Kind.DATASET, Kind.EXECUTION, Kind.WORKFLOW})


@dataclass(frozen=True)
class Document:
    """A thing that can be found.

    Attributes:
        key: Tells it from all others of the index.
        source: What it was read from: `model`, `references`, or `schema:table`.
        kind: What it is.
        title: What people call it.
        names: Further words for it: the parts of its name, synonyms.
        body: What is said about it, for people.
        schema_name: Its schema, if it has one.
        table_name: Its table; of a feature, the one that it is about.
        name: Its name below that: of a column or a feature; of a section, file and line.
        rid: Its RID, if it is a row.
        uses: `schema:table` of each vocabulary that it is, or takes its values from; of a term, the one that it is in.
    """

    key: str
    source: str
    kind: str
    title: str
    names: str = ""
    body: str = ""
    schema_name: str = ""
    table_name: str = ""
    name: str = ""
    rid: str = ""
    uses: str = ""

    def as_row(self) -> tuple[str, ...]:
        """Its values in the order of FIELDS, as SQLite can store them."""
        return tuple(storable(getattr(self, name)) for name in FIELDS)


FIELDS = tuple(field.name for field in fields(Document))


def storable(text: str) -> str:
    """A text that SQLite takes and gives back as it is: no NUL, no half characters, not endless."""
    return text[:LONGEST].replace("\0", " ").encode("utf-8", "replace").decode("utf-8")
