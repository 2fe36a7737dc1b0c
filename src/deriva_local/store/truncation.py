"""Forgetting a catalog's past for good.

In: a write transaction and a moment. Whatever had ended by then is deleted: superseded rows, versions of the model,
tables that no version left mentions. Snapshots before that moment cease to exist; later ones read as before.
"""

from __future__ import annotations

from psycopg import sql

from deriva_local.errors import NotFound
from deriva_local.model import snaptime, stored
from deriva_local.store.catalog import Writing


def truncate(writing: Writing, until: int) -> None:
    """Delete everything that had ended at `until` (µs since 1970).

    Raises:
        NotFound: no snapshot is that old.
    """
    first = writing.one(
        sql.SQL("SELECT max(snaptime) FROM meta.snapshot WHERE snaptime <= %s"), (snaptime.to_datetime(until),)
    )
    if first is None or first[0] is None:
        raise NotFound(f"The catalog has no snapshot at or before {snaptime.encode(until)}.")
    writing.execute(sql.SQL("DELETE FROM meta.snapshot WHERE snaptime < %s"), first)
    writing.execute(
        sql.SQL(
            "DELETE FROM meta.model WHERE valid_from < (SELECT max(valid_from) FROM meta.model WHERE valid_from <= %s)"
        ),
        first,
    )
    documents = writing.all(sql.SQL("SELECT document FROM meta.model"))
    mentioned = {table for (document,) in documents for table in stored.from_json(document).tables_by_id}
    for (name,) in writing.all(sql.SQL("SELECT tablename FROM pg_tables WHERE schemaname = 'past'")):
        past = sql.Identifier("past", name)
        if int(name[1:]) in mentioned:
            writing.execute(sql.SQL("DELETE FROM {} WHERE valid_until <= %s").format(past), first)
        else:
            writing.execute(sql.SQL("DROP TABLE {}, {}").format(past, sql.Identifier("data", name)))
