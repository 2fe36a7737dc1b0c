"""What a comparison found, column by column, and the verdict."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from deriva_ml_kit.numerics.drift.batch import Role
from deriva_ml_kit.numerics.drift.profile import Origin, Record

Status = Literal[
    "ok",  # compared, and not different enough
    "investigate",  # PSI of at least the lower threshold, and no chance finding
    "drift",  # PSI of at least the upper threshold, and no chance finding
    "constant",  # one value, the same on both sides
    "insufficient",  # too few rows to tell
    "refused",  # seasonal, and the baseline does not span a season
    "no_data",  # no value in the batch
    "missing",  # the column is not in the batch
    "wrong_type",  # the batch holds something else in it
]
Verdict = Literal["ok", "investigate", "drift", "insufficient", "no_data"]
Season = Literal["not_declared", "used", "unavailable"]


class Cell(Record):
    """A bar of the two histograms.

    Attributes:
        label: Level, value, interval, or one of other, null, -inf, +inf.
        reference: Rows of the baseline.
        current: Rows of the batch.
    """

    label: str
    reference: int
    current: int


class Comparison(Record):
    """A column of the batch against one baseline.

    Attributes:
        reference_rows: Rows of the baseline, or how many independent ones they are worth.
        rows: Rows of the batch.
        effective_rows: How many independent rows the batch is worth, if rows are grouped.
        needed_rows: Rows (independent ones) that either side must have for a verdict; see `minimum_rows`.
        psi: Population stability index over all cells.
        smoothed: Whether a cell is empty on one side, so that 0.5 rows were added to each.
        psi_p: Calibrated p of the index; None if even merged cells expect too few rows, or there are
            fewer than 20 clusters.
        psi_p_adjusted: The same, adjusted for the number of columns.
        ks: Kolmogorov-Smirnov distance of finite values, the effect size.
        ks_p: Its asymptotic p.
        ks_p_adjusted: The same, adjusted.
        chi2: Chi-squared of the contingency table over merged cells.
        chi2_df: Its degrees of freedom.
        chi2_p: Its p; None if rows are grouped, which it does not allow for.
        chi2_p_adjusted: The same, adjusted.
        reference_null_rate: Share of rows without value in the baseline.
        null_rate: The same in the batch.
        reference_infinite: Rows with an infinite value in the baseline.
        infinite: The same in the batch.
        unseen: Levels or values (of a column with few) that the baseline does not have, at most 20.
        cells: The histograms.
    """

    reference_rows: int
    rows: int
    effective_rows: float | None
    needed_rows: int
    psi: float
    smoothed: bool
    psi_p: float | None
    ks: float | None
    ks_p: float | None
    chi2: float
    chi2_df: int
    chi2_p: float | None
    psi_p_adjusted: float | None = None
    ks_p_adjusted: float | None = None
    chi2_p_adjusted: float | None = None
    reference_null_rate: float
    null_rate: float
    reference_infinite: int
    infinite: int
    unseen: tuple[str, ...] = ()
    cells: tuple[Cell, ...] = ()


class ColumnReport(Record):
    """A column, against every baseline there is.

    Attributes:
        name: Its name.
        role: Feature, prediction or score.
        status: What was found.
        reason: Why, in a sentence with the figures.
        basis: The baseline that the status rests on, if any.
        training: Against the training data.
        seasonal: Against the same season before.
        rolling: Against the time just before; a hint that never decides, since it follows what drifts slowly.
    """

    name: str
    role: Role
    status: Status
    reason: str
    basis: Literal["training", "seasonal"] | None = None
    training: Comparison | None = None
    seasonal: Comparison | None = None
    rolling: Comparison | None = None


class DriftReport(Record):
    """A batch against its baseline.

    Attributes:
        verdict: Over all columns: the worst that was found.
        reason: Which columns made it so.
        rows: Rows of the batch.
        clusters: Clusters of the batch, if rows are grouped; p and needed rows then allow for them.
        first: Time of the first row.
        last: Time of the last row.
        baseline: Where the baseline came from.
        season: Whether a seasonal baseline was asked for and there.
        alpha: Limit of adjusted p.
        thresholds: PSI from which to investigate, and from which it is drift.
        columns: Each column of the baseline.
        additional: Columns of the batch that the baseline does not know.
        warnings: What else one should know.
    """

    verdict: Verdict
    reason: str
    rows: int
    clusters: int | None
    first: datetime | None
    last: datetime | None
    baseline: Origin
    season: Season
    alpha: float
    thresholds: tuple[float, float]
    columns: tuple[ColumnReport, ...]
    additional: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 in order or to be investigated, 1 drift, 2 cannot tell."""
        return {"ok": 0, "investigate": 0, "drift": 1}.get(self.verdict, 2)

    def with_status(self, *statuses: Status) -> tuple[ColumnReport, ...]:
        """The columns of some statuses, largest index first."""
        found = [column for column in self.columns if column.status in statuses]
        return tuple(sorted(found, key=_index, reverse=True))


def _index(column: ColumnReport) -> float:
    used = column.seasonal if column.basis == "seasonal" else column.training
    return used.psi if used else 0.0
