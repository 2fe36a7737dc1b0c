from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from answered import NAMES, classification, regression

from deriva_ml_kit.numerics.paired.compare import compare, interval
from deriva_ml_kit.numerics.paired.metrics import METRICS, Answers, value
from deriva_ml_kit.numerics.paired.resampling import Groups

ALL = list(METRICS.values())


def of(name: str, seed: int, **settings: float) -> Answers:
    make = classification if METRICS[name].task == "classification" else regression
    return make(seed, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", METRICS)
def test_the_same_call_gives_the_same_bounds_and_exchanged_models_the_mirrored_ones(name: str) -> None:
    one, other = of(name, 1), of(name, 2)
    groups = np.arange(120) // 3
    found = compare(METRICS[name], one, other, groups, resamples=300)
    assert found == compare(METRICS[name], one, other, groups, resamples=300)
    back = compare(METRICS[name], other, one, groups, resamples=300)
    assert (back.gain, back.lower, back.upper) == pytest.approx((-found.gain, -found.upper, -found.lower), abs=0.02)
    assert found.lower <= found.gain <= found.upper
    assert found.groups == 40


@pytest.mark.parametrize("name", METRICS)
def test_a_better_model_is_found_and_lower_is_better_where_it_is(name: str) -> None:
    better = of(name, 1, **({"right": 0.95} if METRICS[name].task == "classification" else {"error": 0.3}))
    worse = of(name, 2, **({"right": 0.3} if METRICS[name].task == "classification" else {"error": 2.0}))
    found = compare(METRICS[name], better, worse, resamples=500)
    assert found.gain > found.lower > 0
    assert found.p_value < 0.01
    assert compare(METRICS[name], worse, better, resamples=500).upper < 0


@pytest.mark.parametrize("name", METRICS)
def test_a_model_gains_nothing_over_itself(name: str) -> None:
    one = of(name, 1)
    found = compare(METRICS[name], one, one, resamples=200)
    assert (found.gain, found.p_value) == (0.0, 1.0)
    assert found.lower <= 0 <= found.upper


def test_three_records_more_do_not_prove_a_gain() -> None:
    """The bootstrap alone would say so: of 3 records in 100, one draw in 20 has none."""
    truth = np.repeat(NAMES[:1], 100)
    wrong = truth.copy()
    wrong[:3] = "bee"
    better, worse = (Answers(truth, said, None, ("ant", "bee")) for said in (truth, wrong))
    found = compare(METRICS["accuracy"], better, worse)
    assert found.gain == pytest.approx(0.03)
    assert found.lower <= 0
    assert found.p_value == pytest.approx(1 / 8, abs=0.02)


def test_all_right_is_not_certain() -> None:
    truth = np.array(["ant", "bee"] * 10, dtype=object)
    right = Answers(truth, truth, None, ("ant", "bee"))
    for name in ("accuracy", "balanced_accuracy"):
        found = interval(METRICS[name], right)
        assert found.value == found.upper == 1.0
        assert found.lower < 0.9
    assert compare(METRICS["accuracy"], right, right).lower < -0.1  # 20 records cannot show that nothing was lost


def test_records_of_a_group_count_once() -> None:
    one = classification(1, n=60, right=0.9)
    fivefold = Answers(*(np.repeat(each, 5) for each in (one.truth, one.predicted)), None, one.classes)
    alone = interval(METRICS["accuracy"], one)
    together = interval(METRICS["accuracy"], fivefold, np.repeat(np.arange(60), 5))
    pretended = interval(METRICS["accuracy"], fivefold)
    assert together.lower == pytest.approx(alone.lower, abs=0.015)
    assert pretended.lower > alone.lower + 0.02


def test_the_p_value_is_that_of_all_swaps() -> None:
    one, other = regression(1, n=10, error=0.8), regression(2, n=10, error=1.2)
    metric = METRICS["mae"]
    observed = value(metric, other) - value(metric, one)
    gains = []
    for signs in product((True, False), repeat=10):
        kept = np.array(signs)
        ours, theirs = np.where(kept, one.predicted, other.predicted), np.where(kept, other.predicted, one.predicted)
        gains.append(value(metric, Answers(one.truth, theirs)) - value(metric, Answers(one.truth, ours)))
    exact = np.mean(np.array(gains) >= observed - 1e-12)
    assert compare(metric, one, other, resamples=10_000).p_value == pytest.approx(exact, abs=0.015)


def test_what_is_not_defined_has_no_bounds() -> None:
    one = classification(1)
    bare = Answers(one.truth, one.predicted, None, one.classes)
    found = compare(METRICS["auc"], one, bare)
    assert math.isnan(found.gain)
    assert math.isnan(found.lower)
    assert math.isnan(interval(METRICS["log_loss"], bare).lower)
    rare = np.array(["ant"] * 60 + ["bee"], dtype=object)  # a third of the draws have no bee
    lonely = Answers(rare, rare, np.tile([0.5, 0.5], (61, 1)), ("ant", "bee"))
    assert math.isnan(interval(METRICS["auc"], lonely).lower)


def test_other_records_are_refused() -> None:
    with pytest.raises(ValueError, match="same records"):
        compare(METRICS["accuracy"], classification(1), classification(1, truth_seed=5))


def test_equal_models_seldom_pass() -> None:
    """Half of them would, by their values; see the bench for intervals."""
    passed = better = 0
    for seed in range(100):
        one, other = (
            classification(seed, n=100, k=2, right=0.9, truth_seed=seed),
            classification(seed + 10_000, n=100, k=2, right=0.9, truth_seed=seed),
        )
        found = compare(METRICS["balanced_accuracy"], one, other, np.arange(100) // 2, resamples=300, seed=seed)
        passed += found.lower > 0
        better += found.gain > 0
    assert passed <= 11  # of 100 at 5 %, more than that happens once in 200 times
    assert better >= 35


def test_groups_have_names_of_any_kind() -> None:
    groups = Groups.of(["b", "a", "b"], 3)
    assert (groups.codes.tolist(), groups.count) == ([1, 0, 1], 2)
    assert groups.sums(np.array([[1.0], [2.0], [3.0]])).tolist() == [[2.0], [4.0]]
