"""What a DerivaML does with assets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from deriva.core import tag, urlquote
from deriva.core.ermrest_model import Table
from deriva_ml.core.base import DerivaML as ReleasedDerivaML
from deriva_ml.core.definitions import MLVocab
from deriva_ml.core.ermrest import ColumnDefinition

from deriva_ml_kit.mainline.asset import cached, creating, links
from deriva_ml_kit.mainline.asset.asset import Asset
from deriva_ml_kit.mainline.asset.cached import CachedAsset
from deriva_ml_kit.mainline.asset.listing import assets
from deriva_ml_kit.mainline.asset.records import AssetRecord, asset_record_class
from deriva_ml_kit.mainline.catalog.rids import tables_of
from deriva_ml_kit.mainline.catalog.rows import table_name
from deriva_ml_kit.mainline.catalog.single import row_of
from deriva_ml_kit.mainline.errors import DerivaMLDataError, DerivaMLNotFoundError
from deriva_ml_kit.mainline.execution.record import ExecutionRecord, records_of

# Schemas that every catalog has: neither the domain's nor DerivaML's.
NOT_DOMAIN = frozenset({"public", "www", "WWW"})

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML


class AssetMethods(ReleasedDerivaML):  # type: ignore[misc]  # the release is untyped
    """What a DerivaML does with assets."""

    def create_asset(  # noqa: PLR0917  (main line's signature)
        self: DerivaML,
        asset_name: str,
        column_defs: Iterable[ColumnDefinition] | None = None,
        fkey_defs: Iterable[Any] | None = None,
        referenced_tables: Iterable[Table | str] | None = None,
        comment: str = "",
        schema: str | None = None,
        update_navbar: bool = True,
    ) -> Table:
        """Make an asset table, with the tables that link it to types and executions.

        Args:
            asset_name: Name of the table, and of the type that its assets have by default.
            column_defs: Columns of metadata.
            fkey_defs: Foreign keys among them.
            referenced_tables: Tables that each asset refers to.
            comment: What the assets are.
            schema: Schema of the table; the domain's where not given.
            update_navbar: Show it in the menu of the catalog's pages.

        Raises:
            DerivaMLFaults: Everything that is wrong with it; nothing was written.
        """
        columns, referenced = list(column_defs or ()), list(referenced_tables or ())
        creating.refuse_faulty(self.model, asset_name, schema or self.domain_schema, columns, referenced)
        tables = [self.model.name_to_table(table) for table in referenced]
        table = ReleasedDerivaML.create_asset(self, asset_name, columns, fkey_defs, tables, comment, schema)
        if update_navbar:
            self._update_navbar()
        return table

    def create_asset_table(  # noqa: PLR0917  (main line's signature)
        self: DerivaML,
        asset_name: str,
        additional_columns: Sequence[ColumnDefinition] = (),
        comment: str | None = None,
        schema: str | None = None,
        use_hatrac: bool = True,
        update_navbar: bool = True,
    ) -> Table:
        """Make an asset table: `create_asset` under main line's newer name.

        Args:
            asset_name: Name of the table, and of the type that its assets have by default.
            additional_columns: Columns of metadata.
            comment: What the assets are.
            schema: Schema of the table; the domain's where not given.
            use_hatrac: Let the catalog's web interface store files that are uploaded there; without, it asks for a URL.
            update_navbar: Show it in the menu of the catalog's pages.

        Raises:
            DerivaMLFaults: Everything that is wrong with it; nothing was written.
        """
        table = self.create_asset(
            asset_name, additional_columns, comment=comment or "", schema=schema, update_navbar=update_navbar
        )
        if not use_hatrac:
            del table.columns["URL"].annotations[tag.asset]["url_pattern"]
            table.apply()
        return table

    def asset_record_class(self: DerivaML, asset_table_name: str) -> type[AssetRecord]:
        """The class of an asset table's metadata, for `Execution.asset_file_path`.

        Raises:
            DerivaMLTableNotFound: There is no such table.
            DerivaMLTableTypeError: It is no asset table.
        """
        return asset_record_class(self.model, asset_table_name)

    def list_asset_tables(self: DerivaML) -> list[Table]:
        """All asset tables: the domain's, then DerivaML's own."""
        found = [table for table in self.model.find_assets() if table.schema.name not in NOT_DOMAIN]
        return sorted(found, key=lambda table: (table.schema.name == self.ml_schema, table.schema.name, table.name))

    def lookup_asset(self: DerivaML, asset_rid: str) -> Asset:
        """The asset of a RID.

        Raises:
            DerivaMLNotFoundError: There is no such RID.
            DerivaMLDataError: It is no asset's.
        """
        table = self._asset_table_of(asset_rid)
        path = f"{table_name(table.schema.name, table.name)}/RID={urlquote(asset_rid, '')}"
        return next(assets(self, table, path))

    def list_assets(self: DerivaML, asset_table: Table | str) -> list[Asset]:
        """All assets of a table, by RID. (The release gives rows instead.)

        Raises:
            DerivaMLTableNotFound: There is no such table.
            DerivaMLDataError: It is no asset table.
        """
        return list(assets(self, self._asset_table(asset_table)))

    def find_assets(
        self: DerivaML, asset_table: Table | str | None = None, asset_type: str | None = None
    ) -> Iterator[Asset]:
        """The assets of a table, or of all, that have a type, or any.

        Args:
            asset_table: Only assets of this table.
            asset_type: Only assets with this term of Asset_Type.

        Raises:
            DerivaMLTableNotFound: There is no such table.
            DerivaMLDataError: It is no asset table.
            DerivaMLInvalidTerm: There is no such type.
        """
        tables = self.list_asset_tables() if asset_table is None else [self._asset_table(asset_table)]
        if asset_type is None:
            return (asset for table in tables for asset in assets(self, table))
        name = self.lookup_term(MLVocab.asset_type, asset_type).name
        linked = [link for table in tables if (link := links.type_link(table))]
        return (asset for link in linked for asset in assets(self, link.asset_table, link.assets_of(name)))

    def list_asset_executions(self: DerivaML, asset_rid: str, asset_role: str | None = None) -> list[ExecutionRecord]:
        """The executions that made or used an asset, oldest first.

        Args:
            asset_rid: RID of the asset.
            asset_role: Only those that had it as `Input`, or as `Output`.

        Raises:
            DerivaMLNotFoundError: There is no such RID.
            DerivaMLDataError: It is no asset's.
            DerivaMLInvalidTerm: There is no such role.
        """
        asset = Asset(self, asset_rid, self._asset_table_of(asset_rid))
        return records_of(self, asset._executions(self._role(asset_role)))

    def list_execution_assets(self: DerivaML, execution_rid: str, asset_role: str | None = None) -> list[Asset]:
        """The assets that an execution made or used, by table and RID.

        Args:
            execution_rid: RID of the execution.
            asset_role: Only those that it had as `Input`, or as `Output`.

        Raises:
            DerivaMLNotFoundError: There is no such execution.
            DerivaMLInvalidTerm: There is no such role.
        """
        role = self._role(asset_role)
        further = f"&Asset_Role={urlquote(role, '')}" if role else ""
        linked = [link for table in self.list_asset_tables() if (link := links.execution_link(table))]
        found = [
            asset for link in linked for asset in assets(self, link.asset_table, link.assets_of(execution_rid, further))
        ]
        if not found:
            row_of(self, "Execution", execution_rid)
        return found

    def list_cached_assets(self: DerivaML) -> list[CachedAsset]:
        """Files of assets that are kept on this disk for later executions, by RID; see `AssetSpec.cache`."""
        return list(cached.cached(self.cache_dir))

    def delete_cached_asset(self: DerivaML, rid: str, md5: str | None = None) -> dict[str, int]:
        """Remove an asset's files from the cache folder; the catalog keeps them.

        Args:
            rid: RID of the asset.
            md5: Only the file with this checksum.

        Returns:
            `assets_removed` and `bytes_freed`; zeros if there was nothing.
        """
        return cached.delete(self.cache_dir, rid, md5)

    def _role(self, role: str | None) -> str | None:
        return None if role is None else str(self.lookup_term(MLVocab.asset_role, role).name)

    def _asset_table(self: DerivaML, table: Table | str) -> Table:
        found = self.model.name_to_table(table)
        if not self.model.is_asset(found):
            known = ", ".join(other.name for other in self.list_asset_tables())
            raise DerivaMLDataError(f"{found.name} is not an asset table; there are: {known}.")
        return found

    def _asset_table_of(self: DerivaML, rid: str) -> Table:
        table = tables_of(self, [rid]).get(rid)
        if table is None:
            raise DerivaMLNotFoundError(f"Catalog {self.catalog_id} on {self.host_name} has no RID {rid}.")
        if not self.model.is_asset(table):
            raise DerivaMLDataError(f"{rid} is a row of {table.name}, which is not an asset table.")
        return table
