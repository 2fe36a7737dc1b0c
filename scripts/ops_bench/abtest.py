"""A/B tests and rollouts: what boundaries, sample sizes and assignment promise, by simulation against the alternatives.

The functions below are of use for other simulations, too: `false_rollbacks`, `windows_to_find`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, kstest, ttest_ind
from statsmodels.stats.power import NormalIndPower, TTestIndPower
from statsmodels.stats.proportion import proportion_effectsize

from deriva_ml_kit.numerics.assignment import Arms, buckets
from deriva_ml_kit.numerics.experiment.effects import Kind, effect
from deriva_ml_kit.numerics.experiment.integrity import sample_ratio
from deriva_ml_kit.numerics.power.units import units_for_means, units_for_rates
from deriva_ml_kit.numerics.sequential.always_valid import (
    confidence_sequence,
    log_evidence,
    lower_sequence,
    mixing_variance,
    proportion_sequence,
)
from deriva_ml_kit.numerics.sequential.boundaries import boundaries
from deriva_ml_kit.numerics.sequential.ceiling import above_ceiling
from deriva_ml_kit.numerics.sequential.concurrent import more_failures
from deriva_ml_kit.numerics.sequential.spending import Spending
from ops_bench.goal import Goal, seconds, wilson

Floats = NDArray[np.float64]
GOLDEN = Path(__file__).parents[2] / "tests/data/ops"
RATE, GAIN, PER_DAY, DAYS = 0.10, 0.01, 500, 30  # of the simulated test
WINDOW = 500  # requests of the treated arm between two looks of a rollout
STAGE = 12  # windows of a stage
ROLLOUT = 4 * STAGE


def goals(quick: bool) -> Iterator[Goal]:
    """Every goal of A/B tests, and of the comparators of rollouts."""
    yield from _exactness()
    yield from _looks(2_000 if quick else 40_000)
    yield _chosen_looks(2_000 if quick else 40_000)
    yield from _units(200 if quick else 2_000)
    yield from _assignment(200_000 if quick else 1_000_000)
    yield from _rollout(200 if quick else 2_000)


def _exactness() -> Iterator[Goal]:
    tables = json.loads((GOLDEN / "boundaries.json").read_text())["tables"]
    found = [
        boundaries(each["times"], each["alpha"], planned=1, spending=Spending(each["spending"])) for each in tables
    ]
    apart = max(np.abs(ours - each["bounds"]).max() for ours, each in zip(found, tables, strict=True))
    thirty = np.arange(1, DAYS + 1) / DAYS
    took = seconds(lambda: boundaries(thirty, 0.05, planned=1))
    yield Goal(
        "abtest",
        "boundaries within 1e-3 of published tables (gsDesign, rpact, SeqBounds)",
        f"largest difference {apart:.1e} in {len(tables)} tables; 30 looks take {1000 * took:.0f} ms",
        bool(apart <= 1e-3),
    )
    yield _sample_sizes()
    yield _ville()


def _sample_sizes() -> Goal:
    apart = 0.0
    for baseline in (0.003, 0.02, 0.1, 0.5):
        for part in (-0.3, -0.05, 0.05, 0.3):
            for alpha, power, ratio in ((0.05, 0.8, 1.0), (0.01, 0.95, 3.0)):
                asked: dict[str, Any] = {"alpha": alpha, "power": power, "ratio": ratio}
                size = proportion_effectsize(baseline * (1 + part), baseline)
                theirs = NormalIndPower().solve_power(size, **asked)
                ours = units_for_rates(baseline, baseline * part, **asked)
                apart = max(apart, abs(ours / theirs - 1))
                theirs = TTestIndPower().solve_power(abs(part), **asked)
                apart = max(apart, abs(units_for_means(part, 1.0, **asked) / theirs - 1))
    return Goal(
        "abtest", "sample sizes within 1e-6 of statsmodels", f"largest relative difference {apart:.1e}", apart <= 1e-6
    )


def _ville() -> Goal:
    golden = json.loads((GOLDEN / "always_valid.json").read_text())
    n = np.array(golden["n"], dtype=float)
    means = np.array(golden["sums"]) / n
    pairs = [
        *zip(confidence_sequence(means, 1 / n, 0.05, 1 / golden["rho"]), golden["gaussian"].values(), strict=True),
        *zip(proportion_sequence(golden["hits"], n, 0.05), golden["bernoulli"].values(), strict=True),
        (log_evidence(means, 1 / n, 0.01), golden["msprt_log_e"]),
    ]
    apart = max(float(np.abs(ours - np.array(theirs)).max()) for ours, theirs in pairs)
    return Goal("abtest", "confidence sequences within 1e-6 of ville 0.1", f"{apart:.1e}", apart <= 1e-6)


def z_paths(rate: float, gain: float, runs: int, seed: int) -> tuple[Floats, Floats]:
    """Differences of two rates and their variances at the end of each day, shape (runs, days)."""
    rng = np.random.default_rng(seed)
    n = PER_DAY * np.arange(1, DAYS + 1)
    one, other = (rng.binomial(PER_DAY, p, (runs, DAYS)).cumsum(axis=1) / n for p in (rate, rate + gain))
    variance = (one * (1 - one) + other * (1 - other)) / n
    return other - one, np.maximum(variance, 1e-12)


def _looks(runs: int) -> Iterator[Goal]:
    """Thirty daily looks under no difference and under the planned one, by rule."""
    bounds = boundaries(np.arange(1, DAYS + 1) / DAYS, 0.05, planned=1)
    tau2 = mixing_variance(2 * RATE * (1 - RATE) / (PER_DAY * DAYS), 0.05)
    nothing, planned = z_paths(RATE, 0.0, runs, 1), z_paths(RATE, GAIN, runs, 2)

    def crossed(paths: tuple[Floats, Floats], rule: str) -> NDArray[np.bool_]:
        difference, variance = paths
        z = np.abs(difference) / np.sqrt(variance)
        if rule == "fixed":
            return np.asarray(z[:, -1:] >= 1.959964)
        if rule == "always valid":
            return np.asarray(log_evidence(difference, variance, tau2) >= -np.log(0.05))
        return np.asarray(z >= (1.959964 if rule == "peeking" else bounds))

    def rate_of(paths: tuple[Floats, Floats], rule: str) -> float:
        return float(crossed(paths, rule).any(axis=1).mean())

    false = {rule: rate_of(nothing, rule) for rule in ("sequential", "fixed", "peeking", "always valid")}
    power = {rule: rate_of(planned, rule) for rule in false}
    hits = crossed(planned, "sequential")
    stopped = np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, DAYS).mean()
    low, high = wilson(round(false["sequential"] * runs), runs)
    yield Goal(
        "abtest",
        "false positives in [4, 5.5] % with 30 looks",
        f"{false['sequential']:.2%} [{low:.2%}, {high:.2%}] of {runs}; fixed end {false['fixed']:.2%}, looking at "
        f"z = 1.96 every day {false['peeking']:.1%}",
        0.04 <= false["sequential"] <= 0.055,
    )
    loss = power["fixed"] - power["sequential"]
    yield Goal(
        "abtest",
        "power at most 3 points below the fixed end",
        f"{power['sequential']:.3f} against {power['fixed']:.3f}: {100 * loss:.1f} points; ends after {stopped:.1f} of "
        f"{DAYS} days (always valid: {power['always valid']:.3f})",
        loss <= 0.03,
    )
    low, high = wilson(round(false["always valid"] * runs), runs)
    yield Goal(
        "abtest",
        "always-valid tests keep their level (5 %) at 30 looks",
        f"{false['always valid']:.2%} [{low:.2%}, {high:.2%}]",
        false["always valid"] <= 0.05,
    )
    guard = lower_sequence(*nothing, 0.01, mixing_variance(2 * RATE * (1 - RATE) / (PER_DAY * DAYS), 0.02))
    share = float((guard > 0).any(axis=1).mean())
    low, high = wilson(round(share * runs), runs)
    yield Goal(
        "abtest",
        "guardrails stop a harmless treatment in at most 1 % of tests",
        f"{share:.2%} [{low:.2%}, {high:.2%}]",
        share <= 0.01,
    )


def _chosen_looks(runs: int) -> Goal:
    """Looks that are made more often when it becomes exciting: each look, as it is made, gets its own boundary."""

    @lru_cache(None)
    def last_bound(days: tuple[int, ...]) -> float:
        return float(boundaries(days, 0.05, planned=DAYS)[-1])

    difference, variance = z_paths(RATE, 0.0, runs, 8)
    z = np.abs(difference) / np.sqrt(variance)
    false = 0
    for path in z:
        days: tuple[int, ...] = ()
        while not days or days[-1] < DAYS:
            near = bool(days) and path[days[-1] - 1] > 0.7 * last_bound(days)
            days = (*days, min((days[-1] if days else 0) + (1 if near else 6), DAYS))
            if path[days[-1] - 1] >= last_bound(days):
                false += 1
                break
    low, high = wilson(false, runs)
    return Goal(
        "abtest",
        "false positives at most 5.5 % where one looks daily only when it becomes exciting",
        f"{false / runs:.2%} [{low:.2%}, {high:.2%}] of {runs}",
        false / runs <= 0.055,
    )


def _units(runs: int) -> Iterator[Goal]:
    """Several rows a unit; and units that were lost in one arm."""
    rng = np.random.default_rng(3)
    ours = naive = 0
    for _ in range(runs):
        rows = rng.geometric(0.2, 1000)
        units = np.repeat(np.arange(1000), rows)
        values = rng.random(len(units)) < np.repeat(rng.beta(1, 4, 1000), rows)
        treated = units % 2 == 1
        ours += abs(effect(units, treated, values, Kind.RATIO).z) > 1.959964
        naive += ttest_ind(values[treated].astype(float), values[~treated].astype(float)).pvalue < 0.05
    low, high = wilson(int(ours), runs)
    yield Goal(
        "abtest",
        "rows of one unit make no differences: 5 % in the interval",
        f"{ours / runs:.2%} [{low:.2%}, {high:.2%}] by the delta method; rows taken for independent {naive / runs:.1%}",
        bool(low <= 0.05 <= high),
    )
    yield _rare(runs)
    even, lost = (
        np.mean([sample_ratio({"a": count, "b": 10_000 - count}, {"a": 0.5, "b": 0.5}) < 0.001 for count in drawn])
        for drawn in (rng.binomial(10_000, share, 20 * runs).tolist() for share in (0.5, 0.475))
    )
    yield Goal(
        "abtest",
        "sample-ratio mismatch: alarms at most 0.2 % by chance, found at 10 % loss in one arm of 5,000",
        f"{even:.2%} by chance, {lost:.1%} found",
        bool(even <= 0.002 and lost >= 0.9),
    )


def _rare(runs: int) -> Goal:
    """Arms of 5 and 95 %, and events of which the small arm has none at times."""
    rng = np.random.default_rng(9)
    treated = np.arange(4000) < 200
    ours = wald = 0
    for _ in range(runs):
        found = effect(range(4000), treated, rng.random(4000) < 0.01, Kind.RATE)
        ours += abs(found.z) > 1.959964
        wald += abs(found.difference) > 1.959964 * (found.control.variance + found.treated.variance) ** 0.5
    low, high = wilson(int(ours), runs)
    return Goal(
        "abtest",
        "rare events in a small arm make no differences: 5 % in the interval, or less",
        f"{ours / runs:.2%} [{low:.2%}, {high:.2%}]; by the variances of each arm alone {wald / runs:.1%}",
        bool(low <= 0.05),
    )


def _assignment(count: int) -> Iterator[Goal]:
    units = [f"user-{number}" for number in range(count)]
    took = seconds(lambda: buckets("salt", units))
    loop = seconds(lambda: [int.from_bytes(sha256(f"salt:{unit}".encode()).digest()[:8]) / 2**64 for unit in units])
    one, other = buckets("salt", units), buckets("another", units)
    arms = Arms("salt", {"canary": 0.05, "rest": 0.95})
    small, large = (
        arms.of_all(units) == "canary",
        Arms("salt", {"canary": 0.25, "rest": 0.75}).of_all(units) == "canary",
    )
    p, r = kstest(one, "uniform").pvalue, float(np.corrcoef(one, other)[0, 1])
    kept = bool(np.all(large[small]))
    yield Goal(
        "abtest",
        "assignment faster than the same in a loop, uniform, independent between salts, kept by a ramp",
        f"{count / took / 1e6:.2f} M/s, {loop / took:.2f} times as fast as the loop; KS p {p:.2f}, "
        f"r {r:+.4f}; 5 -> 25 % keeps everyone: {'yes' if kept else 'no'}",
        bool(loop / took >= 1 and p > 0.001 and abs(r) < 4 / count**0.5 and kept),
    )


def false_rollbacks(
    rate: float, runs: int, *, alpha: float = 0.01, windows: int = ROLLOUT, control: int = WINDOW, seed: int = 4
) -> float:
    """Share of healthy rollouts that the concurrent comparison stops at any of its windows.

    Args:
        rate: Failure rate of both arms.
        runs: Rollouts.
        alpha: Level of the whole rollout.
        windows: Of the whole rollout.
        control: Requests of the control arm in each window.
        seed: Of the simulation.
    """
    found = windows_to_find(rate, rate, runs, alpha=alpha, windows=windows, control=control, seed=seed)
    return float(np.isfinite(found).mean())


def windows_to_find(
    worse: float,
    rate: float,
    runs: int,
    *,
    alpha: float = 0.01,
    windows: int = STAGE,
    treated: int = WINDOW,
    control: int = WINDOW,
    ratio: float = 2.0,
    seed: int = 5,
) -> Floats:
    """The window, counted from 1, at which each of some rollouts stops; infinite where it does not.

    Args:
        worse: Failure rate of the treated arm.
        rate: Of the control arm.
        runs: Rollouts.
        alpha: Level.
        windows: At most.
        treated: Requests of the treated arm in each window.
        control: Of the control arm.
        ratio: That should be found soonest.
        seed: Of the simulation.
    """
    rng = np.random.default_rng(seed)
    shape, first = (runs, windows), np.full(runs, np.inf)
    failed, others = rng.binomial(treated, worse, shape), rng.binomial(control, rate, shape)
    for run in range(runs):
        sizes = np.full(windows, treated), np.full(windows, control)
        found = more_failures(failed[run], sizes[0], others[run], sizes[1], ratio=ratio).found(alpha)
        if found is not None:
            first[run] = found + 1
    return first


def _rollout(runs: int) -> Iterator[Goal]:
    """The comparators of a rollout: error rates of concurrent arms, and the share of slow requests."""
    stopped = {
        f"{rate:.1%}, control {control}": false_rollbacks(rate, runs, control=control)
        for rate in (0.002, 0.01, 0.05)
        for control in (WINDOW, 19 * WINDOW)
    }
    highest = max(stopped.values())
    rng = np.random.default_rng(6)
    rule = (rng.binomial(WINDOW, 0.008, (20_000, STAGE)) > 0.01 * WINDOW).sum(axis=1) >= 3
    low, high = wilson(round(highest * runs), runs)
    yield Goal(
        "rollout",
        f"a healthy rollout of {ROLLOUT} windows is rolled back in at most 1 %",
        f"at most {highest:.2%} [{low:.2%}, {high:.2%}] ({len(stopped)} cases); a fixed rule, > 1 % in 3 of {STAGE} "
        f"windows at 0.8 %: {rule.mean():.0%}",
        highest <= 0.01,
    )
    at_stage = windows_to_find(0.02, 0.01, runs, control=19 * WINDOW)
    finer = windows_to_find(0.02, 0.01, runs, windows=5 * STAGE, treated=WINDOW // 5, control=19 * WINDOW // 5) / 5
    equal = windows_to_find(0.02, 0.01, runs, control=WINDOW)
    limit = next(count for count in range(99) if binom.sf(count - 1, 3 * WINDOW, 0.01) <= 0.01)
    yield Goal(
        "rollout",
        "a doubled 1 % error rate is found in the 5 % stage with power >= 0.9, in 3 windows of 500 in the median",
        f"power {np.isfinite(at_stage).mean():.3f} in {STAGE} windows, median {np.median(at_stage):.0f}, mean "
        f"{at_stage[np.isfinite(at_stage)].mean():.1f}; looked at five times a window mean "
        f"{finer[np.isfinite(finer)].mean():.1f}; control of the same size: power {np.isfinite(equal).mean():.3f}, "
        f"mean {equal[np.isfinite(equal)].mean():.1f}",
        bool(np.isfinite(at_stage).mean() >= 0.9 and np.median(at_stage) <= 3),
    )
    within = float((at_stage <= 3).mean())
    best = float(binom.sf(limit - 1, 3 * WINDOW, 0.02))
    yield Goal(
        "rollout",
        "the same with power >= 0.9 within 3 windows",
        f"{within:.2f}; no test can: at 1 %, a single look after 3 windows that knows the rate of the control has "
        f"{best:.2f}",
        within >= 0.9,
    )
    yield _ceiling(runs)


def _ceiling(runs: int) -> Goal:
    rng = np.random.default_rng(7)

    def share(rate: float, windows: int) -> float:
        slow = rng.binomial(WINDOW, rate, (runs, windows))
        sizes = np.full(windows, WINDOW)
        return float(np.mean([above_ceiling(each, sizes, 0.01).found(0.01) is not None for each in slow]))

    allowed, doubled = share(0.01, ROLLOUT), share(0.02, STAGE)
    return Goal(
        "rollout",
        "slow requests: at the ceiling stopped in at most 1 % of rollouts, twice as many found with power >= 0.9",
        f"{allowed:.2%} in {ROLLOUT} windows, {doubled:.3f} in {STAGE}",
        allowed <= 0.01 and doubled >= 0.9,
    )
