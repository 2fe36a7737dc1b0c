from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deriva_ml_kit.numerics.rollout import Move, Rules, Window, decide

RULES = Rules(max_error_share=0.05, slow_ms=300)
BEGAN = datetime(2026, 3, 1, tzinfo=UTC)


def window(stage: int = 1, **counts: int) -> Window:
    return Window(start=BEGAN, stage=stage, **counts)


def healthy(stage: int, count: int = 1000, control: int = 19000) -> Window:
    return window(
        stage,
        candidate=count,
        candidate_errors=count // 100,
        candidate_slow=count // 200,
        control=control,
        control_errors=control // 100,
        control_slow=control // 200,
    )


def test_a_healthy_candidate_goes_on_when_time_and_requests_are_enough() -> None:
    assert decide(RULES, 1, [healthy(1)], 2.0).move is Move.ADVANCE
    assert decide(RULES, 1, [healthy(1)], 0.5).move is Move.STAY
    assert decide(RULES, 1, [healthy(1, 400)], 2.0).move is Move.STAY
    assert decide(RULES, 1, [healthy(0)], 2.0).move is Move.STAY  # of another stage


@pytest.mark.parametrize(
    ("counts", "trigger"),
    [
        (
            {"candidate": 1000, "candidate_errors": 40, "control": 19000, "control_errors": 190},
            "errors against control",
        ),
        ({"candidate": 1000, "candidate_errors": 120, "control": 1000, "control_errors": 120}, "error share"),
        ({"candidate": 1000, "candidate_slow": 40, "control": 1000, "control_slow": 40}, "slow requests"),
    ],
)
def test_each_trigger_rolls_back_alone(counts: dict[str, int], trigger: str) -> None:
    found = decide(RULES, 1, [window(**counts)], 0.1)
    assert found.move is Move.ROLL_BACK
    assert [check.name for check in found.checks if check.status == "fail"] == [trigger]


def test_outcomes_that_got_worse_roll_back_where_that_is_a_rule() -> None:
    counts = window(
        candidate=1000,
        control=1000,
        candidate_outcomes=500,
        candidate_failed=250,
        control_outcomes=500,
        control_failed=100,
    )
    assert decide(RULES, 1, [counts], 2.0).move is Move.ADVANCE
    rules = RULES.model_copy(update={"outcome_ratio": 2.0})
    assert decide(rules, 1, [counts], 2.0).move is Move.ROLL_BACK


def test_harm_of_an_earlier_stage_is_not_forgotten() -> None:
    some = {"control": 19000, "control_errors": 190}
    before = window(1, candidate=400, candidate_errors=11, **some)
    now = window(2, candidate=400, candidate_errors=11, **some)
    assert decide(RULES, 2, [now], 2.0).move is not Move.ROLL_BACK
    assert decide(RULES, 2, [before, now], 2.0).move is Move.ROLL_BACK


@given(hours=st.floats(0, 1000), held=st.booleans(), stage=st.integers(0, 3), control=st.integers(0, 10_000))
def test_no_data_never_passes_and_never_goes_back_but_holds_in_the_end(
    hours: float, held: bool, stage: int, control: int
) -> None:
    found = decide(RULES, stage, [window(stage, control=control)] if control else [], hours, held=held)
    assert found.move is (Move.HOLD if hours >= 72 and not held else Move.STAY)


def test_a_rollout_that_holds_only_goes_back() -> None:
    assert decide(RULES, 1, [healthy(1)], 100.0, held=True).move is Move.STAY
    bad = window(candidate=1000, candidate_errors=100, control=1000, control_errors=5)
    assert decide(RULES, 1, [bad], 100.0, held=True).move is Move.ROLL_BACK


def test_a_shadow_that_answers_otherwise_does_not_get_on() -> None:
    rules = RULES.model_copy(update={"minimum_agreement": 0.9})
    alike = healthy(0).model_copy(update={"compared": 1000, "agreed": 950})
    assert decide(rules, 0, [alike], 2.0).move is Move.ADVANCE
    assert decide(rules, 0, [alike.model_copy(update={"agreed": 905})], 2.0).move is Move.STAY  # 0.905 is not sure
    assert decide(rules, 0, [healthy(0)], 2.0).move is Move.STAY  # nothing was compared


counts_of_windows = st.lists(
    st.tuples(*[st.integers(0, 500), st.floats(0, 1), st.floats(0, 1)] * 2), min_size=1, max_size=4
)


@given(counts_of_windows, st.integers(0, 3), st.floats(0, 100))
def test_the_same_evidence_gives_the_same_decision_also_when_it_was_stored(
    given_counts: list[Any], stage: int, hours: float
) -> None:
    made = [
        window(
            stage,
            candidate=ours,
            candidate_errors=int(ours * a),
            candidate_slow=int(ours * b),
            control=theirs,
            control_errors=int(theirs * c),
            control_slow=int(theirs * d),
        )
        for ours, a, b, theirs, c, d in given_counts
    ]
    first = decide(RULES, stage, made, hours)
    stored = [Window.model_validate_json(each.model_dump_json()) for each in made]
    assert decide(RULES, stage, stored, hours) == first


def test_of_healthy_candidates_hardly_one_is_rolled_back() -> None:
    rng = np.random.default_rng(1)
    back = 0
    for _ in range(200):
        windows = [
            window(
                candidate=500,
                candidate_errors=int(rng.binomial(500, 0.01)),
                control=9500,
                control_errors=int(rng.binomial(9500, 0.01)),
            )
            for _ in range(12)
        ]
        back += decide(RULES, 1, windows, 12).move is Move.ROLL_BACK
    assert back <= 5  # 2 at the limit of alpha; more than 5 with a probability of 2 %
