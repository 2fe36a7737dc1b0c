"""Which tables RIDs belong to, asked for many at once.

The release asks once for each RID. Sources: ERMrest's api-doc, `GET …/entity_rid/RID`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests
from deriva.core import urlquote
from deriva.core.ermrest_model import Table
from deriva_ml.core.base import DerivaML as ReleasedDerivaML

from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.mainline.errors import DerivaMLRidsNotFound

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML

# Questions about single RIDs that may end with "no such RID" before every table is asked instead.
PROBES = 20


@dataclass
class BatchRidResult:
    """Where a RID belongs.

    Attributes:
        rid: The RID.
        table: Its table.
        table_name: Name of the table.
        schema_name: Name of the table's schema.
    """

    rid: str
    table: Table
    table_name: str
    schema_name: str


def tables_of(ml: DerivaML, rids: Iterable[str], candidate_tables: Iterable[Table] | None = None) -> dict[str, Table]:
    """The table of each RID; RIDs that the catalog does not hold are left out.

    The cost depends on how many tables the RIDs belong to, hardly on how many RIDs there are.

    Args:
        ml: The catalog.
        rids: Any number of RIDs.
        candidate_tables: Look in these only.
    """
    missing = set(rids)
    found: dict[str, Table] = {}
    tables = _likely_tables(ml, missing) if candidate_tables is None else iter(candidate_tables)
    for table in tables:
        here = rows_with(ml.catalog, table.schema.name, table.name, "RID", missing, wanted=["RID"])
        found |= {row["RID"]: table for row in here}
        missing.difference_update(found)
        if not missing:
            break
    return found


def _likely_tables(ml: DerivaML, missing: set[str]) -> Iterator[Table]:
    """Tables of RIDs that are still missing, found by asking for one RID after another; in the end all tables."""
    model = ml.model.model
    misses = 0
    for rid in sorted(missing):
        if rid not in missing:
            continue  # found in the table of an earlier one
        table = _table_of(ml.catalog, model, rid)
        if table is not None:
            yield table
            continue
        misses += 1
        if misses == PROBES:
            yield from (table for schema in model.schemas.values() for table in _with_rids(schema.tables.values()))
            return


def _with_rids(tables: Iterable[Table]) -> Iterator[Table]:
    return (table for table in tables if "RID" in table.columns.elements)


def _table_of(catalog: Any, model: Any, rid: str) -> Table | None:
    try:
        place = catalog.get(f"/entity_rid/{urlquote(rid, '')}").json()
    except requests.HTTPError as error:
        if error.response.status_code in (400, 404):
            return None
        raise
    schema = model.schemas.get(place["schema_name"])
    return schema.tables.get(place["table_name"]) if schema else None


class RidMethods(ReleasedDerivaML):  # type: ignore[misc]  # the release is untyped
    """What a DerivaML says about RIDs."""

    def resolve_rids(
        self: DerivaML, rids: set[str] | list[str], candidate_tables: list[Table] | None = None
    ) -> dict[str, BatchRidResult]:
        """The tables of many RIDs.

        Args:
            rids: Any number of RIDs.
            candidate_tables: Look in these only.

        Raises:
            DerivaMLRidsNotFound: The catalog, or these tables, lack some; `missing_rids` has all of them.
        """
        found = tables_of(self, rids, candidate_tables)
        if missing := set(rids) - found.keys():
            raise DerivaMLRidsNotFound(missing)
        return {rid: BatchRidResult(rid, table, table.name, table.schema.name) for rid, table in found.items()}
