"""A batch against its baseline: each column is read and sorted once, then counted in the frozen cells of each baseline.

report = compare(baseline, frame, predictions=labels, seasonal=last_year)
report.verdict, report.exit_code
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.numerics.drift import clusters as grouping
from deriva_ml_kit.numerics.drift import statistics, verdicts
from deriva_ml_kit.numerics.drift.batch import Rows, batch, threaded
from deriva_ml_kit.numerics.drift.columns import NUMERIC, Levels, Numbers, kind_of, read_levels, read_numbers
from deriva_ml_kit.numerics.drift.profile import BaselineProfile, ColumnProfile
from deriva_ml_kit.numerics.drift.report import Cell, ColumnReport, Comparison, DriftReport, Season, Status
from deriva_ml_kit.numerics.drift.statistics import Counts, Floats

LISTED = 20  # unseen levels
Read = Numbers | Levels


def compare(
    baseline: BaselineProfile,
    frame: pd.DataFrame,
    *,
    predictions: Rows = None,
    scores: Any = None,
    clusters: Rows = None,
    times: Rows = None,
    seasonal: BaselineProfile | None = None,
    rolling: BaselineProfile | None = None,
    alpha: float = 0.05,
    thresholds: tuple[float, float] = (0.1, 0.2),
    minimum_rows: int | None = None,
    workers: int | None = None,
) -> DriftReport:
    """Compare a batch with a baseline.

    Args:
        baseline: Profile of the training data.
        frame: Features of the batch; columns that the baseline lacks are listed and not compared.
        predictions: As for `profile`.
        scores: As for `profile`.
        clusters: As for `profile`; needed if and only if the baseline has them.
        times: As for `profile`.
        seasonal: Profile of the same season before (see `same_season`). It decides for columns declared seasonal.
        rolling: Profile of the time just before; shown, and never decides.
        alpha: Limit of the adjusted p.
        thresholds: PSI from which to investigate, and from which it is drift.
        minimum_rows: Rows that both sides need, in place of what `statistics.minimum_rows` says for their cells.
        workers: Threads; as many as processors by default.

    Raises:
        UsageError: Arguments that do not fit the frame or the baseline.
    """
    if not 0 < alpha < 1:
        raise UsageError(f"alpha is {alpha}; it must lie between 0 and 1.")
    if not 0 < thresholds[0] <= thresholds[1]:
        raise UsageError(f"thresholds are {thresholds}; they must be positive and ascending.")
    data = batch(frame, predictions=predictions, scores=scores, clusters=clusters, times=times)
    baselines = {
        name: found for name, found in (("training", baseline), ("seasonal", seasonal), ("rolling", rolling)) if found
    }
    for name, found in baselines.items():
        if (found.clusters is None) != (data.clusters is None):
            has, lacks = ("batch", f"{name} baseline") if found.clusters is None else (f"{name} baseline", "batch")
            raise UsageError(f"Rows of the {has} are in clusters; say also what those of the {lacks} are in.")

    def one(column: ColumnProfile) -> ColumnReport | dict[str, Comparison]:
        values = data.columns.get((column.role, column.name))
        if not data.rows:
            return _unknown(column, "no_data", "The batch has no rows.")
        if values is None:
            return _unknown(column, "missing", "The batch has no such column.")
        if (read := _read(column, values)) is None:
            return _unknown(column, "wrong_type", f"{values.dtype} in the batch, {column.kind} in the baseline.")
        comparisons = {}
        for name, found in baselines.items():
            same = found.by_name.get((column.role, column.name))
            if same and (same.kind in NUMERIC) == (column.kind in NUMERIC):
                made = _comparison(same, read, data.clusters, thresholds[0], minimum_rows)
                few = min(found.clusters or grouping.FEWEST, data.cluster_count or grouping.FEWEST) < grouping.FEWEST
                comparisons[name] = made.model_copy(update={"psi_p": None, "ks_p": None}) if few else made
        return comparisons

    given = {role for role, _ in data.columns}
    asked = [column for column in baseline.columns if column.role == "feature" or column.role in given]
    results = threaded(one, asked, workers)
    paired = list(zip(asked, results, strict=True))
    _adjust([(column, each) for column, each in paired if not isinstance(each, ColumnReport)])
    columns = tuple(
        each if isinstance(each, ColumnReport) else _judged(baseline, column, each, alpha, thresholds)
        for column, each in paired
    )
    verdict, reason = verdicts.overall(columns, data.rows)
    return DriftReport(
        verdict=verdict,
        reason=reason,
        rows=data.rows,
        clusters=data.cluster_count,
        first=None if data.times is None or not data.rows else data.times.min(),
        last=None if data.times is None or not data.rows else data.times.max(),
        baseline=baseline.origin,
        season=_season(baseline, seasonal),
        alpha=alpha,
        thresholds=thresholds,
        columns=columns,
        additional=tuple(
            name
            for role, name in data.columns
            if (role, name) not in baseline.by_name and not (role == "feature" and name in baseline.skipped)
        ),
        warnings=tuple(_warnings(baseline, seasonal, given)),
    )


def _read(column: ColumnProfile, values: pd.Series[Any]) -> Read | None:
    """The batch's column in the terms of the baseline; None if it holds something else."""
    kind = kind_of(values)
    if kind is None:
        return None
    if column.kind in NUMERIC:
        return read_numbers(values) if kind != "categorical" or values.isna().all() else None
    read = read_levels(values)
    if kind in ("categorical", "empty", column.kind) or read.nulls == read.rows:
        return read
    if column.kind == "boolean" and set(read.counts) <= {"0", "1"}:
        named = {"0": "False", "1": "True"}
        return Levels(
            read.rows,
            read.nulls,
            {named[level]: count for level, count in read.counts.items()},
            read.codes,
            tuple(named.get(name, name) for name in read.names),
        )
    return read if set(read.counts) & set(column.levels) else None


def _comparison(
    column: ColumnProfile, read: Read, clusters: NDArray[np.intp] | None, limit: float, minimum: int | None
) -> Comparison:
    """One column against one baseline; p are not adjusted yet."""
    reference, current = column.cell_counts(), column.count(read)
    n, m = float(reference.sum()), float(current.sum())
    spread: Floats | None = None
    if clusters is not None and (frozen := column.frozen_covariance()) is not None:
        mine = column.covariance_of(read, clusters)
        spread = frozen + mine
        n, m = n / grouping.design_effect(frozen, reference), m / grouping.design_effect(mine, current)
    there = (reference + current) > 0
    psi_p, chi2 = _tests(reference, current, _regular(column, reference), spread, (n, m))
    distance = None
    if isinstance(read, Numbers) and column.ecdf and len(read.ordered):
        distance = column.ecdf.distance(read.ordered)
    rows = int(current.sum())
    return Comparison(
        reference_rows=int(n),
        rows=rows,
        effective_rows=None if spread is None else m,
        needed_rows=minimum or statistics.minimum_rows(int((reference > 0).sum()), limit),
        psi=statistics.psi(reference, current),
        smoothed=statistics.is_smoothed(reference, current),
        psi_p=psi_p,
        ks=distance,
        ks_p=None
        if distance is None
        else statistics.kolmogorov_p(distance, n * (1 - column.nulls / column.rows), m * (1 - read.nulls / read.rows)),
        chi2=chi2.statistic,
        chi2_df=int(chi2.df),
        chi2_p=chi2.p if spread is None else None,
        reference_null_rate=column.nulls / column.rows,
        null_rate=read.nulls / read.rows,
        reference_infinite=column.negative_infinite + column.positive_infinite,
        infinite=int(current[-2:].sum()),
        unseen=_unseen(column, read),
        cells=tuple(
            Cell(label=label, reference=r, current=q)
            for label, r, q, shown in zip(column.labels(), reference.tolist(), current.tolist(), there, strict=True)
            if shown
        ),
    )


def _tests(
    reference: Counts, current: Counts, regular: NDArray[np.bool_], spread: Floats | None, worth: tuple[float, float]
) -> tuple[float | None, statistics.Test]:
    """The calibrated p of the index, and chi-squared, over merged cells.

    Cells that stay too rare are tested by themselves; the smaller p counts, doubled (Bonferroni). `worth` is how many
    independent rows each side has.
    """
    n, m = worth
    groups, rare = statistics.merged(reference, current, regular)
    r, q = (np.array([side[group].sum() for group in groups]) for side in (reference, current))
    p_values = []
    if len(groups) > 1:
        p_values.append(statistics.psi_test(r, q, None if spread is None else grouping.grouped(spread, groups)).p)
    if rare:
        before, now = reference[rare].sum() / reference.sum(), current[rare].sum() / current.sum()
        p_values.append(statistics.rare_p(before * n, now * m, n, m))
    p = min(1.0, min(p_values) * len(p_values)) if p_values else None
    if len(groups) == 1 and not rare:
        p = 1.0 if (reference > 0).sum() == 1 == (current > 0).sum() else None
    if groups and rare:
        least = int(np.argmin(r + q))
        r[least] += reference[rare].sum()
        q[least] += current[rare].sum()
    chi2 = statistics.chi_squared(r, q) if len(groups) > 1 else statistics.Test(0.0, 0, 1.0)
    return p, chi2


def _regular(column: ColumnProfile, reference: Counts) -> NDArray[np.bool_]:
    """Which cells are intervals of about the mass that they were cut to."""
    regular = np.zeros(len(reference), dtype=bool)
    if column.edges is not None:
        main = len(column.counts)
        regular[:main] = reference[:main] >= 0.5 * reference[:main].sum() / main
    return regular


def _unseen(column: ColumnProfile, read: Read) -> tuple[str, ...]:
    """What the baseline does not have; levels may be among those that it has no cell for."""
    if isinstance(read, Levels):
        if column.other:
            return ()
        return tuple(sorted(level for level in read.counts if level not in column.levels)[:LISTED])
    if column.edges is not None or not len(read.ordered):
        return ()
    return tuple(f"{value:.12g}" for value in np.setdiff1d(read.ordered, np.array(column.values))[:LISTED])


def _adjust(found: Sequence[tuple[ColumnProfile, dict[str, Comparison]]]) -> None:
    """Adjust p of each test over the columns.

    The comparisons that decide, one a column, are one family; what is only shown beside them is none of it, since a
    season in the training data's p would make those of other columns look better than they are.
    """
    families: dict[str, list[tuple[dict[str, Comparison], str]]] = {}
    for column, each in found:
        for name in each:
            families.setdefault("" if name == _basis(column, each) else name, []).append((each, name))
    for members in families.values():
        changes: list[dict[str, float | None]] = [{} for _ in members]
        for test in ("psi_p", "ks_p", "chi2_p"):
            values = statistics.adjusted([getattr(each[name], test) for each, name in members])
            for change, value in zip(changes, values, strict=True):
                change[f"{test}_adjusted"] = value
        for (each, name), change in zip(members, changes, strict=True):
            each[name] = each[name].model_copy(update=change)


def _basis(column: ColumnProfile, found: Collection[str]) -> Literal["training", "seasonal"]:
    """The baseline that decides for a column."""
    return "seasonal" if column.period is not None and "seasonal" in found else "training"


def _judged(
    baseline: BaselineProfile,
    column: ColumnProfile,
    found: dict[str, Comparison],
    alpha: float,
    thresholds: tuple[float, float],
) -> ColumnReport:
    basis = _basis(column, found)
    status, reason = verdicts.judge(found[basis], column.constant, alpha, thresholds)
    if basis == "training" and status != "no_data" and (refused := verdicts.season_refused(baseline, column)):
        status, reason = "refused", refused
    return ColumnReport(
        name=column.name,
        role=column.role,
        status=status,
        reason=reason,
        basis=None if status == "refused" else basis,
        **found,
    )


def _unknown(column: ColumnProfile, status: Status, reason: str) -> ColumnReport:
    return ColumnReport(name=column.name, role=column.role, status=status, reason=reason)


def _season(baseline: BaselineProfile, seasonal: BaselineProfile | None) -> Season:
    if seasonal is not None:
        return "used"
    return "unavailable" if any(column.period for column in baseline.columns) else "not_declared"


def _warnings(baseline: BaselineProfile, seasonal: BaselineProfile | None, given: Collection[str]) -> list[str]:
    found = []
    for role, name in (("prediction", "predictions"), ("score", "scores")):
        if (role in {column.role for column in baseline.columns}) != (role in given):
            side = "batch" if role not in given else "baseline"
            found.append(f"No {name} were compared: the {side} has none.")
    if seasonal is None and any(column.period for column in baseline.columns):
        found.append("No baseline of the same season: baseline=training, seasonal=unavailable.")
    return found
