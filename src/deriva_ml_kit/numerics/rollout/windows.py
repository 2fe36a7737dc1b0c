"""A log of predictions as counts by window.

The candidate's arm and the control's stand side by side in each window, because only what happened at the same time is
compared. A request fails where its status is 500 or more: what a client does wrong is no fault of the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from deriva_ml_kit.errors import Fault, Faults
from deriva_ml_kit.numerics.assignment import buckets

CANDIDATE, SHADOW, CONTROL = "canary", "shadow", "production"
COLUMNS = ("request_id", "time", "arm", "model_rid", "latency_ms", "status")
SKEW = timedelta(minutes=5)  # that clocks may differ
TOGETHER = 0.5  # of the candidate's requests that must lie in windows with a control
SHOWN = 5


class Window(BaseModel):
    """Counts of one window.

    Attributes:
        start: When it began.
        stage: Number of the rollout's stage, from 0.
        candidate: Requests that the candidate answered, or saw as a shadow.
        candidate_errors: Of them failed.
        candidate_slow: Of them slow.
        control: Requests that the model in production answered.
        control_errors, control_slow: Likewise.
        compared: Requests that both answered (shadow).
        agreed: Of them with the same answer.
        candidate_outcomes, candidate_failed: Outcomes that are known, and of them those that failed.
        control_outcomes, control_failed: Likewise.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: datetime
    stage: int
    candidate: int = 0
    candidate_errors: int = 0
    candidate_slow: int = 0
    control: int = 0
    control_errors: int = 0
    control_slow: int = 0
    compared: int = 0
    agreed: int = 0
    candidate_outcomes: int = 0
    candidate_failed: int = 0
    control_outcomes: int = 0
    control_failed: int = 0


def windows_of(
    log: pd.DataFrame,
    *,
    stage: int,
    share: float,
    salt: str,
    models: Mapping[str, str],
    since: datetime,
    now: datetime,
    slow_ms: float,
    minutes: float,
    outcomes: pd.Series[Any] | None = None,
) -> list[Window]:
    """Count what a log says.

    Args:
        log: A row each request: request_id, time (with a time zone), arm, model_rid, latency_ms, status; unit and
            prediction where they are known.
        stage: Number of the stage that it belongs to.
        share: Share of the stage; 0 for shadow.
        salt: Of the rollout, by which the arms of units are computed again.
        models: Arm to the RID of its model.
        since: When the stage began, or the last step; earlier rows do not count.
        now: The end.
        slow_ms: Milliseconds above which a request is slow.
        minutes: Length of a window.
        outcomes: By request_id, whether it came out well; only of those that are known.

    Returns:
        Windows in the order of time; none for a log without rows.

    Raises:
        Faults: Everything that is wrong with the log.
    """
    arm = CANDIDATE if share else SHADOW
    faults = [Fault(f"the log has no column {name}") for name in COLUMNS if name not in log]
    if faults:
        raise Faults(faults, message="The log cannot be judged.")
    times = log["time"]
    if not isinstance(times.dtype, pd.DatetimeTZDtype):
        raise Faults([Fault("times need a time zone", column="time", value=str(times.dtype))])
    rows = log[(times > since) & log["arm"].isin([arm, CONTROL])]
    faults = [*_faults(log, rows, arm, models, now), *_misassigned(rows, share, salt)]
    if faults:
        raise Faults(faults, message="The log cannot be judged; nothing was decided.")
    if rows.empty:
        return []
    minute = np.timedelta64(int(minutes * 60e6), "us")
    start = pd.Timestamp(since).tz_convert("UTC")
    rows = rows.assign(
        window=(rows["time"] - start) // minute,
        error=rows["status"] >= 500,
        slow=rows["latency_ms"] > slow_ms,
        outcome=rows["request_id"].map(outcomes) if outcomes is not None else np.nan,
    )
    found = []
    for number, part in rows.groupby("window"):
        ours, theirs = part[part["arm"] == arm], part[part["arm"] == CONTROL]
        found.append(
            Window(
                start=(start + int(str(number)) * minute).to_pydatetime(),
                stage=stage,
                **_counts("candidate", ours),
                **_counts("control", theirs),
                **(_agreement(ours, theirs) if arm == SHADOW else {}),
            )
        )
    _refuse_apart(found)
    return found


def _counts(name: str, part: pd.DataFrame) -> dict[str, Any]:
    known = part["outcome"].dropna()
    return {
        name: len(part),
        f"{name}_errors": int(part["error"].sum()),
        f"{name}_slow": int(part["slow"].sum()),
        f"{name}_outcomes": len(known),
        f"{name}_failed": int((~known.astype(bool)).sum()),
    }


def _agreement(ours: pd.DataFrame, theirs: pd.DataFrame) -> dict[str, Any]:
    if "prediction" not in ours:
        return {}
    both = ours[~ours["error"]].merge(theirs[~theirs["error"]], on="request_id", suffixes=("", "_control"))
    return {"compared": len(both), "agreed": int((both["prediction"] == both["prediction_control"]).sum())}


def _faults(log: pd.DataFrame, rows: pd.DataFrame, arm: str, models: Mapping[str, str], now: datetime) -> list[Fault]:
    faults = []
    twice = rows.loc[rows.duplicated(["request_id", "arm"]), "request_id"]
    if len(twice):
        faults.append(
            Fault(
                f"{len(twice)} requests are there twice: {_some(twice)}",
                column="request_id",
                remedy="give each log once",
            )
        )
    for name in sorted(set(log["arm"].astype(str)) - {CANDIDATE, SHADOW, CONTROL}):
        faults.append(Fault("there is no such arm", column="arm", value=name))
    for name in (arm, CONTROL):
        others = set(rows.loc[rows["arm"] == name, "model_rid"]) - {models[name]}
        if others:
            faults.append(
                Fault(
                    f"the arm {name} is model {models[name]}, and these are answers of {_some(others)}",
                    column="model_rid",
                )
            )
    if len(rows) and (late := rows["time"].max()) > now + SKEW:
        faults.append(
            Fault(
                f"a request lies {(late - now).total_seconds() / 60:.0f} minutes in the future",
                column="time",
                value=late.isoformat(),
                remedy="set the clock of the server",
            )
        )
    for name in ("latency_ms", "status"):
        wrong = pd.to_numeric(rows[name], errors="coerce")
        if (~(wrong >= 0)).any():
            faults.append(Fault(f"{int((~(wrong >= 0)).sum())} values are no number from 0", column=name))
    return faults


def _misassigned(rows: pd.DataFrame, share: float, salt: str) -> list[Fault]:
    """Units that are in another arm than their salt says: another salt, or another share, than was planned.

    A request without a unit is one of its own.
    """
    if not share:
        return []
    units = rows["unit"].fillna(rows["request_id"]) if "unit" in rows else rows["request_id"]
    known = rows.assign(unit=units.astype(str)).drop_duplicates(["unit", "arm"])
    expected = np.where(buckets(salt, known["unit"]) < share, CANDIDATE, CONTROL)
    wrong = known.loc[known["arm"].to_numpy() != expected, "unit"]
    if wrong.empty:
        return []
    return [
        Fault(
            f"{len(wrong)} of {len(known)} units are in another arm than salt and share say: {_some(wrong)}",
            column="arm",
            remedy="let the server read the split file of this rollout, and give logs of this stage alone",
        )
    ]


def _refuse_apart(windows: list[Window]) -> None:
    """Refuse arms that did not run at the same time.

    Raises:
        Faults: Most of the candidate's requests lie where the control has none.
    """
    total = sum(window.candidate for window in windows)
    together = sum(window.candidate for window in windows if window.control)
    if total and any(window.control for window in windows) and together / total < TOGETHER:
        raise Faults(
            [
                Fault(
                    f"only {together} of the candidate's {total} requests lie in windows in which the control has any",
                    column="time",
                    remedy="do the clocks of the servers agree?",
                )
            ],
            message="The arms did not run at the same time; nothing was decided.",
        )


def _some(values: Any) -> str:
    found = sorted(map(str, set(values)))
    return ", ".join(found[:SHOWN]) + (" …" if len(found) > SHOWN else "")
