"""Changing one row of DerivaML's own tables, and the order in which rows are asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from deriva.core import ErmrestSnapshot, urlquote

from deriva_ml_kit.mainline.catalog.rids import row_of
from deriva_ml_kit.mainline.catalog.rows import Row, table_name
from deriva_ml_kit.mainline.errors import DerivaMLReadOnlyError

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML

# None: as the server likes; True: newest first; else a function from a table's path to one or several sort keys.
Sort = bool | Callable[[Any], Any] | None


def has_column(ml: DerivaML, table: str, column: str = "RID") -> bool:
    """Whether one of DerivaML's own tables exists and has a column; older catalogs lack some."""
    known = ml.model.model.schemas[ml.ml_schema].tables
    return table in known and column in known[table].columns.elements


def change_row(ml: DerivaML, table: str, rid: str, values: Row) -> None:
    """Set some columns of a row of one of DerivaML's own tables.

    Raises:
        DerivaMLReadOnlyError: This is a snapshot.
        DerivaMLNotFoundError: There is no such row.
    """
    refuse_snapshot(ml)
    columns = ",".join(urlquote(name, "") for name in values)
    path = f"/attributegroup/{table_name(ml.ml_schema, table)}/RID;{columns}"
    if not ml.catalog.put(path, json=[{"RID": rid, **values}]).json():
        row_of(ml, table, rid, table.lower())


def refuse_snapshot(ml: DerivaML) -> None:
    """Make sure that the catalog can be written to.

    Raises:
        DerivaMLReadOnlyError: This is a snapshot.
    """
    if isinstance(ml.catalog, ErmrestSnapshot):
        raise DerivaMLReadOnlyError(
            f"{ml.catalog_id} is a snapshot, and the past cannot be changed.",
            remedy="Connect to the catalog itself, without @SNAPSHOT.",
        )


def in_order(entities: Any, path: Any, sort: Sort) -> Any:
    """The entities of a path, sorted as the caller said."""
    if sort is None or sort is False:
        return entities
    keys = path.RCT.desc if sort is True else sort(path)
    return entities.sort(*keys) if isinstance(keys, list | tuple) else entities.sort(keys)
