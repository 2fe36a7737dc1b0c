"""Which features a catalog, or a bag, has, and what each consists of.

A feature is a table that links a target, a Feature_Name and an Execution, and holds the value in its other columns.
Further links in its key, such as the side of an image, are qualifiers: they tell values of one target apart. The
release does not see such features.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from deriva.core.ermrest_model import Column, FindAssociationResult, ForeignKey, Table
from deriva_ml.feature import Feature as ReleasedFeature
from deriva_ml.model.catalog import DerivaModel
from pydantic import BaseModel, ConfigDict

from deriva_ml_kit import nearest
from deriva_ml_kit.mainline.errors import DerivaMLFeatureNotFound
from deriva_ml_kit.mainline.feature.records import FeatureRecord, record_class


class Feature(ReleasedFeature):  # type: ignore[misc]  # the release is untyped
    """What a feature consists of; see `lookup_feature`.

    Attributes:
        feature_table: Table of the values.
        target_table: Table that the values are about.
        target_column: Column of `feature_table` with the RID of the target.
        feature_name: Name of the feature.
        feature_columns: Columns that hold the value: those of the next three together.
        asset_columns: Columns that hold the RID of an asset.
        term_columns: Columns that hold a term.
        value_columns: Columns that hold neither.
        qualifier_columns: Names of columns that tell values of one target apart; most features have none.
    """

    def __init__(self, atable: FindAssociationResult, model: DerivaModel) -> None:
        super().__init__(atable, model)
        self.target_column: str = _column(atable.self_fkey)
        structure = {"Feature_Name", "Execution"}
        self.qualifier_columns: list[str] = sorted({_column(key) for key in atable.other_fkeys} - structure)
        # The release leaves out a column that is called like the target's table, whichever refers to the target.
        target = {atable.self_fkey.foreign_key_columns[0]}
        self.feature_columns: set[Column] = self.feature_columns - target
        self.value_columns: set[Column] = self.value_columns - target

    def feature_record_class(self) -> type[FeatureRecord]:
        """The class of this feature's records."""
        return self._record_class

    @cached_property
    def _record_class(self) -> type[FeatureRecord]:
        return record_class(self)


class FeatureReference(BaseModel):
    """A feature whose table refers to some table.

    Attributes:
        feature_name: Name of the feature.
        target_table: Table that it is about.
        feature_table: Table of its values.
        referencing_columns: Columns of that table that refer, sorted.
    """

    model_config = ConfigDict(extra="forbid")

    feature_name: str
    target_table: str
    feature_table: str
    referencing_columns: list[str]


class FeatureLookup:
    """Mixed into a model of the release, of a catalog or of a bag."""

    def find_features(self: DerivaModel, table: str | Table | None = None) -> list[Feature]:
        """The features of a table, or of all; each once, by table and name.

        Raises:
            DerivaMLTableNotFound: There is no such table.
        """
        target = None if table is None else self.name_to_table(table)
        found = [
            feature
            for schema in self.model.schemas.values()
            for values in schema.tables.values()
            if (feature := _feature(self, values, target))
        ]
        return sorted(found, key=lambda feature: (feature.target_table.name, feature.feature_name))

    def lookup_feature(self: DerivaModel, table: str | Table, feature_name: str) -> Feature:
        """The feature of a table and name.

        Raises:
            DerivaMLTableNotFound: There is no such table.
            DerivaMLFeatureNotFound: The table has no such feature; names those it has.
        """
        target = self.name_to_table(table)
        features = {feature.feature_name: feature for feature in self.find_features(target)}
        if feature_name not in features:
            raise DerivaMLFeatureNotFound(target.name, feature_name, remedy=nearest.remedy(feature_name, features))
        feature: Feature = features[feature_name]
        return feature


def references(model: DerivaModel, table: str | Table, column: str | None = None) -> list[FeatureReference]:
    """The features whose table refers to a table, or to one column of it."""
    target = model.name_to_table(table)
    found = []
    for feature in model.find_features():
        columns = {
            own.name
            for key in feature.feature_table.foreign_keys
            if key.pk_table == target and (column is None or column in {c.name for c in key.referenced_columns})
            for own in key.foreign_key_columns
        }
        if columns:
            found.append(
                FeatureReference(
                    feature_name=feature.feature_name,
                    target_table=feature.target_table.name,
                    feature_table=feature.feature_table.name,
                    referencing_columns=sorted(columns),
                )
            )
    return found


def _feature(model: DerivaModel, values: Table, target: Table | None) -> Feature | None:
    """The feature that a table holds the values of, if it is one, and about `target` where that is given."""
    names = {column.name for column in values.columns}
    # Without a name it is what a failed create_feature of the release leaves behind.
    if not {"Feature_Name", "Execution"} <= names or not values.columns["Feature_Name"].default:
        return None
    keys: set[Any] = set(values.is_association(min_arity=3, max_arity=None, pure=False, return_fkeys=True) or ())
    about = [key for key in keys if _column(key) not in {"Feature_Name", "Execution"}]
    if not about or len(keys) - len(about) != 2:
        return None
    link = _link_to_target(model, values, about, target)
    if target is not None and link.pk_table != target:
        return None
    return Feature(FindAssociationResult(values, link, keys - {link}), model)


def _link_to_target(model: DerivaModel, values: Table, about: list[Any], target: Table | None) -> ForeignKey:
    """Of a feature's links, the one to its target: the others are qualifiers."""
    name = values.columns["Feature_Name"].default

    def rank(key: Any) -> tuple[bool, bool, bool, str]:
        table = key.pk_table
        named = values.name == f"Execution_{table.name}_{name}"
        return not named, table != target, bool(model.is_vocabulary(table)), _column(key)

    return min(about, key=rank)


def _column(key: ForeignKey) -> str:
    return str(key.foreign_key_columns[0].name)
