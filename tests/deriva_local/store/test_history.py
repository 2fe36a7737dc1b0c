"""A read at a snapshot gives exactly what a read gave then: rows, columns, names."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from deriva_local.ermrest.schema import alter, create, definitions
from deriva_local.ermrest.schema.address import parse
from deriva_local.errors import NotFound
from deriva_local.store import Catalog, Store, ddl, truncate

from .steps import (
    ANNE,
    BERT,
    add_table,
    alter_column,
    change,
    contents,
    delete,
    insert,
    now,
    update,
    values,
)


def test_updated_and_deleted_rows_stay_readable_at_their_snapshots(catalog: Catalog) -> None:
    add_table(catalog, "T", {"A": "text"})
    one = insert(catalog, "T", {"A": "x"}, {"A": "y"})
    two = update(catalog, "T", "A", "x", "z")
    three = delete(catalog, "T", "A", "y")
    assert [values(catalog, "T", "A", snap) for snap in (one, two, three)] == [["x", "y"], ["z", "y"], ["z"]]
    assert values(catalog, "T", "A") == ["z"]


def test_a_moment_between_two_snapshots_is_answered_by_the_earlier(catalog: Catalog) -> None:
    add_table(catalog, "T", {"A": "text"})
    one = insert(catalog, "T", {"A": "x"})
    two = insert(catalog, "T", {"A": "y"})
    between = (one + two) // 2
    assert values(catalog, "T", "A", between) == ["x"]
    with catalog.reading(between) as reading:
        assert reading.snaptime == one


def test_before_its_first_snapshot_a_catalog_has_no_content(catalog: Catalog) -> None:
    with pytest.raises(NotFound), catalog.reading(1):
        pass


def test_system_columns_tell_who_and_when(catalog: Catalog) -> None:
    add_table(catalog, "T", {"A": "text"})
    insert(catalog, "T", {"A": "x"}, client=ANNE)
    update(catalog, "T", "A", "x", "y", client=BERT)
    row = contents(catalog)[1]["S:T"][0]
    assert (row["RCB"], row["RMB"]) == ("anne", "bert")
    assert row["RCT"] < row["RMT"]


def test_rid_creation_time_and_creator_cannot_be_overwritten(catalog: Catalog) -> None:
    add_table(catalog, "T", {"A": "text"})
    insert(catalog, "T", {"A": "x"})
    before = contents(catalog)[1]["S:T"][0]
    update(catalog, "T", "RID", before["RID"], "9-9999", client=BERT)
    update(catalog, "T", "RCB", "anne", "bert", client=BERT)
    after = contents(catalog)[1]["S:T"][0]
    assert [after[name] for name in ("RID", "RCT", "RCB")] == [before[name] for name in ("RID", "RCT", "RCB")]


def test_a_dropped_table_stays_readable_at_older_snapshots(catalog: Catalog) -> None:
    add_table(catalog, "T", {"A": "text"})
    filled = insert(catalog, "T", {"A": "x"})
    change(catalog, lambda model: alter.drop_table(model, parse("schema/S/table/T")))
    add_table(catalog, "T", {"B": "int4"})
    assert values(catalog, "T", "A", filled) == ["x"]
    assert values(catalog, "T", "B") == []


def test_a_dropped_column_no_longer_binds_new_rows_and_stays_readable_before(catalog: Catalog) -> None:
    columns = [
        {"name": "A", "type": {"typename": "text"}, "nullok": False},
        {"name": "B", "type": {"typename": "text"}},
    ]
    add_table(catalog, "T", {}, column_definitions=columns, keys=[{"unique_columns": ["A"]}])
    filled = insert(catalog, "T", {"A": "x", "B": "b"})
    change(catalog, lambda model: alter.drop_column(model, parse("schema/S/table/T/column/A")))
    insert(catalog, "T", {"B": "c"}, {"B": "d"})
    assert values(catalog, "T", "A", filled) == ["x"]
    assert values(catalog, "T", "B") == ["b", "c", "d"]


def test_a_renamed_column_keeps_its_old_name_at_older_snapshots(catalog: Catalog) -> None:
    add_table(catalog, "T", {"A": "text"})
    filled = insert(catalog, "T", {"A": "x"})
    alter_column(catalog, "T", "A", name="B")
    assert values(catalog, "T", "A", filled) == ["x"]
    assert values(catalog, "T", "B") == ["x"]


def test_a_column_of_another_type_takes_its_values_over_and_leaves_the_past_alone(catalog: Catalog) -> None:
    add_table(catalog, "T", {"A": "text"}, keys=[{"unique_columns": ["A"]}])
    filled = insert(catalog, "T", {"A": "7"})
    modified = contents(catalog)[1]["S:T"][0]["RMT"]
    alter_column(catalog, "T", "A", type={"typename": "int8"})
    assert values(catalog, "T", "A", filled) == ["7"]
    assert values(catalog, "T", "A") == [7]
    assert contents(catalog)[1]["S:T"][0]["RMT"] == modified
    update(catalog, "T", "A", 7, 8)
    assert values(catalog, "T", "A", filled) == ["7"]


def test_rows_that_a_reference_deletes_stay_readable(catalog: Catalog) -> None:
    add_table(catalog, "Parent", {"Name": "text"}, keys=[{"unique_columns": ["Name"]}])
    reference = {
        "foreign_key_columns": [{"column_name": "Parent"}],
        "referenced_columns": [{"schema_name": "S", "table_name": "Parent", "column_name": "Name"}],
        "on_delete": "CASCADE",
        "on_update": "CASCADE",
    }
    add_table(catalog, "Child", {"Parent": "text"}, foreign_keys=[reference])
    insert(catalog, "Parent", {"Name": "a"})
    filled = insert(catalog, "Child", {"Parent": "a"})
    renamed = update(catalog, "Parent", "Name", "a", "b")
    delete(catalog, "Parent", "Name", "b")
    assert values(catalog, "Child", "Parent", filled) == ["a"]
    assert values(catalog, "Child", "Parent", renamed) == ["b"]
    assert values(catalog, "Child", "Parent") == []


def test_a_row_changed_twice_in_one_request_leaves_one_past_row(catalog: Catalog) -> None:
    add_table(catalog, "T", {"A": "text"})
    filled = insert(catalog, "T", {"A": "x"})
    with catalog.writing(ANNE) as writing:
        table = writing.model.table("S", "T")
        for value in ("y", "z"):
            physical = table.column("A").physical
            writing.connection.execute(f"UPDATE data.{table.physical} SET {physical} = '{value}'".encode())
    assert values(catalog, "T", "A", filled) == ["x"]
    assert values(catalog, "T", "A") == ["z"]
    with catalog.reading() as reading:
        kept = reading.connection.execute(f"SELECT count(*) FROM past.{table.physical}".encode()).fetchone()
    assert kept == (1,)


def test_a_truncated_past_is_gone_and_the_rest_reads_as_before(catalog: Catalog) -> None:
    add_table(catalog, "T", {"A": "text"})
    add_table(catalog, "Gone", {"A": "text"})
    insert(catalog, "Gone", {"A": "x"})
    first = insert(catalog, "T", {"A": "1"}, {"A": "x"})
    change(catalog, lambda model: alter.drop_table(model, parse("schema/S/table/Gone")))
    second = update(catalog, "T", "A", "1", "2")
    third = update(catalog, "T", "A", "2", "3")
    kept = {snap: contents(catalog, snap) for snap in (second, third)}
    with catalog.writing(ANNE) as writing:
        truncate(writing, second)
    for snap in (first, second - 1):
        with pytest.raises(NotFound), catalog.reading(snap):
            pass
    assert {snap: contents(catalog, snap) for snap in kept} == kept
    assert now(catalog) == third
    with catalog.reading() as reading:
        tables = reading.all(sql.SQL("SELECT tablename FROM pg_tables WHERE schemaname IN ('data', 'past')"))
        assert reading.one(sql.SQL("SELECT count(*) FROM {} AS t").format(ddl.past(reading.model.table("S", "T")))) == (
            1,
        )
        assert sorted(name for (name,) in tables) == sorted([f"t{table}" for table in reading.model.tables_by_id] * 2)


def test_a_past_that_never_was_cannot_be_truncated(catalog: Catalog) -> None:
    with pytest.raises(NotFound), catalog.writing(ANNE) as writing:
        truncate(writing, 1)


# A step is a name and a small number that picks table, column or value.
STEPS = ("insert", "update", "delete", "add", "drop", "rename", "retype", "new table", "drop table")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 5)), min_size=6, max_size=18))
def test_every_snapshot_of_any_history_reads_as_it_was(store: Store, steps: list[tuple[str, int]]) -> None:
    record = store.create([ANNE.id], ANNE)
    catalog = store.catalog(record.id)
    try:
        change(catalog, lambda model: create.schema(model, definitions.schema({}, "S")))
        add_table(catalog, "T0", {"A": "text"})
        insert(catalog, "T0", {"A": "1"}, {"A": "2"}, {"A": "3"})
        seen: dict[int, Any] = {now(catalog): contents(catalog)}
        numbers = itertools.count()
        for step, pick in steps:
            play(catalog, step, pick, next(numbers))
            seen[now(catalog)] = contents(catalog)
        for snap, was in seen.items():
            assert contents(catalog, snap) == was
    finally:
        store.delete(record.id)


def play(catalog: Catalog, step: str, pick: int, number: int) -> None:
    """One step of a history; steps that cannot be taken now are left out."""
    model, _ = contents(catalog)
    tables = list(model.schemas["S"].tables.values())
    if step == "new table" or not tables:
        add_table(catalog, f"N{number}", {"A": "text", "B": "text"})
        return
    table = tables[pick % len(tables)]
    own = [column for column in table.columns if not column.is_system]
    here = f"schema/S/table/{table.name}"
    if step == "drop table":
        change(catalog, lambda model: alter.drop_table(model, parse(here)))
    elif step == "add":
        document = {"name": f"C{number}", "type": {"typename": "text"}, "default": str(pick)}
        change(catalog, lambda model: create.column(model, table, definitions.column(document)))
    elif own:
        _play_on_column(catalog, step, pick, number, (table.name, own[pick % len(own)].name))


def _play_on_column(catalog: Catalog, step: str, pick: int, number: int, place: tuple[str, str]) -> None:
    table, column = place
    kind = contents(catalog)[0].table("S", table).column(column).type.typename
    value: Any = pick if kind == "int4" else str(pick)
    if step == "insert":
        insert(catalog, table, {column: value}, {column: value})
    elif step == "update":
        update(catalog, table, column, value, type(value)(pick + 1))
    elif step == "delete":
        delete(catalog, table, column, value)
    elif step == "rename":
        alter_column(catalog, table, column, name=f"R{number}")
    elif step == "retype":
        alter_column(catalog, table, column, type={"typename": "text" if kind == "int4" else "int4"})
    elif step == "drop":
        address = parse(f"schema/S/table/{table}/column/{column}")
        change(catalog, lambda model: alter.drop_column(model, address))
