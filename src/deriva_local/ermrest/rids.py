"""`N/entity_rid/RID`: which table a row is in.

In: a RID, the model of the moment. Out: schema, table and RID as ERMrest answers; `NotFound` if no row has it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from weakref import WeakKeyDictionary

from psycopg import sql

from deriva_local.auth.client import Client
from deriva_local.ermrest import access, answers
from deriva_local.ermrest.data.call import DataAnswer, DataCall
from deriva_local.errors import NotFound
from deriva_local.model import Table, rid, snaptime
from deriva_local.store import Catalog, Reading

# RIDs that are asked for one after the other are mostly of the same few tables.
_RECENT_KEPT = 3
_recent: WeakKeyDictionary[Catalog, tuple[int, ...]] = WeakKeyDictionary()


def handle(call: DataCall, text: str) -> DataAnswer:
    """Answer `GET N[@SNAP]/entity_rid/RID`."""
    with call.catalog.reading(call.snap) as reading:
        access.require(call.client, "enumerate", reading.model)
        wanted = rid.normalise(text)
        table = _table_with(call, reading, wanted) if wanted else None
    if table is None or not _visible(call.client, reading, table):
        raise NotFound(f"There is no row with RID {text!r}.")
    return answers.as_json({"schema_name": table.schema_name, "table_name": table.name, "RID": wanted})


def _table_with(call: DataCall, reading: Reading, wanted: str) -> Table | None:
    """The table with this row: first a look into the tables that had the last ones, then into all."""
    tables = reading.model.tables_by_id
    recent = tuple(table for table in _recent.get(call.catalog, ()) if table in tables)
    for candidates in (recent, tuple(tables)):
        found = _look(reading, candidates, wanted) if candidates else None
        if found is not None:
            _recent[call.catalog] = (found, *(table for table in recent if table != found))[:_RECENT_KEPT]
            return tables[found]
    return None


def _look(reading: Reading, tables: tuple[int, ...], wanted: str) -> int | None:
    """One look into the RID index of each of these tables, in one prepared statement."""
    in_order = tuple(sorted(tables))
    if reading.snap is None:
        found = reading.one(_now(in_order), {"rid": wanted}, prepare=True)
    else:
        at = snaptime.to_datetime(reading.snaptime)
        found = reading.one(_then(in_order), {"rid": wanted, "at": at}, prepare=True)
    return found[0] if found else None


@lru_cache(maxsize=64)
def _now(tables: tuple[int, ...]) -> sql.Composed:
    return _any_of(sql.SQL(f"SELECT {table} FROM data.t{table} WHERE c1 = %(rid)s") for table in tables)


@lru_cache(maxsize=64)
def _then(tables: tuple[int, ...]) -> sql.Composed:
    looks = (
        f"SELECT {table} FROM {schema}.t{table} WHERE c1 = %(rid)s AND valid_from <= %(at)s{ended}"
        for table in tables
        for schema, ended in (("data", ""), ("past", " AND valid_until > %(at)s"))
    )
    return _any_of(map(sql.SQL, looks))


def _any_of(looks: Iterable[sql.SQL]) -> sql.Composed:
    return sql.SQL(" UNION ALL ").join(looks) + sql.SQL(" LIMIT 1")


def _visible(client: Client | None, reading: Reading, table: Table) -> bool:
    return access.allowed(client, "select", reading.model, reading.model.schemas[table.schema_name], table)
