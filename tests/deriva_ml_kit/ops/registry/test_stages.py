from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deriva_ml_kit.errors import Undecidable
from deriva_ml_kit.ops.kinds import Stage
from deriva_ml_kit.ops.registry.stages import NEXT, Event, State, Step, fold

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def event(sequence: int, model: str, stage: Stage, *, execution: str = "", minute: int | None = None) -> Event:
    step = Step(model, "0" * 32, stage, "why", forced="gaps" if model.endswith("!") else None)
    when = BEGIN + timedelta(minutes=sequence if minute is None else minute)
    return Event("tumours", sequence, step, execution or f"X{sequence}", when, None)


def lives(*steps: tuple[str, Stage]) -> list[Event]:
    return [event(number, model, stage) for number, (model, stage) in enumerate(steps, 1)]


def in_production(*models: str) -> list[Event]:
    """Models that were in production one after the other; each swap is one execution."""
    events: list[Event] = []
    for number, model in enumerate(models):
        minute = len(events)
        if number:
            events.append(event(minute + 1, models[number - 1], Stage.ARCHIVED, execution=f"P{number}", minute=minute))
        events.append(event(len(events) + 1, model, Stage.PRODUCTION, execution=f"P{number}", minute=minute))
    return events


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """What programs that keep to the table of stages, and swap production, can write."""
    events: list[Event] = []
    state = State("tumours")
    for number in range(draw(st.integers(0, 25))):
        model = draw(st.sampled_from("ABCD"))
        now = state.models[model].stage if model in state.models else None
        if not NEXT[now]:
            continue
        to = draw(st.sampled_from(NEXT[now]))
        there = state.at(Stage.PRODUCTION)
        moved = [(there.rid, Stage.ARCHIVED)] if to is Stage.PRODUCTION and there else []
        for rid, stage in [*moved, (model, to)]:
            events.append(event(len(events) + 1, rid, stage, execution=f"X{number}", minute=number))
        state = fold("tumours", events)
    return events


@given(histories(), st.randoms(use_true_random=False))
def test_one_model_is_in_production_whatever_the_history_and_the_order_of_rows(
    events: list[Event], shuffler: random.Random
) -> None:
    state = fold("tumours", events)
    assert sum(model.stage is Stage.PRODUCTION for model in state.models.values()) <= 1
    assert [model.version for model in state.models.values()] == list(range(1, len(state.models) + 1))
    shuffled = events[:]
    shuffler.shuffle(shuffled)
    assert fold("tumours", shuffled) == state


@given(histories(), st.integers(0, 30))
def test_what_was_is_what_the_steps_until_then_lead_to(events: list[Event], minute: int) -> None:
    when = BEGIN + timedelta(minutes=minute)
    assert fold("tumours", events, when) == fold("tumours", [each for each in events if each.time <= when])


@given(histories(), st.data())
def test_without_a_key_the_first_of_two_with_the_same_number_counts(events: list[Event], data: st.DataObject) -> None:
    if not events:
        return
    chosen = data.draw(st.sampled_from(events))
    late = event(chosen.sequence, "Z", Stage.CANDIDATE, execution="late", minute=1000)
    assert fold("tumours", [*events, late]) == fold("tumours", events)


@given(histories(), st.data())
def test_deleted_rows_are_noticed(events: list[Event], data: st.DataObject) -> None:
    if len(events) < 2:
        return
    gone = data.draw(st.integers(0, len(events) - 2))
    with pytest.raises(Undecidable, match="damaged"):
        fold("tumours", events[:gone] + events[gone + 1 :])


def test_a_rollback_goes_back_and_a_second_one_further() -> None:
    state = fold("tumours", in_production("A", "B", "C"))
    assert (state.at(Stage.PRODUCTION), state.previous()) == (state.models["C"], state.models["B"])
    state = fold("tumours", in_production("A", "B", "C", "B"))
    assert state.previous() == state.models["A"]
    assert fold("tumours", in_production("A", "B", "C", "B", "A")).previous() is None


def test_a_model_that_was_rejected_is_not_gone_back_to() -> None:
    events = in_production("A", "B", "C")
    events.append(event(len(events) + 1, "B", Stage.REJECTED, minute=99))
    state = fold("tumours", events)
    assert state.previous() == state.models["A"]


def test_a_model_out_of_production_can_come_back() -> None:
    events = in_production("A")
    events.append(event(2, "A", Stage.ARCHIVED, minute=99))
    state = fold("tumours", events)
    assert state.at(Stage.PRODUCTION) is None
    assert state.previous() == state.models["A"]


def test_what_was_forced_stays_with_the_model() -> None:
    state = fold("tumours", lives(("A!", Stage.CANDIDATE), ("A!", Stage.STAGING)))
    assert state.models["A!"].forced == ("gaps", "gaps")
