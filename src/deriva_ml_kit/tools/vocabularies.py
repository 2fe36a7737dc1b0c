"""Vocabularies and their terms."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from deriva_ml_kit.tools import paging
from deriva_ml_kit.tools.answers import Answer, Page
from deriva_ml_kit.tools.call import Call
from deriva_ml_kit.tools.failure import Code, ToolError
from deriva_ml_kit.tools.paging import as_rid, no_cursor
from deriva_ml_kit.tools.registry import Effect, also, tool
from deriva_ml_kit.tools.tables import own_schema, schema_of, vocabulary_of
from deriva_ml_kit.tools.types import Cursor, Description, DryRun, Limit, Name, SchemaName

if TYPE_CHECKING:
    from deriva.core.ermrest_model import Table

    from deriva_ml_kit.mainline import DerivaML

InSchema = Annotated[
    SchemaName | None,
    Field(
        description="Its schema; needed only where several have a table of this name",
        validation_alias=also("schema", "schema_name"),
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
Containing = Annotated[
    str | None, Field(min_length=1, max_length=200, description="Only terms with this in their name or a synonym")
]


class Term(BaseModel):
    """A term, with the columns' customary names."""

    RID: str
    Name: str = Field(description="What rows that refer to it store")
    Description: str | None = None
    Synonyms: list[str] = Field(default_factory=list, description="Other names, understood where files are read")


class VocabularySummary(BaseModel):
    """A vocabulary."""

    model_config = ConfigDict(serialize_by_alias=True)

    schema_name: str = Field(serialization_alias="schema")
    table: str
    terms: int = Field(description="How many terms it has")
    comment: str | None = None


class VocabularyList(Page):
    """The vocabularies of a catalog."""

    ROWS: ClassVar[str] = "vocabularies"

    vocabularies: list[VocabularySummary]


class TermList(Page):
    """Terms of a vocabulary, by name."""

    model_config = ConfigDict(serialize_by_alias=True)
    ROWS: ClassVar[str] = "terms"

    schema_name: str = Field(serialization_alias="schema")
    table: str
    comment: str | None = None
    terms: list[Term]


class VocabularyMade(Answer):
    """What became of a new vocabulary."""

    model_config = ConfigDict(serialize_by_alias=True)

    schema_name: str = Field(serialization_alias="schema")
    table: str
    dry_run: bool
    created: bool = Field(description="Whether it is new; in a dry run, whether it would be")
    execution_rid: str | None = Field(default=None, description="The execution that made it")


class TermMade(Answer):
    """What became of a new term."""

    model_config = ConfigDict(serialize_by_alias=True)

    schema_name: str = Field(serialization_alias="schema")
    table: str
    dry_run: bool
    created: bool = Field(description="Whether it is new; in a dry run, whether it would be")
    term: Term | None = Field(default=None, description="As it is in the catalog; none in a dry run of a new one")
    notes: list[str] = Field(default_factory=list, description="What of the call is not as in the catalog")
    execution_rid: str | None = Field(default=None, description="The execution that made it")


@tool("List the vocabularies", Effect.READ)
def list_vocabularies(
    call: Call, schema_name: InSchema = None, limit: Limit = 100, cursor: Cursor = None
) -> VocabularyList:
    """The catalog's vocabularies, each with its number of terms: the project's own first, then DerivaML's.

    Call it to find the vocabulary for a feature or a column; `list_vocabulary_terms` shows what is in one.
    """
    ml = call.ml
    found = ml.model.find_vocabularies()
    if schema_name is not None:
        found = [table for table in found if table.schema == schema_of(ml, schema_name)]
    found.sort(key=lambda table: (table.schema.name == ml.ml_schema, table.schema.name, table.name))
    start = _offset(cursor, len(found))
    rows = []
    for table in found[start : start + limit]:
        call.check()
        summary = {"schema_name": table.schema.name, "table": table.name, "comment": table.comment}
        rows.append(summary | {"terms": paging.total(ml.catalog, _Columns(table).path)})
    return VocabularyList.of(
        rows,
        total=len(found),
        cursor=lambda n: str(start + n + 1),
        more=start + limit < len(found),
        next_step=call.example("list_vocabulary_terms", schema=rows[0]["schema_name"], table=rows[0]["table"])
        if rows
        else "create_vocabulary makes one.",
    )


@tool("List the terms of a vocabulary", Effect.READ)
def list_vocabulary_terms(
    call: Call,
    *,
    table: Vocabulary,
    schema_name: InSchema = None,
    containing: Containing = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> TermList:
    """Terms of a vocabulary by name, with synonyms, description and RID: the values that a term column takes.

    Call it before writing labels or adding a term. In a large vocabulary, look for a term with `containing`.
    """
    ml = call.ml
    vocabulary = vocabulary_of(ml, table, schema_name)
    columns = _Columns(vocabulary)
    path = columns.path + (columns.holding(containing) if containing else "")
    after = () if cursor is None else (columns.name_of(ml, as_rid(cursor)), cursor)
    rows, more = paging.part(ml.catalog, path, limit, sort=(columns["Name"], "RID"), after=after)
    return TermList.of(
        [columns.term(row) for row in rows],
        total=paging.total(ml.catalog, path),
        cursor=lambda n: str(rows[n]["RID"]),
        more=more,
        schema_name=vocabulary.schema.name,
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
    schema_name: Annotated[
        SchemaName | None,
        Field(description="Where to make it; the project's own", validation_alias=also("schema", "schema_name")),
    ] = None,
    dry_run: DryRun = False,
) -> VocabularyMade:
    """Make a table for terms, empty at first; if it is there already, say so and write nothing.

    Call it before defining a feature whose values come from a fixed list of words, then `add_term` for each word.
    """
    ml = call.ml
    schema = own_schema(ml, schema_name).name
    there = ml.model.model.schemas[schema].tables.get(table)
    if there is not None and not ml.model.is_vocabulary(there):
        raise ToolError(
            Code.CONFLICT,
            f"{schema}:{table} exists, and is no vocabulary.",
            remedy="Take another name for the vocabulary.",
        )
    answer = VocabularyMade(
        schema_name=schema,
        table=table,
        dry_run=dry_run,
        created=there is None,
        next_step=call.example("add_term", schema=schema, table=table, name="…", description="…"),
    )
    if there is None and not dry_run:
        from deriva_ml_kit.tools.writing import recorded  # noqa: PLC0415  (reads the registry)

        with recorded(call, f"Make the vocabulary {schema}:{table}", "Ingest") as writes:
            ml.create_vocabulary(table, comment, schema=schema)
            writes.made("table", schema, table)
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
    schema_name: InSchema = None,
    dry_run: DryRun = False,
) -> TermMade:
    """Add one term; if the vocabulary has it, say so, show it as it is, and write nothing.

    A name or synonym that another term has already is refused, since files could not tell which is meant.
    """
    ml = call.ml
    vocabulary = vocabulary_of(ml, table, schema_name)
    columns = _Columns(vocabulary)
    others = [one for one in dict.fromkeys(synonyms or ()) if one != name]
    same = _same(columns, ml, name, others)
    answer = TermMade(
        schema_name=vocabulary.schema.name,
        table=vocabulary.name,
        dry_run=dry_run,
        created=same is None,
        term=same,
        notes=[] if same is None else _differences(same, description, others),
        next_step=call.example("list_vocabulary_terms", schema=vocabulary.schema.name, table=vocabulary.name),
    )
    if same is None and not dry_run:
        from deriva_ml_kit.tools.writing import recorded  # noqa: PLC0415  (reads the registry)

        with recorded(call, f"Add the term {name!r} to {vocabulary.schema.name}:{vocabulary.name}", "Ingest") as writes:
            made = ml.add_term(vocabulary, name, description, others, exists_ok=False)
            writes.rows(vocabulary.schema.name, vocabulary.name, [made.rid])
            answer.execution_rid = writes.rid
        answer.term = Term(RID=made.rid, Name=made.name, Description=made.description, Synonyms=[*made.synonyms])
    return answer


class _Columns:
    """A vocabulary's columns, which older catalogs spell in capitals, and requests about its terms."""

    def __init__(self, table: Table) -> None:
        from deriva_ml_kit.mainline.catalog.rows import table_name  # noqa: PLC0415  (takes seconds)

        self.path = table_name(table.schema.name, table.name)
        self._spelt = {column.name.upper(): column.name for column in table.columns}
        # Other servers make them of JSON, whose elements a request cannot ask for.
        self.asks_synonyms = table.columns[self["Synonyms"]].type.typename.endswith("[]")

    def __getitem__(self, column: str) -> str:
        return str(self._spelt[column.upper()])

    def term(self, row: paging.Row) -> Term:
        """A row as a term."""
        return Term(
            RID=row["RID"],
            Name=row[self["Name"]],
            Description=row[self["Description"]],
            Synonyms=row[self["Synonyms"]] or [],
        )

    def holding(self, text: str) -> str:
        """Filter for terms with a text in their name or a synonym, in any letter case."""
        from deriva.core import urlquote  # noqa: PLC0415  (takes seconds)

        pattern = str(urlquote(re.escape(text), ""))
        asked = [self[column] for column in (("Name", "Synonyms") if self.asks_synonyms else ("Name",))]
        return "/" + ";".join(f"{column}::ciregexp::{pattern}" for column in asked)

    def name_of(self, ml: DerivaML, rid: str) -> str:
        """Name of the term of a RID, behind which a page goes on."""
        found = ml.catalog.get(f"/entity/{self.path}/RID={rid}").json()
        if not found:
            raise no_cursor(rid)
        return str(found[0][self["Name"]])

    def called(self, ml: DerivaML, names: Sequence[str]) -> list[Term]:
        """The terms that have one of these as name or synonym."""
        from deriva_ml_kit.mainline.catalog.rows import any_of  # noqa: PLC0415  (takes seconds)

        if not self.asks_synonyms:
            rows: list[paging.Row] = ml.catalog.get(f"/entity/{self.path}").json()
        else:
            asked = ";".join(any_of(self[column], names) for column in ("Name", "Synonyms"))
            rows = ml.catalog.get(f"/entity/{self.path}/{asked}").json()
        return [term for term in map(self.term, rows) if {term.Name, *term.Synonyms} & {*names}]


def _same(columns: _Columns, ml: DerivaML, name: str, synonyms: Sequence[str]) -> Term | None:
    """The term of that name, if there is one.

    Raises:
        ToolError: Another term has the name as its synonym, or has one of the synonyms.
    """
    found = columns.called(ml, [name, *synonyms])
    same = next((term for term in found if term.Name == name), None)
    taken = {
        one: term.Name
        for term in found
        if term is not same
        for one in ([*synonyms] if same else [name, *synonyms])
        if one in (term.Name, *term.Synonyms)
    }
    if not taken:
        return same
    said = "; ".join(
        f"{one!r} is {'' if one == term else 'a synonym of '}the term {term!r}" for one, term in taken.items()
    )
    raise ToolError(
        Code.CONFLICT,
        f"{said[0].upper()}{said[1:]}.",
        remedy="Use that term, or leave out what it has already.",
        candidates=sorted(set(taken.values())),
    )


def _differences(term: Term, description: str, synonyms: Sequence[str]) -> list[str]:
    notes = []
    if missing := [one for one in synonyms if one not in term.Synonyms]:
        notes.append(f"It does not have the synonyms {', '.join(map(repr, missing))}.")
    if term.Description != description:
        notes.append("Its description is another.")
    return [*notes, "This tool changes no term."] if notes else []


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
