"""The tables that definitions speak of, as the catalog has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deriva.core.ermrest_model import Table

from deriva_ml_kit import nearest
from deriva_ml_kit.errors import Fault, Faults
from deriva_ml_kit.mainline import DerivaMLException
from deriva_ml_kit.ops.features.definitions import RECORDED, FeatureDefinition, FeatureDefinitions

if TYPE_CHECKING:
    from deriva_ml_kit.mainline import DerivaML

MOMENTS = frozenset({"timestamptz", "ermrest_rct", "ermrest_rmt"})


@dataclass(frozen=True)
class Place:
    """Rows of values that are read at once.

    Attributes:
        entity: What the values are about.
        table: Their table.
        key: Column with the entity.
        event_time, known_time, tie_break: Columns; see `FeatureDefinition`.
        where: Column and value that the rows have.
    """

    entity: str
    table: Table
    key: str
    event_time: str
    known_time: str
    tie_break: str | None
    where: tuple[tuple[str, str], ...]

    @property
    def recorded(self) -> bool:
        """Whether values count as known since the catalog has them."""
        return self.known_time == RECORDED


@dataclass(frozen=True)
class Source(Place):
    """A place with the features in it.

    Attributes:
        features: Name without the entity to the definition and the column of the value.
    """

    features: Mapping[str, tuple[FeatureDefinition, str]]


def from_catalog(ml: DerivaML, references: Iterable[str]) -> FeatureDefinitions:
    """Definitions of features that are called like those of the catalog: `<Table>:<feature or column>`.

    Values of a feature count from when they were recorded; a column of a table is that of its rows.
    """
    made = []
    for reference in references:
        entity, _, name = reference.partition("@")[0].partition(":")
        try:
            table = _table(ml, entity)
            is_feature = any(feature.feature_name == name for feature in ml.find_features(table))
        except DerivaMLException:
            continue  # said when the features are chosen
        if is_feature:
            made.append({"name": f"{entity}:{name}", "feature": name})
        elif name in table.columns.elements:
            made.append({"name": f"{entity}:{name}", "column": name})
    return FeatureDefinitions.model_validate({"features": made})


def sources(ml: DerivaML, definitions: FeatureDefinitions) -> list[Source]:
    """The tables of definitions; features that stand in the same rows come together.

    Args:
        ml: The catalog, or a snapshot of it.
        definitions: Of the features that are wanted.

    Raises:
        Faults: Tables or columns that the catalog does not have, or not like that.
    """
    faults: list[Fault] = []
    found: dict[Place, dict[str, tuple[FeatureDefinition, str]]] = {}
    for definition in definitions.features:
        try:
            place, column = _place(ml, definition, definitions.entities.get(definition.entity, definition.entity))
        except Faults as wrong:
            faults += wrong.faults
        except DerivaMLException as error:
            faults.append(Fault(" ".join(str(error).split()), column=definition.name))
        else:
            found.setdefault(place, {})[definition.short] = (definition, column)
    if faults:
        where = f"catalog {ml.catalog_id} on {ml.host_name}"
        raise Faults(faults, message=f"The definitions do not fit {where}; nothing was written.")
    return [Source(**vars(place), features=features) for place, features in found.items()]


def _place(ml: DerivaML, definition: FeatureDefinition, entity_table: str) -> tuple[Place, str]:
    """Everything that rows of values are read by, and the column of the value."""
    entity = _table(ml, entity_table)
    key, column = definition.key, definition.column
    if definition.feature:
        feature = ml.lookup_feature(entity, definition.feature)
        table, key = feature.feature_table, key or feature.target_column
        if column is None:
            columns = sorted(each.name for each in feature.feature_columns)
            if len(columns) != 1:
                raise _fault(definition, "column", f"the feature has {len(columns)} columns: {', '.join(columns)}")
            column = columns[0]
        if apart := sorted(set(feature.qualifier_columns) - definition.where.keys()):
            raise _fault(definition, "where", f"values of one {entity.name} are told apart by {', '.join(apart)}")
    else:
        table = _table(ml, definition.table) if definition.table else entity
    if key is None:
        key = _key_to(definition, table, entity)
    assert column is not None  # the definition has one where it names no feature
    times = {"event_time": definition.event_time, "known_time": definition.known_time}
    wanted = {"column": column, "key": key, **times, **{f"where.{name}": name for name in definition.where}}
    if definition.tie_break:
        wanted["tie_break"] = definition.tie_break
    known = list(table.columns.elements)
    faults = [
        _fault(definition, field, f"table {table.name} has no column {name!r}; {nearest.suggestion(name, known)}")
        for field, name in wanted.items()
        if name not in known
    ]
    faults += [
        _fault(definition, field, f"{table.name}.{name} is of type {kind}, which is no moment; timestamptz is one")
        for field, name in times.items()
        if name in known and (kind := table.columns[name].type.typename) not in MOMENTS
    ]
    if faults:
        raise Faults([each for fault in faults for each in fault.faults])
    where = tuple(sorted(definition.where.items()))
    return Place(definition.entity, table, key, **times, tie_break=definition.tie_break, where=where), column


def _key_to(definition: FeatureDefinition, table: Table, entity: Table) -> str:
    """The one column of a table that refers to the entity."""
    if table == entity:
        return "RID"
    links = [
        key.foreign_key_columns[0].name
        for key in table.foreign_keys
        if key.pk_table == entity and len(key.foreign_key_columns) == 1
    ]
    if len(links) != 1:
        what = f"{', '.join(links)} refer to it" if links else "no column refers to it"
        raise _fault(definition, "key", f"say which column of {table.name} holds the {entity.name}: {what}")
    return str(links[0])


def _table(ml: DerivaML, name: str) -> Table:
    """A table by its name; an entity may be written in small letters.

    Raises:
        DerivaMLTableNotFound: There is none.
    """
    schemas = [ml.model.schemas[each] for each in sorted(ml.domain_schemas)]
    known = {table for schema in schemas for table in schema.tables}
    alike = [each for each in known if each.lower() == name.lower()]
    return ml.model.name_to_table(alike[0] if name not in known and len(alike) == 1 else name)


def _fault(definition: FeatureDefinition, field: str, message: str) -> Faults:
    return Faults([Fault(message, column=f"{definition.name}.{field}")])
