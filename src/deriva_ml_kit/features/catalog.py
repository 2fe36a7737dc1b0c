"""What a catalog says about a feature: its columns, its terms, which RIDs exist, which values it holds.

The only part of ``features`` that talks to a catalog; everything is asked in batches, so that 100,000 rows cost some
hundreds of requests.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from deriva.core.datapath import Any as AnyOf
from deriva.core.datapath import Cnt

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.features.schema import Column, FeatureShape, Kind, Value, Vocabulary, kind_of
from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.nearest import suggestion

# ERMrest's form of a RID; text of another form is not worth a request, and could make its URL too long.
_RID = re.compile(r"[0-9A-Z]{1,4}(-[0-9A-Z]{4})*")


def read_shape(ml: DerivaML, target_table: str, feature_name: str) -> FeatureShape:
    """Read a feature's columns and the terms that they take.

    Raises:
        UsageError: There is no such table, or it has no such feature; names the nearest.
    """
    tables = {name: table for schema in ml.model.schemas.values() for name, table in schema.tables.items()}
    if target_table not in tables:
        raise UsageError(f"There is no table {target_table!r}.", remedy=_sentence(suggestion(target_table, tables)))
    features = {feature.feature_name: feature for feature in ml.model.find_features(target_table)}
    if feature_name not in features:
        raise UsageError(
            f"Table {target_table} has no feature {feature_name!r}.",
            remedy=_sentence(suggestion(feature_name, features)),
        )
    feature = features[feature_name]
    columns = tuple(_column(feature, column) for column in feature.feature_table.columns if column in feature.feature_columns)
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


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


class CatalogKnown:
    """``check.Known`` on a catalog."""

    def __init__(self, ml: DerivaML, shape: FeatureShape) -> None:
        self._shape = shape
        self._paths = ml.catalog.getPathBuilder()
        self._schemas = {name: schema.name for schema in ml.model.schemas.values() for name in schema.tables}
        self._schemas |= dict.fromkeys(ml.model.schemas[ml.domain_schema].tables, ml.domain_schema)

    def _table(self, name: str) -> Any:
        return self._paths.schemas[self._schemas[name]].tables[name]

    def rids(self, table: str, rids: Collection[str]) -> set[str]:
        """Return those of ``rids`` that are in the table."""
        possible = [rid for rid in rids if _RID.fullmatch(rid)]
        if not possible:
            return set()
        path = self._table(table)
        return {row["RID"] for row in path.filter(path.RID == AnyOf(*possible)).attributes(path.RID).fetch()}

    def values(self, targets: Collection[str]) -> Iterable[Mapping[str, Value]]:
        """Return the feature's rows about these targets."""
        possible = [rid for rid in targets if _RID.fullmatch(rid)]
        if not possible:
            return []
        path = self._table(self._shape.table)
        column = path.column_definitions
        wanted = [column[name.name] for name in self._shape.header]
        about = column[self._shape.target.name] == AnyOf(*possible)
        rows: Iterable[Mapping[str, Value]] = path.filter(about).attributes(*wanted).fetch()
        return rows


def count_values(ml: DerivaML, feature_table: str, execution_rid: str) -> int:
    """Return how many values of a feature the catalog holds from one execution."""
    table = ml.catalog.getPathBuilder().schemas[ml.domain_schema].tables[feature_table]
    rows = table.filter(table.Execution == execution_rid).aggregates(Cnt(table.RID).alias("count")).fetch()
    return int(rows[0]["count"])
