"""The planner, without a catalog: what it finds lacking, in which order, and that it ends."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deriva_ml_kit.mainline.schema.plan import Change, conflicts, missing_rights, plan, rules_like
from deriva_ml_kit.mainline.schema.tables import NULLABLE, Tables
from deriva_ml_kit.mainline.schema.terms import FOUND_STATUS, TERMS

S = "deriva-ml"
WANTED = Tables(S, "lab").documents()
# What the release does not make.
NEW_TABLES = ["Execution_Status", "Workflow_Workflow_Type", "Execution_Execution", "Dataset_Dev", "Directory_Dataset"]
NEW_COLUMNS = {
    "Execution": ["Execution_Duration", "Download_Duration", "Upload_Duration"],
    "Dataset_Version": ["Minid_Spec_Hash"],
    "Dataset_Execution": ["Dataset_Version"],
}


class Catalog:
    """A catalog as documents, to which changes can be made."""

    def __init__(self, tables: list[dict[str, Any]], statuses: set[str]) -> None:
        self.tables = {table["table_name"]: copy.deepcopy(table) for table in tables}
        self.terms: dict[str, set[str]] = {name: set() for name in TERMS}
        self.statuses = statuses

    def plan(self) -> list[Change]:
        there = {name: found for name, found in self.terms.items() if name in self.tables}
        model = {"schemas": {S: {"tables": self.tables}}}
        rest = {"rules": {}, "nullable": NULLABLE, "terms": TERMS, "terms_found": there}
        return plan(model, S, WANTED, statuses_found=self.statuses, **rest)

    def make(self, change: Change) -> None:
        document = copy.deepcopy(dict(change.document))
        if change.kind == "table":
            assert change.table not in self.tables
            self.tables[change.table] = document
        elif change.kind == "column":
            self.tables[change.table]["column_definitions"].append(document)
        elif change.kind == "nullable":
            self.column(change.table, change.name)["nullok"] = True
        elif change.kind == "term":
            self.terms[change.table].add(change.name)
        else:
            referenced = document["referenced_columns"][0]
            assert referenced["table_name"] in self.tables
            if referenced["table_name"] == "Execution_Status":
                assert self.statuses <= self.terms["Execution_Status"]
            self.column(change.table, change.name)
            self.tables[change.table]["foreign_keys"].append(document)

    def column(self, table: str, name: str) -> dict[str, Any]:
        return next(c for c in self.tables[table]["column_definitions"] if c["name"] == name)


CHANGED = [f"to change table {S}:{name}" for name in (*NEW_COLUMNS, "Workflow")]


def as_the_release_makes_it(statuses: set[str] = frozenset()) -> Catalog:  # type: ignore[assignment]
    tables = []
    for table in copy.deepcopy(WANTED):
        name = table["table_name"]
        dropped = NEW_COLUMNS.get(name, [])
        table["column_definitions"] = [c for c in table["column_definitions"] if c["name"] not in dropped]
        table["foreign_keys"] = [
            key
            for key in table["foreign_keys"]
            if key["foreign_key_columns"][0]["column_name"] not in dropped
            and key["referenced_columns"][0]["table_name"] not in NEW_TABLES
        ]
        if name not in NEW_TABLES:
            tables.append(table)
    catalog = Catalog(tables, set(statuses))
    catalog.column("Workflow", "Workflow_Type")["nullok"] = False
    return catalog


def test_a_catalog_of_the_release_lacks_what_main_line_and_we_need() -> None:
    changes = [change for change in as_the_release_makes_it().plan() if change.kind != "term"]

    assert [str(change) for change in changes] == [
        *(f"table {name}" for name in NEW_TABLES),
        *(f"column {table}.{name}" for table, names in NEW_COLUMNS.items() for name in names),
        "column Workflow.Workflow_Type may be empty",
        "foreign key Execution.Status",
        "foreign key Dataset_Execution.Dataset_Version",
    ]


def terms(changes: list[Change]) -> list[Change]:
    return [change for change in changes if change.kind == "term" and change.table == "Execution_Status"]


def test_words_that_are_in_use_become_terms_before_the_foreign_key() -> None:
    changes = as_the_release_makes_it({"Completed", "Half done", ""}).plan()

    made = {change.name: change.document["Description"] for change in terms(changes)}
    assert made["Half done"] == made[""] == FOUND_STATUS
    assert made["Completed"] != FOUND_STATUS
    assert changes.index(terms(changes)[-1]) < [str(change) for change in changes].index("foreign key Execution.Status")


@given(
    stops=st.lists(st.integers(0, 60), max_size=4),
    statuses=st.sets(st.text(max_size=5) | st.sampled_from(sorted(TERMS["Execution_Status"])), max_size=4),
)
def test_cut_short_anywhere_it_ends_where_it_would_have(stops: list[int], statuses: set[str]) -> None:
    catalog, whole = as_the_release_makes_it(statuses), as_the_release_makes_it(statuses)
    for change in whole.plan():
        whole.make(change)

    for stop in [*stops, 1000]:
        for change in catalog.plan()[:stop]:
            catalog.make(change)

    assert catalog.plan() == whole.plan() == []
    assert catalog.tables == whole.tables
    assert catalog.terms == whole.terms


def test_an_empty_schema_gets_every_table() -> None:
    changes = Catalog([], set()).plan()

    assert [change.table for change in changes if change.kind == "table"] == [t["table_name"] for t in WANTED]
    assert {change.kind for change in changes} == {"table", "term"}


@pytest.mark.parametrize(
    ("schema", "table", "expected"),
    [
        ({"owner": True}, {"owner": True}, []),
        ({"owner": False, "create": False}, {"owner": True}, ["to create tables in schema deriva-ml"]),
        (
            {"create": True},
            {"owner": False, "insert": True},
            CHANGED,
        ),
        (
            {"create": True},
            {"owner": False, "insert": False},
            [*CHANGED, *(f"to insert terms into {S}:{name}" for name in TERMS if name != "Execution_Status")],
        ),
    ],
)
def test_missing_rights_are_named_with_their_place(
    schema: dict[str, bool], table: dict[str, bool], expected: list[str]
) -> None:
    catalog = as_the_release_makes_it()
    for document in catalog.tables.values():
        document["rights"] = table
    model = {"schemas": {S: {"tables": catalog.tables, "rights": schema}}}

    missing = missing_rights(model, S, catalog.plan())

    assert sorted(right.partition(" (ACL")[0] for right in missing) == sorted(expected)


def test_what_the_server_does_not_say_is_tried() -> None:
    catalog = as_the_release_makes_it()

    assert missing_rights({"schemas": {S: {"tables": catalog.tables}}}, S, catalog.plan()) == []


def test_tables_of_somebody_else_are_a_conflict() -> None:
    catalog = as_the_release_makes_it()
    numbers = {"name": "Dataset", "type": {"typename": "int8"}, "nullok": True}
    catalog.tables["Dataset_Dev"] = {"table_name": "Dataset_Dev", "column_definitions": [numbers], "foreign_keys": []}

    found = conflicts({"schemas": {S: {"tables": catalog.tables}}}, S, WANTED)

    assert "Dataset_Dev.Dataset is of type int8; it must be text" in found
    assert "Dataset_Dev.Base_Version is missing and cannot be added: its rows would have no value for it" in found
    assert not any("Description" in problem for problem in found)


def test_new_tables_get_the_rules_that_fit_any_table() -> None:
    owner = {"types": ["update"], "projection": ["RCB"], "projection_type": "acl"}
    table = {
        "acls": {"select": ["*"]},
        "acl_bindings": {"row_owner_guard": owner, "by_site": owner | {"projection": "Site"}},
    }

    assert rules_like(table) == {"acls": {"select": ["*"]}, "acl_bindings": {"row_owner_guard": owner}}
