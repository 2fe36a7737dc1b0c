"""What a table is for: that decides how rows get into it, and which of its rows know the execution that made them."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deriva.core.ermrest_model import Table

    from deriva_ml_kit.mainline import DerivaML

NOT_ML = ("public", "www", "WWW")  # ERMrest's own, and the pages about the catalog


class Kind(StrEnum):
    """What a table holds."""

    DOMAIN = "domain"  # rows of the domain
    VOCABULARY = "vocabulary"  # terms
    ASSET = "asset"  # files, by their address in the object store
    FEATURE = "feature"  # values of a feature
    DATASET = "dataset"  # datasets, their versions, their members
    ASSOCIATION = "association"  # links between rows of other tables
    SYSTEM = "system"  # what DerivaML or ERMrest keep for themselves


def kind_of_table(ml: DerivaML, table: Table) -> Kind:
    """What a table holds."""
    return kinds_of(ml, [table])[table]


def kinds_of(ml: DerivaML, tables: list[Table]) -> dict[Table, Kind]:
    """What each table holds."""
    features = {feature.feature_table for feature in ml.find_features()}
    return {table: _kind(ml, table, features) for table in tables}


def _kind(ml: DerivaML, table: Table, features: set[Table]) -> Kind:
    ends = table.is_association(pure=False, max_arity=None, return_fkeys=True) or ()
    to = {key.pk_table.name for key in ends if key.pk_table.schema.name == ml.ml_schema}
    own = table.schema.name == ml.ml_schema
    rules = (
        (table.schema.name in NOT_ML, Kind.SYSTEM),
        (table in features, Kind.FEATURE),
        (ml.model.is_vocabulary(table), Kind.VOCABULARY),
        (ml.model.is_asset(table), Kind.ASSET),
        ("Dataset" in to or (own and "Dataset" in table.name), Kind.DATASET),
        (own, Kind.SYSTEM),
        (bool(ends), Kind.ASSOCIATION),
    )
    return next((kind for holds, kind in rules if holds), Kind.DOMAIN)


def is_own_link(ml: DerivaML, table: Table) -> bool:
    """Whether an association is DerivaML's: it links assets with their types or with executions."""
    ends = table.is_association(pure=False, max_arity=None, return_fkeys=True) or ()
    return any(key.pk_table.schema.name == ml.ml_schema for key in ends)
