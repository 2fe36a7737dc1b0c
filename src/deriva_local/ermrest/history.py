"""`N/history/FROM,UNTIL`: the first and last snapshot of a range, and forgetting all before a moment.

Source: ERMrest's `docs/api-doc/history/rest.md`. Amending the past (ACLs, annotations, redaction) is not offered.
"""

from __future__ import annotations

from psycopg import sql

from deriva_local.ermrest import access, answers
from deriva_local.ermrest.data.call import DataAnswer, DataCall
from deriva_local.errors import BadRequest, MethodNotAllowed, NotFound
from deriva_local.model import snaptime
from deriva_local.store import truncate


def handle(call: DataCall, span: str) -> DataAnswer:
    """Answer a request to `N/history/FROM,UNTIL`; either bound may be left out."""
    bounds = span.split(",")
    if len(bounds) != 2:
        raise BadRequest(f"{span!r} is no range of snapshots; write FROM,UNTIL with either left out at will.")
    first, last = (snaptime.decode(bound) if bound else None for bound in bounds)
    if call.method in ("GET", "HEAD"):
        return _range(call, first, last)
    if call.method == "DELETE":
        return _truncate(call, first, last)
    raise MethodNotAllowed("History can be read and truncated; it cannot be changed here.")


def _range(call: DataCall, first: int | None, last: int | None) -> DataAnswer:
    bounds = [None if moment is None else snaptime.to_datetime(moment) for moment in (first, last)]
    with call.catalog.reading() as reading:
        access.require(call.client, "owner", reading.model)
        found = reading.one(
            sql.SQL(
                "SELECT min(snaptime), max(snaptime) FROM meta.snapshot WHERE snaptime BETWEEN"
                " coalesce(%s::timestamptz, '-infinity') AND coalesce(%s::timestamptz, 'infinity')"
            ),
            bounds,
        )
    if found is None or found[0] is None:
        raise NotFound("The catalog has no snapshot within this range.")
    ends = [snaptime.encode(snaptime.from_datetime(moment)) for moment in found]
    return answers.as_json({"snaprange": ends, "amendver": None})


def _truncate(call: DataCall, first: int | None, last: int | None) -> DataAnswer:
    if first is not None or last is None:
        raise BadRequest("History is forgotten from its beginning: write ,UNTIL.")
    with call.catalog.writing(call.client) as transaction:
        access.require(call.client, "owner", transaction.model)
        truncate(transaction, last)
    return answers.empty()
