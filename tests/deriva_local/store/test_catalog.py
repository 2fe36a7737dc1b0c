"""The clock, concurrent writers, what PostgreSQL refuses."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from psycopg import sql

from deriva_local.errors import BadRequest, Conflict, ServiceError
from deriva_local.model import base32
from deriva_local.store import Catalog, Store
from deriva_local.store.registry import Store as Registry

from .steps import ANNE, BERT, add_table, alter_column, change, contents, delete, insert, now, update, values


def test_the_clock_moves_with_each_change_and_never_backwards(catalog: Catalog) -> None:
    add_table(catalog, "T", {"A": "text"})
    moments = [insert(catalog, "T", {"A": str(number)}) for number in range(20)]
    assert moments == sorted(set(moments))
    assert now(catalog) == moments[-1]


def test_the_clock_stands_still_when_a_request_fails(catalog: Catalog) -> None:
    add_table(catalog, "T", {"A": "text"}, keys=[{"unique_columns": ["A"]}])
    before = insert(catalog, "T", {"A": "x"})
    with pytest.raises(Conflict):
        insert(catalog, "T", {"A": "y"}, {"A": "x"})
    assert now(catalog) == before
    assert values(catalog, "T", "A") == ["x"]


def test_the_clock_stands_still_when_nothing_changes(catalog: Catalog) -> None:
    add_table(catalog, "T", {"A": "text"})
    before = insert(catalog, "T", {"A": "x"})
    update(catalog, "T", "A", "absent", "y")
    delete(catalog, "T", "A", "absent")
    insert(catalog, "T")
    assert now(catalog) == before


def test_writers_at_the_same_time_lose_nothing(catalog: Catalog) -> None:
    add_table(catalog, "T", {"A": "int4"})
    insert(catalog, "T", {"A": 0})

    def work(number: int) -> int:
        with catalog.writing(ANNE) as writing:
            table = writing.model.table("S", "T")
            physical = sql.Identifier(table.column("A").physical)
            found = writing.one(sql.SQL("SELECT {} FROM {} AS t").format(physical, writing.relation(table)))
            assert found is not None
            query = sql.SQL("UPDATE {} SET {} = %s").format(writing.relation(table), physical)
            assert writing.execute(query, (found[0] + 1,)) == 1
            return writing.snaptime

    with ThreadPoolExecutor(8) as pool:
        moments = list(pool.map(work, range(40)))
    assert len(set(moments)) == 40
    assert values(catalog, "T", "A") == [40]
    # Each snapshot saw one more step than the one before.
    assert [values(catalog, "T", "A", moment) for moment in sorted(moments)] == [[step] for step in range(1, 41)]


def test_readers_see_one_moment_while_others_write(catalog: Catalog) -> None:
    add_table(catalog, "T", {"A": "text"})
    insert(catalog, "T", {"A": "x"})
    with catalog.reading() as reading:
        table = reading.model.table("S", "T")
        count = sql.SQL("SELECT count(*) FROM {} AS t").format(reading.relation(table))
        first = reading.one(count)
        insert(catalog, "T", {"A": "y"})
        assert reading.one(count) == first == (1,)


def test_rids_are_unique_in_the_catalog_and_of_ermrests_form(catalog: Catalog) -> None:
    add_table(catalog, "T", {"A": "text"})
    add_table(catalog, "U", {"A": "text"})
    for name in ("T", "U"):
        insert(catalog, name, *({"A": str(number)} for number in range(50)))
    content = contents(catalog)[1]
    rids = [row["RID"] for name in ("S:T", "S:U") for row in content[name]]
    assert len(set(rids)) == 100
    assert all(base32.encode(base32.decode(rid)) == rid for rid in rids)


@pytest.mark.parametrize("number", [0, 31, 32, 1023, 1024, 32**4 - 1, 32**4, 32**6, 32**8 - 1, 32**8, 2**62])
def test_postgresql_writes_rids_like_the_codec(catalog: Catalog, number: int) -> None:
    with catalog.reading() as reading:
        assert reading.one(sql.SQL("SELECT meta.rid(%s)"), (number,)) == (base32.encode(number),)


def test_a_template_default_holds_the_rows_own_rid(catalog: Catalog) -> None:
    add_table(catalog, "T", {"A": "text"})
    uri = {"name": "URI", "type": {"typename": "ermrest_uri"}, "default": "/id/{RID}", "nullok": False}
    insert(catalog, "T", {"A": "before"})
    add_table(catalog, "V", {}, column_definitions=[uri, {"name": "A", "type": {"typename": "text"}}])
    insert(catalog, "V", {"A": "x"}, {"A": "y", "URI": "given"})
    rows = contents(catalog)[1]["S:V"]
    assert [row["URI"] for row in rows] == [f"/id/{rows[0]['RID']}", "given"]


REFUSED: list[tuple[dict[str, Any], type[ServiceError], str]] = [
    (
        {"A": "x", "P": "a"},
        Conflict,
        'duplicate key value violates unique constraint "T_A_key". Key (A)=(x) already exists.',
    ),
    (
        {"A": "y", "P": "b"},
        Conflict,
        'violates foreign key constraint "T_P_fkey". Key (P)=(b) is not present in table "P".',
    ),
    ({"A": None, "P": "a"}, Conflict, 'null value in column "A" of relation "T" violates not-null constraint'),
    ({"A": "y", "N": "many"}, BadRequest, 'invalid input syntax for type integer: "many"'),
    ({"A": "y", "N": 10**12}, BadRequest, "integer out of range"),
]


@pytest.mark.parametrize(("row", "error", "text"), REFUSED)
def test_what_postgresql_refuses_is_told_in_the_names_of_the_model(
    catalog: Catalog, row: dict[str, Any], error: type[ServiceError], text: str
) -> None:
    _two_tables(catalog)
    with pytest.raises(error) as raised:
        insert(catalog, "T", row)
    assert text in raised.value.message


def test_a_row_that_others_refer_to_cannot_be_deleted(catalog: Catalog) -> None:
    _two_tables(catalog)
    with pytest.raises(
        Conflict, match=r'violates foreign key constraint "T_P_fkey" on table "T". Key \(Name\)=\(a\) is still'
    ):
        delete(catalog, "P", "Name", "a")


def test_a_column_cannot_take_a_type_that_its_values_lack(catalog: Catalog) -> None:
    add_table(catalog, "T", {"A": "text"})
    before = insert(catalog, "T", {"A": "x"})
    with pytest.raises(BadRequest, match="invalid input syntax"):
        alter_column(catalog, "T", "A", type={"typename": "int4"})
    assert now(catalog) == before
    assert values(catalog, "T", "A") == ["x"]


def test_two_requests_may_change_the_model_at_once(catalog: Catalog) -> None:
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda number: add_table(catalog, f"T{number}", {"A": "text"}), range(12)))
    assert len(contents(catalog)[0].schemas["S"].tables) == 12


def test_a_new_process_reads_what_an_earlier_one_wrote(store: Store, catalog: Catalog) -> None:
    add_table(catalog, "T", {"A": "text"})
    insert(catalog, "T", {"A": "x"}, client=BERT)
    other = Registry(store._dsn)
    try:
        assert contents(other.catalog(catalog.id)) == contents(catalog)
    finally:
        other.close()


def test_a_hundred_thousand_rows_go_in_within_seconds(catalog: Catalog) -> None:
    add_table(catalog, "T", {"A": "int4"})
    begun = time.monotonic()
    with catalog.writing(ANNE) as writing:
        table = writing.model.table("S", "T")
        query = sql.SQL("INSERT INTO {} ({}) SELECT generate_series(1, 100000)").format(
            writing.relation(table), sql.Identifier(table.column("A").physical)
        )
        assert writing.execute(query) == 100_000
    assert time.monotonic() - begun < 10  # about 1 s here; it must not become a minute


def _two_tables(catalog: Catalog) -> None:
    add_table(catalog, "P", {"Name": "text"}, keys=[{"unique_columns": ["Name"]}])
    columns = [
        {"name": "A", "type": {"typename": "text"}, "nullok": False},
        {"name": "P", "type": {"typename": "text"}},
        {"name": "N", "type": {"typename": "int4"}},
    ]
    reference = {
        "foreign_key_columns": [{"column_name": "P"}],
        "referenced_columns": [{"schema_name": "S", "table_name": "P", "column_name": "Name"}],
    }
    add_table(catalog, "T", {}, column_definitions=columns, keys=[{"unique_columns": ["A"]}], foreign_keys=[reference])
    insert(catalog, "P", {"Name": "a"})
    insert(catalog, "T", {"A": "x", "P": "a"})


def test_a_default_fills_new_rows_and_a_new_columns_old_rows(catalog: Catalog) -> None:
    add_table(catalog, "T", {"A": "text"})
    insert(catalog, "T", {"A": "x"})
    document = {"name": "N", "type": {"typename": "int4"}, "default": 5, "nullok": False}
    change(catalog, lambda model: _with_column(model, document))
    alter_column(catalog, "T", "N", default=6)
    insert(catalog, "T", {"A": "y"})
    assert values(catalog, "T", "N") == [5, 6]


def _with_column(model: Any, document: dict[str, Any]) -> Any:
    from deriva_local.ermrest.schema import create, definitions  # noqa: PLC0415

    return create.column(model, model.table("S", "T"), definitions.column(document))


@pytest.mark.parametrize(
    ("typename", "default"),
    [
        ("text", 'it\'s 100% "fine"'),
        ("jsonb", {"a": [1, "%s"]}),
        ("jsonb", "text"),
        ("boolean", True),
        ("float8", 0.5),
        ("numeric", 12),
        ("date", "2026-01-31"),
        ("text[]", ["a,b", "{}"]),
        ("int4[]", [1, 2]),
    ],
)
def test_defaults_of_all_kinds_arrive(catalog: Catalog, typename: str, default: Any) -> None:
    columns = [
        {"name": "A", "type": {"typename": "text"}},
        {"name": "D", "type": {"typename": typename}, "default": default},
    ]
    add_table(catalog, "T", {}, column_definitions=columns)
    insert(catalog, "T", {"A": "x"})
    (found,) = values(catalog, "T", "D")
    assert found == default or str(found) == str(default)
