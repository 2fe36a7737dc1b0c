"""Finding things in a catalog by words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from deriva_ml_kit.errors import KitError
from deriva_ml_kit.tools.answers import Answer
from deriva_ml_kit.tools.call import Call
from deriva_ml_kit.tools.failure import Code, ToolError
from deriva_ml_kit.tools.index import ranking, references
from deriva_ml_kit.tools.index.documents import OF_MODEL, OF_ROWS, Document, Kind
from deriva_ml_kit.tools.index.store import Store, index_file, repaired
from deriva_ml_kit.tools.index.updates import Refreshed
from deriva_ml_kit.tools.place import catalog_of
from deriva_ml_kit.tools.registry import CatalogId, Effect, Hostname, also, tool

# What a search reads of a changed catalog before it answers; about two seconds.
ROWS, SECONDS = 5_000, 2.0
INDEX_SECONDS = 900.0

# Names under which several kinds are asked for together, beside the kinds' own.
TOGETHER = {"schema": OF_MODEL, "data": OF_ROWS, "user-guide": frozenset({Kind.REFERENCE})}
_OF_TABLE = {"schema": "schema_name", "table": "table_name"}
# The tool that shows all of a thing, and its arguments as fields of the document.
SHOWN_BY: dict[Kind, tuple[str, dict[str, str]]] = {
    Kind.SCHEMA: ("get_schema", {"schema": "schema_name"}),
    Kind.TABLE: ("get_table", _OF_TABLE),
    Kind.COLUMN: ("get_table", _OF_TABLE),
    Kind.VOCABULARY: ("list_vocabulary_terms", _OF_TABLE),
    Kind.TERM: ("list_vocabulary_terms", {**_OF_TABLE, "containing": "title"}),
    Kind.FEATURE: ("deriva_ml_get_feature", {"target_table": "table_name", "feature_name": "name"}),
    Kind.DATASET: ("deriva_ml_get_dataset", {"dataset_rid": "rid"}),
    Kind.EXECUTION: ("deriva_ml_get_execution", {"execution_rid": "rid"}),
    Kind.WORKFLOW: ("deriva_ml_find_workflow_executions", {"workflow_rid": "rid"}),
}
DocType = Literal[
    "schema",
    "table",
    "column",
    "vocabulary",
    "feature",
    "term",
    "dataset",
    "execution",
    "workflow",
    "reference",
    "data",
    "user-guide",
]


class IndexedKind(BaseModel):
    """How the documents of one kind fared."""

    added: int
    changed: int
    removed: int
    unchanged: int


class IndexAnswer(Answer):
    """What bringing the index up to date has changed."""

    status: Literal["indexed", "up_to_date"] = Field(description="Whether anything had to be done")
    hostname: str
    catalog_id: str
    documents: int = Field(description="How many things can be found")
    kinds: dict[str, IndexedKind] = Field(description="What was added, changed, removed and left, by kind")
    rebuilt: bool = Field(description="Whether there was no index of this catalog before")
    snaptime: str = Field(description="Snapshot time of the catalog that the index shows")
    closed: list[str] = Field(description="Tables that you may not read, and so cannot search")


class SearchHit(BaseModel):
    """Something that was found."""

    doc_type: str = Field(description="What it is")
    title: str
    text: str = Field(description="What is said about it, where the words stand")
    rid: str | None = None
    schema_name: str | None = None
    table: str | None = None
    score: float = Field(description="How well it fits, beside the other hits")
    next_call: str = Field(description="What shows all of it")


class SearchAnswer(Answer):
    """What fits the query best, best first."""

    query: str
    hits: list[SearchHit]
    count: int = Field(description="How many hits there are in this answer")
    corrected: dict[str, str] = Field(description="Words that are nowhere, and what was looked for in their place")
    hostname: str | None = Field(
        None, description="Host of the catalog that was searched; none: the plugin's pages only"
    )
    catalog_id: str | None = None
    stale: list[str] = Field(description="What the catalog has changed that this search does not know yet")


# Both only read: what they write is this user's own copy, and nothing in the catalog.
@tool("Bring the search index up to date", Effect.READ, seconds=INDEX_SECONDS)
def rag_index_schema(call: Call) -> IndexAnswer:
    """Read what is new in the catalog into the local search index: schemas, tables, columns, vocabularies with terms
    and synonyms, features, datasets, executions, workflows. Call it after changing the schema, or when rag_search says
    that it is stale. Only what has changed is read, and the catalog itself stays as it is. Next: rag_search.
    """
    from deriva_ml_kit.tools.index.refresh import refresh  # noqa: PLC0415  (takes seconds)

    _ = call.ml  # says what is wrong with the catalog before an index of it is made

    def work(store: Store) -> IndexAnswer:
        done = refresh(store, call)
        total = store.counts()
        names = [kind.value for kind in Kind if kind in total or done.removed[kind]]
        return IndexAnswer(
            status="indexed" if done.anew or done.added or done.changed or +done.removed else "up_to_date",
            hostname=call.hostname,
            catalog_id=call.catalog_id,
            documents=sum(total.values()),
            kinds={name: _fared(name, total, done) for name in names},
            rebuilt=done.anew,
            snaptime=store.state("snaptime"),
            closed=done.closed,
            next_step=call.example("rag_search", query="…"),
        )

    return repaired(index_file(call.hostname, call.catalog_id), work)


@tool("Search the catalog and the plugin's pages", Effect.READ, catalog=False)
def rag_search(
    call: Call,
    *,
    query: Annotated[str, Field(min_length=1, max_length=2_000, description="Words, as people say them")],
    limit: Annotated[
        int, Field(ge=1, le=100, description="How many at most", validation_alias=also("limit", "max_results"))
    ] = 10,
    hostname: Hostname = None,
    catalog_id: CatalogId = None,
    doc_type: Annotated[
        DocType | None,
        Field(description="Only this kind; schema: all of the model, data: all rows, user-guide: the plugin's pages"),
    ] = None,
) -> SearchAnswer:
    """Find tables, columns, vocabularies, terms (also by synonym), features, datasets, executions, workflows, and
    sections of this plugin's guides by words, best first, each with the call that shows all of it. Call it before
    guessing a name. Without a catalog it searches the guides; it keeps its index up to date by itself, and says so
    where that would take long.
    """
    kinds = (TOGETHER.get(doc_type) or frozenset({Kind(doc_type)})) if doc_type else frozenset()
    notes = [] if kinds == {Kind.REFERENCE} else _with_catalog(call, hostname, catalog_id)

    def work(store: Store) -> SearchAnswer:
        stale = [*notes, *_refreshed(call, store)]
        found = ranking.find(store, query, kinds, limit)
        hits = [_hit(call, hit) for hit in found.hits]
        return SearchAnswer(
            query=query,
            hits=hits,
            count=len(hits),
            corrected=found.corrected,
            hostname=call.hostname or None,
            catalog_id=call.catalog_id or None,
            stale=stale,
            next_step=_next(call, hits, stale),
        )

    return repaired(index_file(call.hostname, call.catalog_id), work)


def _with_catalog(call: Call, hostname: str | None, catalog_id: str | None) -> list[str]:
    """Connect with the catalog that is meant; where none is, or the project's own cannot be reached, do without."""
    try:
        call.hostname, call.catalog_id = catalog_of(hostname, catalog_id, call.project)
    except ToolError as error:
        if error.code is not Code.NO_CATALOG or hostname or catalog_id:
            raise
        return []
    try:
        _ = call.ml
    except KitError as error:
        if hostname or catalog_id or call.stop.is_set():
            raise
        where, call.hostname, call.catalog_id = f"{call.hostname}, catalog {call.catalog_id}", "", ""
        return [f"The project's catalog ({where}) was not searched: {error.message}"]
    return []


def _refreshed(call: Call, store: Store) -> list[str]:
    """Bring the index up to date if that is quickly done; what is missing, in sentences."""
    if not call.hostname:
        references.refresh(store, call.check, Refreshed(), wait=False)
        return []
    from deriva_ml_kit.tools.index.refresh import Budget, refresh  # noqa: PLC0415  (takes seconds)

    done = refresh(store, call, Budget(ROWS, SECONDS))
    if done.busy:
        return ["Another process is reading what is new in the catalog."]
    return [f"{table}: {rows} rows to read" for table, rows in done.left.items()]


def _next(call: Call, hits: list[SearchHit], stale: list[str]) -> str:
    if stale and call.hostname:
        return f"{call.example('rag_index_schema')} reads what is missing"
    if hits:
        return hits[0].next_call
    if call.hostname:
        return f"Try other words; {call.example('list_schemas')} shows what there is"
    return "Try other words, or name a catalog with hostname and catalog_id"


def _fared(kind: str, total: dict[str, int], done: Refreshed) -> IndexedKind:
    added, changed = done.added[kind], done.changed[kind]
    return IndexedKind(
        added=added,
        changed=changed,
        removed=done.removed[kind],
        unchanged=total.get(kind, 0) - added - changed,
    )


def _hit(call: Call, hit: ranking.Hit) -> SearchHit:
    document = hit.document
    return SearchHit(
        doc_type=document.kind,
        title=document.title,
        text=hit.snippet,
        rid=document.rid or None,
        schema_name=document.schema_name or None,
        table=document.table_name or None,
        score=hit.score,
        next_call=_call(call, document),
    )


def _call(call: Call, document: Document) -> str:
    """The call that shows all of it."""
    if document.kind == Kind.REFERENCE:
        page, _, line = document.name.rpartition(":")
        return f"Read {(references.root() or Path()) / page} from line {line}"
    name, arguments = SHOWN_BY[Kind(document.kind)]
    return call.example(name, **{argument: getattr(document, field) for argument, field in arguments.items()})
