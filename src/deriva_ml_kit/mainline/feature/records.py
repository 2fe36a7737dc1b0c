"""Record classes of features, with the types that main line gives them.

The release makes every column text but integers and floats; main line has booleans too. JSON columns, which neither
types, take any value that JSON can hold.
"""

from __future__ import annotations

from typing import Any

from deriva_ml.feature import Feature, FeatureRecord
from pydantic import create_model

_TYPES: dict[str, Any] = {"boolean": bool, "json": Any, "jsonb": Any}


def record_class(feature: Feature) -> type[FeatureRecord]:
    """The release's record class of a feature, with its booleans and JSON values typed."""
    released: type[FeatureRecord] = feature.feature_record_class()
    retyped: dict[str, Any] = {
        column.name: (_TYPES[column.type.typename] | None, column.default)
        for column in feature.value_columns
        if column.type.typename in _TYPES
    }
    if not retyped:
        return released
    made: type[FeatureRecord] = create_model(released.__name__, __base__=released, __doc__=released.__doc__, **retyped)
    made.feature = feature
    return made
