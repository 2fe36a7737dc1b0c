"""Schemas, tables and the rows in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BaseModel, Field

from deriva_ml_kit.tools import paging
from deriva_ml_kit.tools.answers import Answer, Page
from deriva_ml_kit.tools.call import Call
from deriva_ml_kit.tools.failure import Code, ToolError, not_found
from deriva_ml_kit.tools.paging import as_rid, no_cursor
from deriva_ml_kit.tools.registry import Effect, tool
from deriva_ml_kit.tools.schema.definition import Columns, ColumnSpec, ForeignKeySpec, definition_of, differences
from deriva_ml_kit.tools.schema.described import (
    SYSTEM,
    ColumnAnswer,
    ColumnLine,
    ForeignKeyAnswer,
    KeyAnswer,
    columns_of,
    foreign_key_of,
    foreign_keys_of,
    keys_of,
    lines_of,
)
from deriva_ml_kit.tools.schema.filters import condition
from deriva_ml_kit.tools.schema.kind import Kind, kind_of_table, kinds_of
from deriva_ml_kit.tools.tables import own_schema, table_of
from deriva_ml_kit.tools.types import Cursor, Description, DryRun, Limit, Name, SchemaName, TableName
from deriva_ml_kit.tools.writing import recorded

if TYPE_CHECKING:
    from deriva.core.ermrest_model import Table

    from deriva_ml_kit.mainline import DerivaML

AnySchema = Annotated[
    SchemaName | None, Field(description="Schema; where not given, the project's own comes first, then deriva-ml")
]


class SchemaLine(BaseModel):
    """A schema."""

    schema: str  # type: ignore[assignment]  # pydantic's own is an old method
    kind: str = Field(description="domain: the project's own; deriva-ml: DerivaML's; system: the catalog's")
    comment: str | None
    table_count: int


class SchemasAnswer(Answer):
    """The schemas of a catalog."""

    schemas: list[SchemaLine]


class TableLine(BaseModel):
    """A table, short."""

    table: str
    kind: Kind
    comment: str | None
    columns: list[ColumnLine]


class SchemaAnswer(Page):
    """The tables of a schema."""

    ROWS: ClassVar[str] = "tables"

    schema: str  # type: ignore[assignment]
    comment: str | None
    tables: list[TableLine]


class TableFeature(BaseModel):
    """A feature of the table."""

    feature_name: str
    feature_table: str = Field(description="Table that holds its values")


class TableAnswer(Answer):
    """A table."""

    schema: str  # type: ignore[assignment]
    table: str
    kind: Kind
    comment: str | None
    row_count: int
    columns: list[ColumnAnswer] = Field(description="Without RID, RCT, RCB, RMT, RMB, which every table has")
    keys: list[KeyAnswer] = Field(description="Besides RID")
    foreign_keys: list[ForeignKeyAnswer]
    referenced_by: list[ForeignKeyAnswer]
    features: list[TableFeature] = Field(description="Features of this table")


class EntitiesAnswer(Page):
    """Rows of a table, by RID."""

    ROWS: ClassVar[str] = "entities"

    schema: str  # type: ignore[assignment]
    table: str
    entities: list[dict[str, Any]]


class CreatedTable(Answer):
    """A table that was made, or would be."""

    schema: str  # type: ignore[assignment]
    table: str
    created: bool
    existed: bool = Field(description="Whether it was there before, just like that")
    dry_run: bool
    columns: list[ColumnAnswer]
    keys: list[KeyAnswer]
    foreign_keys: list[ForeignKeyAnswer]
    execution_rid: str | None = Field(None, description="Execution that records it")


@tool("List the schemas", Effect.READ)
def list_schemas(call: Call) -> SchemasAnswer:
    """The schemas of a catalog: the domain's own, deriva-ml with DerivaML's tables, and the catalog's own. Call it
    first on a catalog that you do not know, then get_schema.
    """
    ml = call.ml
    schemas = [
        SchemaLine(schema=name, kind=_schema_kind(ml, name), comment=found.comment, table_count=len(found.tables))
        for name, found in ml.model.schemas.items()
    ]
    order = ["domain", "deriva-ml", "system"]
    schemas.sort(key=lambda each: (order.index(each.kind), each.schema))
    return SchemasAnswer(schemas=schemas, next_step=call.example("get_schema", schema=schemas[0].schema))


@tool("Describe a schema", Effect.READ)
def get_schema(
    call: Call,
    schema: Annotated[SchemaName | None, Field(description="Schema; the project's own where not given")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> SchemaAnswer:
    """The tables of a schema, by name: what each is for (domain, vocabulary, asset, feature, dataset, association), and
    its columns. get_table tells more of one, with its keys and how many rows it has.
    """
    ml = call.ml
    found = own_schema(ml, schema)
    names = sorted(found.tables)
    if cursor is not None and cursor not in found.tables:
        raise no_cursor(cursor)
    rest = [name for name in names if cursor is None or name > cursor]
    shown = [found.tables[name] for name in rest[:limit]]
    kinds = kinds_of(ml, shown)
    lines = [
        TableLine(table=table.name, kind=kinds[table], comment=table.comment, columns=lines_of(table))
        for table in shown
    ]
    domain = next((line.table for line in lines if line.kind is Kind.DOMAIN), None)
    return SchemaAnswer.of(
        lines,
        total=len(names),
        cursor=lambda position: lines[position].table,
        more=len(rest) > limit,
        schema=found.name,
        comment=found.comment,
        next_step=call.example("get_table", schema=found.name, table=domain) if domain else None,
    )


@tool("Describe a table", Effect.READ)
def get_table(call: Call, table: TableName, schema: AnySchema = None) -> TableAnswer:
    """A table: its columns with types, defaults and comments, its keys, what it refers to and what refers to it, how
    many rows it has, and its features. Call it before you write to a table, or filter its rows with get_entities.
    """
    ml = call.ml
    found = table_of(ml, table, schema)
    kind = kind_of_table(ml, found)
    features = [
        TableFeature(feature_name=each.feature_name, feature_table=each.feature_table.name)
        for each in ml.find_features(found)
    ]
    return TableAnswer(
        schema=found.schema.name,
        table=found.name,
        kind=kind,
        comment=found.comment,
        row_count=paging.total(ml.catalog, _path(found)),
        columns=columns_of(found),
        keys=keys_of(found),
        foreign_keys=foreign_keys_of(found),
        referenced_by=[foreign_key_of(each) for each in found.referenced_by],
        features=features,
        next_step=_next_of(call, found, kind),
    )


@tool("List rows of a table", Effect.READ)
def get_entities(
    call: Call,
    *,
    table: TableName,
    schema: AnySchema = None,
    filters: Annotated[
        dict[str, Any] | None,
        Field(
            description='Column to value, to a list of values, or to {"op": …, "value": …} with '
            "=, !=, <, <=, >, >=, in or contains; null is an empty value"
        ),
    ] = None,
    columns: Annotated[list[Name] | None, Field(description="Which columns; RID is always among them")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
    preflight_count: Annotated[bool, Field(description="Only count")] = False,
) -> EntitiesAnswer:
    """Rows of any table, ordered by RID, filtered and paged by the server. Without `columns`, those that the server
    keeps about every row (RCT, RCB, RMT, RMB) are left out; name them to see them.
    """
    ml = call.ml
    found = table_of(ml, table, schema)
    path = _path(found) + condition(found, filters or {})
    total = paging.total(ml.catalog, path)
    rows: list[paging.Row] = []
    more = total > 0
    if not preflight_count:
        after = [as_rid(cursor)] if cursor is not None else []
        rows, more = paging.part(ml.catalog, path, limit, after=after, wanted=_wanted(found, columns))
    made = EntitiesAnswer.of(
        rows,
        total=total,
        cursor=lambda position: str(rows[position]["RID"]),
        more=more,
        schema=found.schema.name,
        table=found.name,
    )
    if preflight_count:
        made.next_step = call.example("get_entities", schema=found.schema.name, table=found.name, limit=20)
    return made


@tool("Create a table", Effect.WRITE, idempotent=True)
def create_table(
    call: Call,
    *,
    table: TableName,
    columns: Annotated[list[ColumnSpec], Field(description="Its columns; RID and the like are made besides")],
    foreign_keys: Annotated[
        list[ForeignKeySpec] | None, Field(description="Columns that name rows, or terms, of other tables")
    ] = None,
    keys: Annotated[
        list[Columns] | None, Field(description="Lists of columns that together differ for every row")
    ] = None,
    comment: Description = "",
    schema: Annotated[SchemaName | None, Field(description="Schema; the project's own where not given")] = None,
    dry_run: DryRun = False,
) -> CreatedTable:
    """Make a table for rows of the domain. For terms, files or values about rows there are create_vocabulary,
    deriva_ml_create_asset_table and deriva_ml_create_feature. A table that is there already, just like that, is left
    as it is.
    """
    ml = call.ml
    place = own_schema(ml, schema)
    if place.name not in ml.domain_schemas:
        message = f"Tables of one's own do not belong into schema {place.name}."
        raise ToolError(Code.BAD_ARGUMENT, message, candidates=sorted(ml.domain_schemas))
    wanted = definition_of(
        ml, place, table, columns=columns, foreign_keys=foreign_keys or (), keys=keys or (), comment=comment
    )
    existed = table in place.tables
    if existed and (unlike := differences(place.tables[table], wanted)):
        raise ToolError(
            Code.CONFLICT,
            f"Schema {place.name} has a table {table} already, and it is another: {'; '.join(unlike)}.",
            remedy="Give the new table another name, or ask for the one that is there.",
        )
    execution_rid = None
    if not existed and not dry_run:
        with recorded(call, f"Table {place.name}:{table}", "Ingest") as writes:
            ml.create_table(wanted.document, place.name)
            writes.made("table", place.name, table)
            execution_rid = writes.rid
    return CreatedTable(
        schema=place.name,
        table=table,
        created=not existed and not dry_run,
        existed=existed,
        dry_run=dry_run,
        columns=wanted.columns,
        keys=wanted.keys,
        foreign_keys=wanted.foreign_keys,
        execution_rid=execution_rid,
        next_step=None if dry_run else call.example("load_rows", schema=place.name, table=table, file="rows.csv"),
    )


def _schema_kind(ml: DerivaML, name: str) -> str:
    if name in ml.domain_schemas:
        return "domain"
    return "deriva-ml" if name == ml.ml_schema else "system"


def _path(table: Table) -> str:
    from deriva_ml_kit.mainline.catalog.rows import table_name  # noqa: PLC0415  (takes seconds)

    return table_name(table.schema.name, table.name)


def _wanted(table: Table, columns: list[str] | None) -> list[str]:
    """Columns to read, as they stand in a request; RID is the first."""
    from deriva.core import urlquote  # noqa: PLC0415  (takes seconds)

    known = [column.name for column in table.columns]
    for name in columns or ():
        if name not in known:
            raise not_found("column", name, known, where=f"Table {table.name}")
    shown = [name for name in known if name not in SYSTEM] if columns is None else columns
    return [urlquote(name, "") for name in dict.fromkeys(["RID", *shown])]


def _next_of(call: Call, table: Table, kind: Kind) -> str:
    named = {"schema": table.schema.name, "table": table.name}
    if kind is Kind.VOCABULARY:
        return call.example("list_vocabulary_terms", **named)
    return call.example("get_entities", **named, limit=20)
