"""Where the rows of a dataset come from: a catalog (`live.py`) or a bag (`bag/source.py`)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Protocol

from deriva.core.ermrest_model import Table

from deriva_ml_kit.mainline.catalog.rows import Row


class Source(Protocol):
    """Rows of a dataset and of what its members lead to, nested datasets included. Values are as in JSON.

    Attributes:
        kind: `catalog` or `local`.
        model: The schema.
    """

    kind: str
    model: Any

    def members(self) -> dict[str, set[str]]:
        """RIDs of the members by table name, without datasets."""

    def scope(self, table: Table) -> dict[str, Row]:
        """The rows of a table to which foreign keys lead from members, by RID."""

    def count(self, table: Table) -> int:
        """How many rows `scope` has."""

    def below_members(self, table: Table) -> set[str]:
        """RIDs of the members that a table holds, and of its rows that refer to members."""

    def rows_with(self, table: Table, column: str, values: Collection[Any]) -> Iterable[Row]:
        """The rows of a table that have one of some values."""
