"""How an asset table is linked with the types of its assets, and with the executions that made or used them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deriva.core import urlquote
from deriva.core.ermrest_model import Table

from deriva_ml_kit.mainline.catalog.rows import table_name


@dataclass(frozen=True)
class Link:
    """A table that links an asset table with Asset_Type or Execution.

    Attributes:
        asset_table: The asset table.
        table: The linking table.
        asset: Its column with the RID of the asset.
        other: Its column with the type, or with the RID of the execution.
    """

    asset_table: Table
    table: Table
    asset: str
    other: str

    @property
    def path(self) -> str:
        """The linking table in a request path."""
        return table_name(self.table.schema.name, self.table.name)

    @property
    def from_asset(self) -> str:
        """The step from the asset table to the linking table."""
        return f"/(RID)=({self.path}:{urlquote(self.asset, '')})"

    def assets_of(self, value: str, further: str = "") -> str:
        """Path of the assets that are linked with a type, or with an execution."""
        asset = table_name(self.asset_table.schema.name, self.asset_table.name)
        where = f"{self.path}/{urlquote(self.other, '')}={urlquote(value, '')}{further}"
        return f"{where}/({urlquote(self.asset, '')})=({asset}:RID)"


def link(asset_table: Table, other: str, *, needs: str | None = None) -> Link | None:
    """The table that links an asset table with another one, if there is one.

    Args:
        asset_table: The asset table.
        other: Name of the other table.
        needs: A column that the linking table must have.
    """
    found: list[Any] = [
        Link(asset_table, each.table, _column(each.self_fkey), _column(far))
        for each in asset_table.find_associations(pure=False)
        for far in each.other_fkeys
        if far.pk_table.name == other and (needs is None or needs in each.table.columns.elements)
    ]
    named = f"{asset_table.name}_{other}"
    return min(found, key=lambda each: (each.table.name != named, each.table.name), default=None)


def type_link(asset_table: Table) -> Link | None:
    """The table of an asset table's types."""
    return link(asset_table, "Asset_Type")


def execution_link(asset_table: Table) -> Link | None:
    """The table of the executions that made or used the assets of a table."""
    return link(asset_table, "Execution", needs="Asset_Role")


def _column(key: Any) -> str:
    return str(key.foreign_key_columns[0].name)
