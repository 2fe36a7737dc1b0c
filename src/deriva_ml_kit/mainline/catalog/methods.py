"""What a DerivaML says about its catalog and reads from it, whatever the table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd
import requests
from deriva.core import ErmrestSnapshot, urlquote
from deriva.core.datapath import _CatalogWrapper
from deriva.core.ermrest_model import Table
from deriva_ml.core.base import DerivaML as ReleasedDerivaML
from deriva_ml.core.definitions import DRY_RUN_RID

from deriva_ml_kit.mainline.catalog.paged import paged
from deriva_ml_kit.mainline.catalog.rids import tables_of
from deriva_ml_kit.mainline.catalog.rows import Row, table_name
from deriva_ml_kit.mainline.errors import DerivaMLDataError, DerivaMLTableNotFound

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML


class PathBuilder(_CatalogWrapper):  # type: ignore[misc]  # deriva is untyped
    """Queries of a catalog; called, it gives itself, so that `ml.pathBuilder` and `ml.pathBuilder()` are the same."""

    def __call__(self) -> PathBuilder:
        """The same."""
        return self


class CatalogMethods(ReleasedDerivaML):  # type: ignore[misc]  # the release is untyped
    """What a DerivaML says about its catalog and reads from it, whatever the table."""

    @property
    def pathBuilder(self) -> PathBuilder:
        """Queries of the catalog: `ml.pathBuilder.schemas[…]`, or main line's `ml.pathBuilder().schemas[…]`."""
        return PathBuilder(self.catalog)

    def is_snapshot(self) -> bool:
        """Whether this is the catalog as it was at some time."""
        return isinstance(self.catalog, ErmrestSnapshot)

    def whoami(self) -> dict[str, Any] | None:
        """Who is logged in, as the host says: `id`, `display_name`, `full_name`, `email`; None if nobody is.

        Raises:
            requests.HTTPError: The host cannot say.
        """
        try:
            session = self.catalog.get_authn_session().json()
        except requests.HTTPError as error:
            if error.response is not None and error.response.status_code in (401, 404):
                return None
            raise
        client: dict[str, Any] | None = session.get("client")
        return client

    def is_authenticated(self) -> bool:
        """Whether somebody is logged in; which rights that gives is another question."""
        return self.whoami() is not None

    def chaise_url(self: DerivaML, table: str | Table) -> str:
        """Address of the page that shows a table, or the row of a RID.

        Raises:
            DerivaMLTableNotFound: The catalog has neither a table nor a row of this name.
        """
        pages = f"https://{self.host_name}/chaise"
        catalog = f"#{self.catalog_id}"
        try:
            found = self.model.name_to_table(table)
        except DerivaMLTableNotFound:
            holding = tables_of(self, [table]).get(table)
            if holding is None:
                raise
            place = table_name(holding.schema.name, holding.name)
            return f"{pages}/record/{catalog}/{place}/RID={urlquote(table)}"
        return f"{pages}/recordset/{catalog}/{table_name(found.schema.name, found.name)}"

    def cite(self: DerivaML, entity: Mapping[str, Any] | str, current: bool = False) -> str:
        """Address under which a row can be cited.

        Args:
            entity: RID, or a row with it; an address is handed back.
            current: The row as it will be, not as it is now.

        Raises:
            DerivaMLDataError: The row has no RID, or the catalog has no such row.
        """
        number, _, snapshot = str(self.catalog_id).partition("@")
        place = f"https://{self.host_name}/id/{number}/"
        rid = entity if isinstance(entity, str) else entity.get("RID")
        if rid is None:
            raise DerivaMLDataError(f"The row {dict(entity)} has no RID.")  # type: ignore[arg-type]  # no text
        if rid.startswith(place):
            return rid
        if rid == DRY_RUN_RID:
            return f"dry-run (rid={rid})"
        if rid not in tables_of(self, [rid]):
            raise DerivaMLDataError(f"Catalog {self.catalog_id} on {self.host_name} has no row {rid}.")
        return place + rid if current else f"{place}{rid}@{snapshot or self.catalog.latest_snapshot().snaptime}"

    def get_table_as_dict(self: DerivaML, table: str) -> Iterator[Row]:
        """Yield the rows of a table, read by pages.

        Raises:
            DerivaMLTableNotFound: The catalog has no such table.
        """
        found = self.model.name_to_table(table)
        return paged(self.catalog, table_name(found.schema.name, found.name))

    def get_table_as_dataframe(self: DerivaML, table: str) -> pd.DataFrame:
        """The rows of a table, one column each.

        Raises:
            DerivaMLTableNotFound: The catalog has no such table.
        """
        columns = [column.name for column in self.model.name_to_table(table).columns]
        return pd.DataFrame(self.get_table_as_dict(table), columns=columns)
