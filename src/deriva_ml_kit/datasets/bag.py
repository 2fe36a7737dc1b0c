"""Members of a downloaded dataset as data frames, nested datasets included.

The release's own recursive calls fail on nested datasets (endless recursion, wrong bindings), so the children are
walked here, each as a dataset of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import select

from deriva_ml_kit.mainline import DatasetBag


def walk(bag: DatasetBag) -> Iterator[DatasetBag]:
    """Yield a dataset and all that are nested in it, each once."""
    seen: set[str] = set()
    waiting = [bag]
    while waiting:
        dataset = waiting.pop(0)
        if dataset.dataset_rid not in seen:
            seen.add(dataset.dataset_rid)
            yield dataset
            waiting += dataset.list_dataset_children()


def members(bags: DatasetBag | Iterable[DatasetBag]) -> dict[str, pd.DataFrame]:
    """Return the members of datasets by table name, nested ones included; a record in several counts once.

    The column ``Filename`` of an asset table holds the path of the local file.
    """
    rows: dict[str, dict[str, dict[str, Any]]] = {}
    for bag in [bags] if isinstance(bags, DatasetBag) else bags:
        for dataset in walk(bag):
            for table, found in dataset.list_dataset_members().items():
                if table != "Dataset":
                    rows.setdefault(table, {}).update((row["RID"], row) for row in found)
    return {table: pd.DataFrame(list(found.values())) for table, found in rows.items() if found}


def files(table: pd.DataFrame) -> list[Path]:
    """Return the local files of an asset table's rows, in their order; empty for other tables."""
    if not {"Filename", "URL", "MD5"} <= set(table.columns):
        return []
    return [Path(name) for name in table["Filename"] if name]


def dataset_types(bag: DatasetBag) -> list[str]:
    """Return the dataset types (terms of ``Dataset_Type``) of a downloaded dataset."""
    link = bag.model.get_orm_class_by_name(f"{bag.model.ml_schema}.Dataset_Dataset_Type").__table__
    with bag.engine.connect() as connection:
        rows = connection.execute(select(link.c.Dataset_Type).where(link.c.Dataset == bag.dataset_rid))
        return sorted(row[0] for row in rows)


def feature_values(bag: DatasetBag, table: str, feature_name: str) -> pd.DataFrame:
    """Return the values of a feature in a downloaded dataset, a row a value, with the feature table's own columns.

    The release's `list_feature_values` of a bag gives mapped objects under the name of their class instead of rows.
    """
    values = bag.model.get_orm_class_for_table(bag.model.lookup_feature(table, feature_name).feature_table).__table__
    with bag.engine.connect() as connection:
        result = connection.execute(select(values))
        return pd.DataFrame(result.mappings().all(), columns=list(result.keys()))
