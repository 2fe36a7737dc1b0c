"""What a catalog says about a feature: its columns, its terms, which RIDs exist, which values it holds.

The only part of ``features`` that talks to a catalog; everything is asked in batches, so that 100,000 rows cost some
hundreds of requests.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from deriva.core import urlquote

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.features.schema import Column, FeatureShape, Kind, Value, Vocabulary, kind_of
from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.mainline.catalog.rows import table_name
from deriva_ml_kit.nearest import remedy

# ERMrest's form of a RID; text of another form is not worth a request, and could make its URL too long.
_RID = re.compile(r"[0-9A-Z]{1,4}(-[0-9A-Z]{4})*")


def read_shape(ml: DerivaML, target_table: str, feature_name: str) -> FeatureShape:
    """Read a feature's columns and the terms that they take.

    Raises:
        UsageError: There is no such table, or it has no such feature; names the nearest.
    """
    tables = {name: table for schema in ml.model.schemas.values() for name, table in schema.tables.items()}
    if target_table not in tables:
        raise UsageError(f"There is no table {target_table!r}.", remedy=remedy(target_table, tables))
    features = {feature.feature_name: feature for feature in ml.model.find_features(target_table)}
    if feature_name not in features:
        raise UsageError(
            f"Table {target_table} has no feature {feature_name!r}.",
            remedy=remedy(feature_name, features),
        )
    feature = features[feature_name]
    columns = tuple(
        _column(feature, column) for column in feature.feature_table.columns if column in feature.feature_columns
    )
    target = Column(target_table, Kind.TARGET, required=True, refers_to=target_table)
    vocabularies = {column.refers_to for column in columns if column.kind is Kind.TERM}
    terms = {name: _vocabulary(ml, name) for name in vocabularies}
    return FeatureShape(target, feature_name, feature.feature_table.name, columns, terms)


def _column(feature: Any, column: Any) -> Column:
    required = not column.nullok
    refers_to = next(
        (key.pk_table.name for key in feature.feature_table.foreign_keys if list(key.foreign_key_columns) == [column]),
        "",
    )
    if column in feature.term_columns:
        return Column(column.name, Kind.TERM, required, refers_to=refers_to, default=column.default)
    if column in feature.asset_columns:
        return Column(column.name, Kind.ASSET, required, refers_to=refers_to, default=column.default)
    kind, bits = kind_of(column.type.typename)
    return Column(column.name, kind, required, bits, default=column.default)


def _vocabulary(ml: DerivaML, table: str) -> Vocabulary:
    terms = ml.list_vocabulary_terms(table)
    return Vocabulary.of(table, ((term.name, term.synonyms or []) for term in terms))


class CatalogKnown:
    """``check.Known`` on a catalog."""

    def __init__(self, ml: DerivaML, shape: FeatureShape) -> None:
        self._ml = ml
        self._shape = shape

    def _rows(self, table: str, column: str, rids: Collection[str], wanted: list[str]) -> Iterable[Mapping[str, Value]]:
        schema = self._ml.model.name_to_table(table).schema.name
        possible = [rid for rid in rids if _RID.fullmatch(rid)]
        return rows_with(self._ml.catalog, schema, table, column, possible, wanted=wanted)

    def rids(self, table: str, rids: Collection[str]) -> set[str]:
        """Return those of ``rids`` that are in the table."""
        return {row["RID"] for row in self._rows(table, "RID", rids, ["RID"])}

    def values(self, targets: Collection[str]) -> Iterable[Mapping[str, Value]]:
        """Return the feature's rows about these targets."""
        wanted = [column.name for column in self._shape.header]
        return self._rows(self._shape.table, self._shape.target.name, targets, wanted)


def count_values(ml: DerivaML, feature_table: str, execution_rid: str) -> int:
    """Return how many values of a feature the catalog holds from one execution."""
    table = table_name(ml.model.name_to_table(feature_table).schema.name, feature_table)
    path = f"/aggregate/{table}/Execution={urlquote(execution_rid)}/count:=cnt(RID)"
    return int(ml.catalog.get(path).json()[0]["count"])
