"""What can be wrong with a new asset table, looked at before the first of its three tables is made."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from deriva.core.ermrest_model import Table
from deriva_ml.core.definitions import DerivaAssetColumns
from deriva_ml.core.enums import BuiltinTypes
from deriva_ml.core.ermrest import ColumnDefinition
from deriva_ml.model.catalog import DerivaModel

from deriva_ml_kit.errors import Fault
from deriva_ml_kit.mainline.catalog.rows import SYSTEM_COLUMNS
from deriva_ml_kit.mainline.errors import DerivaMLFaults, DerivaMLTableNotFound

# What the release's uploader accepts as a folder's name.
NAME = re.compile(r"[-\w]+")
COLUMN_TYPES = {kind.value: kind for kind in BuiltinTypes}


def column(name: str, kind: str, *, nullok: bool, default: Any, comment: str | None) -> ColumnDefinition:
    """The definition of a column whose type is one of COLUMN_TYPES."""
    return ColumnDefinition(name=name, type=COLUMN_TYPES[kind], nullok=nullok, default=default, comment=comment)


def refuse_faulty(
    model: DerivaModel, name: str, schema: str, columns: Iterable[Any], referenced: Iterable[Table | str]
) -> None:
    """Make sure that an asset table can be made.

    Args:
        model: The model of the catalog.
        name: Name of the table.
        schema: Schema of the table.
        columns: Definitions of its further columns.
        referenced: Tables that it is to refer to.

    Raises:
        DerivaMLFaults: It cannot; names all reasons.
    """
    faults = [*_named(model, name, schema), *_columns(columns), *_referenced(model, referenced)]
    if faults:
        raise DerivaMLFaults(faults, message=f"The asset table {name} cannot be made. Nothing was written.")


def _named(model: DerivaModel, name: str, schema: str) -> Iterator[Fault]:
    if not NAME.fullmatch(name):
        yield Fault("is no name of letters, digits, _ and -", column="asset_name", value=name)
    if schema not in model.schemas:
        there = ", ".join(sorted(model.schemas))
        yield Fault("there is no such schema", column="schema", value=schema, remedy=f"schemas: {there}")
        return
    if name in model.schemas[model.ml_schema].tables:
        yield Fault("DerivaML has a table of this name", column="asset_name", value=name, remedy="choose another name")
    for place, table in (
        (schema, name),
        (model.domain_schema, f"{name}_Asset_Type"),
        (model.domain_schema, f"{name}_Execution"),
    ):
        if table in model.schemas[place].tables:
            yield Fault(f"there is already a table {table} in {place}", column="asset_name", value=name)


def _columns(columns: Iterable[Any]) -> Iterator[Fault]:
    used = {*SYSTEM_COLUMNS, *DerivaAssetColumns}
    for column in columns:
        if column.name in used:
            yield Fault("the table has another column of this name", column="column_defs", value=column.name)
        used.add(column.name)


def _referenced(model: DerivaModel, referenced: Iterable[Table | str]) -> Iterator[Fault]:
    for table in referenced:
        try:
            model.name_to_table(table)
        except DerivaMLTableNotFound as error:
            yield Fault("there is no such table", column="referenced_tables", value=str(table), remedy=error.remedy)
