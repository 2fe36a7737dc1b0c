"""What holds of the checks whatever they are given."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from deriva_ml_kit.tiers.checks import RULES, checks, profile
from deriva_ml_kit.tiers.checks.tails import at_least, at_most, overlap_at_least
from deriva_ml_kit.tiers.estimate import estimate
from deriva_ml_kit.tiers.evidence import Evidence, Records
from deriva_ml_kit.tiers.receipt import Status, verdict

NUMBERS = st.floats(allow_nan=True, allow_infinity=True, width=32) | st.integers(-5, 5)
ODD: Any = st.one_of(
    st.none(),
    st.text(max_size=3),
    st.integers(),
    st.just(object()),
    st.just({"a": [1, 2]}),
    st.lists(NUMBERS, max_size=12),
    st.lists(st.lists(NUMBERS, max_size=3), max_size=12),
    st.lists(st.text(max_size=2), max_size=12),
    st.lists(st.none() | st.booleans() | st.text(max_size=2) | NUMBERS, max_size=12),
    st.builds(lambda *shape: np.zeros(shape), st.integers(0, 4), st.integers(0, 3), st.integers(0, 2)),
    st.builds(lambda n: np.arange(n).astype("datetime64[D]"), st.integers(0, 4)),
    st.builds(lambda n: np.arange(n) * 1j, st.integers(0, 4)),
)


def judged(ev: Evidence, **more: Any) -> dict[str, Any]:
    found = checks(ev, **more)
    json.dumps([check.model_dump(mode="json") for check in found], allow_nan=False)
    return {check.id: check for check in found}


@settings(max_examples=80, deadline=None)
@given(st.data(), st.sampled_from((1, 2, 3)))
def test_odd_evidence_is_judged_never_raised_and_never_passes_as_a_whole(data: st.DataObject, tier: int) -> None:
    def draw() -> Any:
        return data.draw(ODD)

    ev = Evidence(tier)
    ev.data(Records(draw(), draw(), draw(), draw()), Records(draw(), draw(), draw(), draw()))
    ev.predictions(draw(), draw(), rids=draw())
    ev.loss(draw())
    ev.trial(lambda rows, epochs: (data.draw(ODD), data.draw(ODD)))
    ev.reload("model", lambda path: lambda inputs: inputs, draw())
    seen = profile(ev)
    json.dumps(seen, allow_nan=False)

    found = judged(ev, baseline=seen, find=lambda name: name)

    assert list(found) == [rule.id for rule in RULES if tier in rule.tiers]
    assert verdict(found.values()) is not Status.PASS
    for check in found.values():
        assert check.status in (Status.PASS, Status.SKIP) or check.remedy
        assert check.status in (Status.PASS, Status.FAIL) or check.detail
    estimate(ev, records={"this": 5}, epochs=None, bag_bytes=None, output_bytes=None).table()


def healthy(count: int, order: np.ndarray | None = None) -> Evidence:
    rng = np.random.default_rng(0)
    y = np.arange(count) % 3
    x = rng.normal(size=(count, 6)) + y[:, None]
    rids = np.array([f"1-{row}" for row in range(count)])
    terms = np.array(["ant", "bee", "cat"])
    half = count // 2
    ev = Evidence(3)
    keep = np.arange(half) if order is None else order
    train, val = np.arange(half)[keep], np.arange(half, count)
    ev.data(Records(x[train], terms[y[train]], rids[train]), Records(x[val], terms[y[val]], rids[val]), classes=terms)
    ev.predictions(terms[y[val]], np.where(val % 7 == 0, "ant", terms[y[val]]), rids=rids[val])
    return ev


@settings(max_examples=30, deadline=None)
@given(st.permutations(list(range(60))))
def test_the_order_of_records_makes_no_difference(order: list[int]) -> None:
    straight, mixed = healthy(120), healthy(120, np.array(order))
    for ev in (straight, mixed):
        ev.without("trial", "not trained")
    baseline = profile(straight)
    assert profile(mixed) == baseline
    one, other = judged(straight, baseline=baseline), judged(mixed, baseline=baseline)
    assert one == other
    assert {name for name, check in one.items() if check.status is Status.FAIL} == set()


@pytest.mark.parametrize("tier", (1, 2, 3))
@pytest.mark.parametrize(
    "x",
    (
        np.zeros((0, 5)),
        np.zeros((40, 0)),
        np.full((40, 5), np.nan),
        np.ones((1, 5)),
        np.full((40, 5), 3.5),
        np.zeros((40, 8, 8)),
    ),
    ids=("empty", "no columns", "all NaN", "one record", "constant", "black images"),
)
@pytest.mark.parametrize("regression", (False, True))
def test_nothing_to_learn_from_never_passes(x: np.ndarray, tier: int, regression: bool) -> None:
    y: Any = np.arange(len(x)) * 0.5 if regression else np.arange(len(x)) % 2
    rids = [f"1-{row}" for row in range(len(x))]
    other = [f"2-{row}" for row in range(len(x))]
    ev = Evidence(tier)
    ev.data(Records(x, y, rids), Records(x, y, other), classes=None if regression else [0, 1])
    ev.predictions(y, y, rids=other)
    for _ in range(10):
        ev.loss(1.0)
    found = judged(ev, baseline=profile(ev))
    assert verdict(found.values()) is not Status.PASS
    assert found["inputs_vary"].status is not Status.PASS


@given(st.integers(1, 400), st.data())
def test_binomial_tails_are_those_of_scipy(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    chance = data.draw(st.floats(0.001, 0.999))
    assert at_least(successes, trials, chance) == pytest.approx(
        stats.binom.sf(successes - 1, trials, chance), rel=1e-9, abs=1e-13
    )
    assert at_most(successes, trials, chance) == pytest.approx(
        stats.binom.cdf(successes, trials, chance), rel=1e-9, abs=1e-13
    )


@given(st.integers(1, 300), st.data())
def test_tails_of_overlaps_are_those_of_scipy(count: int, data: st.DataObject) -> None:
    rare, alarms = data.draw(st.integers(0, count)), data.draw(st.integers(0, count))
    hits = data.draw(st.integers(0, min(rare, alarms)))
    expected = stats.hypergeom.sf(hits - 1, count, rare, alarms)
    assert overlap_at_least(hits, count, rare, alarms) == pytest.approx(expected, rel=1e-8, abs=1e-12)
