"""`N/history/FROM,UNTIL`: the first and last snapshot of a range. Source: ERMrest's `docs/api-doc/history/rest.md`."""

from __future__ import annotations

from psycopg import sql

from deriva_local.ermrest import access, answers
from deriva_local.ermrest.data.call import DataAnswer, DataCall
from deriva_local.errors import BadRequest, MethodNotAllowed, NotFound
from deriva_local.model import snaptime


def handle(call: DataCall, span: str) -> DataAnswer:
    """Answer `GET N/history/FROM,UNTIL`; either bound may be left out."""
    if call.method not in ("GET", "HEAD"):
        raise MethodNotAllowed("History can be read; it cannot be changed here.")
    bounds = span.split(",")
    if len(bounds) != 2:
        raise BadRequest(f"{span!r} is no range of snapshots; write FROM,UNTIL with either left out at will.")
    first, last = (snaptime.to_datetime(snaptime.decode(bound)) if bound else None for bound in bounds)
    with call.catalog.reading() as reading:
        access.require(call.client, "owner", reading.model)
        found = reading.one(
            sql.SQL(
                "SELECT min(snaptime), max(snaptime) FROM meta.snapshot WHERE snaptime BETWEEN"
                " coalesce(%s::timestamptz, '-infinity') AND coalesce(%s::timestamptz, 'infinity')"
            ),
            (first, last),
        )
    if found is None or found[0] is None:
        raise NotFound(f"The catalog has no snapshot within {span!r}.")
    ends = [snaptime.encode(snaptime.from_datetime(moment)) for moment in found]
    return answers.as_json({"snaprange": ends, "amendver": None})
