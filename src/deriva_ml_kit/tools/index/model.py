"""Documents of a catalog's schemas, tables, columns, vocabularies and features."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.tools.index.documents import Document, Kind
from deriva_ml_kit.tools.index.words import spoken

if TYPE_CHECKING:
    from deriva_ml_kit.mainline import DerivaML, Feature

SOURCE = "model"
# Schemas of the service itself.
HIDDEN = frozenset({"public", "_ermrest", "_ermrest_history", "_acl_admin", "pg_catalog"})
SYSTEM = frozenset({"RID", "RCT", "RMT", "RCB", "RMB"})
VOCABULARY = frozenset({"NAME", "DESCRIPTION", "ID", "URI"})  # Execution_Status has no synonyms
OF_VALUES = frozenset({"Execution", "Feature_Name"})


def is_vocabulary(table: Any) -> bool:
    """Whether a table holds terms."""
    return {column.name.upper() for column in table.columns} >= VOCABULARY


def schemas(ml: DerivaML) -> Iterator[Any]:
    """The schemas that people work with."""
    return (schema for name, schema in sorted(ml.model.model.schemas.items()) if name not in HIDDEN)


def vocabularies(ml: DerivaML) -> list[Any]:
    """The tables that hold terms."""
    return [table for schema in schemas(ml) for table in schema.tables.values() if is_vocabulary(table)]


def documents(ml: DerivaML) -> Iterator[Document]:
    """A document for each schema, table, column, vocabulary and feature."""
    features = {_name(feature.feature_table): feature for feature in ml.model.find_features()}
    users = _users(ml, features)
    for schema in schemas(ml):
        tables = sorted(schema.tables.values(), key=lambda table: str(table.name))
        yield Document(
            key=f"schema:{schema.name}",
            source=SOURCE,
            kind=Kind.SCHEMA,
            title=schema.name,
            names=spoken(schema.name),
            body=_said("Schema.", schema.comment, "Tables: " + ", ".join(table.name for table in tables) + "."),
            schema_name=schema.name,
        )
        for table in tables:
            if feature := features.get(_name(table)):
                yield _feature(feature)
            elif is_vocabulary(table):
                yield _vocabulary(table, users.get(_name(table), []))
            else:
                yield _table(ml, table)
            yield from _columns(table, feature)


def _feature(feature: Feature) -> Document:
    table, target = feature.feature_table, feature.target_table
    columns = sorted(feature.feature_columns, key=lambda column: str(column.name))
    terms = [_vocabulary_of(column) for column in columns]
    return Document(
        key=f"feature:{_name(table)}",
        source=SOURCE,
        kind=Kind.FEATURE,
        title=f"{feature.feature_name} of {target.name}",
        names=spoken(feature.feature_name, target.name, table.name),
        body=_said(
            f"Feature of {target.name}.", table.comment, f"Values: {', '.join(_value(column) for column in columns)}."
        ),
        schema_name=target.schema.name,
        table_name=target.name,
        name=feature.feature_name,
        uses="\n".join(filter(None, terms)),
    )


def _vocabulary(table: Any, users: list[str]) -> Document:
    return Document(
        key=f"vocabulary:{_name(table)}",
        source=SOURCE,
        kind=Kind.VOCABULARY,
        title=table.name,
        names=spoken(table.name),
        body=_said("Vocabulary.", table.comment, f"Used by {', '.join(users)}." if users else ""),
        schema_name=table.schema.name,
        table_name=table.name,
        uses=_name(table),
    )


def _table(ml: DerivaML, table: Any) -> Document:
    columns = [column.name for column in table.columns if column.name not in SYSTEM]
    linked = sorted({key.pk_table.name for key in table.foreign_keys if key.pk_table.schema.name not in HIDDEN})
    return Document(
        key=f"table:{_name(table)}",
        source=SOURCE,
        kind=Kind.TABLE,
        title=table.name,
        names=spoken(table.name),
        body=_said(
            "Table of assets (files)." if ml.model.is_asset(table) else "Table.",
            table.comment,
            f"Columns: {', '.join(columns)}." if columns else "",
            f"Refers to {', '.join(linked)}." if linked else "",
        ),
        schema_name=table.schema.name,
        table_name=table.name,
    )


def _columns(table: Any, feature: Feature | None) -> Iterator[Document]:
    shown = feature.feature_columns if feature else table.columns
    skipped = SYSTEM | (OF_VALUES if feature else frozenset())
    for column in shown:
        standard = is_vocabulary(table) and column.name.upper() in VOCABULARY | {"SYNONYMS"}
        if column.name in skipped or standard:
            continue
        yield Document(
            key=f"column:{_name(table)}:{column.name}",
            source=SOURCE,
            kind=Kind.COLUMN,
            title=f"{table.name}.{column.name}",
            names=spoken(column.name),
            body=_said(f"{_value(column)}{'' if column.nullok else ', required'}.", column.comment),
            schema_name=table.schema.name,
            table_name=table.name,
            name=column.name,
            uses=_vocabulary_of(column),
        )


def _users(ml: DerivaML, features: dict[str, Feature]) -> dict[str, list[str]]:
    """What takes its values from each vocabulary, as people call it."""
    users: dict[str, list[str]] = defaultdict(list)
    for schema in schemas(ml):
        for table in schema.tables.values():
            feature = features.get(_name(table))
            for column in feature.feature_columns if feature else table.columns:
                if vocabulary := _vocabulary_of(column):
                    name = f"feature {feature.feature_name} of {feature.target_table.name}" if feature else None
                    users[vocabulary].append(name or f"{table.name}.{column.name}")
    return {name: sorted(set(used)) for name, used in users.items()}


def _value(column: Any) -> str:
    """A column with its type, and what it refers to."""
    key = _reference(column)
    if key is None:
        return f"{column.name} ({column.type.typename})"
    if is_vocabulary(key.pk_table):
        return f"{column.name} (a term of {key.pk_table.name})"
    return f"{column.name} (refers to {key.pk_table.name})"


def _reference(column: Any) -> Any | None:
    keys = [key for key in column.table.foreign_keys if [own.name for own in key.foreign_key_columns] == [column.name]]
    return keys[0] if keys else None


def _vocabulary_of(column: Any) -> str:
    key = _reference(column)
    return _name(key.pk_table) if key is not None and is_vocabulary(key.pk_table) else ""


def _name(table: Any) -> str:
    return f"{table.schema.name}:{table.name}"


def _said(*parts: str | None) -> str:
    return " ".join(" ".join(part.split()) for part in parts if part)
