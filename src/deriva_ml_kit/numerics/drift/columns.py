"""A column of a frame, read once: numbers in order, or levels with their counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deriva_ml_kit.errors import UsageError

Kind = Literal["numeric", "integer", "categorical", "boolean"]
NUMERIC: tuple[Kind, ...] = ("numeric", "integer")


@dataclass(frozen=True)
class Numbers:
    """A numeric column.

    Attributes:
        rows: All rows.
        nulls: Rows without a value, NaN among them.
        negative_infinite: Rows with -inf.
        positive_infinite: Rows with +inf.
        ordered: The finite values, ascending.
        values: All rows as they came, null as NaN.
    """

    rows: int
    nulls: int
    negative_infinite: int
    positive_infinite: int
    ordered: NDArray[np.float64]
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Levels:
    """A categorical or boolean column.

    Attributes:
        rows: All rows.
        nulls: Rows without a value.
        counts: Rows of each level, by its text.
        codes: Position in `names` of each row, -1 for null.
        names: Texts of the codes.
    """

    rows: int
    nulls: int
    counts: dict[str, int]
    codes: NDArray[np.intp]
    names: tuple[str, ...]


def kind_of(column: pd.Series[Any]) -> Kind | Literal["empty"] | None:
    """What a column holds: "empty" if only nulls that could be anything, None if nothing that has a distribution."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return "categorical"
    if pd.api.types.is_bool_dtype(dtype):
        return "boolean"
    if pd.api.types.is_integer_dtype(dtype):
        return "integer"
    if pd.api.types.is_float_dtype(dtype):
        return "numeric"
    if not (pd.api.types.is_object_dtype(dtype) or pd.api.types.is_string_dtype(dtype)):
        return None
    found: dict[str, Kind | Literal["empty"]] = {
        "empty": "empty",
        "boolean": "boolean",
        "integer": "integer",
        "floating": "numeric",
        "mixed-integer-float": "numeric",
        "decimal": "numeric",
        "string": "categorical",
        "mixed-integer": "categorical",
    }
    return found.get(pd.api.types.infer_dtype(column, skipna=True))


def read_numbers(column: pd.Series[Any]) -> Numbers:
    """Read a numeric column; a boolean one counts as 0 and 1.

    Raises:
        UsageError: It holds something else.
    """
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "fiub":
        values = np.asarray(column).astype(np.float64, copy=False)
    else:
        try:
            values = pd.to_numeric(column.astype(object), errors="raise").to_numpy(dtype=np.float64, na_value=np.nan)
        except (TypeError, ValueError) as error:
            raise UsageError(f"Column {column.name!r} holds what is no number: {error}") from error
    ordered = np.sort(values)  # NaN goes to the end
    first, last, filled = (
        int(np.searchsorted(ordered, -np.inf, "right")),
        int(np.searchsorted(ordered, np.inf, "left")),
        int(np.searchsorted(ordered, np.inf, "right")),
    )
    return Numbers(len(values), len(values) - filled, first, filled - last, ordered[first:last], values)


def read_levels(column: pd.Series[Any]) -> Levels:
    """Read a column as levels; whole numbers and booleans by their text."""
    codes: NDArray[Any]
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes, found = np.asarray(column.cat.codes), list(column.cat.categories)
    elif column.dtype == np.bool_:
        codes, found = np.asarray(column).view(np.int8), [False, True]
    else:
        # Texts are faster to tell apart as the objects that they are stored as.
        plain = np.asarray(column, dtype=object) if pd.api.types.is_string_dtype(column.dtype) else column
        codes, uniques = pd.factorize(plain)
        found = list(uniques)
    per_code = _per_code(codes, len(found))
    names = tuple(text(value) for value in found)
    counts: dict[str, int] = {}
    for name, count in zip(names, per_code[1:], strict=True):
        if count:
            counts[name] = counts.get(name, 0) + int(count)
    return Levels(len(codes), int(per_code[0]), counts, codes, names)


def text(value: object) -> str:
    """How a level is called: 1 and 1.0 are the same, since a null makes pandas turn integers into floats."""
    return f"{value:.0f}" if isinstance(value, float | np.floating) and value.is_integer() else str(value)


def _per_code(codes: NDArray[Any], levels: int) -> NDArray[np.intp]:
    """Rows of code -1, 0, 1, …"""
    return np.bincount(codes.astype(np.intp, copy=False) + 1, minlength=levels + 1)
