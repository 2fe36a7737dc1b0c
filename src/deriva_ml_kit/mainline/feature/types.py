"""The Python types of a table's columns, as main line's record classes have them."""

from __future__ import annotations

from typing import Any

from deriva.core.ermrest_model import Column

_TYPES: dict[str, Any] = {
    **dict.fromkeys(("int2", "int4", "int8", "serial2", "serial4", "serial8"), int),
    **dict.fromkeys(("float4", "float8", "numeric"), float),
    **dict.fromkeys(("json", "jsonb"), Any),
    "boolean": bool,
}


def python_type(column: Column) -> Any:
    """Type of a column's values; text, dates and times are `str`, JSON is anything, arrays are lists."""
    name = column.type.typename
    if name.endswith("[]"):
        return list[_TYPES.get(name.removesuffix("[]"), str)]  # type: ignore[misc]  # known only when it runs
    return _TYPES.get(name, str)
