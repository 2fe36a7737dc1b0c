"""From figures to a status, and from statuses to the verdict on the batch.

Drift is claimed only if the index is large (at least the upper threshold), is no chance finding (p adjusted for the
number of columns below alpha), and both sides have the rows that fixed thresholds need. A large sample alone makes any
p small; a small one alone makes any index large.
"""

from __future__ import annotations

from collections.abc import Sequence

from deriva_ml_kit.numerics.drift.profile import BaselineProfile, ColumnProfile
from deriva_ml_kit.numerics.drift.report import ColumnReport, Comparison, Status, Verdict

UNKNOWN: tuple[Status, ...] = ("no_data", "missing", "wrong_type")


def judge(found: Comparison, constant: bool, alpha: float, thresholds: tuple[float, float]) -> tuple[Status, str]:
    """Status and reason of one comparison whose p are adjusted."""
    if constant and found.psi == 0:
        return "constant", "One value, the same as in the baseline."
    lower, upper = thresholds
    rows = found.effective_rows or found.rows
    figures = f"PSI {found.psi:.3g}" + (
        "" if found.psi_p_adjusted is None else f", adjusted p {found.psi_p_adjusted:.2g}"
    )
    if found.rows and found.null_rate == 1:
        return (
            "no_data",
            f"No value in {found.rows} rows; in the baseline {1 - found.reference_null_rate:.1%} have one.",
        )
    if min(rows, found.reference_rows) < found.needed_rows:
        worth = "" if found.effective_rows is None else f" worth {rows:.0f} independent ones"
        return "insufficient", (
            f"{found.rows} rows{worth} against {found.reference_rows} of the baseline: each side needs "
            f"{found.needed_rows} to tell drift from chance ({figures})."
        )
    if found.psi_p_adjusted is None:
        return "insufficient", f"Too few clusters, or too few rows in its cells, for a p ({figures})."
    status: Status = "ok"
    why = "within chance" if found.psi_p_adjusted >= alpha else f"below {lower:g}"
    if found.psi_p_adjusted < alpha and found.psi >= lower:
        status, threshold = ("drift", upper) if found.psi >= upper else ("investigate", lower)
        why = f"at least {threshold:g}, and no chance"
    return status, f"{figures}: {why}."


def season_refused(baseline: BaselineProfile, column: ColumnProfile) -> str | None:
    """Why a seasonal column must not be compared with the training data; None if it may be."""
    if column.period is None or baseline.days is None or baseline.days >= column.period * 0.97:
        return None
    return (
        f"Differs over {column.period:g} days, of which the baseline spans {baseline.days:.0f}; "
        "there is no baseline of the same season (seasonal=unavailable)."
    )


def overall(columns: Sequence[ColumnReport], rows: int) -> tuple[Verdict, str]:
    """The verdict on a batch, and which columns made it so.

    Drift anywhere is drift. Without it, a column whose values are not there forbids to say that all is well, and so do
    too few rows. Refused columns decide only if there are no others.
    """
    if not rows:
        return "no_data", "The batch has no rows."
    named = {status: [column.name for column in columns if column.status == status] for status in _statuses(columns)}
    unknown = [f"{_list(named[status])} ({status})" for status in UNKNOWN if status in named]
    findings: tuple[tuple[Verdict, bool, str], ...] = (
        ("drift", "drift" in named, f"Drift in {_list(named.get('drift', []))}."),
        ("no_data", bool(unknown), f"Cannot tell: {'; '.join(unknown)}."),
        ("insufficient", "insufficient" in named, f"Too few rows to tell for {_list(named.get('insufficient', []))}."),
        ("investigate", "investigate" in named, f"Look at {_list(named.get('investigate', []))}."),
        ("ok", "ok" in named, f"{len(named.get('ok', []))} columns are as in the baseline."),
        ("insufficient", "refused" in named, f"No baseline of the same season for {_list(named.get('refused', []))}."),
        ("no_data", True, "No column holds more than one value."),
    )
    return next((verdict, reason) for verdict, found, reason in findings if found)


def _statuses(columns: Sequence[ColumnReport]) -> set[Status]:
    return {column.status for column in columns}


def _list(names: Sequence[str], shown: int = 8) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
