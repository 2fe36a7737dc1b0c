"""Functions that choose the rows of each part from a data frame, as main line's ``split_dataset`` takes them."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd

from deriva_ml_kit.errors import Fault
from deriva_ml_kit.sampling.faults import CannotSample, listed
from deriva_ml_kit.sampling.partition import assign
from deriva_ml_kit.sampling.records import UNLABELLED

MISSING = ("error", "drop", "include")


@runtime_checkable
class SelectionFunction(Protocol):
    """Chooses the rows of each part.

    Args:
        df: A denormalised dataset, columns named ``Table.column``.
        partition_sizes: Part -> number of rows.
        seed: Of the draw.

    Returns:
        Part -> positions of its rows in the data frame.
    """

    def __call__(self, df: pd.DataFrame, partition_sizes: dict[str, int], seed: int) -> dict[str, npt.NDArray[np.intp]]:
        """Return part -> positions."""
        ...


def random_split(df: pd.DataFrame, partition_sizes: dict[str, int], seed: int) -> dict[str, npt.NDArray[np.intp]]:
    """Choose rows at random; the same rows whatever their order.

    Args:
        df: The rows, told apart by their columns ``RID`` and ``Table.RID``, or by all columns if there is none.
        partition_sizes: Part -> number of rows.
        seed: Of the draw.

    Returns:
        Part -> positions of its rows.

    Raises:
        CannotSample: More rows are asked for than there are (a ValueError).
    """
    return assign(row_keys(df), partition_sizes, seed)


def stratified_split(stratify_column: str, missing: str = "error") -> SelectionFunction:
    """Make a function that keeps the shares of a column's values alike in all parts.

    Classes of any size will do, a single row too.

    Args:
        stratify_column: Column of the data frame, such as ``Image_Class.Name``.
        missing: What to do with rows without a value: ``"error"``, ``"drop"`` them, or ``"include"`` them as a class
            of their own.

    Raises:
        CannotSample: Here for an unknown word in ``missing``; in the function made for a column that is not there, rows
            without a value, or too few rows (a ValueError).
    """
    if missing not in MISSING:
        raise CannotSample([Fault(f"missing must be 'error', 'drop' or 'include', not {missing!r}")])

    def select(df: pd.DataFrame, partition_sizes: dict[str, int], seed: int) -> dict[str, npt.NDArray[np.intp]]:
        labels = column(df, stratify_column)
        empty = labels.isna()
        if empty.any() and missing == "error":
            raise CannotSample(
                [
                    Fault(
                        f"{int(empty.sum())} of {len(df)} rows have no value of {stratify_column}",
                        remedy="give stratify_missing='drop' to leave them out, or 'include' to make them a class",
                    )
                ]
            )
        positions = np.flatnonzero(~empty) if missing == "drop" else np.arange(len(df))
        strata = labels.where(~empty, UNLABELLED).astype(str).iloc[positions]
        chosen = assign(row_keys(df.iloc[positions]), partition_sizes, seed, strata=list(strata))
        return {part: positions[found] for part, found in chosen.items()}

    return select


def column(df: pd.DataFrame, name: str) -> pd.Series[Any]:
    """Return a column of a data frame.

    Raises:
        CannotSample: There is none of the name; names those that are there.
    """
    if name not in df.columns:
        raise CannotSample([Fault(f"there is no column {name}; columns: {listed(df.columns, shown=40)}")])
    return df[name]


def row_keys(df: pd.DataFrame) -> list[str]:
    """Return a text for each row that tells it from the others whatever their order."""
    rids: list[Hashable] = [name for name in df.columns if str(name).rpartition(".")[2] == "RID"]
    return ["\x1f".join(map(str, row)) for row in df[rids or list(df.columns)].itertuples(index=False, name=None)]
