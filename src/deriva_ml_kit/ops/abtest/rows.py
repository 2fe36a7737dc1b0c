"""The data of a look: what was measured, with the unit and the arm of each row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from deriva_ml_kit.errors import Fault, Faults, UsageError
from deriva_ml_kit.ops.abtest.documents import AbTestPlan, Metric
from deriva_ml_kit.ops.frames import Batch, Origin

OF_OUTCOMES = " of outcomes"  # behind the names of columns that rows and outcomes both have


@dataclass(frozen=True)
class Rows:
    """Rows of an A/B test.

    Attributes:
        frame: With the columns that the plan names; the unit as text, None where there is none.
        origins: Where they come from.
    """

    frame: pd.DataFrame
    origins: tuple[Origin, ...]


def together(batch: Batch) -> pd.DataFrame:
    """All columns of a batch; of a prediction log those of the log beside the features.

    Raises:
        UsageError: A feature has the name of a column of the log.
    """
    if batch.log is None:
        return batch.frame
    if both := sorted(set(batch.log.columns) & set(batch.frame.columns)):
        raise UsageError(f"{batch.origin.name}: features have names of the log's own columns: {', '.join(both)}.")
    return pd.concat([batch.log, batch.frame], axis=1)


def joined(batch: Batch, outcomes: Batch, on: str) -> pd.DataFrame:
    """Rows with their outcomes; rows without one have empty values, and outcomes without a row are none of the test.

    Args:
        batch: Rows, such as a prediction log.
        outcomes: What came of them, at most one for each value of the column.
        on: The column that both have: `request_id`, or the unit's.

    Raises:
        UsageError: It is not in both, or an outcome is there twice.
    """
    left, right = together(batch), together(outcomes)
    for frame, origin in ((left, batch.origin), (right, outcomes.origin)):
        if on not in frame:
            raise UsageError(f"{origin.name} has no column {on!r}; it has {', '.join(map(str, frame.columns))}.")
    twice = right[on][right[on].duplicated()].unique()
    if len(twice):
        raise UsageError(
            f"{outcomes.origin.name} has {len(twice)} values of {on!r} more than once, such as {twice[0]!r}.",
            remedy="Give one outcome for each of them.",
        )
    right = right.assign(**{on: _text(right[on], outcomes.origin.name)})
    left = left.assign(**{on: _text(left[on], batch.origin.name)})
    return left.merge(right[right[on].notna()], on=on, how="left", suffixes=("", OF_OUTCOMES))


def prepared(frame: pd.DataFrame, plan: AbTestPlan, origins: Sequence[Origin]) -> Rows:
    """Rows with the columns that the plan names, each of the type that it must have.

    Raises:
        Faults: Columns that are missing, or values that are no numbers, times or names.
    """
    named = ", ".join(each.name for each in origins)
    faults = _columns(frame, plan, named)
    if faults:
        raise Faults(faults, message="These rows do not fit the plan; nothing was looked at.")
    frame = frame.copy()
    frame[plan.unit] = _text(frame[plan.unit], named)
    if plan.time:
        frame[plan.time] = pd.to_datetime(frame[plan.time], utc=True, errors="coerce", format="ISO8601")
        if frame[plan.time].isna().any():
            faults.append(Fault(f"{frame[plan.time].isna().sum()} values are no times", file=named, column=plan.time))
    for metric in (plan.metric, *plan.guardrails):
        for column in filter(None, (metric.column, metric.denominator)):
            frame[column], fault = _numbers(frame[column], metric, named)
            faults += fault
    if faults:
        raise Faults(faults, message="These rows do not fit the plan; nothing was looked at.")
    return Rows(frame, tuple(origins))


def _columns(frame: pd.DataFrame, plan: AbTestPlan, named: str) -> list[Fault]:
    metrics = [each for metric in (plan.metric, *plan.guardrails) for each in (metric.column, metric.denominator)]
    wanted = dict.fromkeys(filter(None, [plan.unit, plan.arm, plan.row, plan.time, *metrics]))
    return [
        Fault("is missing", file=named, column=name, remedy="name the columns as the plan does")
        for name in wanted
        if name not in frame
    ] + [
        Fault("stands in the rows and in the outcomes", file=named, column=name, remedy="give the two other names")
        for name in dict.fromkeys(filter(None, metrics))
        if f"{name}{OF_OUTCOMES}" in frame
    ]


def _numbers(values: pd.Series[Any], metric: Metric, named: str) -> tuple[pd.Series[Any], list[Fault]]:
    """A column as finite floats; truth values are 0 and 1."""
    found = pd.to_numeric(values, errors="coerce").astype(float).replace([float("inf"), float("-inf")], float("nan"))
    empty = values.isna()
    if metric.missing == "zero":
        found = found.mask(empty, 0.0)
    if not found.isna().any():
        return found, []
    wrong = values[found.isna()]
    if empty.any() and metric.missing == "refuse" and empty.sum() == len(wrong):
        told, remedy = f"{len(wrong)} values are missing", "say in the plan what that means: missing = 'zero'"
    else:
        told, remedy = f"{len(wrong)} values are no finite numbers", None
    return found, [Fault(told, file=named, column=metric.column, value=str(wrong.iloc[0]), remedy=remedy)]


def _text(values: pd.Series[Any], named: str) -> pd.Series[Any]:
    """Names as text. Whole numbers have one spelling; other numbers have several, so that none of them is a name.

    Raises:
        Faults: They are floats, as whole numbers become in a column with an empty value.
    """
    if pd.api.types.is_float_dtype(values):
        raise Faults(
            [Fault("has numbers with a fraction or empty values", file=named, column=str(values.name))],
            message="What is assigned to arms must be text.",
            remedy="Write the names as text, without empty ones.",
        )
    return values.map(str, na_action="ignore").astype(object).where(values.notna(), None)
