"""The figures of a report as OpenMetrics text, for node_exporter's textfile collector or any scraper.

Only gauges without timestamps, so that the older Prometheus text format reads it, too.
Source of the format: the OpenMetrics specification 1.0, "Text format".
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import get_args

from deriva_ml_kit.numerics.drift import ColumnReport, Comparison
from deriva_ml_kit.numerics.drift.report import Verdict
from deriva_ml_kit.ops.drift.documents import DriftReport

PREFIX = "deriva_ml_drift"
# Field of a comparison -> name and meaning.
OF_COLUMNS = {
    "psi": ("psi", "Population stability index"),
    "psi_p_adjusted": ("psi_p_adjusted", "Its p, adjusted for the number of columns"),
    "ks": ("ks_distance", "Kolmogorov-Smirnov distance"),
    "null_rate": ("null_ratio", "Share of rows without a value"),
}


def text(report: DriftReport) -> str:
    """The report's figures."""
    result = report.result
    labels = {"baseline": report.baseline_rid, "model": ",".join(report.models)}
    lines = [
        *_family(
            "verdict",
            "1 for the verdict on the batch, 0 for the others",
            [(labels | {"verdict": each}, float(each == result.verdict)) for each in get_args(Verdict)],
        ),
        *_family("rows", "Rows of the batch", [(labels, float(result.rows))]),
        *_family("checked_timestamp_seconds", "When the batch was compared", [(labels, report.checked.timestamp())]),
    ]
    for attribute, (name, meaning) in OF_COLUMNS.items():
        found = [
            (labels | {"column": column.name, "role": column.role, "basis": basis}, value)
            for column in result.columns
            for basis, comparison in _bases(column)
            if (value := getattr(comparison, attribute)) is not None and math.isfinite(value)
        ]
        lines += _family(name, meaning, found)
    return "\n".join([*lines, "# EOF"]) + "\n"


def write(text_: str, file: Path) -> None:
    """Put the text in place of the file at once: a collector never reads half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", encoding="utf-8", dir=file.parent, suffix=".part", delete=False) as part:
        part.write(text_)
    Path(part.name).chmod(0o644)  # the collector is another user
    Path(part.name).replace(file)


def _bases(column: ColumnReport) -> Iterator[tuple[str, Comparison]]:
    for basis in ("training", "seasonal", "rolling"):
        if (comparison := getattr(column, basis)) is not None:
            yield basis, comparison


def _family(name: str, meaning: str, samples: Sequence[tuple[Mapping[str, str], float]]) -> Iterator[str]:
    if samples:
        yield f"# TYPE {PREFIX}_{name} gauge"
        yield f"# HELP {PREFIX}_{name} {meaning}."
    for labels, value in samples:
        pairs = ",".join(f'{label}="{_escaped(text_)}"' for label, text_ in labels.items())
        yield f"{PREFIX}_{name}{{{pairs}}} {value!r}"


def _escaped(text_: str) -> str:
    return text_.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
