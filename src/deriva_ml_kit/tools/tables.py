"""Tables and features that a call names; where there is none of that name, the error has the nearest as candidates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deriva_ml_kit.nearest import nearest
from deriva_ml_kit.tools.failure import Code, ToolError, not_found

if TYPE_CHECKING:
    from deriva.core.ermrest_model import Schema, Table

    from deriva_ml_kit.mainline import DerivaML, Feature

HIDDEN = "public"  # ERMrest's own tables


def schema_of(ml: DerivaML, name: str) -> Schema:
    """The schema of a name.

    Raises:
        ToolError: There is none.
    """
    schemas = ml.model.model.schemas
    if name not in schemas:
        raise not_found("schema", name, [each for each in schemas if each != HIDDEN])
    return schemas[name]


def own_schema(ml: DerivaML, name: str | None = None) -> Schema:
    """The schema in which a table of one's own is made: the one of a name, or else the project's only one.

    Raises:
        ToolError: There is no schema of that name, or none was named where there are several.
        DerivaMLConfigurationError: There is none.
    """
    if name is None and ml.default_schema is None and ml.domain_schemas:
        there = sorted(ml.domain_schemas)
        raise ToolError(
            Code.BAD_ARGUMENT, f"In which schema? There are {', '.join(there)}.", remedy="Name it.", candidates=there
        )
    return schema_of(ml, name or ml.domain_schema)


def table_of(ml: DerivaML, name: str, schema: str | None = None) -> Table:
    """The table of a name, in one schema or in any.

    Args:
        ml: The catalog.
        name: Name, or `schema:name`.
        schema: Where to look; where not given, the project's own schema comes first, then deriva-ml's.

    Raises:
        ToolError: There is none, or several schemas have one.
    """
    schemas = ml.model.model.schemas
    if schema is not None:
        here = schema_of(ml, schema).tables
        if name in here:
            return here[name]
        elsewhere = _places(ml, name)
        close = elsewhere or nearest(name, here)
        where = f"It is in {', '.join(place.partition(':')[0] for place in elsewhere)}." if elsewhere else None
        raise ToolError(Code.NOT_FOUND, f"Schema {schema} has no table {name!r}.", remedy=where, candidates=close)
    from deriva_ml_kit.mainline import DerivaMLTableNotFound  # noqa: PLC0415  (takes seconds)

    try:
        return ml.model.name_to_table(name)
    except DerivaMLTableNotFound:
        pass
    if places := _places(ml, name):
        message = f"{len(places)} schemas have a table {name!r}."
        raise ToolError(Code.BAD_ARGUMENT, message, remedy="Name the schema, too.", candidates=places)
    known = [table for key, each in schemas.items() if key != HIDDEN for table in each.tables]
    raise not_found("table", name, known)


def vocabulary_of(ml: DerivaML, name: str, schema: str | None = None) -> Table:
    """The vocabulary of a name; as `table_of`.

    Raises:
        ToolError: There is no such table, or it holds no terms.
    """
    table = table_of(ml, name, schema)
    if not ml.model.is_vocabulary(table):
        message = f"{table.schema.name}:{table.name} is no vocabulary: its rows have no Name, Synonyms and Description."
        known = [f"{each.schema.name}:{each.name}" for each in ml.model.find_vocabularies()]
        mine = [place for place in known if not place.startswith(f"{ml.ml_schema}:")]
        raise ToolError(Code.BAD_ARGUMENT, message, candidates=(mine or known)[:12])
    return table


def feature_of(ml: DerivaML, target_table: str, feature_name: str) -> Feature:
    """The feature of a table and name.

    Raises:
        ToolError: There is no such table, or it has no such feature.
    """
    target = table_of(ml, target_table)
    there = {feature.feature_name: feature for feature in ml.find_features(target)}
    if feature_name in there:
        return there[feature_name]
    others = [feature.target_table.name for feature in ml.find_features() if feature.feature_name == feature_name]
    remedy = f"{', '.join(others)} has a feature of this name." if others else None
    raise not_found("feature", feature_name, [*there], where=f"Table {target.name}", remedy=remedy)


def _places(ml: DerivaML, name: str) -> list[str]:
    """`schema:name` of every table of a name."""
    schemas = ml.model.model.schemas
    return sorted(f"{key}:{name}" for key, each in schemas.items() if key != HIDDEN and name in each.tables)
