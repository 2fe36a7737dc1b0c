"""Datasets on this disk: how large they are, and which versions are there."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from deriva_ml_kit.tools.answers import Answer, Page
from deriva_ml_kit.tools.call import Call
from deriva_ml_kit.tools.datasets.queries import living_row, named_version, unknown
from deriva_ml_kit.tools.failure import Code, ToolError
from deriva_ml_kit.tools.paging import no_cursor
from deriva_ml_kit.tools.registry import Effect, tool
from deriva_ml_kit.tools.types import Cursor, DatasetRid, Limit, Name, Version

WARM_CACHE = "src/scripts/warm_cache.py"


class BagTable(BaseModel):
    """How much of a table a dataset version holds."""

    row_count: int
    is_asset: bool
    asset_bytes: int
    csv_bytes: int


class BagInfo(Answer):
    """How large a dataset version is, and whether it is on this disk."""

    dataset_rid: str
    version: str
    status: str = Field(
        description="not_cached, cached_metadata_only (rows without files), cached_materialized (all of it), "
        "or cached_holey (files are missing); of exactly this version"
    )
    cache_path: str | None = Field(description="Folder of the bag")
    cached_versions: list[str] = Field(description="Versions of the dataset that are on this disk")
    total_rows: int
    total_asset_bytes: int
    total_asset_size: str
    total_csv_bytes: int = Field(description="Reckoned from the first rows")
    total_csv_size: str
    total_estimated_bytes: int
    total_estimated_size: str
    tables: dict[str, BagTable] = Field(description="Tables of which it holds rows")


class CachedBagEntry(BaseModel):
    """A dataset version on this disk."""

    dataset_rid: str
    version: str | None
    status: str
    size_bytes: int | None
    built_at: str = Field(description="When it was fetched")
    path: str
    checksum: str


class CachedBags(Page):
    """Dataset versions on this disk, those fetched last first."""

    ROWS: ClassVar[str] = "bags"

    cache_dir: str
    bags: list[CachedBagEntry]


@tool("Size and cache status of a dataset version", Effect.READ, seconds=300)
def deriva_ml_bag_info(
    call: Call,
    *,
    dataset_rid: DatasetRid,
    version: Annotated[Version | None, Field(description="The newest released version where not given")] = None,
    exclude_tables: Annotated[
        list[Name] | None, Field(description="Tables that no way to its rows shall pass; they make it smaller")
    ] = None,
) -> BagInfo:
    """Rows, files and bytes of a dataset version by table, and whether exactly this version is on this disk; nothing is
    fetched. Call it before a run: what is not cached is better fetched beforehand, by the command in next_step.
    """
    from deriva_ml_kit.mainline import DatasetSpec  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline.bag.stored import entries  # noqa: PLC0415
    from deriva_ml_kit.mainline.dataset.periods import versions_of  # noqa: PLC0415

    ml = call.ml
    living_row(call, dataset_rid)
    found = versions_of(ml, dataset_rid)
    if version is None and not found.released:
        raise ToolError(
            Code.CONFLICT,
            f"Dataset {dataset_rid} has no released version.",
            remedy=call.example("deriva_ml_release_dataset", dataset_rid=dataset_rid, bump="minor"),
        )
    wanted = named_version(call, found, version) if version else found.newest
    excluded = _tables(call, exclude_tables) if exclude_tables else None
    info = ml.bag_info(DatasetSpec(rid=dataset_rid, version=wanted, exclude_tables=excluded))
    there = [entry.version for entry in entries(ml.cache_dir) if entry.rid == dataset_rid]
    if wanted.is_devrelease:
        following = call.example("deriva_ml_release_dataset", dataset_rid=dataset_rid, bump="minor")
    elif info["status"] == "cached_materialized":
        following = call.example(
            "deriva_ml_denormalize_dataset", dataset_rid=dataset_rid, version=str(wanted), limit=20
        )
    else:
        following = _fetch(call, dataset_rid, str(wanted))
    tables = {name: table for name, table in info["tables"].items() if table["row_count"]}
    return BagInfo.model_validate(
        info
        | {
            "dataset_rid": dataset_rid,
            "version": str(wanted),
            "cached_versions": list(dict.fromkeys(there)),
            "tables": tables,
            "next_step": following,
        }
    )


@tool("List the dataset versions on this disk", Effect.READ)
def deriva_ml_list_cached_bags(
    call: Call,
    *,
    dataset_rid: Annotated[DatasetRid | None, Field(description="Only versions of this dataset")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> CachedBags:
    """Dataset versions of the catalog that are on this disk, with size, folder and whether their files are all there.

    It looks at the disk only: the catalog need not be running.
    """
    from deriva_ml_kit.mainline.bag.stored import cached_bag, entries  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline.catalog.folders import default_cache_dir  # noqa: PLC0415

    if cursor is not None and not (cursor.isascii() and cursor.isdecimal()):
        raise no_cursor(cursor)
    first = int(cursor or 0)
    folder = default_cache_dir(call.hostname, call.catalog_id)
    found = [entry for entry in entries(folder) if dataset_rid in (None, entry.rid)]
    bags = []
    for number, entry in enumerate(found[first : first + limit]):
        call.progress(number, min(limit, len(found)), f"looking at {entry.rid}@{entry.version}")
        bag = cached_bag(entry)
        facts = bag.model_dump(mode="json")
        bags.append(CachedBagEntry.model_validate(facts | {"status": bag.status.value}))
    return CachedBags.of(
        bags,
        total=len(found),
        cursor=lambda n: str(first + n + 1),
        more=first + len(bags) < len(found),
        cache_dir=str(folder),
        next_step=None if found else call.example("deriva_ml_bag_info", dataset_rid=dataset_rid or "…"),
    )


def _tables(call: Call, names: list[str]) -> set[str]:
    """Names of tables without their schemas, as the ways through the schema have them."""
    schemas = call.ml.model.model.schemas.values()
    known = {form for schema in schemas for name in schema.tables for form in (name, f"{schema.name}:{name}")}
    if missing := [name for name in names if name not in known]:
        raise unknown("table", missing, {name.rpartition(":")[2] for name in known})
    return {name.rpartition(":")[2] for name in names}


def _fetch(call: Call, rid: str, version: str) -> str:
    """The command that fetches a version to this disk."""
    command = (
        f"uv run python {WARM_CACHE} --hostname {call.hostname} --catalog-id {call.catalog_id} "
        f"--dataset-rid {rid} --version {version}"
    )
    there = (call.project / WARM_CACHE).exists()
    return command if there else f"{command} (copy the script from the skill manage-deriva-storage first)"
