"""The model of a catalog: the release's, with tables and features found by name, and the walk over the schema."""

from __future__ import annotations

from deriva_ml.model.catalog import DerivaModel

from deriva_ml_kit.mainline.catalog.paths import LoopFreePaths
from deriva_ml_kit.mainline.catalog.tables import NamedTables
from deriva_ml_kit.mainline.feature.definition import FeatureLookup


class Model(LoopFreePaths, NamedTables, FeatureLookup, DerivaModel):  # type: ignore[misc]  # the release is untyped
    """The model of a catalog."""
