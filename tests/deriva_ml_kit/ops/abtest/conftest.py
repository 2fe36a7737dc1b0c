from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deriva_ml_kit.ops.abtest.documents import AbTestPlan
from deriva_ml_kit.ops.abtest.planning import plan

START = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def planned() -> Callable[..., AbTestPlan]:
    """A plan for a rate of 40 % that should rise by 20 points; with changes."""

    def make(**changes: Any) -> AbTestPlan:
        content = {
            "slug": "reminder-model",
            "question": "Do more patients come?",
            "decision": "Win: promote.",
            "starts": START,
            "arms": [{"name": "control", "weight": 0.5}, {"name": "treatment", "weight": 0.5}],
            "unit": "patient",
            "time": "time",
            "metric": {"name": "attendance", "kind": "rate", "column": "came"},
            "baseline": 0.4,
            "effect": 0.2,
            "per_day": 30,
            "looks": 4,
            "guardrails": [{"name": "errors", "kind": "rate", "column": "failed", "better": "lower", "limit": 0.02}],
        }
        return plan({**content, **changes}, "the plan")

    return make


@pytest.fixture
def visits() -> Callable[..., pd.DataFrame]:
    """Visits of so many patients in ten days: a share of those under treatment comes, and in some it fails."""

    def make(of: AbTestPlan, patients: int, *, came: float = 0.4, failed: float = 0.0, seed: int = 1) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        names = [f"P{number:04d}" for number in range(patients)]
        arms = of.assignment.of_all(names)
        treated = arms == of.treated.name
        chance = rng.random(patients)
        return pd.DataFrame(
            {
                "patient": names,
                "arm": arms,
                "time": [(START + timedelta(days=10 * number / patients)).isoformat() for number in range(patients)],
                "came": chance < np.where(treated, came, 0.4),
                "failed": rng.random(patients) < np.where(treated, failed, 0.01),
            }
        )

    return make
