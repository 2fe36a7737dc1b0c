"""Writes inside an execution, which names every row and every table that it made.

DerivaML links datasets, feature values and assets with the execution that made them. Rows of other tables, terms and
tables have no such link: the execution has an output `writes.jsonl` that names them, a line for each table or batch of
rows. It is written as they are made, so that it is complete also where the work broke off.

    {"schema": "lab", "table": "Subject", "rids": ["1-2A3B", …]}
    {"schema": "lab", "table": "Subject", "made": "table"}
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from deriva_ml_kit.tools.registry import tools

if TYPE_CHECKING:
    from deriva_ml_kit.mainline import DerivaML, Execution, Workflow
    from deriva_ml_kit.tools.call import Call

WRITES = "writes.jsonl"
TABLE = "Execution_Metadata"


class Writes:
    """What an execution has written so far.

    Attributes:
        execution: The execution.
        count: How many rows were noted.
    """

    def __init__(self, execution: Execution) -> None:
        self.execution = execution
        self.count = 0
        self._file: Path | None = None

    @property
    def rid(self) -> str:
        """RID of the execution."""
        return str(self.execution.execution_rid)

    def rows(self, schema: str, table: str, rids: Iterable[str]) -> None:
        """Note rows, right after they were made."""
        named = list(rids)
        self.count += len(named)
        if named:
            self._note({"schema": schema, "table": table, "rids": named})

    def made(self, kind: str, schema: str, table: str, name: str | None = None) -> None:
        """Note a table, or a column or the like of that name in it, right after it was made."""
        self._note({"schema": schema, "table": table, "made": kind} | ({"name": name} if name else {}))

    def _note(self, line: Mapping[str, object]) -> None:
        if self._file is None:
            self._file = Path(self.execution.asset_file_path(TABLE, WRITES, asset_types="Execution_Metadata"))
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


@contextmanager
def recorded(call: Call, what: str, workflow_type: str) -> Iterator[Writes]:
    """An execution for what a tool writes; committed at the end, also if the work failed after it had written.

    Args:
        call: The call of the tool.
        what: What is written and why, for people.
        workflow_type: Term of Workflow_Type; added if the catalog lacks it.

    Raises:
        DerivaMLUploadError: What was written could not be recorded; says how to complete it.
    """
    ml = call.ml
    with ml.create_execution(description=what, workflow=_workflow(ml, call.tool, workflow_type)) as execution:
        writes = Writes(execution)
        yield writes
    execution.commit_output_assets()


def _workflow(ml: DerivaML, tool: str, workflow_type: str) -> Workflow:
    from deriva_ml_kit.mainline.workflow.installed import installed_program  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.runner import ensure_workflow_type  # noqa: PLC0415

    ensure_workflow_type(ml, workflow_type, create=True, dry_run=False)
    found = tools()[tool]
    return installed_program(ml, f"Tool {tool}", workflow_type, found.title, module=found.function.__module__)
