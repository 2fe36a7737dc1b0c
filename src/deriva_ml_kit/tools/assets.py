"""Assets: the files that a catalog describes, what made and what used them, and new tables for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from deriva_ml_kit.nearest import nearest
from deriva_ml_kit.tools import asset_rows, asset_tables, paging
from deriva_ml_kit.tools.answers import Answer, Page
from deriva_ml_kit.tools.asset_rows import AssetRow, Wanted
from deriva_ml_kit.tools.call import Call
from deriva_ml_kit.tools.definition import ColumnSpec
from deriva_ml_kit.tools.described import SYSTEM
from deriva_ml_kit.tools.failure import Code, ToolError, not_found
from deriva_ml_kit.tools.kinds import kind_of, row_of, stranger
from deriva_ml_kit.tools.registry import Effect, also, tool
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

# Executions of one file that are named; those that made it come first.
SHOWN = 50
FILE_COLUMNS = ("URL", "Filename", "Description", "Length", "MD5")

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


class UsedBy(BaseModel):
    """An execution that made or used a file."""

    rid: str
    asset_role: str
    status: str
    description: str | None


class AssetAnswer(Answer):
    """A file."""

    rid: str
    filename: str | None
    length: int | None = Field(description="Bytes, as the catalog has it")
    md5: str | None
    url: str | None
    description: str | None
    asset_table: str
    asset_types: list[str]
    stored: bool | None = Field(
        description="Whether the object store holds it, in that length; None if it lies elsewhere or cannot be asked"
    )
    executions: list[UsedBy] = Field(description=f"Those that made it, then those that used it; the first {SHOWN}")
    executions_total: int
    metadata: dict[str, Any] = Field(description="Its table's further columns")
    created: str


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
    from deriva_ml_kit.mainline.catalog.rids import tables_of  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline.catalog.rows import table_name  # noqa: PLC0415

    ml = call.ml
    table = tables_of(ml, [asset_rid]).get(asset_rid)
    if table is None or not ml.model.is_asset(table):
        raise _no_asset(call, asset_rid)
    rows, _ = paging.part(ml.catalog, f"{table_name(table.schema.name, table.name)}/RID={asset_rid}", 1)
    row = rows[0]
    executions, total = _executions(ml, table, asset_rid)
    return AssetAnswer(
        rid=asset_rid,
        filename=row["Filename"],
        length=row["Length"],
        md5=row["MD5"],
        url=row["URL"],
        description=row["Description"],
        asset_table=table.name,
        asset_types=asset_rows.types_of(ml, table, [asset_rid]).get(asset_rid, []),
        stored=_stored(ml, row),
        executions=executions,
        executions_total=total,
        metadata={name: row[name] for name in sorted(ml.model.asset_metadata(table))},
        created=row["RCT"],
        next_step=f"Download it: {_download(call, asset_rid)}",
    )


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
        _refuse_other(ml, place.tables[name], wanted)
    answer = CreatedAssetTable(
        schema_name=place.name,
        table=name,
        created=False,
        existed=existed,
        dry_run=dry_run,
        columns=_columns_of(place.tables[name]) if existed else [*FILE_COLUMNS, *(each.name for each in wanted)],
        makes=[],
        execution_rid=None,
        next_step=f'Store files in it from a run: exe.asset_file_path("{name}", "file name")',
    )
    if existed:
        return answer
    with _default_schema(ml, place.name):
        definitions = asset_tables.definitions(ml, place, name, wanted)
        answer.makes = asset_tables.makes(ml, place, name)
        if not dry_run:
            with recorded(call, f"Table {place.name}:{name} for files", "Ingest") as writes:
                asset_tables.make(ml, writes, place, name, columns=definitions, comment=comment)
            answer.created, answer.execution_rid = True, writes.rid
    return answer


def _refuse_other(ml: DerivaML, table: Table, wanted: list[ColumnSpec]) -> None:
    """Make sure that a table that is there is the one that is asked for.

    Raises:
        ToolError: It is another.
    """
    there = {column.name: column.type.typename for column in table.columns}
    if not ml.model.is_asset(table):
        unlike = ["it holds no files"]
    else:
        unlike = [f"it has no column {each.name}" for each in wanted if each.name not in there]
        unlike += [
            f"{each.name} is of type {there[each.name]}, not {each.type}"
            for each in wanted
            if each.name in there and there[each.name] != each.type
        ]
    if unlike:
        raise ToolError(
            Code.CONFLICT,
            f"Schema {table.schema.name} has a table {table.name} already, and it is another: {'; '.join(unlike)}.",
            remedy="Give the new table another name, or ask for the one that is there.",
        )


def _no_asset(call: Call, rid: str) -> ToolError:
    """The error for a RID that is no file's."""
    kind = kind_of(call, rid)
    if kind == "Execution":
        made = asset_rows.search(call, call.ml.list_asset_tables(), Wanted(rid, "Output"), limit=3, cursor=None)
        own = [row.rid for row in made.rows]
        files = call.example("deriva_ml_list_assets", execution_rid=rid)
        return stranger(call, rid, "a file", own, remedy=f"Its files: {files}")
    if kind == "Dataset":
        members = call.example("deriva_ml_list_dataset_members", dataset_rid=rid)
        return stranger(call, rid, "a file", [], remedy=f"Its members: {members}")
    newest: list[str] = []
    for table in call.ml.list_asset_tables() if kind is None else []:
        newest += asset_rows.newest(call.ml, table)
    return stranger(call, rid, "a file", nearest(rid, newest), remedy="deriva_ml_list_assets lists them.")


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


def _executions(ml: DerivaML, table: Table, rid: str) -> tuple[list[UsedBy], int]:
    """The executions that made a file, then those that used it, and how many they are."""
    from deriva.core import urlquote  # noqa: PLC0415  (takes seconds)

    from deriva_ml_kit.mainline.asset.links import execution_link  # noqa: PLC0415
    from deriva_ml_kit.mainline.execution.status import read  # noqa: PLC0415

    link = execution_link(table)
    if link is None:
        return [], 0
    links = f"L:={link.path}/{urlquote(link.asset, '')}={rid}"
    path = f"{links}/E:=({urlquote(link.other, '')})=({ml.ml_schema}:Execution:RID)/$L"
    wanted = ["link:=L:RID", "RID:=E:RID", "role:=L:Asset_Role", "status:=E:Status", "description:=E:Description"]
    rows, _ = paging.part(ml.catalog, path, SHOWN, sort=("role::desc::", "link"), wanted=wanted)
    found = [
        UsedBy(rid=row["RID"], asset_role=row["role"], status=read(row["status"]).value, description=row["description"])
        for row in rows
    ]
    return found, len(found) if len(found) < SHOWN else paging.total(ml.catalog, path)


def _stored(ml: DerivaML, row: paging.Row) -> bool | None:
    """Whether the object store holds a file in the length that the catalog has."""
    import requests  # noqa: PLC0415  (takes time)

    from deriva_ml_kit.mainline.catalog.transport import object_store  # noqa: PLC0415  (takes seconds)

    path = (row["URL"] or "").removeprefix(f"https://{ml.host_name}")
    if not path.startswith("/hatrac/"):
        return None
    try:
        answer = object_store(ml.host_name, ml.credential, ml.limits).head(path)
    except requests.HTTPError as error:
        return False if error.response.status_code == 404 else None
    except requests.RequestException:
        return None
    return row["Length"] is None or int(answer.headers.get("Content-Length", -1)) == row["Length"]


def _download(call: Call, rid: str) -> str:
    """The command that fetches a file and verifies it."""
    catalog = f'DerivaML("{call.hostname}", "{call.catalog_id}")'
    code = f'from deriva_ml_kit.mainline import DerivaML; print({catalog}.lookup_asset("{rid}").download("outputs"))'
    return f"uv run python -c '{code}'"


def _columns_of(table: Table) -> list[str]:
    return [column.name for column in table.columns if column.name not in SYSTEM]


@contextmanager
def _default_schema(ml: DerivaML, name: str) -> Iterator[None]:
    """Where a project has several schemas of its own, let this one be the default: the links are made there."""
    before = ml.default_schema
    ml.default_schema = ml.model.domain_schema = before or name
    try:
        yield
    finally:
        ml.default_schema = ml.model.domain_schema = before
