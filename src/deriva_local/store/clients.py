"""Keeps `public.ERMrest_Client` up to date: who writes into a catalog has a row there, since RCB and RMB refer to it.

The row and the write are of one snapshot; requests that only read, or fail, record nobody.
"""

from __future__ import annotations

from typing import Protocol

from psycopg import sql
from psycopg.types.json import Jsonb

from deriva_local.model import Model, Table


class Author(Protocol):
    """Who writes: `id` goes into RCB and RMB."""

    @property
    def id(self) -> str:
        """Unique and stable, as `/authn/session` shows it."""

    @property
    def display_name(self) -> str:
        """What people call the client."""

    @property
    def full_name(self) -> str:
        """First and last name."""

    @property
    def email(self) -> str:
        """The client's address."""


def upsert(model: Model, author: Author) -> tuple[sql.Composed, list[object]] | None:
    """The statement with its values that inserts the author's row, or updates it if it differs.

    None if somebody has changed the table so that it cannot hold the row.
    """
    public = model.schemas.get("public")
    table = public.tables.get("ERMrest_Client") if public else None
    values = {
        "ID": author.id,
        "Display_Name": author.display_name,
        "Full_Name": author.full_name,
        "Email": author.email,
        "Client_Object": Jsonb({"id": author.id, "display_name": author.display_name}),
    }
    if table is None or not all(name in table.by_name for name in values):
        return None
    return _statement(table, list(values)), list(values.values())


def _statement(table: Table, names: list[str]) -> sql.Composed:
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
