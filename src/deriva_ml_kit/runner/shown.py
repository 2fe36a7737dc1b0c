"""What the work has shown, judged: the checks of its evidence, its metrics, and what the next tiers will cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from deriva_ml_kit.runner.outputs import Sealed
from deriva_ml_kit.runner.plan import Admitted, RunEvidence
from deriva_ml_kit.tiers.checks import checks
from deriva_ml_kit.tiers.estimate import Estimate, estimate
from deriva_ml_kit.tiers.gate import Passage
from deriva_ml_kit.tiers.receipt import Check, Status

RANGES = "input_ranges"  # the check that needs tier 1's profile


def finite(metrics: Mapping[str, Any]) -> Check:
    """Every metric that is a number is a finite one."""
    bad = [name for name, value in metrics.items() if isinstance(value, float) and not math.isfinite(value)]
    return Check(
        id="metrics",
        title="The metrics are finite numbers",
        status=Status.FAIL if bad else Status.PASS if metrics else Status.SKIP,
        value={name: str(metrics[name]) for name in bad} if bad else sorted(metrics),
        detail=f"not finite: {', '.join(bad)}" if bad else None if metrics else "the work returns none",
        remedy="See where they come from: an empty test part, a division by zero, a loss that diverged."
        if bad
        else None,
        required=bool(metrics),
    )


def numeric(ev: RunEvidence, passage: Passage, find: Callable[[str], Path | None]) -> list[Check]:
    """The checks of the evidence.

    Args:
        ev: What the work has shown.
        passage: What let the run in: the ranges of the inputs in tier 1, or the decision to do without them.
        find: Gives the path of an output file by its name; None if there is no such file.
    """

    def found(name: str) -> Path:
        path = find(name)
        if path is None:
            raise FileNotFoundError(f"the run has no output file {name}")
        return path

    judged = checks(ev, baseline=passage.profile, find=found)
    if passage.profile is None and passage.overrides:
        return [each.model_copy(update={"required": False}) if each.id == RANGES else each for each in judged]
    return judged


def estimated(ev: RunEvidence, run: Admitted, sealed: Sequence[Sealed]) -> Estimate:
    """Time, memory, disk and upload volume of tiers 2 and 3."""
    return estimate(
        ev,
        records={"this": run.records} if run.records else {},
        epochs=ev.recorded.epochs,
        bag_bytes=run.bag_bytes,
        output_bytes=sum(file.bytes for file in sealed),
    )
