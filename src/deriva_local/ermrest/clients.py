"""Keeps `public.ERMrest_Client` up to date: who writes into a catalog has a row there, since RCB and RMB refer to it.

Every write to a catalog goes through `writing` below, so the row and the write are of one snapshot; requests that only
read change nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from psycopg import sql
from psycopg.types.json import Jsonb

from deriva_local.auth.client import Client
from deriva_local.model import Table
from deriva_local.store import Catalog, Writing

# What has been recorded in this process, to ask PostgreSQL only once: (catalog, client).
_recorded: set[tuple[Catalog, Client]] = set()


@contextlib.contextmanager
def writing(catalog: Catalog, client: Client | None) -> Iterator[Writing]:
    """`catalog.writing(client)`, with the client's row in place."""
    with catalog.writing(client) as transaction:
        if client is not None and (catalog, client) not in _recorded:
            _record(transaction, client)
        yield transaction
    if client is not None:
        _recorded.add((catalog, client))


def _record(transaction: Writing, client: Client) -> None:
    public = transaction.model.schemas.get("public")
    table = public.tables.get("ERMrest_Client") if public else None
    values = {
        "ID": client.id,
        "Display_Name": client.display_name,
        "Full_Name": client.full_name,
        "Email": client.email,
        "Client_Object": Jsonb({"id": client.id, "display_name": client.display_name}),
    }
    if table is not None and all(name in table.by_name for name in values):
        transaction.execute(_upsert(table, list(values)), list(values.values()))


def _upsert(table: Table, names: list[str]) -> sql.Composable:
    """Insert the row, or update it if it differs."""
    columns = [sql.Identifier(table.by_name[name].physical) for name in names]
    known, others = columns[0], columns[1:]
    return sql.SQL(
        "INSERT INTO {table} AS old ({columns}) VALUES ({places}) ON CONFLICT ({known}) DO UPDATE SET {assigned}"
        " WHERE ({old}) IS DISTINCT FROM ({new})"
    ).format(
        table=sql.Identifier("data", table.physical),
        columns=sql.SQL(", ").join(columns),
        places=sql.SQL(", ").join([sql.Placeholder()] * len(columns)),
        known=known,
        assigned=sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(column) for column in others),
        old=sql.SQL(", ").join(sql.SQL("old.{}").format(column) for column in others),
        new=sql.SQL(", ").join(sql.SQL("excluded.{}").format(column) for column in others),
    )
