"""Vocabularies and their terms."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BaseModel, Field

from deriva_ml_kit.tools.answers import Answer, Page
from deriva_ml_kit.tools.call import Call
from deriva_ml_kit.tools.failure import Code, ToolError
from deriva_ml_kit.tools.paging import no_cursor
from deriva_ml_kit.tools.registry import Effect, also, tool
from deriva_ml_kit.tools.tables import own_schema, schema_of, vocabulary_of
from deriva_ml_kit.tools.types import Cursor, Description, DryRun, Limit, Name, SchemaName
from deriva_ml_kit.tools.vocabularies.terms import Term, Terms, differences
from deriva_ml_kit.tools.writing import recorded

if TYPE_CHECKING:
    from deriva.core.ermrest_model import Table


InSchema = Annotated[
    SchemaName | None,
    Field(
        description="Its schema; needed only where several have a table of this name",
    ),
]
Vocabulary = Annotated[
    Name,
    Field(description="The vocabulary", validation_alias=also("table", "vocabulary", "vocabulary_name", "vocab_name")),
]
NewVocabulary = Annotated[
    Name,
    Field(
        pattern=r"^[-\w]+$",
        description="Its name: letters, digits, _ and -; singular, with capitals, such as Diagnosis_Grade",
        validation_alias=also("table", "vocabulary", "vocabulary_name", "vocab_name", "name"),
    ),
]
TermName = Annotated[
    Name, Field(description="Name of the term; what rows store", validation_alias=also("name", "term_name", "term"))
]
Synonyms = Annotated[
    list[Name] | None, Field(max_length=100, description="Other names, understood where files are read")
]
Containing = Annotated[Name | None, Field(description="Only terms with this in their name or a synonym")]


class VocabularySummary(BaseModel):
    """A vocabulary."""

    schema: str  # type: ignore[assignment]  # pydantic's own is an old method
    table: str
    terms: int = Field(description="How many terms it has")
    comment: str | None = None


class VocabularyList(Page):
    """The vocabularies of a catalog."""

    ROWS: ClassVar[str] = "vocabularies"

    vocabularies: list[VocabularySummary]


class TermList(Page):
    """Terms of a vocabulary, by name."""

    ROWS: ClassVar[str] = "terms"

    schema: str  # type: ignore[assignment]
    table: str
    comment: str | None = None
    terms: list[Term]


class VocabularyMade(Answer):
    """What became of a new vocabulary."""

    schema: str  # type: ignore[assignment]
    table: str
    dry_run: bool
    created: bool = Field(description="Whether it is new; in a dry run, whether it would be")
    execution_rid: str | None = Field(default=None, description="The execution that made it")


class TermMade(Answer):
    """What became of a new term."""

    schema: str  # type: ignore[assignment]
    table: str
    dry_run: bool
    created: bool = Field(description="Whether it is new; in a dry run, whether it would be")
    term: Term | None = Field(default=None, description="As it is in the catalog; none in a dry run of a new one")
    notes: list[str] = Field(default_factory=list, description="What of the call is not as in the catalog")
    execution_rid: str | None = Field(default=None, description="The execution that made it")


@tool("List the vocabularies", Effect.READ)
def list_vocabularies(call: Call, schema: InSchema = None, limit: Limit = 100, cursor: Cursor = None) -> VocabularyList:
    """The catalog's vocabularies, each with its number of terms: the project's own first, then DerivaML's.

    Call it to find the vocabulary for a feature or a column; `list_vocabulary_terms` shows what is in one.
    """
    ml = call.ml
    found = ml.model.find_vocabularies()
    if schema is not None:
        place = schema_of(ml, schema)
        found = [table for table in found if table.schema is place]
    found.sort(key=lambda table: (table.schema.name == ml.ml_schema, table.schema.name, table.name))
    start = _offset(cursor, len(found))
    rows = []
    for table in found[start : start + limit]:
        call.check()
        summary = {"schema": table.schema.name, "table": table.name, "comment": table.comment}
        rows.append(summary | {"terms": Terms(ml, table).count()})
    return VocabularyList.of(
        rows,
        total=len(found),
        cursor=lambda n: str(start + n + 1),
        more=start + limit < len(found),
        next_step=call.example("list_vocabulary_terms", schema=rows[0]["schema"], table=rows[0]["table"])
        if rows
        else "create_vocabulary makes one.",
    )


@tool("List the terms of a vocabulary", Effect.READ)
def list_vocabulary_terms(
    call: Call,
    *,
    table: Vocabulary,
    schema: InSchema = None,
    containing: Containing = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> TermList:
    """Terms of a vocabulary by name, with synonyms, description and RID: the values that a term column takes.

    Call it before writing labels or adding a term. In a large vocabulary, look for a term with `containing`.
    """
    ml = call.ml
    vocabulary = vocabulary_of(ml, table, schema)
    terms = Terms(ml, vocabulary)
    rows, more = terms.page(limit, after=cursor, containing=containing)
    return TermList.of(
        rows,
        total=terms.count(containing),
        cursor=lambda n: rows[n].RID,
        more=more,
        schema=vocabulary.schema.name,
        table=vocabulary.name,
        comment=vocabulary.comment,
        next_step=None if rows or cursor else _to_add(call, vocabulary, containing or "…"),
    )


@tool("Make a vocabulary", Effect.WRITE, idempotent=True)
def create_vocabulary(
    call: Call,
    *,
    table: NewVocabulary,
    comment: Annotated[Description, Field(validation_alias=also("comment", "description"))] = "",
    schema: Annotated[
        SchemaName | None,
        Field(description="Where to make it; the project's own"),
    ] = None,
    dry_run: DryRun = False,
) -> VocabularyMade:
    """Make a table for terms, empty at first; if it is there already, say so and write nothing.

    Call it before defining a feature whose values come from a fixed list of words, then `add_term` for each word.
    """
    ml = call.ml
    place = own_schema(ml, schema)
    there = place.tables.get(table)
    if there is not None and not ml.model.is_vocabulary(there):
        raise ToolError(
            Code.CONFLICT,
            f"{place.name}:{table} exists, and is no vocabulary.",
            remedy="Take another name for the vocabulary.",
        )
    answer = VocabularyMade(
        schema=place.name,
        table=table,
        dry_run=dry_run,
        created=there is None,
        next_step=call.example("add_term", schema=place.name, table=table, name="…", description="…"),
    )
    if there is None and not dry_run:
        with recorded(call, f"Make the vocabulary {place.name}:{table}", "Ingest") as writes:
            ml.create_vocabulary(table, comment, schema=place.name)
            writes.made("table", place.name, table)
            answer.execution_rid = writes.rid
    return answer


@tool("Add a term to a vocabulary", Effect.WRITE, idempotent=True)
def add_term(
    call: Call,
    *,
    table: Vocabulary,
    name: TermName,
    description: Annotated[Description, Field(min_length=1)],
    synonyms: Synonyms = None,
    schema: InSchema = None,
    dry_run: DryRun = False,
) -> TermMade:
    """Add one term; if the vocabulary has it, say so, show it as it is, and write nothing.

    A name or synonym that another term has already is refused, since files could not tell which is meant.
    """
    ml = call.ml
    vocabulary = vocabulary_of(ml, table, schema)
    others = [one for one in dict.fromkeys(synonyms or ()) if one != name]
    same = Terms(ml, vocabulary).same(name, others)
    answer = TermMade(
        schema=vocabulary.schema.name,
        table=vocabulary.name,
        dry_run=dry_run,
        created=same is None,
        term=same,
        notes=[] if same is None else differences(same, description, others),
        next_step=call.example("list_vocabulary_terms", schema=vocabulary.schema.name, table=vocabulary.name),
    )
    if same is None and not dry_run:
        with recorded(call, f"Add the term {name!r} to {vocabulary.schema.name}:{vocabulary.name}", "Ingest") as writes:
            made = ml.add_term(vocabulary, name, description, others)
            writes.rows(vocabulary.schema.name, vocabulary.name, [made.rid])
            answer.execution_rid = writes.rid
        answer.term = Term(RID=made.rid, Name=made.name, Description=made.description, Synonyms=[*made.synonyms])
    return answer


def _to_add(call: Call, vocabulary: Table, name: str) -> str:
    where: dict[str, Any] = {"schema": vocabulary.schema.name, "table": vocabulary.name}
    return call.example("add_term", **where, name=name, description="…")


def _offset(cursor: str | None, length: int) -> int:
    """Where a page of a list begins."""
    if cursor is None:
        return 0
    if not re.fullmatch(r"[0-9]{1,9}", cursor, re.ASCII) or int(cursor) > length:
        raise no_cursor(cursor)
    return int(cursor)
