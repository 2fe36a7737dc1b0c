"""The page of a drift report: the verdict, every column in a table, and the distributions of those to look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from deriva_ml_kit.numerics.drift import BaselineProfile, ColumnProfile, ColumnReport, Comparison
from deriva_ml_kit.numerics.drift.ecdf import Ecdf, unpack
from deriva_ml_kit.ops import charts
from deriva_ml_kit.ops.charts import Chart
from deriva_ml_kit.ops.drift.documents import DriftReport
from deriva_ml_kit.ops.page import Mark, Section, Table, Tone, render

TONES = {"ok": Tone.GOOD, "constant": Tone.GOOD, "investigate": Tone.WARN, "drift": Tone.BAD}
ORDER = ("drift", "missing", "wrong_type", "no_data", "insufficient", "refused", "investigate", "ok", "constant")
SEEN_IN_FIGURES = ("ok", "investigate", "drift", "constant")
SHOWN, BINS = 24, 28
MIDDLE = 0.995  # of both distributions; what lies outside would squeeze the rest


def page(
    report: DriftReport,
    baseline: BaselineProfile,
    batch: BaselineProfile | None,
    seasonal: BaselineProfile | None = None,
) -> str:
    """The page as HTML text.

    Args:
        report: What was found.
        baseline: The training's profile.
        batch: The batch's; None where it has no rows.
        seasonal: That of the same season before; columns that were judged by it are drawn with it.
    """
    result = report.result
    columns = sorted(result.columns, key=lambda each: (ORDER.index(each.status), -_psi(each)))
    facts = {
        "batch": f"{report.batch.name}, {result.rows} rows",
        "baseline": f"{report.baseline_rid}, {baseline.rows} rows of {_source(baseline)}",
        "training": baseline.origin.execution_rid,
        "models": ", ".join(report.models) or None,
        "seasonal baseline": report.seasonal_rid or {"not_declared": None}.get(result.season, "unavailable"),
        "times": None if result.first is None else f"{result.first:%Y-%m-%d %H:%M} to {result.last:%Y-%m-%d %H:%M} UTC",
        "checked": f"{report.checked:%Y-%m-%d %H:%M} UTC",
        "groups": result.clusters
        and f"{result.clusters} by {report.settings.group_by}; p and needed rows count groups",
        "limits": f"PSI {result.thresholds[0]:g} to investigate, {result.thresholds[1]:g} for drift, "
        f"adjusted p below {result.alpha:g}",
        "not compared": ", ".join(result.additional) or None,
    }
    sections = [_table(columns), *_distributions(columns, baseline, batch, seasonal or baseline)]
    if result.warnings:
        sections.insert(0, Section("Please note", "\n\n".join(result.warnings)))
    return render(
        f"Drift of {report.batch.name}",
        result.verdict.replace("_", " "),
        result.reason,
        sections,
        tone=TONES.get(result.verdict, Tone.OPEN),
        facts={name: value for name, value in facts.items() if value},
    )


def _table(columns: Sequence[ColumnReport]) -> Section:
    headers = ["column", "verdict", "PSI", "adjusted p", "KS distance", "without a value", "note"]
    rows = []
    for column in columns:
        used = _used(column)
        name = column.name if column.role == "feature" else f"{column.name} ({column.role})"
        mark = Mark(column.status.replace("_", " "), TONES.get(column.status, Tone.OPEN))
        if used is None:
            rows.append([name, mark, None, None, None, None, column.reason])
            continue
        nulls = (
            f"{used.reference_null_rate:.1%} → {used.null_rate:.1%}"
            if used.null_rate != used.reference_null_rate
            else ""
        )
        notes = [] if column.status in SEEN_IN_FIGURES else [column.reason]
        if used.unseen:
            notes.append(f"Never seen before: {', '.join(used.unseen[:5])}{' …' if len(used.unseen) > 5 else ''}.")
        if column.basis == "seasonal":
            notes.append("Against the same season before.")
        rows.append([name, mark, used.psi, _p(used.psi_p_adjusted), used.ks, nulls, " ".join(notes)])
    return Section("Columns", "", [Table(headers, rows)])


def _p(value: float | None) -> float | str | None:
    return value if value is None or value >= 0.0001 else "< 0.0001"


def _distributions(
    columns: Sequence[ColumnReport],
    baseline: BaselineProfile,
    batch: BaselineProfile | None,
    seasonal: BaselineProfile,
) -> Iterator[Section]:
    if batch is None:
        return
    in_order = {"ok", "constant"}
    parts = {
        "Distributions to look at": [each for each in columns if _used(each) and each.status not in in_order],
        "Other distributions": [each for each in columns if _used(each) and each.status in in_order],
    }
    for title, some in parts.items():
        if some:
            more = f"{len(some) - SHOWN} more are in the table." if len(some) > SHOWN else ""
            yield Section(
                title,
                more,
                [_chart(each, seasonal if each.basis == "seasonal" else baseline, batch) for each in some[:SHOWN]],
            )


def _chart(column: ColumnReport, baseline: BaselineProfile, batch: BaselineProfile) -> Chart:
    """Baseline and batch: as histograms where there are many values, else as bars."""
    key = (column.role, column.name)
    before, now = baseline.by_name.get(key), batch.by_name.get(key)
    title = column.name if column.role == "feature" else f"{column.name} ({column.role})"
    if before and now and before.edges is not None and before.ecdf and now.ecdf:
        return _histogram(title, before, now, before.ecdf, now.ecdf)
    used = _used(column)
    assert used is not None
    n, m = sum(cell.reference for cell in used.cells) or 1, sum(cell.current for cell in used.cells) or 1
    shares = {
        "baseline": [cell.reference / n for cell in used.cells],
        "batch": [cell.current / m for cell in used.cells],
    }
    return charts.bars(title, [cell.label for cell in used.cells], shares)


def _histogram(title: str, before: ColumnProfile, now: ColumnProfile, first: Ecdf, second: Ecdf) -> Chart:
    """Both over bins of the same width, from their frozen distributions."""
    low = min(_quantile(first, 1 - MIDDLE), _quantile(second, 1 - MIDDLE))
    high = max(_quantile(first, MIDDLE), _quantile(second, MIDDLE))
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    shares = {
        "baseline": _shares(first, edges) * first.rows / before.rows,
        "batch": _shares(second, edges) * second.rows / now.rows,
    }
    return charts.histogram(title, edges.tolist(), {name: each.tolist() for name, each in shares.items()})


def _shares(of: Ecdf, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of values in bins, of which the first and the last hold what lies outside, too.

    Between its points, the distribution is taken for a straight line.
    """
    points, shares = _curve(of)
    upto = np.interp(edges[1:-1], points, shares, left=0.0, right=1.0)
    return np.diff(np.concatenate(([0.0], upto, [1.0])))


def _quantile(of: Ecdf, share: float) -> float:
    points, shares = _curve(of)
    return float(points[min(int(np.searchsorted(shares, share)), len(points) - 1)])


def _curve(of: Ecdf) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return unpack(of.points, float), np.cumsum(unpack(of.at, int) + unpack(of.between, int)) / of.rows


def _used(column: ColumnReport) -> Comparison | None:
    return column.seasonal if column.basis == "seasonal" else column.training


def _psi(column: ColumnReport) -> float:
    used = _used(column)
    return used.psi if used else 0.0


def _source(baseline: BaselineProfile) -> str:
    origin = baseline.origin
    return f"{origin.dataset_rid}@{origin.dataset_version}" if origin.dataset_rid else origin.file or "unknown origin"
