"""What a DerivaML does with features."""

from __future__ import annotations

from typing import Any

from deriva_ml.core.base import DerivaML as ReleasedDerivaML
from deriva_ml.feature import FeatureRecord

from deriva_ml_kit.mainline.feature.records import record_class


class FeatureMethods(ReleasedDerivaML):  # type: ignore[misc]  # the release is untyped
    """What a DerivaML does with features."""

    def feature_record_class(self, table: Any, feature_name: str) -> type[FeatureRecord]:
        """The class of a feature's records; boolean columns take booleans."""
        return record_class(self.lookup_feature(table, feature_name))
