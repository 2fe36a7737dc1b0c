"""Reading the rows that have one of many values, in requests that no server finds too long.

Sources: ERMrest's api-doc, naming section (filters with `any(…)`), data section (`GET …/entity`, `GET …/attribute`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from deriva.core import urlquote

from deriva_ml_kit.mainline.catalog.rows import Row, any_of, batches, table_name

# RIDs in one request path: servers stop at 8 KB.
LOOKUP_BATCH = 500


def rows_with(
    catalog: Any, schema: str, table: str, column: str, values: Collection[str], *, wanted: Sequence[str] = ()
) -> Iterator[Row]:
    """Yield the rows of a table whose column has one of the values.

    Args:
        catalog: ErmrestCatalog.
        schema: Schema name.
        table: Table name.
        column: Column to compare.
        values: Any number of short texts, such as RIDs.
        wanted: Columns to read; all of them if empty.
    """
    kind = "attribute" if wanted else "entity"
    columns = "/" + ",".join(urlquote(name, "") for name in wanted) if wanted else ""
    for batch in batches(sorted(set(values)), LOOKUP_BATCH):
        path = f"/{kind}/{table_name(schema, table)}/{any_of(column, batch)}{columns}"
        yield from catalog.get(path).json()
