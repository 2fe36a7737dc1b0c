"""The database that a downloaded bag is read through.

Differs from the release: a boolean that is NULL can be read (the release fails on the empty cell, so that a dataset
cannot be opened as soon as one of its features has such a value), and the database lies beside its bag instead of in
the working directory, where the paths of another cache folder's files would be found in it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deriva_ml.dataset.aux_classes import DatasetMinid
from deriva_ml.dataset.dataset_bag import DatasetBag
from deriva_ml.model.database import DatabaseModel, ERMRestBoolean

from deriva_ml_kit.mainline.catalog.paths import LoopFreePaths


class NullableBoolean(ERMRestBoolean):  # type: ignore[misc]  # the release is untyped
    """A boolean as CSV has it; an empty cell is NULL."""

    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> bool | None:
        """Read a cell."""
        answer: bool | None = super().process_bind_param(None if value == "" else value, dialect)
        return answer


class BagDatabase(LoopFreePaths, DatabaseModel):  # type: ignore[misc]  # the release is untyped
    """A bag loaded into SQLite."""

    @staticmethod
    def _sql_type(type: Any) -> Any:
        return NullableBoolean if type.typename == "boolean" else DatabaseModel._sql_type(type)


def open_bag(minid: DatasetMinid, bag_path: Path) -> DatasetBag:
    """Load a bag and give its dataset."""
    return BagDatabase(minid, bag_path, bag_path.parent).get_dataset()
