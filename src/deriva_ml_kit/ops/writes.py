"""Writes inside an execution, which names every row and every table that it made.

DerivaML links datasets, feature values and assets with the execution that made them. Rows of other tables, terms and
tables have no such link: the execution has an output `writes.jsonl` that names them, a line for each table or batch of
rows. It is written as they are made, so that it is complete also where the work broke off. RIDs may be named before
their rows are made: of those, the rows that exist were made by this execution.

    {"schema": "lab", "table": "Subject", "made": "table"}
    {"schema": "lab", "table": "Subject", "rids": ["1-2A3B", …]}
    {"failed": "HTTPError: 409 …"}                                  the last line, where the work broke off
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deriva_ml_kit.mainline import Execution

WRITES = "writes.jsonl"
TABLE = "Execution_Metadata"
TYPES = ("Execution_Metadata", "Execution_Config")  # every execution has files of the second


class Writes:
    """What an execution has written so far.

    Attributes:
        execution: The execution.
        count: How many rows were noted.
    """

    def __init__(self, execution: Execution, asset_type: str) -> None:
        self.execution = execution
        self.count = 0
        self._asset_type = asset_type
        self._file: Path | None = None

    @property
    def rid(self) -> str:
        """RID of the execution."""
        return str(self.execution.execution_rid)

    @property
    def anything(self) -> bool:
        """Whether there is anything in the record."""
        return self._file is not None

    def rows(self, schema: str, table: str, rids: Iterable[str]) -> None:
        """Note rows, right after they were made; or right before, where their RIDs are known."""
        named = list(rids)
        self.count += len(named)
        if named:
            self._note({"schema": schema, "table": table, "rids": named})

    def made(self, kind: str, schema: str, table: str, name: str | None = None) -> None:
        """Note a table, or a column or the like of that name in it, right after it was made."""
        self._note({"schema": schema, "table": table, "made": kind} | ({"name": name} if name else {}))

    def failed(self, why: str) -> None:
        """Note that the work broke off here; the last line."""
        self._note({"failed": why})

    def _note(self, line: Mapping[str, object]) -> None:
        if self._file is None:
            self._file = Path(self.execution.asset_file_path(TABLE, WRITES, asset_types=self._asset_type))
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
