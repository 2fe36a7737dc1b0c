"""Datasets on this disk: what a version holds, whether it is cached and intact, its members as data frames."""

from deriva_ml_kit.datasets.bag import dataset_types, feature_values, files, members, walk

__all__ = ["dataset_types", "feature_values", "files", "members", "walk"]
