"""What is said about a run that was played: what it wrote, which checks it passed, where its receipt is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deriva_ml_kit.errors import KitError
from deriva_ml_kit.tiers.estimate import Estimate
from deriva_ml_kit.tiers.receipt import Check, Difference, Receipt, Status

UNDECIDED = (Status.SKIP, Status.INSUFFICIENT)
EXIT_CODES = {Status.PASS: 0, Status.FAIL: 1, Status.INSUFFICIENT: 2}


class NotPassed(KitError):
    """A run ended, its outputs and its receipt are there, but a check failed or could not be decided."""

    def __init__(self, played: Played) -> None:
        receipt = played.receipt
        self.played = played
        self.exit_code = EXIT_CODES[receipt.verdict]
        failed = receipt.verdict is Status.FAIL
        unmet = [check for check in receipt.checks if check.status is receipt.verdict and (failed or check.required)]
        count = f"{len(unmet)} check{'s' if len(unmet) > 1 else ''}"
        how = "failed" if failed else "could not be decided"
        lines = [f"Tier {receipt.tier} was not passed: {count} {how}.", *(f"  {line}" for line in listed(unmet))]
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
        estimate: What tiers 2 and 3 will cost, as this run lets expect.
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
    estimate: Estimate | None = None
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
            "not_shown": listed([check for check in receipt.checks if check.status in UNDECIDED]),
            "receipt": self.receipt_place,
        }
        if self.estimate:
            found["estimate"] = self.estimate.table().splitlines()
        if self.differences:
            found["differences"] = [str(each) for each in self.differences]
        if receipt.overrides:
            found["overrides"] = [f"tier {each.tier}: {each.reason} ({each.by})" for each in receipt.overrides]
        return found


def listed(checks: Sequence[Check]) -> list[str]:
    """Checks that did not pass, a line for each reason: several may lack the same."""
    reasons: dict[tuple[str | None, str | None], list[Check]] = {}
    for check in checks:
        key = (check.detail, check.remedy) if check.limit is None and check.detail else (check.id, None)
        reasons.setdefault(key, []).append(check)
    return [_told(alike) for alike in reasons.values()]


def _told(checks: Sequence[Check]) -> str:
    first = checks[0]
    measured = f": {first.value}, limit {first.limit}" if first.limit is not None else ""
    head = f"{first.id} ({first.title}){measured}" if len(checks) == 1 else ", ".join(check.id for check in checks)
    return ". ".join(part.rstrip(".") for part in (head, first.detail, first.remedy) if part)
