"""Tables whose rows can be members of datasets, and the tables that say which are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deriva.core import urlquote
from deriva.core.ermrest_model import Table

from deriva_ml_kit.mainline.catalog.paths import domain_schemas
from deriva_ml_kit.mainline.catalog.rows import table_name

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML


@dataclass(frozen=True)
class ElementType:
    """A table whose rows can be members.

    Attributes:
        table: The table.
        links: Table that links datasets with its rows.
        dataset_column: Column of `links` with the dataset's RID.
        member_column: Column of `links` that refers to the row.
        key_column: Column of `table` that it refers to.
    """

    table: Table
    links: Table
    dataset_column: str
    member_column: str
    key_column: str

    @property
    def links_path(self) -> str:
        """`schema:table` of the links, for a request."""
        return table_name(self.links.schema.name, self.links.name)

    @property
    def members_path(self) -> str:
        """The step from links to members, for a request."""
        there = f"{table_name(self.table.schema.name, self.table.name)}:{urlquote(self.key_column, '')}"
        return f"({urlquote(self.member_column, '')})=({there})"


def element_types(ml: DerivaML) -> list[ElementType]:
    """All element types: datasets, files, and the domain's that were added; the domain's first."""
    model = ml.model
    tables = model.schemas[ml.ml_schema].tables
    dataset, own = tables["Dataset"], {tables[name] for name in ("Dataset", "File") if name in tables}
    domain = domain_schemas(model)
    found = []
    for links in dataset.find_associations():
        to_member = next(iter(links.other_fkeys))
        of_dataset = links.self_fkey
        if to_member.pk_table is dataset and to_member.foreign_key_columns[0].name == "Dataset":
            to_member, of_dataset = of_dataset, to_member
        table = to_member.pk_table
        if table in own or table.schema.name in domain:
            columns = [
                of_dataset.foreign_key_columns[0].name,
                to_member.foreign_key_columns[0].name,
                to_member.referenced_columns[0].name,
            ]
            found.append(ElementType(table, links.table, *columns))
    return sorted(found, key=lambda kind: (kind.table.schema.name == ml.ml_schema, kind.table.name))
