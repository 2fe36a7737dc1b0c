"""Drift: speed, exactness, false alarms, power, seasons (goals of the design, section 1).

Speed is that of 25 numeric columns and 5 of text with 8 levels. Simulations have fixed seeds; shares come with their
95 % interval (Wilson). Few runs (--quick) miss a goal only if that interval lies outside of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from deriva_ml_kit.numerics.drift import compare, confidence, estimated_accuracy, profile, same_season, statistics
from deriva_ml_kit.numerics.drift.ecdf import INTERVALS, Ecdf
from ops_bench._drift_anchor import NUMERIC, make
from ops_bench.goal import Goal, peak_mb, seconds, wilson

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int, int], Floats]


def goals(quick: bool) -> Iterator[Goal]:
    """Every goal of the section."""
    yield from exactness(200 if quick else 2000)
    yield from size_and_import()
    yield from speed(quick)
    yield from false_alarms(1 if quick else 10)
    yield from power(20 if quick else 200)
    yield from seasons(1 if quick else 3)
    yield from clustered(40 if quick else 400)
    yield from without_labels(100 if quick else 1000)


def exactness(runs: int) -> Iterator[Goal]:
    random = np.random.default_rng(0)
    off = dict.fromkeys(("psi", "chi2", "ks", "p"), 0.0)
    for _ in range(runs):
        r, q = random.integers(1, 10_000, (2, int(random.integers(2, 20))))
        by_hand = sum(
            (b / q.sum() - a / r.sum()) * np.log((b / q.sum()) / (a / r.sum())) for a, b in zip(r, q, strict=True)
        )
        off["psi"] = max(off["psi"], abs(statistics.psi(r, q) - by_hand))
        expected, found = stats.chi2_contingency(np.stack([r, q]), correction=False), statistics.chi_squared(r, q)
        off["chi2"] = max(off["chi2"], abs(found.statistic / expected.statistic - 1), abs(found.p - expected.pvalue))
        n, m = (int(each) for each in random.integers(50, 30_000, 2))
        before, after = random.normal(size=n), random.normal(random.normal(0, 0.3), 1, m)
        distance = stats.ks_2samp(before, after, method="asymp").statistic
        off["ks"] = max(off["ks"], abs(Ecdf.of(np.sort(before)).distance(np.sort(after)) - distance))
        p = stats.kstwobign.sf(distance * np.sqrt(n * m / (n + m)))
        off["p"] = max(off["p"], abs(statistics.kolmogorov_p(distance, n, m) - p))
    for test, goal, limit in (
        ("psi", "PSI equals the hand formula to 1e-12", 1e-12),
        ("chi2", "chi-squared and its p equal scipy's chi2_contingency to 1e-12", 1e-12),
        ("ks", "KS distance to a frozen profile within 1/4096 of scipy's ks_2samp", 1 / INTERVALS),
        ("p", "KS p equals kstwobign to 1e-6", 1e-6),
    ):
        yield Goal("drift", goal, f"largest difference {off[test]:.1e} in {runs} random cases", off[test] <= limit)


def size_and_import() -> Iterator[Goal]:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(100_000, 30))).add_prefix("x")
    megabytes = len(profile(frame).model_dump_json()) / 1e6
    yield Goal("drift", "profile of 30 numeric columns < 2 MB", f"{megabytes:.2f} MB", megabytes < 2)
    code = (
        "import time, numpy, pandas, scipy.special; began = time.perf_counter(); import deriva_ml_kit.numerics.drift; "
        "print(time.perf_counter() - began)"
    )
    taken = min(float(subprocess.check_output([sys.executable, "-c", code], text=True)) for _ in range(3))
    yield Goal("drift", "import < 0.3 s beyond numpy, pandas, scipy", f"{taken:.2f} s", taken < 0.3)


def speed(quick: bool) -> Iterator[Goal]:
    rows = 20_000 if quick else 1_000_000
    before, after = make(rows, 1), make(rows, 2)
    baseline = profile(before)
    ours, of_processors = timed(lambda: compare(baseline, after), runs=5)
    yield speed_goal(f"compare {rows:.0e} x 30", ours, of_processors, 0.5)
    theirs = seconds(lambda: by_scipy(before, after), runs=1)
    yield Goal("drift", "faster than scipy and numpy alone", f"{theirs / ours:.0f} x ({theirs:.1f} s)", theirs > ours)
    for library, factor in (("evidently", 100), ("nannyml", 2)):
        goal = f"compare {rows:.0e} x 30 at least {factor} x as fast as {library}"
        if not (scratch := os.environ.get("OPS_BENCH_SCRATCH")):
            yield Goal("drift", goal, "not measured: no --scratch interpreter", None)
            continue
        program = [scratch, "-W", "ignore", str(Path(__file__).with_name("_drift_anchor.py")), library, str(rows)]
        ran = subprocess.run(program, capture_output=True, text=True, check=False)
        if ran.returncode:
            yield Goal(
                "drift", goal, f"not measured: {(ran.stderr.strip().splitlines() or ['failed'])[-1][:200]}", None
            )
            continue
        found = json.loads(ran.stdout.strip().splitlines()[-1])
        ratio = found["compare"] / ours
        measured = (
            f"{ratio:.0f} x ({found['compare']:.1f} s, import {found['import']:.1f} s, {found['peak_mb']:.0f} MB)"
        )
        yield Goal("drift", goal, measured, ratio >= factor if not quick else None)
    if quick:
        return
    code = "from ops_bench.drift import large; large(10_000_000)"
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    found = json.loads(subprocess.check_output([sys.executable, "-c", code], env=here, text=True))
    yield speed_goal("compare 1e7 x 30", *found["compare"], 5)
    peak = found["peak_mb"]
    yield Goal("drift", "profile and compare 1e7 x 30 in < 8 GB", f"{peak / 1000:.1f} GB, data included", peak < 8000)


def timed(work: Callable[[], object], runs: int) -> tuple[float, float]:
    """Median seconds, and seconds of processors for a run."""
    before = time.process_time()
    taken = seconds(work, runs)
    return taken, (time.process_time() - before) / runs


def speed_goal(goal: str, taken: float, of_processors: float, limit: float) -> Goal:
    """A time that must stay below a limit; nothing is known where other programs took the processors."""
    met = True if taken <= limit else False if of_processors / (os.cpu_count() or 1) > limit else None
    measured = f"{taken:.2f} s, {of_processors:.2f} s of processors, load {os.getloadavg()[0]:.1f}"
    return Goal("drift", f"{goal} <= {limit:g} s", measured + (" (too busy to tell)" if met is None else ""), met)


def large(rows: int) -> None:
    """Measure in a process of its own, whose peak size is that of this work."""
    before = make(rows, 1)
    baseline = profile(before)
    del before
    after = make(rows, 2)
    print(json.dumps({"compare": timed(lambda: compare(baseline, after), runs=3), "peak_mb": peak_mb()}))


def by_scipy(before: pd.DataFrame, after: pd.DataFrame) -> None:
    """The same figures with what people write by hand."""
    for name in before.columns[:NUMERIC]:
        r, q = before[name].to_numpy(), after[name].to_numpy()
        stats.ks_2samp(r, q, method="asymp")
        edges = np.quantile(r, np.linspace(0, 1, 11)[1:-1])
        shares = [np.bincount(np.searchsorted(edges, side), minlength=10) / len(side) for side in (r, q)]
        float(np.sum((shares[1] - shares[0]) * np.log(shares[1] / shares[0])))
    for name in before.columns[NUMERIC:]:
        counts = [side[name].value_counts().sort_index().to_numpy() for side in (before, after)]
        stats.chi2_contingency(np.stack(counts))


KINDS: dict[str, Draw] = {
    "normal": lambda random, n, k: random.normal(size=(n, k)),
    "8 uneven levels": lambda random, n, k: random.choice(
        8, size=(n, k), p=[0.5, 0.2, 0.1, 0.08, 0.06, 0.03, 0.02, 0.01]
    ).astype(float),
    "60 % zeros": lambda random, n, k: np.where(random.random((n, k)) < 0.6, 0.0, random.lognormal(size=(n, k))),
    "5 % nulls": lambda random, n, k: np.where(random.random((n, k)) < 0.05, np.nan, random.normal(size=(n, k))),
}


def false_alarms(repeats: int) -> Iterator[Goal]:
    random = np.random.default_rng(1)
    alarms = batches = 0
    for kind, draw in KINDS.items():
        for n, m in ((20_000, 50), (20_000, 200), (20_000, 2000), (300, 300), (2000, 2000)):
            hits = runs = 0
            for _ in range(repeats * 7):
                baseline = profile(pd.DataFrame(draw(random, n, 30)).add_prefix("x"))
                report = compare(baseline, pd.DataFrame(draw(random, m, 30)).add_prefix("x"))
                p_values = [column.training.psi_p for column in report.columns if column.training]
                hits += sum(p < 0.05 for p in p_values if p is not None)
                runs += len(p_values)
                if m >= 300:
                    batches += 1
                    alarms += report.verdict in ("investigate", "drift")
            yield share_goal(f"null p < .05 in 3 to 7 % ({kind}, {n} against {m})", hits, runs, (0.03, 0.07))
    goal = "batches of 30 columns without drift: verdict other than ok in <= 5 %"
    yield share_goal(goal, alarms, batches, (0, 0.05))


def power(runs: int) -> Iterator[Goal]:
    """One of thirty columns is shifted."""
    random = np.random.default_rng(2)
    baseline = profile(pd.DataFrame(random.normal(size=(20_000, 30))).add_prefix("x"))
    for shift, rows, status in ((0.5, 500, ("investigate", "drift")), (0.8, 500, ("drift",)), (0.5, 2000, ("drift",))):
        found = 0
        for _ in range(runs):
            batch = pd.DataFrame(random.normal(size=(rows, 30))).add_prefix("x")
            batch["x0"] += shift
            found += compare(baseline, batch).columns[0].status in status
        goal = f"a column of 30 shifted by {shift} sd is {' or '.join(status)} in {rows} rows: power >= .9"
        yield share_goal(goal, found, runs, (0.9, 1))


@dataclass
class Years:
    """Daily batches of three years with a yearly sine of 1 sd; every third day of the third year is monitored."""

    seed: int
    a_day: int = 500

    def __post_init__(self) -> None:
        days = np.arange(3 * 365)
        noise = np.random.default_rng(self.seed).normal(size=(len(days), self.a_day))
        self.values = np.sin(2 * np.pi * days / 365)[:, None] + noise
        self.day = np.repeat(days, self.a_day)
        self.at = pd.Series(pd.Timestamp("2023-01-01", tz="UTC") + pd.to_timedelta(self.day, unit="D"))

    def alarms(self, shift: Callable[[Floats], Floats], baseline: Callable[[int], NDArray[np.bool_]]) -> list[bool]:
        """Whether each monitored day alarms, its values shifted by the number of days since monitoring began."""
        shifted = self.values + shift(np.arange(len(self.values)) - 730.0)[:, None]
        history = pd.DataFrame({"x": shifted.reshape(-1)})
        return [
            compare(profile(history[baseline(day)]), pd.DataFrame({"x": shifted[day]}), workers=1).verdict == "drift"
            for day in range(730, 1095, 3)
        ]

    def july(self, _: int) -> NDArray[np.bool_]:
        """July of the second year."""
        return (self.day >= 365 + 181) & (self.day < 365 + 212)

    def month(self, day: int) -> NDArray[np.bool_]:
        """The thirty days before."""
        return (self.day >= day - 30) & (self.day < day)

    def season(self, day: int) -> NDArray[np.bool_]:
        """The same week a year before."""
        at = self.at.iloc[day * self.a_day]
        found = same_season(self.at, at, at, margin=3)
        assert found is not None
        return found


def seasons(repeats: int) -> Iterator[Goal]:
    none = step = july = absorbed = 0.0
    found_on, rolling_found = [], False
    for years in map(Years, range(repeats)):
        none += np.mean(years.alarms(np.zeros_like, years.season)) / repeats
        july += np.mean(years.alarms(np.zeros_like, years.july)) / repeats
        step += np.mean(years.alarms(lambda since: 0.6 * (since >= 0), years.season)) / repeats
        absorbed += np.mean(years.alarms(lambda since: 0.6 * (since >= 0), years.month)) / repeats
        rising = years.alarms(lambda since: np.clip(since / 200, 0, 1), years.season)
        found_on.append(3 * rising.index(True) if True in rising else 365)
        rolling_found |= any(years.alarms(lambda since: np.clip(since / 200, 0, 1), years.month))
    yield Goal(
        "drift",
        "yearly season without drift: the same window a year before alarms on <= 1 % of days",
        f"{none:.1%} (a baseline of July: {july:.0%}, which is why it is refused)",
        none <= 0.01,
    )
    yield Goal(
        "drift",
        "step of 0.6 sd: the same window alarms on >= 95 % of days",
        f"{step:.0%} (rolling 30 days: {absorbed:.0%}, it absorbs the step)",
        step >= 0.95,
    )
    yield Goal(
        "drift",
        "slow rise of 1 sd over 200 days: the same window alarms before day 120",
        f"day {max(found_on)} at the latest (rolling 30 days: {'also' if rolling_found else 'never'})",
        max(found_on) < 120,
    )


def share_goal(goal: str, hits: int, runs: int, limits: tuple[float, float], more: str = "") -> Goal:
    """A share that must lie within limits."""
    low, high = wilson(hits, runs)
    inside = limits[0] <= hits / runs <= limits[1]
    met = inside if runs >= 300 else low <= limits[1] and high >= limits[0]
    return Goal("drift", goal, f"{hits / runs:.1%} [{low:.1%}, {high:.1%}] of {runs}{more}", met)


def clustered(runs: int) -> Iterator[Goal]:
    """Twenty much like rows of each subject."""
    random = np.random.default_rng(3)

    def of_subjects(count: int) -> pd.DataFrame:
        own = np.repeat(random.normal(size=count), 20)
        return pd.DataFrame({"x": own + random.normal(0, 0.5, len(own)), "Subject": np.repeat(np.arange(count), 20)})

    for before, after in ((300, 300), (300, 60), (60, 60)):
        hits = dict.fromkeys(("rows", "subjects"), 0)
        for _ in range(runs):
            train, batch = of_subjects(before), of_subjects(after)
            for unit, clusters in (("rows", None), ("subjects", "Subject")):
                report = compare(profile(train, columns=["x"], clusters=clusters), batch, clusters=clusters)
                found = report.columns[0].training
                hits[unit] += bool(found and found.psi_p is not None and found.psi_p < 0.05)
        yield share_goal(
            f"null p < .05 in <= 7.5 % with grouped rows ({before} against {after} subjects)",
            hits["subjects"],
            runs,
            (0, 0.075),
            f"; rows as if independent: {hits['rows'] / runs:.0%}",
        )


def without_labels(runs: int) -> Iterator[Goal]:
    held = 0
    for seed in range(runs):
        random = np.random.default_rng(seed)
        p = 1 / (1 + np.exp(-random.normal(random.normal(0, 0.5), 2, 500)))
        right = (random.random(500) < p) == (p >= 0.5)
        found = estimated_accuracy(p)
        held += found.lower <= right.mean() <= found.upper
        assert abs(confidence(p).mean() - found.estimate) < 1e-12
    goal = "interval of estimated accuracy holds the realised one in 93 to 97 %, inputs shifted"
    yield share_goal(goal, held, runs, (0.93, 0.97))
