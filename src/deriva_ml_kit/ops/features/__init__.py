"""Features: defined once, read as they were at a moment, the same in training and in service.

definitions  what a feature is: its name `<entity>:<feature>`, its version, where its values stand
sources      the tables of the definitions, as the catalog has them
reading      rows of values, from a snapshot, as few as are needed
moments      which snapshot is meant: a time, a dataset version, now
historical   values as of the times of events: for training
online       the newest values in a file, found in microseconds: for service
same         whether the two agree, row by row
transform    one module that makes features of raw records, in training and in service
"""

from deriva_ml_kit.ops.features.definitions import FeatureDefinition, FeatureDefinitions, read_definitions
from deriva_ml_kit.ops.features.historical import FeatureStore, HistoricalFeatures, get_historical_features
from deriva_ml_kit.ops.features.online import OnlineStore, materialize
from deriva_ml_kit.ops.features.same import assert_offline_is_online
from deriva_ml_kit.ops.features.transform import Skew, Transform, assert_same_features, load_transform

__all__ = [
    "FeatureDefinition",
    "FeatureDefinitions",
    "FeatureStore",
    "HistoricalFeatures",
    "OnlineStore",
    "Skew",
    "Transform",
    "assert_offline_is_online",
    "assert_same_features",
    "get_historical_features",
    "load_transform",
    "materialize",
    "read_definitions",
]
