from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deriva_ml_kit.numerics import drift
from deriva_ml_kit.ops.drift import metrics, plots
from deriva_ml_kit.ops.drift.documents import DriftReport, Settings
from deriva_ml_kit.ops.frames import Origin

# The ABNF of the OpenMetrics specification 1.0, without exemplars and timestamps, which we do not write.
NAME, LABEL = r"[a-zA-Z_:][a-zA-Z0-9_:]*", r"[a-zA-Z_][a-zA-Z0-9_]*"
PAIR = rf'({LABEL})="((?:[^"\\\n]|\\["\\n])*)"'
SAMPLE = re.compile(rf"({NAME})\{{({PAIR}(?:,{PAIR})*)\}} (\S+)")

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def parse(text: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Samples by metric family; refuses what the specification does."""
    assert text.endswith("# EOF\n")
    lines = text.removesuffix("# EOF\n").splitlines()
    families: dict[str, list[tuple[dict[str, str], float]]] = {}
    current = ""
    for line in lines:
        if line.startswith("# "):
            kind, name, rest = line[2:].split(" ", 2)
            assert (kind == "TYPE" and name not in families and rest == "gauge") or (kind == "HELP" and name == current)
            current = name
            families.setdefault(name, [])
            continue
        found = SAMPLE.fullmatch(line)
        assert found and found[1] == current, line
        labels = dict(_pairs(found[2]))
        assert labels not in [each for each, _ in families[current]]
        families[current].append((labels, float(found[found.re.groups])))
    return families


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for name, value in re.findall(PAIR, text):
        yield name, re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), value)


@pytest.fixture(scope="module")
def report() -> DriftReport:
    """Of a column with a name that has to be escaped, and one that the batch lacks."""
    rng = np.random.default_rng(0)
    odd = 'a "b"\\\nc'
    before = pd.DataFrame({odd: rng.normal(size=2000), "gone": rng.normal(size=2000)})
    result = drift.compare(drift.profile(before), before[[odd]] + 1)
    batch = Origin(kind="file", name="x.csv", rows=2000)
    return DriftReport(
        key="0",
        baseline_rid="1-BASE",
        models=("1-MODL",),
        seasonal_rid=None,
        rolling_rid=None,
        batch=batch,
        settings=Settings(),
        result=result,
        checked=NOW,
    )


def test_the_text_is_open_metrics(report: DriftReport) -> None:
    families = parse(metrics.text(report))
    both = {"baseline": "1-BASE", "model": "1-MODL"}
    assert families["deriva_ml_drift_checked_timestamp_seconds"] == [(both, NOW.timestamp())]
    assert sum(value for _, value in families["deriva_ml_drift_verdict"]) == 1
    assert {labels["verdict"] for labels, value in families["deriva_ml_drift_verdict"] if value} == {"drift"}
    [(labels, value)] = families["deriva_ml_drift_psi"]
    assert labels == both | {"column": 'a "b"\\\nc', "role": "feature", "basis": "training"}
    assert report.result.columns[0].training is not None
    assert value == report.result.columns[0].training.psi > 0.2 and math.isfinite(value)


def test_a_collector_never_reads_half_of_it(report: DriftReport, tmp_path: Path) -> None:
    file = tmp_path / "collector" / "drift.prom"
    for _ in range(2):
        metrics.write(metrics.text(report), file)
    parse(file.read_text())
    assert [each.name for each in file.parent.iterdir()] == ["drift.prom"]
    assert file.stat().st_mode & 0o777 == 0o644


def test_the_bars_of_a_page_hold_every_value(report: DriftReport) -> None:
    rng = np.random.default_rng(1)
    values = np.where(rng.random(5000) < 0.4, 0.0, rng.gamma(2.0, 2.0, 5000))
    values[0] = 1e6  # an outlier must not squeeze the rest
    frozen = drift.profile(pd.DataFrame({"dose": values})).features[0].ecdf
    assert frozen is not None
    edges = np.linspace(0, 15, 16)
    expected = np.histogram(values.clip(0, 15), edges)[0] / 5000
    assert np.abs(plots._shares(frozen, edges) - expected).max() < 0.002
