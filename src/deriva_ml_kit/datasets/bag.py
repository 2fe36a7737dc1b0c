"""Members of downloaded datasets as data frames."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from deriva_ml_kit.mainline import DatasetBag


def members(bags: DatasetBag | Iterable[DatasetBag]) -> dict[str, pd.DataFrame]:
    """Return the members of datasets by table name, nested ones included; a record in several counts once.

    The column ``Filename`` of an asset table holds the path of the local file.
    """
    rows: dict[str, dict[str, dict[str, Any]]] = {}
    for bag in [bags] if isinstance(bags, DatasetBag) else bags:
        for table, found in bag.list_dataset_members(recurse=True).items():
            if table != "Dataset":
                rows.setdefault(table, {}).update((row["RID"], row) for row in found)
    return {table: pd.DataFrame(list(found.values())) for table, found in rows.items() if found}


def files(table: pd.DataFrame) -> list[Path]:
    """Return the local files of an asset table's rows, in their order; empty for other tables."""
    if not {"Filename", "URL", "MD5"} <= set(table.columns):
        return []
    return [Path(name) for name in table["Filename"] if name]
