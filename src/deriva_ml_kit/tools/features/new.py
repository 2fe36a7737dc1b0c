"""A feature that is to be made: all that is wrong with it at once, or the document that ERMrest makes it from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from deriva_ml_kit.errors import Fault
from deriva_ml_kit.nearest import nearest
from deriva_ml_kit.tools.failure import Code, ToolError
from deriva_ml_kit.tools.registry import also
from deriva_ml_kit.tools.tables import feature_of, own_schema, table_of
from deriva_ml_kit.tools.types import Name, Text
from deriva_ml_kit.tools.writing import recorded

if TYPE_CHECKING:
    from deriva.core.ermrest_model import Table

    from deriva_ml_kit.mainline import DerivaML, Feature
    from deriva_ml_kit.tools.call import Call

LONGEST_NAME = 63  # bytes, PostgreSQL's limit
TYPES = (
    *("text", "markdown", "json", "jsonb"),
    *("int2", "int4", "int8", "float4", "float8", "boolean"),
    *("date", "timestamp", "timestamptz"),
)
MEANT = {"float": "float8", "double": "float8", "number": "float8", "int": "int4", "integer": "int4", "bool": "boolean"}
MEANT |= {"str": "text", "string": "text", "datetime": "timestamptz", "dict": "jsonb", "object": "jsonb"}


class MetadataColumn(BaseModel):
    """A column that holds neither a term nor an asset, such as a confidence."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, validate_by_name=True)

    name: Name
    type: str = Field("text", description=f"One of {', '.join(TYPES)}")
    optional: bool = Field(
        True, description="Whether a value may leave it empty", validation_alias=also("optional", "nullok")
    )
    comment: Text | None = None


class FeatureColumn(BaseModel):
    """A column of a feature's values."""

    name: str
    type: str
    kind: Literal["term", "asset", "value", "qualifier"] = Field(
        description="term: the name of a term; asset: the RID of a file; qualifier: tells values of one record apart"
    )
    required: bool = Field(description="Whether every value must have it")
    refers_to: str | None = Field(None, description="The vocabulary of a term, the asset table of an asset")
    default: Any = Field(None, description="What a value has that leaves it empty")
    comment: str | None = None


@dataclass(frozen=True)
class NewFeature:
    """What was asked for.

    Attributes:
        target_table: Table that it is about.
        name: Its name.
        terms: Vocabularies.
        assets: Asset tables.
        metadata: Further columns.
        optional: Names of columns that may stay empty.
        comment: What it means.
    """

    target_table: str
    name: str
    terms: Sequence[str]
    assets: Sequence[str]
    metadata: Sequence[MetadataColumn]
    optional: Sequence[str]
    comment: str

    def document(self, ml: DerivaML, *, again: bool) -> dict[str, Any]:
        """What ERMrest makes its table from; `again` if it may be there already.

        Raises:
            DerivaMLFaults: Everything that is wrong with it, with the nearest names as `candidates`.
        """
        from deriva.core.ermrest_model import Column, builtin_types  # noqa: PLC0415

        from deriva_ml_kit.mainline.catalog.model import Model  # noqa: PLC0415  (takes seconds)
        from deriva_ml_kit.mainline.errors import DerivaMLFaults  # noqa: PLC0415
        from deriva_ml_kit.mainline.feature.creating import table_of as definition_of  # noqa: PLC0415

        # A type that there is not becomes text here; it is among the faults.
        types = {name: builtin_types[name] for name in TYPES}
        schema = home(ml, self.target_table)
        faults = list(self._column_faults())
        made: dict[str, Any] = {}
        try:
            made = definition_of(
                Model(ml.model.model, ml.ml_schema, schema),
                self.target_table,
                self.name,
                terms=self.terms,
                assets=self.assets,
                metadata=[
                    Column.define(
                        each.name, types.get(each.type, types["text"]), nullok=each.optional, comment=each.comment
                    )
                    for each in self.metadata
                ],
                optional=self.optional,
                comment=self.comment,
                again=again,
            )
        except DerivaMLFaults as error:
            faults = [*error.faults, *faults]
        if faults:
            message = f"The feature {self.name} on {self.target_table} cannot be made. Nothing was written."
            refused = DerivaMLFaults(faults, message=message)
            refused.candidates = sorted(set(_meant(ml, faults)))
            raise refused
        return made | {"schema_name": schema}

    def existing(self, ml: DerivaML) -> Feature | None:
        """The feature of this table and name that is there already."""
        try:
            return feature_of(ml, self.target_table, self.name)
        except ToolError:
            return None

    def _column_faults(self) -> Iterator[Fault]:
        if not (self.terms or self.assets or self.metadata):
            yield Fault("has no column for a value", column="feature", remedy="give terms, assets or metadata")
        for each in self.metadata:
            if len(each.name.encode()) > LONGEST_NAME:
                yield Fault("is a name of more than 63 bytes", column="metadata", value=each.name)
            if each.type not in TYPES:
                meant = MEANT.get(each.type.lower()) or next(iter(nearest(each.type, TYPES)), None)
                remedy = f"did you mean {meant!r}?" if meant else f"types: {', '.join(TYPES)}"
                yield Fault(f"{each.name}: there is no such type", column="metadata", value=each.type, remedy=remedy)


def home(ml: DerivaML, target_table: str) -> str:
    """The schema that a feature's table is made in: its target's, if that is one of the domain's.

    Raises:
        ToolError: It is none of the domain's, of which there are several.
    """
    try:
        schema = str(table_of(ml, target_table).schema.name)
    except ToolError:
        schema = ""
    return schema if schema in ml.domain_schemas else str(own_schema(ml).name)


def name_in_use(ml: DerivaML, name: str) -> str:
    """The name of a feature, which may have been given as a synonym of it."""
    from deriva_ml_kit.mainline import DerivaMLInvalidTerm  # noqa: PLC0415  (takes seconds)

    try:
        return str(ml.lookup_term("Feature_Name", name).name)
    except DerivaMLInvalidTerm:
        return name


def make(call: Call, new: NewFeature, document: dict[str, Any]) -> str:
    """Make the table of a feature and, where it is new, its name; gives the RID of the execution."""
    ml = call.ml
    with recorded(call, f"Make the feature {new.name} on {new.target_table}", "Feature_Creation") as writes:
        # The table first: who may not make it leaves no name behind.
        ml.model.model.schemas[document["schema_name"]].create_table(document)
        writes.made("table", document["schema_name"], document["table_name"])
        if new.name not in {term.name for term in ml.list_vocabulary_terms("Feature_Name")}:
            term = ml.add_term("Feature_Name", new.name, description=new.comment)
            writes.rows(ml.ml_schema, "Feature_Name", [term.rid])
    return writes.rid


def columns_of(feature: Feature, ml: DerivaML) -> list[FeatureColumn]:
    """The columns of a feature that is there."""
    refers = {key.foreign_key_columns[0].name: key.pk_table for key in feature.feature_table.foreign_keys}
    return [
        _column(ml, column.prejson(), refers.get(column.name), qualifier=column.name in feature.qualifier_columns)
        for column in feature.feature_table.columns
        if column in feature.feature_columns
    ]


def columns_in(document: dict[str, Any], target: Table, ml: DerivaML) -> list[FeatureColumn]:
    """The columns that a feature would have."""
    schemas = ml.model.model.schemas
    refers = {}
    for key in document["foreign_keys"]:
        to = key["referenced_columns"][0]
        refers[key["foreign_key_columns"][0]["column_name"]] = schemas[to["schema_name"]].tables[to["table_name"]]
    structure = {"Execution", "Feature_Name", target.name, "RID", "RCT", "RCB", "RMT", "RMB"}
    return [
        _column(ml, column, refers.get(column["name"]))
        for column in document["column_definitions"]
        if column["name"] not in structure
    ]


def refuse_other(there: Feature, has: Sequence[FeatureColumn], wanted: Sequence[FeatureColumn]) -> None:
    """Make sure that a feature is what was asked for; comments may differ.

    Raises:
        ToolError: It is not; says how it differs.
    """
    now = {column.name: column.model_dump(exclude={"comment"}) for column in has}
    asked = {column.name: column.model_dump(exclude={"comment"}) for column in wanted}
    said = [f"it lacks {name}" for name in asked.keys() - now.keys()]
    said += [f"it has {name}, too" for name in now.keys() - asked.keys()]
    for name in now.keys() & asked.keys():
        said += [
            f"{name}: {what} is {value}, not {asked[name][what]}"
            for what, value in now[name].items()
            if value != asked[name][what]
        ]
    if said:
        raise ToolError(
            Code.CONFLICT,
            f"{there.target_table.name} has another feature {there.feature_name}: {'; '.join(sorted(said))}.",
            remedy="Take another name: the columns of a feature cannot be changed.",
        )


def advice(new: NewFeature) -> list[str]:
    """What is unusual about its names, though it works."""
    names = [new.name, *(each.name for each in new.metadata)]
    odd = [name for name in names if not re.fullmatch(r"[A-Z][A-Za-z0-9]*(_[A-Z0-9][A-Za-z0-9]*)*", name)]
    return [f"Names are mostly written like Predicted_Grade; these are not: {', '.join(odd)}."] if odd else []


def _column(ml: DerivaML, column: dict[str, Any], to: Table | None, *, qualifier: bool = False) -> FeatureColumn:
    default = column.get("default")
    return FeatureColumn(
        name=column["name"],
        type=column["type"]["typename"],
        kind="qualifier" if qualifier else _kind(ml, to),
        required=not column.get("nullok", True) and default is None,
        refers_to=None if to is None else f"{to.schema.name}:{to.name}",
        default=default,
        comment=column.get("comment") or None,
    )


def _kind(ml: DerivaML, to: Table | None) -> Literal["term", "asset", "value"]:
    if to is None:
        return "value"
    return "term" if ml.model.is_vocabulary(to) else "asset" if ml.model.is_asset(to) else "value"


def _meant(ml: DerivaML, faults: Iterable[Fault]) -> Iterator[str]:
    """Names that may have been meant by those that are not there."""
    tables = {"terms": ml.model.find_vocabularies, "assets": ml.model.find_assets, "target_table": lambda: _own(ml)}
    for fault in faults:
        if fault.column in tables and fault.value:
            yield from nearest(fault.value, [table.name for table in tables[fault.column]()])


def _own(ml: DerivaML) -> list[Table]:
    return [table for name in ml.domain_schemas for table in ml.model.model.schemas[name].tables.values()]
