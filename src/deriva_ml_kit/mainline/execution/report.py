"""What a commit of outputs says about itself, in main line's shapes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class UploadReport:
    """Result of committing the outputs of one or several executions.

    Attributes:
        execution_rids: Executions whose outputs were committed.
        total_uploaded: Files and feature values that are in the catalog.
        total_failed: Files and feature values that are not.
        per_table: `"schema:table"` to `{"uploaded": n, "failed": m}`.
        errors: One line for each thing that failed.
    """

    execution_rids: list[str]
    total_uploaded: int = 0
    total_failed: int = 0
    per_table: dict[str, dict[str, int]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def count(self, table: str, *, uploaded: int = 0, failed: int = 0) -> None:
        """Add to the counts of one table, given as `schema:table`, and to the totals."""
        row = self.per_table.setdefault(table, {"uploaded": 0, "failed": 0})
        row["uploaded"] += uploaded
        row["failed"] += failed
        self.total_uploaded += uploaded
        self.total_failed += failed

    def add(self, other: UploadReport) -> None:
        """Take in the report of another execution."""
        self.execution_rids += other.execution_rids
        self.errors += other.errors
        for table, row in other.per_table.items():
            self.count(table, **row)


@dataclass(frozen=True)
class UploadProgress:
    """How far an upload is; sizes in bytes, over all files of the commit.

    Attributes:
        file_path: The file that was just finished.
        file_name: Its name in the catalog.
        bytes_completed: Bytes in the object store so far.
        bytes_total: Bytes of all files.
        percent_complete: The same as a percentage.
        phase: What is going on: `uploading`.
        message: One line for a person.
    """

    file_path: str
    file_name: str
    bytes_completed: int
    bytes_total: int
    percent_complete: float
    phase: str = "uploading"
    message: str = ""


ProgressCallback = Callable[[UploadProgress], None]
