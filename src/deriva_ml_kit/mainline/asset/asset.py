"""`Asset`: a row of an asset table, its file, its types and its executions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from deriva.core import urlquote
from deriva.core.ermrest_model import Table
from deriva_ml.core.definitions import MLVocab

from deriva_ml_kit.mainline.asset import download, links
from deriva_ml_kit.mainline.catalog.paged import paged
from deriva_ml_kit.mainline.catalog.rows import insert, table_name
from deriva_ml_kit.mainline.catalog.single import refuse_snapshot
from deriva_ml_kit.mainline.errors import DerivaMLConfigurationError, DerivaMLNotFoundError
from deriva_ml_kit.mainline.feature.definition import Feature

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.execution.record import ExecutionRecord
    from deriva_ml_kit.mainline.ml import DerivaML


class Asset:
    """A file that the catalog describes; see `lookup_asset`, `list_assets` and `find_assets`.

    Args:
        catalog: The catalog.
        asset_rid: RID of the asset.
        asset_table: Its table.
        filename: Name of the file.
        url: Where the file is.
        length: Bytes of the file; None if the catalog does not say.
        md5: Its MD5 checksum, hexadecimal.
        description: What it is.
        asset_types: Names of its types; asked of the catalog when needed, if not given.
        execution_rid: Execution whose output it is; asked of the catalog when needed, if not given.
    """

    def __init__(  # noqa: PLR0917  (main line's signature)
        self,
        catalog: DerivaML,
        asset_rid: str,
        asset_table: str | Table,
        filename: str = "",
        url: str = "",
        length: int | None = None,
        md5: str = "",
        description: str | None = "",
        asset_types: list[str] | None = None,
        execution_rid: str | None = None,
    ) -> None:
        self._ml = catalog
        self._table: Table = catalog.model.name_to_table(asset_table)
        self._path = table_name(self._table.schema.name, self._table.name)
        self.asset_rid = asset_rid
        self.asset_table = str(self._table.name)
        self.filename = filename
        self.url = url
        self.length = length
        self.md5 = md5
        self._description = description
        self._types = asset_types
        self._execution_rid = execution_rid
        self._execution_known = execution_rid is not None

    def __repr__(self) -> str:
        return f"Asset({self.asset_rid}, {self.asset_table}, {self.filename!r})"

    @property
    def description(self) -> str | None:
        """What the asset is. Setting it changes the catalog.

        Raises:
            DerivaMLReadOnlyError: When set: the asset was read from a snapshot.
            DerivaMLNotFoundError: When set: the asset is gone.
        """
        return self._description

    @description.setter
    def description(self, value: str | None) -> None:
        refuse_snapshot(self._ml)
        row = {"RID": self.asset_rid, "Description": value}
        if not self._ml.catalog.put(f"/attributegroup/{self._path}/RID;Description", json=[row]).json():
            raise DerivaMLNotFoundError(f"Asset {self.asset_rid} is gone from {self.asset_table}.")
        self._description = value

    @property
    def asset_types(self) -> list[str]:
        """Names of its types."""
        if self._types is None:
            link = links.type_link(self._table)
            found = self._linked(link, [link.other]) if link else []
            self._types = [row[link.other] for row in found] if link else []
        return list(self._types)

    def add_asset_type(self, type_name: str) -> None:
        """Give the asset another type; nothing happens if it has it already.

        Args:
            type_name: Term of Asset_Type, or a synonym.

        Raises:
            DerivaMLInvalidTerm: There is no such type.
            DerivaMLReadOnlyError: The asset was read from a snapshot.
        """
        refuse_snapshot(self._ml)
        link = self._type_link()
        name = self._ml.lookup_term(MLVocab.asset_type, type_name).name
        row = {link.asset: self.asset_rid, link.other: name}
        insert(self._ml.catalog, link.table.schema.name, link.table.name, [row], skip_conflicts=True)
        self._types = None

    def remove_asset_type(self, type_name: str) -> None:
        """Take a type from the asset; nothing happens if it does not have it.

        Args:
            type_name: Name of the type.

        Raises:
            DerivaMLReadOnlyError: The asset was read from a snapshot.
        """
        refuse_snapshot(self._ml)
        link = self._type_link()
        try:
            self._ml.catalog.delete(f"/entity/{self._where(link)}&{urlquote(link.other, '')}={urlquote(type_name, '')}")
        except requests.HTTPError as error:
            if error.response.status_code != 404:  # nothing to delete
                raise
        self._types = None

    @property
    def execution_rid(self) -> str | None:
        """RID of the execution whose output the asset is; the first one, if later ones had the same file as output."""
        if not self._execution_known:
            made = self._executions("Output")
            self._execution_rid = made[0] if made else None
            self._execution_known = True
        return self._execution_rid

    def list_executions(self, asset_role: str | None = None) -> list[ExecutionRecord]:
        """The executions that made or used the asset, oldest first.

        Args:
            asset_role: Only those that had it as `Input`, or as `Output`.
        """
        return self._ml.list_asset_executions(self.asset_rid, asset_role)

    def find_features(self) -> list[Feature]:
        """The features of the asset's table."""
        return self._ml.find_features(self._table)

    def get_metadata(self) -> dict[str, Any]:
        """All columns of the asset's row as it is now; nothing if it is gone."""
        rows = list(paged(self._ml.catalog, f"{self._path}/RID={urlquote(self.asset_rid, '')}"))
        return rows[0] if rows else {}

    def get_chaise_url(self) -> str:
        """Address of the asset's page in the catalog's web interface."""
        record = f"#{self._ml.catalog_id}/{self._path}/RID={self.asset_rid}"
        return f"https://{self._ml.host_name}/chaise/record/{record}"

    def download(self, dest_dir: Path | str) -> Path:
        """Fetch the file into a folder and verify it; no execution is told.

        Args:
            dest_dir: Folder for the file, made if it does not exist. A file of the same name is replaced.

        Returns:
            Path of the file.

        Raises:
            DerivaMLNotFoundError: The host does not store the file.
            DerivaMLDataError: What was fetched is not what the catalog describes.
        """
        return download.fetch(self._ml, self, Path(dest_dir))

    def _executions(self, role: str | None) -> list[str]:
        """RIDs of the executions that made or used the asset, oldest first."""
        link = links.execution_link(self._table)
        if link is None:
            return []
        further = f"&Asset_Role={urlquote(role, '')}" if role else ""
        found = self._linked(link, [link.other, "RCT"], further)
        return [row[link.other] for row in sorted(found, key=lambda row: (row["RCT"], row["RID"]))]

    def _linked(self, link: links.Link, wanted: list[str], further: str = "") -> list[dict[str, Any]]:
        return list(paged(self._ml.catalog, f"{self._where(link)}{further}", wanted=["RID", *wanted]))

    def _where(self, link: links.Link) -> str:
        return f"{link.path}/{urlquote(link.asset, '')}={urlquote(self.asset_rid, '')}"

    def _type_link(self) -> links.Link:
        link = links.type_link(self._table)
        if link is None:
            raise DerivaMLConfigurationError(f"Assets of {self.asset_table} have no types.")
        return link
