"""Writing rows to a catalog in batches, and errors of the server as sentences.

Sources: ERMrest's api-doc, data section (`POST …/entity` with `defaults` and `onconflict`, `PUT …/attributegroup`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

import requests
from deriva.core import urlquote
from deriva.core.datapath import DataPathException

T = TypeVar("T")
# The server refused, or did not answer: no fault of the code that asked.
NETWORK_ERRORS = requests.RequestException | DataPathException
Row = dict[str, Any]

SYSTEM_COLUMNS = ("RID", "RCT", "RCB", "RMT", "RMB")
BATCH_ROWS = 1000


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


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of at most `size`, read lazily."""
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch


def any_of(column: str, values: Sequence[str]) -> str:
    """Filter for rows whose column has one of the values."""
    return f"{urlquote(column, '')}=any({','.join(urlquote(value, '') for value in values)})"


def said(error: BaseException) -> str:
    """What an error says, for a person: the server's answer if there is one, else the error's own words."""
    if isinstance(error, requests.HTTPError) and error.response is not None and error.response.text.strip():
        return " ".join(error.response.text.split())
    return " ".join(str(error).split()) or type(error).__name__
