from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deriva_ml_kit.errors import Faults
from deriva_ml_kit.numerics.assignment import buckets
from deriva_ml_kit.numerics.rollout import windows_of

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)
MODELS = {"canary": "3-NEW", "shadow": "3-NEW", "production": "3-OLD"}


def log_of(count: int, share: float = 0.25, hours: float = 3.0, seed: int = 0) -> pd.DataFrame:
    """A log as a server of a rollout writes it."""
    rng = np.random.default_rng(seed)
    units = [f"u{number}" for number in range(count)]
    arms = np.where(buckets("s", units) < share, "canary", "production")
    return pd.DataFrame(
        {
            "request_id": [f"r{number}" for number in range(count)],
            "time": pd.to_datetime([BEGAN + timedelta(hours=hours * (i + 1) / (count + 1)) for i in range(count)]),
            "unit": units,
            "arm": arms,
            "model_rid": [MODELS[arm] for arm in arms],
            "prediction": rng.choice(["a", "b"], count),
            "latency_ms": rng.uniform(1, 200, count),
            "status": np.where(rng.random(count) < 0.1, 500, 200),
        }
    )


def windows(log: pd.DataFrame, **changed: Any) -> Any:
    settings: dict[str, Any] = {
        "stage": 2,
        "share": 0.25,
        "salt": "s",
        "models": MODELS,
        "since": BEGAN,
        "now": BEGAN + timedelta(hours=3),
        "slow_ms": 100,
        "minutes": 60,
    }
    return windows_of(log, **(settings | changed))


def test_each_request_is_counted_once_in_its_window_and_arm() -> None:
    log = log_of(1000)
    found = windows(log)
    assert [window.start.hour for window in found] == [0, 1, 2]
    for name, arm in (("candidate", "canary"), ("control", "production")):
        rows = log[log["arm"] == arm]
        assert sum(getattr(window, name) for window in found) == len(rows)
        assert sum(getattr(window, f"{name}_errors") for window in found) == (rows["status"] >= 500).sum()
        assert sum(getattr(window, f"{name}_slow") for window in found) == (rows["latency_ms"] > 100).sum()


def test_the_order_of_rows_and_columns_does_not_matter() -> None:
    log = log_of(300)
    assert windows(log.sample(frac=1, random_state=1)[list(log)[::-1]]) == windows(log)


def test_what_a_client_does_wrong_is_no_error_of_the_model() -> None:
    log = log_of(300).assign(status=422)
    assert sum(window.candidate_errors + window.control_errors for window in windows(log)) == 0


def test_only_what_came_after_the_beginning_counts() -> None:
    log = log_of(300)
    later = windows(log, since=BEGAN + timedelta(hours=2))
    assert (
        sum(window.candidate + window.control for window in later) == (log["time"] > BEGAN + timedelta(hours=2)).sum()
    )


def test_in_shadow_the_answers_are_compared_request_by_request() -> None:
    control = log_of(200).assign(arm="production", model_rid="3-OLD", status=200)
    shadow = control.assign(arm="shadow", model_rid="3-NEW")
    shadow.loc[:49, "prediction"] = "c"
    found = windows(pd.concat([control, shadow[:150]]), share=0.0)
    assert (sum(w.compared for w in found), sum(w.agreed for w in found)) == (150, 100)


def test_outcomes_that_are_known_are_counted() -> None:
    log = log_of(400)
    known = pd.Series(True, index=log["request_id"][:200])
    known.iloc[:20] = False
    found = windows(log, outcomes=known)
    assert sum(w.candidate_outcomes + w.control_outcomes for w in found) == 200
    assert sum(w.candidate_failed + w.control_failed for w in found) == 20


def test_a_log_without_rows_gives_no_windows() -> None:
    assert windows(log_of(10)[:0]) == []


def test_everything_that_is_wrong_is_told_at_once() -> None:
    log = pd.concat([log_of(200), log_of(200)[:3]], ignore_index=True)
    log.loc[5, "arm"] = "blue"
    log.loc[6, "model_rid"] = "3-ELSE"
    log.loc[7, "latency_ms"] = np.nan
    log.loc[8, "time"] = BEGAN + timedelta(hours=9)
    with pytest.raises(Faults) as refused:
        windows(log)
    told = str(refused.value)
    for what in ("there twice: r0, r1, r2", "'blue'", "3-ELSE", "no number", "360 minutes in the future"):
        assert what in told


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_units_in_another_arm_than_their_salt_says_are_refused(share: float) -> None:
    with pytest.raises(Faults, match="another arm than salt and share say"):
        windows(log_of(400), share=share)


def test_a_request_without_a_unit_is_one_of_its_own() -> None:
    log = log_of(200)
    log["unit"] = None
    log["arm"] = np.where(buckets("s", log["request_id"]) < 0.25, "canary", "production")
    log["model_rid"] = log["arm"].map(MODELS)
    assert sum(window.candidate for window in windows(log)) == (log["arm"] == "canary").sum()


def test_arms_that_did_not_run_at_the_same_time_are_refused() -> None:
    log = log_of(400, hours=1.0)
    log.loc[log["arm"] == "canary", "time"] += timedelta(hours=1.5)
    with pytest.raises(Faults, match="clocks of the servers"):
        windows(log)


@pytest.mark.parametrize("missing", ["request_id", "time", "arm", "model_rid", "latency_ms", "status"])
def test_a_column_that_is_missing_is_named(missing: str) -> None:
    with pytest.raises(Faults, match=missing):
        windows(log_of(5).drop(columns=missing))


def test_times_without_a_zone_are_refused() -> None:
    log = log_of(5)
    with pytest.raises(Faults, match="time zone"):
        windows(log.assign(time=log["time"].dt.tz_localize(None)))
