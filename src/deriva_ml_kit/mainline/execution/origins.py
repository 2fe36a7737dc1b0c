"""Which executions made assets, used assets, and made the members of datasets: for many at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests
from deriva.core import ErmrestSnapshot, urlquote
from deriva.core.ermrest_model import Table

from deriva_ml_kit.mainline.asset.links import Link, execution_link
from deriva_ml_kit.mainline.catalog import transport
from deriva_ml_kit.mainline.catalog.lookup import LOOKUP_BATCH, rows_with
from deriva_ml_kit.mainline.catalog.rows import any_of, batches, table_name

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML

# A dataset, and the snapshot at which it is looked at; None for now.
When = tuple[str, str | None]


@dataclass(frozen=True)
class UsedAsset:
    """An asset as an input: RID, name of the file, table, and the execution that made it first."""

    rid: str
    filename: str | None
    table: str
    made_by: str | None


def of_assets(ml: DerivaML, table: Table, rids: Collection[str]) -> dict[str, list[str]]:
    """The executions that made assets of one table, the first one first."""
    link = execution_link(table)
    found: dict[str, list[str]] = defaultdict(list)
    if link is not None:
        links = rows_with(ml.catalog, link.table.schema.name, link.table.name, link.asset, rids)
        for row in sorted(links, key=lambda row: (str(row["RCT"]), str(row["RID"]))):
            if row["Asset_Role"] == "Output" and row[link.other]:
                found[row[link.asset]].append(row[link.other])
    return found


def inputs(ml: DerivaML, executions: Collection[str]) -> dict[str, list[UsedAsset]]:
    """The assets that executions used, by execution."""
    found: dict[str, list[UsedAsset]] = defaultdict(list)
    for link in _links(ml):
        table = link.asset_table
        used = [(row[link.other], row[link.asset]) for row in _used(ml, link, executions)]
        if not used:
            continue
        rids = {rid for _, rid in used}
        wanted = rows_with(ml.catalog, table.schema.name, table.name, "RID", rids, wanted=["RID", "Filename"])
        names = {row["RID"]: row["Filename"] for row in wanted}
        makers = of_assets(ml, table, rids)
        for execution, rid in sorted(used):
            found[execution].append(UsedAsset(rid, names.get(rid), table.name, next(iter(makers.get(rid, [])), None)))
    return found


def of_members(ml: DerivaML, datasets: Collection[When]) -> dict[When, set[str]]:
    """The executions that made the assets among the members of datasets, as they were at a snapshot.

    The server finds them by joins: no RID of a member is ever asked for.
    """
    found: dict[When, set[str]] = defaultdict(set)
    for snapshot in {when for _, when in datasets}:
        catalog = _at(ml, snapshot)
        rids = sorted(rid for rid, when in datasets if when == snapshot)
        for link in _links(ml):
            for membership in _memberships(ml, link.asset_table):
                for batch in batches(rids, LOOKUP_BATCH):
                    for row in _makers(catalog, membership, link, batch):
                        found[row["Dataset"], snapshot].add(row["Execution"])
    return found


def _makers(catalog: Any, membership: tuple[Table, str], link: Link, datasets: Collection[str]) -> list[dict[str, str]]:
    table, column = membership
    asset = table_name(link.asset_table.schema.name, link.asset_table.name)
    path = (
        f"/attributegroup/M:={table_name(table.schema.name, table.name)}/{any_of('Dataset', sorted(datasets))}"
        f"/({urlquote(column, '')})=({asset}:RID)/E:=(RID)=({link.path}:{urlquote(link.asset, '')})/Asset_Role=Output"
        f"/Dataset:=M:Dataset,Execution:=E:{urlquote(link.other, '')}"
    )
    try:
        rows: list[dict[str, str]] = catalog.get(path).json()
    except requests.HTTPError as error:
        if error.response.status_code in (404, 409):
            return []  # at that time there was no such table
        raise
    return [row for row in rows if row["Execution"]]


def _used(ml: DerivaML, link: Link, executions: Collection[str]) -> Iterator[dict[str, str]]:
    """The links of inputs; an execution may have a hundred thousand outputs, which are not asked for."""
    columns = f"{urlquote(link.other, '')},{urlquote(link.asset, '')}"
    for batch in batches(sorted(executions), LOOKUP_BATCH):
        path = f"/attribute/{link.path}/{any_of(link.other, batch)}/Asset_Role=Input/{columns}"
        yield from ml.catalog.get(path).json()


def _links(ml: DerivaML) -> Iterator[Link]:
    """The tables that link assets with executions."""
    for table in ml.list_asset_tables():
        if (link := execution_link(table)) is not None:
            yield link


def _memberships(ml: DerivaML, asset_table: Table) -> Iterator[tuple[Table, str]]:
    """The tables that make rows of an asset table members of datasets, with their column for the row."""
    dataset = ml.model.model.schemas[ml.ml_schema].tables["Dataset"]
    for each in dataset.find_associations():
        for key in each.other_fkeys:
            if key.pk_table is asset_table:
                yield each.table, str(key.foreign_key_columns[0].name)


def _at(ml: DerivaML, snapshot: str | None) -> Any:
    if snapshot is None or isinstance(ml.catalog, ErmrestSnapshot):
        return ml.catalog
    number = str(ml.catalog_id).partition("@")[0]
    then = ErmrestSnapshot("https", ml.host_name, number, snapshot.rpartition("@")[2], ml.credential)
    transport.install(then, ml.limits)
    return then
