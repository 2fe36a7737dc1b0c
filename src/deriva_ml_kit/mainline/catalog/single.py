"""Reading and changing one row of DerivaML's own tables, and the order in which rows are asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from deriva.core import ErmrestSnapshot, urlquote

from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.mainline.catalog.rids import tables_of
from deriva_ml_kit.mainline.catalog.rows import Row, table_name
from deriva_ml_kit.mainline.errors import DerivaMLConfigurationError, DerivaMLNotFoundError, DerivaMLReadOnlyError

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML

# None: as the server likes; True: newest first; else a function from a table's path to one or several sort keys.
Sort = bool | Callable[[Any], Any] | None


def has_column(ml: DerivaML, table: str, column: str = "RID") -> bool:
    """Whether one of DerivaML's own tables exists and has a column; older catalogs lack some."""
    known = ml.model.model.schemas[ml.ml_schema].tables
    return table in known and column in known[table].columns.elements


def needs(ml: DerivaML, table: str, column: str = "RID") -> None:
    """Make sure that one of DerivaML's own tables is there.

    Raises:
        DerivaMLConfigurationError: This catalog is older.
    """
    if not has_column(ml, table, column):
        raise DerivaMLConfigurationError(
            f"Catalog {ml.catalog_id} on {ml.host_name} has no table {table}{'' if column == 'RID' else f'.{column}'}.",
            remedy=f"deriva-ml-kit upgrade-catalog --hostname {ml.host_name} --catalog-id {ml.catalog_id}",
        )


def row_of(ml: DerivaML, table: str, rid: str, *, remedy: str | None = None) -> Row:
    """A row of one of DerivaML's own tables.

    Raises:
        DerivaMLNotFoundError: There is none; says what the RID is instead.
    """
    rows: list[Row] = list(rows_with(ml.catalog, ml.ml_schema, table, "RID", [rid]))
    if rows:
        return rows[0]
    other = tables_of(ml, [rid]).get(rid)
    instead = f": {rid} is a row of {other.name}" if other is not None else ""
    what = table.lower().replace("_", " ")
    raise DerivaMLNotFoundError(
        f"Catalog {ml.catalog_id} on {ml.host_name} has no {what} {rid}{instead}.", remedy=remedy
    )


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
        row_of(ml, table, rid)


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


def sort_clause(ml: DerivaML, table: str, sort: Sort) -> str:
    """The order that a caller asked for, as the end of a request path."""
    if sort is None or sort is False:
        return ""
    if sort is True:
        return "@sort(RCT::desc::,RID)"
    keys = sort(ml.pathBuilder.schemas[ml.ml_schema].tables[table])
    keys = keys if isinstance(keys, list | tuple) else [keys]
    return f"@sort({','.join(str(key._uname) for key in keys)})"
