"""Writing rows to a catalog in batches, each exactly once, and errors of the server as sentences.

Sources: ERMrest's api-doc, data section (`POST …/entity` with `defaults`, `nondefaults` and `onconflict`), and its
user-doc on the table of leased RIDs.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

import requests
from deriva.core import urlquote
from deriva.core.datapath import DataPathException

from deriva_ml_kit.mainline.catalog.transport import is_second_answer

T = TypeVar("T")
# The server refused, or did not answer: no fault of the code that asked.
NETWORK_ERRORS = requests.RequestException | DataPathException
Row = dict[str, Any]

SYSTEM_COLUMNS = ("RID", "RCT", "RCB", "RMT", "RMB")
BATCH_ROWS = 1000
# Short values, such as RIDs or UUIDs, in one request path: servers stop at 8 KB.
BATCH_VALUES = 200
PATH_CHARACTERS = 5000  # of values of any length, as they stand in one request path
LEASES = ("public", "ERMrest_RID_Lease")


def table_name(schema: str, table: str) -> str:
    """`schema:table` as it stands in a request path."""
    return f"{urlquote(schema, '')}:{urlquote(table, '')}"


def insert_path(schema: str, table: str, *, defaults: Iterable[str] = (), skip_conflicts: bool = False) -> str:
    """Path that takes new rows; the system columns are always filled by the server."""
    columns = ",".join(urlquote(name, "") for name in (*SYSTEM_COLUMNS, *defaults))
    skip = "&onconflict=skip" if skip_conflicts else ""
    return f"/entity/{table_name(schema, table)}?defaults={columns}{skip}"


def insert(
    catalog: Any,
    schema: str,
    table: str,
    rows: Iterable[Row],
    *,
    defaults: Iterable[str] = (),
    skip_conflicts: bool = False,
) -> list[Row]:
    """Insert rows, at most BATCH_ROWS a request.

    Args:
        catalog: ErmrestCatalog.
        schema: Schema name.
        table: Table name.
        rows: Rows that all have the same keys.
        defaults: Further columns that take their default.
        skip_conflicts: Leave out rows whose key exists already.

    Returns:
        The new rows as stored, without those left out.
    """
    path = insert_path(schema, table, defaults=defaults, skip_conflicts=skip_conflicts)
    return [row for batch in batches(rows, BATCH_ROWS) for row in catalog.post(path, json=batch).json()]


def insert_once(
    catalog: Any,
    schema: str,
    table: str,
    rows: Iterable[Row],
    *,
    defaults: Iterable[str] = (),
    announce: Callable[[list[str]], None] | None = None,
) -> list[Row]:
    """Insert rows that no key tells apart, each once, even where the network loses the server's answer.

    The RIDs are leased first. A request that names the RIDs of its rows can be sent again, and whether it took effect
    can be asked. Where the server does not let a user lease, each request is sent once and never again. Tables whose
    rows have a key of their own need no lease: `insert(…, skip_conflicts=True)`.

    Args:
        catalog: ErmrestCatalog.
        schema: Schema name.
        table: Table name.
        rows: Rows that all have the same keys, and no RID.
        defaults: Further columns that take their default.
        announce: Told the RIDs of the rows before they are sent, so that no row can be made of which nobody knows;
            where the server leases none, told afterwards.

    Returns:
        The new rows as stored, in the order given.

    Raises:
        requests.HTTPError: The server refused the rows; none of that batch is stored.
    """
    defaults = tuple(defaults)
    tell = announce or (lambda rids: None)
    stored: list[Row] = []
    for batch in batches(rows, BATCH_ROWS):
        rids = _leased(catalog, len(batch))
        if rids:
            tell(rids)
            stored += _claimed(catalog, schema, table, batch, rids=rids, defaults=defaults)
        else:
            made = insert(catalog, schema, table, batch, defaults=defaults)
            tell([row["RID"] for row in made])
            stored += made
    return stored


def replace_unchanged(catalog: Any, schema: str, table: str, row: Row, values: Row) -> bool:
    """Change a row, if it is still as it was read: of several who try at once, one succeeds.

    Args:
        catalog: ErmrestCatalog.
        schema: Schema name.
        table: Table name.
        row: The row as it was read, of which RID and RMT count.
        values: New values of other columns.

    Returns:
        Whether it was changed. Where the answer was lost, that is so if the row has these values now.
    """
    path = f"/attributegroup/{table_name(schema, table)}/RID,RMT;{','.join(urlquote(name, '') for name in values)}"
    answer = catalog.put(path, json=[{"RID": row["RID"], "RMT": row["RMT"], **values}])
    if answer.json() or not is_second_answer(answer):
        return bool(answer.json())
    return any(values.items() <= now.items() for now in _with(catalog, schema, table, "RID", [row["RID"]]))


def _leased(catalog: Any, count: int) -> list[str]:
    """As many RIDs that belong to this client and to no row; none where the server leases none."""
    tickets = [str(uuid.uuid4()) for _ in range(count)]
    try:
        leases = insert(catalog, *LEASES, ({"ID": ticket} for ticket in tickets), skip_conflicts=True)
    except requests.HTTPError as error:
        if error.response.status_code in (403, 404):
            return []
        raise
    rids = {lease["ID"]: lease["RID"] for lease in leases}
    missing = [ticket for ticket in tickets if ticket not in rids]  # stored by a request whose answer was lost
    rids |= {lease["ID"]: lease["RID"] for lease in _with(catalog, *LEASES, "ID", missing)}
    return [rids[ticket] for ticket in tickets]


def _claimed(
    catalog: Any, schema: str, table: str, rows: Sequence[Row], *, rids: Sequence[str], defaults: Iterable[str]
) -> list[Row]:
    """Store rows under leased RIDs, and give the leases back."""
    columns = ",".join(urlquote(name, "") for name in (*(SYSTEM_COLUMNS[1:]), *defaults))
    path = f"/entity/{table_name(schema, table)}?nondefaults=RID&defaults={columns}&onconflict=skip"
    given = [row | {"RID": rid} for row, rid in zip(rows, rids, strict=True)]
    refused: requests.HTTPError | None = None
    try:
        stored = {row["RID"]: row for row in catalog.post(path, json=given).json()}
    except requests.HTTPError as error:
        if error.response.status_code != 403:
            raise
        # ERMrest ends a lease with the row that claims it, and then refuses the same request a second time.
        stored, refused = {}, error
    missing = [rid for rid in rids if rid not in stored]
    stored |= {row["RID"]: row for row in _with(catalog, schema, table, "RID", missing)}
    if len(stored) < len(rids):
        raise refused or ValueError(f"{schema}:{table} holds rows with the same key as some of those to be inserted")
    _give_back(catalog, rids)
    return [stored[rid] for rid in rids]


def _give_back(catalog: Any, rids: Sequence[str]) -> None:
    """End leases whose RIDs are claimed, where the server has not done so itself; the rows are stored in any case."""
    for batch in batches(rids, BATCH_VALUES):
        with contextlib.suppress(requests.RequestException):
            catalog.delete(f"/entity/{table_name(*LEASES)}/{any_of('RID', batch)}")


def _with(catalog: Any, schema: str, table: str, column: str, values: Sequence[str]) -> Iterator[Row]:
    for batch in batches(values, BATCH_VALUES):
        yield from catalog.get(f"/entity/{table_name(schema, table)}/{any_of(column, batch)}").json()


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of at most `size`, read lazily."""
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch


def short_lists(values: Iterable[str]) -> Iterator[list[str]]:
    """Values in lists that fit into the path of a request, however long they are."""
    some: list[str] = []
    left = PATH_CHARACTERS
    for value in values:
        length = len(urlquote(value, "")) + 1
        if some and length > left:
            yield some
            some, left = [], PATH_CHARACTERS
        some.append(value)
        left -= length
    if some:
        yield some


def any_of(column: str, values: Sequence[str]) -> str:
    """Filter for rows whose column has one of the values."""
    return f"{urlquote(column, '')}=any({','.join(urlquote(value, '') for value in values)})"


def said(error: BaseException) -> str:
    """What an error says, for a person: the server's answer if there is one, else the error's own words."""
    if isinstance(error, requests.HTTPError) and error.response is not None and error.response.text.strip():
        return " ".join(error.response.text.split())
    return " ".join(str(error).split()) or type(error).__name__
