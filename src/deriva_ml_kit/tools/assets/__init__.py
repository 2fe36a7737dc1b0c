"""Assets: the files that a catalog describes, what made and what used them, and new tables for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from deriva_ml_kit.nearest import nearest
from deriva_ml_kit.tools.answers import Answer, Page
from deriva_ml_kit.tools.assets import rows as asset_rows
from deriva_ml_kit.tools.assets import tables as asset_tables
from deriva_ml_kit.tools.assets.detail import AssetAnswer, detail
from deriva_ml_kit.tools.assets.rows import AssetRow, Wanted
from deriva_ml_kit.tools.call import Call
from deriva_ml_kit.tools.failure import Code, ToolError, not_found
from deriva_ml_kit.tools.kinds import row_of
from deriva_ml_kit.tools.registry import Effect, also, tool
from deriva_ml_kit.tools.schema.definition import ColumnSpec
from deriva_ml_kit.tools.tables import own_schema, table_of
from deriva_ml_kit.tools.types import (
    AssetRid,
    CountOnly,
    Cursor,
    Description,
    DryRun,
    ExecutionRid,
    Limit,
    Name,
    SchemaName,
)
from deriva_ml_kit.tools.writing import recorded

if TYPE_CHECKING:
    from deriva.core.ermrest_model import Table

    from deriva_ml_kit.mainline import DerivaML

AssetTable = Annotated[
    Name | None,
    Field(
        description="Only files of this asset table, such as Image or Execution_Asset",
        validation_alias=also("table", "asset_table", "table_name"),
    ),
]
AssetType = Annotated[Name | None, Field(description="Only files of this type, such as Model_File")]
Role = Annotated[
    Literal["Input", "Output"] | None, Field(description="Only what the execution used (Input), or made (Output)")
]
NewTable = Annotated[
    Name, Field(description="Its name, such as Trained_Model", validation_alias=also("name", "asset_name", "table"))
]
Columns = Annotated[
    list[ColumnSpec] | None,
    Field(
        description="Columns beside URL, Filename, Description, Length and MD5",
        validation_alias=also("columns", "additional_columns", "column_defs"),
    ),
]


class AssetsAnswer(Page):
    """Files, by table and RID."""

    ROWS: ClassVar[str] = "assets"

    assets: list[AssetRow]
    by_table: dict[str, int] = Field(description="How many there are by table")


class CreatedAssetTable(Answer):
    """A table for files that was made, would be, or was there."""

    model_config = ConfigDict(serialize_by_alias=True)

    schema_name: str = Field(serialization_alias="schema")
    table: str
    created: bool
    existed: bool = Field(description="Whether it was there before")
    dry_run: bool
    columns: list[str]
    makes: list[str] = Field(description="Tables and terms that are made with it, or would be")
    execution_rid: str | None = Field(None, description="Execution that records it")


@tool("Describe a file", Effect.READ)
def deriva_ml_lookup_asset(call: Call, asset_rid: AssetRid) -> AssetAnswer:
    """An asset, that is a file: name, size, checksum, types, what made it and used it, and whether it is really there.

    Call it for each output of a run; the answer says how to download it.
    """
    return detail(call, asset_rid)


@tool("List files", Effect.READ)
def deriva_ml_list_assets(
    call: Call,
    *,
    table: AssetTable = None,
    execution_rid: ExecutionRid | None = None,
    asset_role: Role = None,
    asset_type: AssetType = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    preflight_count: CountOnly = False,
) -> AssetsAnswer:
    """The assets, that is files, of one table or of all, and how many each has; or only an execution's, or of a type.

    Call it with execution_rid and asset_role="Output" to see all that a run made; deriva_ml_lookup_asset describes one.
    """
    ml = call.ml
    if execution_rid:
        row_of(call, "Execution", execution_rid)
    elif asset_role:
        raise ToolError(
            Code.BAD_ARGUMENT, "asset_role: a file has a role in an execution.", remedy="Give execution_rid, too."
        )
    tables = [_asset_table(ml, table)] if table else ml.list_asset_tables()
    wanted = Wanted(execution_rid, asset_role, _type(ml, asset_type) if asset_type else None)
    found = asset_rows.search(call, tables, wanted, limit=0 if preflight_count else limit, cursor=cursor)
    return AssetsAnswer.of(
        found.rows,
        total=sum(found.by_table.values()),
        cursor=lambda n: found.rows[n].rid,
        more=found.more,
        by_table=found.by_table,
        next_step=call.example("deriva_ml_lookup_asset", asset_rid=found.rows[0].rid) if found.rows else None,
    )


@tool("Make a table for files", Effect.WRITE, idempotent=True)
def deriva_ml_create_asset_table(
    call: Call,
    *,
    name: NewTable,
    columns: Columns = None,
    comment: Description = "",
    schema: SchemaName | None = None,
    dry_run: DryRun = False,
) -> CreatedAssetTable:
    """Make a table for files of one kind, such as images or trained models, with the tables that link it to types and
    executions.

    Files get into it as outputs of executions. If the table is there already, nothing is written.
    """
    ml = call.ml
    place = own_schema(ml, schema)
    wanted = columns or []
    existed = name in place.tables
    if existed:
        asset_tables.refuse_other(ml, place.tables[name], wanted)
    answer = CreatedAssetTable(
        schema_name=place.name,
        table=name,
        created=False,
        existed=existed,
        dry_run=dry_run,
        columns=asset_tables.columns_of(place.tables[name]) if existed else asset_tables.columns_of_new(wanted),
        makes=[],
        execution_rid=None,
        next_step=f'Store files in it from a run: exe.asset_file_path("{name}", "file name")',
    )
    if existed:
        return answer
    with asset_tables.default_schema(ml, place.name):
        definitions = asset_tables.definitions(ml, place, name, wanted)
        answer.makes = asset_tables.makes(ml, place, name)
        if not dry_run:
            with recorded(call, f"Table {place.name}:{name} for files", "Ingest") as writes:
                asset_tables.make(ml, writes, place, name, columns=definitions, comment=comment)
            answer.created, answer.execution_rid = True, writes.rid
    return answer


def _asset_table(ml: DerivaML, name: str) -> Table:
    """The asset table of a name.

    Raises:
        ToolError: There is none.
    """
    known = [table.name for table in ml.list_asset_tables()]
    try:
        table = table_of(ml, name)
    except ToolError as error:
        error.candidates = nearest(name, known) or error.candidates
        raise
    if not ml.model.is_asset(table):
        raise ToolError(
            Code.BAD_ARGUMENT, f"{table.name} holds no files.", candidates=nearest(name, known) or known[:12]
        )
    return table


def _type(ml: DerivaML, name: str) -> str:
    """The term of Asset_Type of a name or synonym.

    Raises:
        ToolError: There is none.
    """
    from deriva_ml_kit.mainline import DerivaMLInvalidTerm  # noqa: PLC0415  (takes seconds)

    try:
        return str(ml.lookup_term("Asset_Type", name).name)
    except DerivaMLInvalidTerm:
        known = [str(term.name) for term in ml.list_vocabulary_terms("Asset_Type")]
        raise not_found("asset type", name, known) from None
