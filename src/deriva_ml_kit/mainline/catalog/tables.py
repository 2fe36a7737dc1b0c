"""Finding a table by its name, in any schema of the catalog.

The release looks into one domain schema only, so that tables of a second one do not exist for it.
"""

from __future__ import annotations

from deriva.core.ermrest_model import Table
from deriva_ml.model.catalog import DerivaModel

from deriva_ml_kit import nearest
from deriva_ml_kit.mainline.errors import DerivaMLTableNotFound


class NamedTables:
    """Mixed into a model of the release: tables of every schema are found by name."""

    def name_to_table(self: DerivaModel, table: str | Table) -> Table:
        """The table of a name; where several schemas have one, the domain's own comes first, then deriva-ml's.

        Args:
            table: Name, or `schema:name`; a Table is handed back.

        Raises:
            DerivaMLTableNotFound: There is none, or the other schemas have several.
        """
        if isinstance(table, Table):
            return table
        schema, _, name = table.rpartition(":")
        schemas = {schema: self.model.schemas[schema]} if schema in self.model.schemas else self.model.schemas
        if schema and schema not in self.model.schemas:
            raise DerivaMLTableNotFound(table, remedy=f"Schemas: {', '.join(sorted(self.model.schemas))}.")
        for first in (self.domain_schema, self.ml_schema, "WWW"):
            if first in schemas and name in schemas[first].tables:
                return schemas[first].tables[name]
        found = [place.tables[name] for place in schemas.values() if name in place.tables]
        if len(found) == 1:
            return found[0]
        if found:
            forms = " or ".join(f"{one.schema.name}:{name}" for one in found)
            raise DerivaMLTableNotFound(table, "Several schemas have this table", remedy=f"Write {forms}.")
        known = [name for key, place in schemas.items() if key != "public" for name in place.tables]
        raise DerivaMLTableNotFound(table, remedy=nearest.remedy(name, known))
