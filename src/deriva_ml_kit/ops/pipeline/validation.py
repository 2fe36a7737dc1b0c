"""The checks of a batch as a report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from deriva_ml_kit.ops.documents import Document
from deriva_ml_kit.ops.frames import Batch, Origin
from deriva_ml_kit.ops.kinds import AssetType
from deriva_ml_kit.ops.pipeline.checks import DataRules, Failure, counted, failures

REPORT = "validation-report.json"


class ValidationReport(Document):
    """What was wrong with a batch.

    Attributes:
        origin: Where the batch comes from.
        rows: How many rows it has.
        rules: What they must be.
        passed: Whether nothing was wrong.
        counts: How many failures each column and check has.
        failures: All of them.
    """

    KIND: ClassVar[AssetType] = AssetType.VALIDATION_REPORT

    origin: Origin
    rows: int
    rules: DataRules
    passed: bool
    counts: dict[str, int]
    failures: tuple[Failure, ...]


def report_of(batch: Batch, rules: DataRules, further: Sequence[Failure] = ()) -> ValidationReport:
    """Check a batch.

    Args:
        batch: Its rows.
        rules: What they must be.
        further: What is wrong beyond the rules.
    """
    found = [*failures(batch.frame, rules), *further]
    return ValidationReport(
        origin=batch.origin,
        rows=len(batch.frame),
        rules=rules,
        passed=not found,
        counts=counted(found),
        failures=tuple(found),
    )
