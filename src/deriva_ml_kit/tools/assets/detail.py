"""One file: what made it and what used it, whether it is really there, and how to get it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from deriva_ml_kit.nearest import nearest
from deriva_ml_kit.tools import paging
from deriva_ml_kit.tools.answers import Answer
from deriva_ml_kit.tools.assets import rows as asset_rows
from deriva_ml_kit.tools.assets.rows import Wanted
from deriva_ml_kit.tools.call import Call
from deriva_ml_kit.tools.failure import ToolError
from deriva_ml_kit.tools.kinds import kind_of, stranger

if TYPE_CHECKING:
    from deriva.core.ermrest_model import Table

    from deriva_ml_kit.mainline import DerivaML

# Executions that are named; those that made the file come first.
SHOWN = 50


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


def detail(call: Call, asset_rid: str) -> AssetAnswer:
    """All that is known about a file.

    Raises:
        ToolError: There is no such file.
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
