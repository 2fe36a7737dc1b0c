"""Values as a pandas DataFrame, each column of the type that the catalog has for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

# Whole numbers and truth values that may be missing; a plain column would turn them into floats and objects.
_TYPES = {
    **dict.fromkeys(("int2", "int4", "int8", "serial2", "serial4", "serial8"), "Int64"),
    **dict.fromkeys(("float4", "float8", "numeric"), "float64"),
    "boolean": "boolean",
}
_MOMENTS = frozenset({"timestamp", "timestamptz", "ermrest_rct", "ermrest_rmt"})


def frame(columns: Sequence[tuple[str, str]], values: Sequence[Sequence[Any]]) -> pd.DataFrame:
    """A table.

    Args:
        columns: Label and ERMrest type of each column.
        values: The values of each column, as in JSON.
    """
    made = pd.concat([_series(kind, one) for (_, kind), one in zip(columns, values, strict=True)], axis=1)
    made.columns = pd.Index([label for label, _ in columns])
    return made


def _series(kind: str, values: Sequence[Any]) -> pd.Series[Any]:
    if kind in _TYPES:
        return pd.Series(list(values), dtype=_TYPES[kind])
    if kind in _MOMENTS:
        utc = kind != "timestamp"
        return pd.Series(pd.to_datetime(pd.Series(list(values), dtype=object), utc=utc, format="ISO8601"))
    if kind == "date":
        return pd.Series(pd.to_datetime(pd.Series(list(values), dtype=object), format="ISO8601"))
    is_document = kind.startswith("json") or kind.endswith("[]")
    return pd.Series(list(values), dtype=object) if is_document or not any(values) else pd.Series(list(values))
