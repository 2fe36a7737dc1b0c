"""Metadata of an asset that is to be uploaded, typed as the columns of its table are."""

from __future__ import annotations

from typing import Any

from deriva.core.ermrest_model import Table
from deriva_ml.model.catalog import DerivaModel
from pydantic import BaseModel, ConfigDict, create_model

from deriva_ml_kit.mainline.feature.types import python_type


class AssetRecord(BaseModel):
    """The metadata of an asset. Its classes are made by `asset_record_class`, with a field for each metadata column."""

    model_config = ConfigDict(extra="forbid")


def asset_record_class(model: DerivaModel, asset_table_name: str | Table) -> type[AssetRecord]:
    """The class of an asset table's metadata; columns that may not be NULL must be given.

    Args:
        model: The model of the catalog.
        asset_table_name: The asset table.

    Raises:
        DerivaMLTableNotFound: There is no such table.
        DerivaMLTableTypeError: It is no asset table.
    """
    table = model.name_to_table(asset_table_name)
    names = model.asset_metadata(table)
    fields: dict[str, Any] = {
        column.name: (python_type(column) | None, column.default) if column.nullok else (python_type(column), ...)
        for column in table.columns
        if column.name in names
    }
    made: type[AssetRecord] = create_model(
        f"{table.name}AssetRecord",
        __base__=AssetRecord,
        __doc__=f"Metadata of an asset in {table.name}: {', '.join(fields) or 'there are none'}.",
        **fields,
    )
    return made
