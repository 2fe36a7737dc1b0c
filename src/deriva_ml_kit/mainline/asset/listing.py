"""Many assets at once, with their types and the executions that made them: three requests a table, however many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from deriva.core.ermrest_model import Table

from deriva_ml_kit.mainline.asset.asset import Asset
from deriva_ml_kit.mainline.asset.links import Link, execution_link, type_link
from deriva_ml_kit.mainline.catalog.paged import paged
from deriva_ml_kit.mainline.catalog.rows import table_name

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML


def assets(ml: DerivaML, table: Table, path: str | None = None) -> Iterator[Asset]:
    """Yield assets of one table by RID.

    Args:
        ml: The catalog.
        table: The asset table.
        path: Request path that ends at the table; all its rows where not given.
    """
    path = path or table_name(table.schema.name, table.name)
    rows = list(paged(ml.catalog, path))
    if not rows:
        return
    types = _linked(ml, path, type_link(table))
    makers = _linked(ml, path, execution_link(table), "/Asset_Role=Output")
    for row in rows:
        asset = Asset(
            ml,
            row["RID"],
            table,
            filename=row["Filename"] or "",
            url=row["URL"] or "",
            length=row["Length"],
            md5=row["MD5"] or "",
            description=row["Description"],
            asset_types=types.get(row["RID"], []),
            execution_rid=next(iter(makers.get(row["RID"], [])), None),
        )
        asset._execution_known = True
        yield asset


def _linked(ml: DerivaML, path: str, link: Link | None, further: str = "") -> dict[str, list[str]]:
    """Types, or executions, of each asset of a path, the oldest link first."""
    found: dict[str, list[str]] = {}
    if link is not None:
        wanted = ["RID", "RCT", link.asset, link.other]
        rows = paged(ml.catalog, f"{path}{link.from_asset}{further}", wanted=wanted)
        for row in sorted(rows, key=lambda row: (row["RCT"], row["RID"])):
            found.setdefault(row[link.asset], []).append(row[link.other])
    return found
