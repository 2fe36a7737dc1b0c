"""Reading any number of rows in pages, so that memory and answers stay small however large a table is.

Sources: ERMrest's api-doc, data section (`@sort(…)`, `@after(…)`, `limit`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from deriva.core import urlquote

from deriva_ml_kit.mainline.catalog.rows import Row

PAGE_ROWS = 5000


def paged(
    catalog: Any,
    path: str,
    *,
    wanted: Sequence[str] = (),
    sort: Sequence[str] = ("RID",),
    page_rows: int | None = None,
) -> Iterator[Row]:
    """Yield the rows of a path in pages, each asked for when the one before it is used up.

    Args:
        catalog: ErmrestCatalog or a snapshot of one.
        path: Tables, links and filters, without `/entity/` before them.
        wanted: Columns of the last table, those of `sort` included; all of them if empty.
        sort: Columns that together differ for every row; none may be NULL.
        page_rows: Rows to an answer; PAGE_ROWS where not given.
    """
    size = page_rows or PAGE_ROWS
    kind = "attribute" if wanted else "entity"
    columns = f"/{_listed(wanted)}" if wanted else ""
    after = ""
    while True:
        page: list[Row] = catalog.get(f"/{kind}/{path}{columns}@sort({_listed(sort)}){after}?limit={size}").json()
        yield from page
        if len(page) < size:
            return
        after = f"@after({_listed([str(page[-1][name]) for name in sort])})"


def _listed(names: Sequence[str]) -> str:
    return ",".join(urlquote(name, "") for name in names)
