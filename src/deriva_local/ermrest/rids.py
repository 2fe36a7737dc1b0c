"""`N/entity_rid/RID`: which table a row is in.

In: a RID, the model of the moment. Out: schema, table and RID as ERMrest answers; `NotFound` if no row has it.
"""

from __future__ import annotations

from psycopg import sql

from deriva_local.auth.client import Client
from deriva_local.ermrest import access, answers
from deriva_local.ermrest.data.call import DataAnswer, DataCall
from deriva_local.errors import NotFound
from deriva_local.model import Table, rid
from deriva_local.store import Reading


def handle(call: DataCall, text: str) -> DataAnswer:
    """Answer `GET N[@SNAP]/entity_rid/RID`."""
    with call.catalog.reading(call.snap) as reading:
        access.require(call.client, "enumerate", reading.model)
        wanted = rid.normalise(text)
        table = _table_with(reading, wanted) if wanted else None
    if table is None or not _visible(call.client, reading, table):
        raise NotFound(f"There is no row with RID {text!r}.")
    return answers.as_json({"schema_name": table.schema_name, "table_name": table.name, "RID": wanted})


def _table_with(reading: Reading, wanted: str) -> Table | None:
    """One look into the RID index of every table."""
    tables = reading.model.tables_by_id
    looks = [
        sql.SQL("(SELECT {id} FROM {relation} AS r WHERE c1 = {wanted} LIMIT 1)").format(
            id=sql.Literal(table.id), relation=reading.relation(table), wanted=sql.Literal(wanted)
        )
        for table in tables.values()
    ]
    found = reading.one(sql.SQL(" UNION ALL ").join(looks) + sql.SQL(" LIMIT 1")) if looks else None
    return tables[found[0]] if found else None


def _visible(client: Client | None, reading: Reading, table: Table) -> bool:
    return access.allowed(client, "select", reading.model, reading.model.schemas[table.schema_name], table)
