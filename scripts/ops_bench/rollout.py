"""Rollouts: how often a healthy candidate goes back, whether a worse one does, whether it comes out the same again.

The comparators by themselves are measured with `abtest`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np

from deriva_ml_kit.numerics.rollout import Move, Rules, Window, decide
from ops_bench.goal import Goal, wilson

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
RULES = Rules(max_error_share=0.05, slow_ms=300)
PER_WINDOW = 500  # requests of the candidate
ERRORS, SLOW = 0.01, 0.005
WINDOWS = {0: 3, 1: 6, 2: 3, 3: 3}  # of each stage
CONTROL = {0: PER_WINDOW, 1: 19 * PER_WINDOW, 2: 3 * PER_WINDOW, 3: PER_WINDOW}


def goals(quick: bool) -> Iterator[Goal]:
    """Measure."""
    yield healthy(100 if quick else 4000)
    yield doubled_later(50 if quick else 1000)
    yield again(50 if quick else 1000)


def healthy(runs: int) -> Goal:
    """The whole rollout, every trigger, a look after each window."""
    rng = np.random.default_rng(7)
    back = sum(rolled_back(rng, factor=1.0) is not None for _ in range(runs))
    low, high = wilson(back, runs)
    return Goal(
        "rollout",
        "a healthy candidate is rolled back with at most 1 % over the whole rollout (15 windows, all triggers)",
        f"{back} of {runs}: {back / runs:.2%} [{low:.2%}, {high:.2%}]",
        back / runs <= 0.01,
    )


def doubled_later(runs: int) -> Goal:
    """Errors that double, until they are found or the rollout is over."""
    rng = np.random.default_rng(10)
    after = [rolled_back(rng, factor=2.0) for _ in range(runs)]
    there = [number for number in after if number is not None]
    low, high = wilson(len(there), runs)
    return Goal(
        "rollout",
        "a candidate whose errors double does not take over (15 windows of 500 requests)",
        f"{len(there) / runs:.3f} [{low:.3f}, {high:.3f}] are rolled back, half of them after "
        f"{np.median(there) if there else float('nan'):g} windows",
        len(there) / runs >= 0.9,
    )


def again(runs: int) -> Goal:
    """Decisions from stored evidence."""
    rng = np.random.default_rng(11)
    same = 0
    for number in range(runs):
        made = [window(rng, 1, rng.choice([1.0, 2.0, 5.0])) for _ in range(int(rng.integers(1, 8)))]
        stored = [Window.model_validate_json(each.model_dump_json()) for each in made]
        same += decide(RULES, 1, made, float(number % 80)) == decide(RULES, 1, stored, float(number % 80))
    return Goal("rollout", "every decision comes out the same from its evidence", f"{same} of {runs}", same == runs)


def rolled_back(rng: np.random.Generator, factor: float) -> int | None:
    """Number of the window after which the candidate goes back; None where it does not."""
    seen: list[Window] = []
    for stage, count in WINDOWS.items():
        for _ in range(count):
            seen.append(window(rng, stage, factor))
            if decide(RULES, stage, seen, 2.0).move is Move.ROLL_BACK:
                return len(seen)
    return None


def window(rng: np.random.Generator, stage: int, factor: float) -> Window:
    """Counts of a window of independent requests."""
    control = CONTROL[stage]
    return Window(
        start=BEGAN,
        stage=stage,
        candidate=PER_WINDOW,
        candidate_errors=int(rng.binomial(PER_WINDOW, ERRORS * factor)),
        candidate_slow=int(rng.binomial(PER_WINDOW, SLOW)),
        control=control,
        control_errors=int(rng.binomial(control, ERRORS)),
        control_slow=int(rng.binomial(control, SLOW)),
    )
