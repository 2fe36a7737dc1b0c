"""What is said about a run that was played: what it wrote, which checks it passed, where its receipt is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deriva_ml_kit.errors import KitError
from deriva_ml_kit.tiers.receipt import Check, Difference, Receipt, Status

UNDECIDED = (Status.SKIP, Status.INSUFFICIENT)
EXIT_CODES = {Status.PASS: 0, Status.FAIL: 1, Status.INSUFFICIENT: 2}


class NotPassed(KitError):
    """A run ended, its outputs and its receipt are there, but a check failed or could not be decided."""

    def __init__(self, played: Played) -> None:
        receipt = played.receipt
        self.played = played
        self.exit_code = EXIT_CODES[receipt.verdict]
        unmet = [check for check in receipt.checks if check.status is receipt.verdict and check.required]
        how = "failed" if receipt.verdict is Status.FAIL else "could not be decided"
        count = f"{len(unmet)} check{'s' if len(unmet) > 1 else ''}"
        lines = [f"Tier {receipt.tier} was not passed: {count} {how}.", *(f"  {told(check)}" for check in unmet)]
        where = f"its outputs are kept with execution {played.execution_rid}; " if played.execution_rid else ""
        super().__init__("\n".join(lines), remedy=f"The run has ended, {where}receipt: {played.receipt_place}")

    def as_json(self) -> dict[str, object]:
        """As for KitError, with `result`: what a run that passed prints."""
        return {**super().as_json(), "result": self.played.summary()}


@dataclass(frozen=True)
class Played:
    """A run that was played to its end.

    Attributes:
        status: `dry run` or `done`.
        tier: 1, 2 or 3.
        execution_rid: The execution; None for a dry run.
        workflow_rid: Its workflow; None for a dry run.
        outputs: For each file its name, bytes and md5; after a real run its rid and table, too.
        feature_values: How many were staged.
        metrics: What the work returned.
        receipt: The receipt of this tier.
        receipt_path: Where it lies on this disk, after a dry run.
        receipt_rid: The catalog's asset, after a real run.
        differences: In what the configuration differs from that of the tier before.
    """

    status: str
    tier: int
    execution_rid: str | None
    workflow_rid: str | None
    outputs: Sequence[Mapping[str, Any]]
    feature_values: int
    metrics: Mapping[str, Any]
    receipt: Receipt
    receipt_path: Path | None = None
    receipt_rid: str | None = None
    differences: Sequence[Difference] = field(default_factory=tuple)

    @property
    def receipt_place(self) -> str:
        """Where a person finds the receipt."""
        return str(self.receipt_path) if self.receipt_path else f"asset {self.receipt_rid}"

    def require_pass(self) -> Played:
        """Return this.

        Raises:
            NotPassed: A check failed (exit code 1) or could not be decided (2).
        """
        if self.receipt.verdict is not Status.PASS:
            raise NotPassed(self)
        return self

    def summary(self) -> dict[str, Any]:
        """What a program prints about the run, as JSON holds it."""
        receipt = self.receipt
        named = [f"{each.rid}@{each.version}" for each in receipt.datasets]
        found: dict[str, Any] = {
            "status": self.status,
            "tier": self.tier,
            "verdict": str(receipt.verdict),
            "execution_rid": self.execution_rid,
            "workflow_rid": self.workflow_rid,
            "datasets": named,
            "assets": list(receipt.assets),
            "outputs": [dict(output) for output in self.outputs],
            "feature_values": self.feature_values,
            "metrics": dict(self.metrics),
            "checks": {check.id: str(check.status) for check in receipt.checks},
            "not_shown": [told(check) for check in receipt.checks if check.status in UNDECIDED],
            "receipt": self.receipt_place,
        }
        if receipt.estimate:
            found["estimate"] = receipt.estimate
        if self.differences:
            found["differences"] = [f"{each.key}: {each.before!r} -> {each.after!r}" for each in self.differences]
        if receipt.overrides:
            found["overrides"] = [f"tier {each.tier}: {each.reason} ({each.by})" for each in receipt.overrides]
        return found


def told(check: Check) -> str:
    """A check that did not pass, on one line."""
    measured = f" ({check.value}; limit {check.limit})" if check.limit is not None else ""
    parts = [f"{check.id}: {check.title}{measured}", check.detail, check.remedy]
    return " — ".join(part for part in parts if part)
