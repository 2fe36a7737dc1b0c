"""What a DerivaML does with tables: make them, and show them in the catalog's menu."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import requests
from deriva.core import tag, urlquote
from deriva.core.ermrest_model import Key, Schema, Table, make_id
from deriva_ml.core.base import DerivaML as ReleasedDerivaML
from deriva_ml.core.definitions import TableDefinition
from deriva_ml.schema.annotations import catalog_annotation

from deriva_ml_kit.mainline.catalog.rows import said
from deriva_ml_kit.mainline.errors import DerivaMLConfigurationError, DerivaMLTableNotFound
from deriva_ml_kit.nearest import remedy

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML

logger = logging.getLogger("deriva_ml_kit")


class SchemaMethods(ReleasedDerivaML):  # type: ignore[misc]  # the release is untyped
    """What a DerivaML does with tables."""

    def create_vocabulary(
        self: DerivaML, vocab_name: str, comment: str = "", schema: str | None = None, update_navbar: bool = True
    ) -> Table:
        """Make a table of terms.

        Args:
            vocab_name: Its name.
            comment: What it is for.
            schema: Schema of the table; the default one where not given.
            update_navbar: Show it in the menu of the catalog's pages.

        Raises:
            DerivaMLConfigurationError: There is a table of this name, or no such schema.
        """
        definition = Table.define_vocabulary(vocab_name, f"{self.project_name}:{{RID}}", comment=comment)
        return self._create(definition, schema, update_navbar)

    def create_table(
        self: DerivaML, table: TableDefinition | dict[str, Any], schema: str | None = None, update_navbar: bool = True
    ) -> Table:
        """Make a table.

        Args:
            table: A TableDefinition, or what `Table.define…` of deriva or `define_association` give.
            schema: Schema of the table; the default one where not given.
            update_navbar: Show it in the menu of the catalog's pages.

        Raises:
            DerivaMLConfigurationError: There is a table of this name, or no such schema.
        """
        return self._create(table if isinstance(table, dict) else table.model_dump(), schema, update_navbar)

    def define_association(
        self,
        associates: list[Any],
        metadata: list[Any] | None = None,
        table_name: str | None = None,
        comment: str | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """The definition of a table that links rows of others, for `create_table`.

        Args:
            associates: Tables, or pairs of a column's name and a table. Terms are referred to by name, rows by RID.
            metadata: Further columns, or tables to refer to.
            table_name: Name of the table; made of theirs where not given.
            comment: What it is for.
            **kwargs: As for deriva's `Table.define_association`.
        """
        definition: dict[str, Any] = Table.define_association(
            [self._by_rid(associate) for associate in associates],
            metadata=[self._by_rid(further) for further in metadata or []],
            table_name=table_name or make_id(*(_table_of(associate).name for associate in associates)),
            comment=comment,
            **kwargs,
        )
        return definition

    def apply_catalog_annotations(
        self: DerivaML, navbar_brand_text: str = "ML Data Browser", head_title: str = "Catalog ML"
    ) -> None:
        """Set how the catalog's pages look: a menu of the tables that there are now, and settings for uploads.

        Args:
            navbar_brand_text: Text beside the menu.
            head_title: Title of the pages.

        Raises:
            requests.HTTPError: Whoever is logged in does not own the catalog.
        """
        made = _Annotations(self.model, self.domain_schema)
        catalog_annotation(made)
        pages = made.annotations[tag.chaise_config]
        pages |= {"navbarBrandText": navbar_brand_text, "headTitle": head_title}
        for name, value in made.annotations.items():
            self.catalog.put(f"/annotation/{urlquote(name, '')}", json=value)
        self.model.model.annotations.update(made.annotations)

    def _create(self: DerivaML, definition: dict[str, Any], schema: str | None, update_navbar: bool) -> Table:
        place = self._schema(schema)
        name = definition["table_name"]
        if name in place.tables:
            raise DerivaMLConfigurationError(f"There is a table {name} in schema {place.name} already.")
        if name in self.model.schemas[self.ml_schema].tables:
            # Its tables are found by name alone, the domain's first: no execution could be recorded any more.
            raise DerivaMLConfigurationError(f"DerivaML has a table {name} of its own.", remedy="Choose another name.")
        table = place.create_table(definition)
        if update_navbar:
            self._update_navbar()
        return table

    def _schema(self: DerivaML, name: str | None) -> Schema:
        name = name or self.domain_schema
        if name not in self.model.schemas:
            known = self.model.schemas
            raise DerivaMLTableNotFound(name, "Schema not found", remedy=remedy(name, known))
        return self.model.schemas[name]

    def _by_rid(self: DerivaML, associate: Any) -> Any:
        """What is to be referred to, by RID if it is a table of rows; deriva would take a column Name or ID."""
        *named, target = associate if isinstance(associate, tuple) else (associate,)
        if not isinstance(target, Table) or self.model.is_vocabulary(target):
            return associate
        return (*(named or [target.name]), target.key_by_columns(["RID"]))

    def _update_navbar(self) -> None:
        """Show new tables in the menu, where that is allowed: the tables are there anyway."""
        try:
            self.apply_catalog_annotations()
        except (requests.HTTPError, DerivaMLConfigurationError) as error:
            logger.info("The menu of the catalog's pages stays as it is: %s", said(error))


def _table_of(associate: Any) -> Table:
    target = associate[-1] if isinstance(associate, tuple) else associate
    return target.table if isinstance(target, Key) else target


class _Annotations:
    """A model whose catalog's annotations are made, but not sent, so that nothing else is sent with them."""

    def __init__(self, model: Any, domain_schema: str) -> None:
        self._model = model
        self.domain_schema = domain_schema
        self.annotations: dict[str, Any] = {}

    def apply(self) -> None:
        """Nothing."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)
