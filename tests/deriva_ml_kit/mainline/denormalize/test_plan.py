"""Which tables are joined, and what is refused: on schemas only, without a catalog."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from deriva.core.ermrest_model import Column, ForeignKey, Key, Model, Schema, Table, builtin_types
from deriva_ml.model.catalog import DerivaModel
from hypothesis import example, given
from hypothesis import strategies as st

from deriva_ml_kit.mainline.catalog.paths import LoopFreePaths
from deriva_ml_kit.mainline.catalog.tables import NamedTables
from deriva_ml_kit.mainline.denormalize.plan import Plan, asked, below, plan
from deriva_ml_kit.mainline.errors import (
    DerivaMLDenormalizeAmbiguousPath,
    DerivaMLDenormalizeDownstreamLeaf,
    DerivaMLDenormalizeError,
    DerivaMLDenormalizeMultiLeaf,
    DerivaMLDenormalizeNoSink,
    DerivaMLValidationError,
)
from deriva_ml_kit.mainline.feature.definition import FeatureLookup

VOCABULARY = ("Name", "ID", "URI", "Description", "Synonyms")
FEATURE = {"Image": "Image", "Feature_Name": "ml:Feature_Name", "Execution": "ml:Execution", "Grade": "Grade"}


class SchemaOnly(LoopFreePaths, NamedTables, FeatureLookup, DerivaModel):  # type: ignore[misc]
    """A model of no catalog."""


def model(references: dict[str, dict[str, str]], vocabularies: Iterable[str] = (), other: str = "") -> SchemaOnly:
    """A schema: table to its foreign keys, column to table; `ml:` for tables of deriva-ml."""
    mine: dict[str, Any] = {}
    for name, keys in references.items():
        columns = [Column.define(column, builtin_types.text, nullok=False) for column in (*keys, "Size")]
        mine[name] = Table.define(
            name,
            columns,
            key_defs=[Key.define([column for column in keys if column != "Grade"])] if len(keys) > 1 else [],
            fkey_defs=[_key(column, target) for column, target in keys.items()],
        )
        if "Feature_Name" in keys:
            found = next(one for one in mine[name]["column_definitions"] if one["name"] == "Feature_Name")
            found["default"] = "Diagnosis"
    mine |= {name: _vocabulary(name) for name in vocabularies}
    ml = {"Feature_Name": _vocabulary("Feature_Name"), "Execution": Table.define("Execution", [])}
    ml["Dataset"] = Table.define("Dataset", [])
    schemas = {"lab": mine, "deriva-ml": ml, "public": {}} | (
        {other: {"Site": Table.define("Site", [])}} if other else {}
    )
    document = {
        "schemas": {
            name: Schema.define(name) | {"tables": {t: d | {"schema_name": name} for t, d in tables.items()}}
            for name, tables in schemas.items()
        }
    }
    for name, schema in document["schemas"].items():
        for table in schema["tables"].values():
            table["kind"] = "table"
            table["foreign_keys"] = [_placed(key, name, table["table_name"]) for key in table.get("foreign_keys", [])]
            table["foreign_keys"] = [key for key in table["foreign_keys"] if _target(key) != "public"]
    return SchemaOnly(Model("none", document), domain_schema="lab")


def _key(column: str, target: str) -> dict[str, Any]:
    schema, _, table = target.rpartition(":")
    at = "Name" if table in {"Grade", "Feature_Name"} else "RID"
    found: dict[str, Any] = ForeignKey.define([column], {"ml": "deriva-ml", "": "lab"}.get(schema, schema), table, [at])
    return found


def _placed(key: dict[str, Any], schema: str, table: str) -> dict[str, Any]:
    columns = [one | {"schema_name": schema, "table_name": table} for one in key["foreign_key_columns"]]
    return key | {"foreign_key_columns": columns, "names": [[schema, f"{table}_{columns[0]['column_name']}_fkey"]]}


def _target(key: dict[str, Any]) -> str:
    return str(key["referenced_columns"][0]["schema_name"])


def _vocabulary(name: str) -> Any:
    columns = [Column.define(column, builtin_types.text, nullok=False) for column in VOCABULARY]
    return Table.define(name, columns, key_defs=[Key.define(["Name"])])


def planned(schema: SchemaOnly, tables: list[str], row_per: str | None = None, via: list[str] | None = None) -> Plan:
    return plan(schema, asked(schema, tables, row_per, via))


def routes(made: Plan) -> dict[str, list[str]]:
    return {table.name: [link.table.name for link in route] for table, route in made.routes.items() if route}


CHAIN = {"Subject": {}, "Observation": {"Subject": "Subject"}, "Image": {"Observation": "Observation"}}
DIAMOND = CHAIN | {"Image": {"Observation": "Observation", "Subject": "Subject"}}
TWINS = {"Subject": {}, "Pair": {"Left": "Subject", "Right": "Subject", "Third": "Subject"}}
GRADED = CHAIN | {"Execution_Image_Diagnosis": FEATURE}


def test_a_row_is_one_of_the_lowest_table_and_stands_beside_what_it_refers_to() -> None:
    made = planned(model(CHAIN), ["Subject", "Image"])

    assert made.row_per.name == "Image"
    assert routes(made) == {"Subject": ["Observation", "Subject"]}
    assert made.join_path == ["Image", "Observation", "Subject"]
    assert [column.label for column in made.columns if column.name == "RID"] == ["Subject.RID", "Image.RID"]
    assert not {column.name for column in made.columns} & {"RCT", "RMT", "RCB", "RMB"}


@pytest.mark.parametrize("name", ["Diagnosis", "Image_Diagnosis", "Execution_Image_Diagnosis"])
def test_a_feature_has_three_names(name: str) -> None:
    made = planned(model(GRADED, ["Grade"]), ["Image", name])

    assert made.row_per.name == "Execution_Image_Diagnosis"
    assert routes(made) == {"Image": ["Image"]}


def test_a_term_may_stand_beside_its_record_across_the_feature() -> None:
    made = planned(model(GRADED, ["Grade"]), ["Image", "Grade"], row_per="Image")

    assert routes(made) == {"Grade": ["Execution_Image_Diagnosis", "Grade"]}
    assert made.fans_out == ["Execution_Image_Diagnosis"]


def test_the_term_of_a_label_is_its_own_and_not_that_of_another_feature() -> None:
    severity = {"Subject" if column == "Image" else column: target for column, target in FEATURE.items()}
    schema = model(GRADED | {"Execution_Subject_Severity": severity | {"Subject": "Subject"}}, ["Grade"])

    made = planned(schema, ["Image", "Execution_Image_Diagnosis", "Grade"])

    assert routes(made) == {"Image": ["Image"], "Grade": ["Grade"]}


def test_two_ways_are_refused_until_a_table_tells_them_apart() -> None:
    schema = model(DIAMOND)

    with pytest.raises(DerivaMLDenormalizeAmbiguousPath) as refused:
        planned(schema, ["Image", "Subject"])
    assert refused.value.paths == [["Image", "Subject"], ["Image", "Observation", "Subject"]]
    assert refused.value.suggested_intermediates == ["Observation"]
    for options in (
        {"tables": ["Image", "Subject"], "via": ["Observation"]},
        {"tables": ["Subject", "Observation", "Image"]},
    ):
        assert routes(planned(schema, **options))["Subject"] == ["Observation", "Subject"]  # type: ignore[arg-type]
    assert routes(planned(schema, ["Image", "Subject"], via=["Image.Subject"])) == {"Subject": ["Subject"]}


def test_of_two_foreign_keys_to_one_table_the_column_tells() -> None:
    schema = model(TWINS)

    with pytest.raises(DerivaMLDenormalizeAmbiguousPath, match=r"Pair\.Left → Subject") as refused:
        planned(schema, ["Pair", "Subject"])
    assert refused.value.suggested_intermediates == ["Pair.Left", "Pair.Right", "Pair.Third"]
    [link] = next(route for route in planned(schema, ["Pair", "Subject"], via=["Pair.Right"]).routes.values() if route)
    assert link.columns == [("Right", "RID")]
    with pytest.raises(DerivaMLValidationError, match="no foreign key of a column Size"):
        planned(schema, ["Pair", "Subject"], via=["Pair.Size"])


def test_what_has_no_plan_is_refused_with_what_to_ask_for_instead() -> None:
    siblings = model(CHAIN | {"Report": {"Subject": "Subject"}})
    with pytest.raises(DerivaMLDenormalizeMultiLeaf, match="row_per='Image'") as leaves:
        planned(siblings, ["Image", "Report"])
    assert leaves.value.candidates == ["Image", "Report"]
    assert leaves.value.bridge_suggestions == ["Observation", "Subject"]
    with pytest.raises(DerivaMLDenormalizeDownstreamLeaf, match="Image"):
        planned(siblings, ["Subject", "Image"], row_per="Subject")
    with pytest.raises(DerivaMLDenormalizeNoSink):
        planned(model({"A": {"B": "B"}, "B": {"A": "A"}}), ["A", "B"])
    with pytest.raises(DerivaMLDenormalizeError, match="No foreign keys lead from Image to Island"):
        planned(model(CHAIN | {"Island": {}}), ["Image", "Island"], row_per="Image")
    with pytest.raises(DerivaMLValidationError, match="not among include_tables"):
        planned(siblings, ["Image"], row_per="Report")
    with pytest.raises(DerivaMLValidationError, match="is empty"):
        planned(siblings, [])


def test_labels_have_the_schema_where_several_domain_schemas_are_asked_for() -> None:
    schema = model(GRADED | {"Subject": {"Site": "sites:Site"}}, ["Grade"], other="sites")

    both = planned(schema, ["Site", "Subject"])
    assert [column.label for column in both.columns] == [
        "sites.Site.RID",
        "lab.Subject.RID",
        "lab.Subject.Site",
        "lab.Subject.Size",
    ]
    assert planned(schema, ["Diagnosis", "Execution"]).columns[-1].label == "Execution.RID"


NAMES = ["A", "B", "C", "D", "E", "F"]
EDGES = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), unique=True, max_size=12)


@example(edges=[("A", "B"), ("B", "A"), ("B", "B"), ("C", "A")], tables=["B", "C"])
@given(edges=EDGES, tables=st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
def test_whatever_the_schema_a_plan_is_sound_or_refused(edges: list[tuple[str, str]], tables: list[str]) -> None:
    references: dict[str, dict[str, str]] = {name: {} for name in NAMES}
    for lower, upper in edges:
        references[lower][f"To_{upper}"] = upper
    schema = model(references)

    try:
        made = planned(schema, tables)
    except DerivaMLDenormalizeError as refused:
        assert refused.remedy
        return

    assert {table.name for table in made.include} == set(tables) == {*routes(made), made.row_per.name}
    assert not below(schema, made.row_per) & set(made.include) - {made.row_per}
    for table, route in made.routes.items():
        here = made.row_per
        for link in route:
            assert here in {link.key.table, link.key.pk_table}
            here = link.table
        assert here is table
        assert len({link.table for link in route}) == len(route)
