"""What goes wrong in other as-of joins, case by case."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deriva_ml_kit.errors import Faults, UsageError
from deriva_ml_kit.numerics.asof import AsOfJoin, as_of_join


def day(number: float | None) -> pd.Timestamp:
    """A day of January 2026; NaT for None."""
    return pd.NaT if number is None else pd.Timestamp("2026-01-01", tz="UTC") + pd.Timedelta(days=number)  # type: ignore[return-value]


def times(*days: float | None) -> pd.Series[Any]:
    return pd.Series([day(number) for number in days], dtype="datetime64[us, UTC]")


def events(*rows: tuple[Any, float | None], **columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"user": [key for key, _ in rows], "at": times(*(at for _, at in rows)), **columns})


def values(*rows: tuple[Any, float | None, Any], **columns: Any) -> pd.DataFrame:
    frame = {"user": [key for key, _, _ in rows], "held": times(*(at for _, at, _ in rows))}
    return pd.DataFrame({**frame, "age": [value for _, _, value in rows], **columns})


ENGINES = pytest.mark.parametrize("engine", ["numpy", "duckdb"])


def joined(asked: pd.DataFrame, held: pd.DataFrame, **options: Any) -> AsOfJoin:
    given = {"entity": "user", "features": ["age"], "key": "user", "time": "at", "event_time": "held"}
    return as_of_join(asked, held, **(given | options))


def ages(join: AsOfJoin) -> list[Any]:
    return [None if pd.isna(value) else value for value in join.frame["user:age"]]


@ENGINES
def test_tied_rows_without_a_tie_break_are_refused_and_their_keys_are_listed(engine: Any) -> None:
    held = values(("a", 1, 30), ("a", 1, 31), ("b", 1, 40), ("c", 2, 50), ("c", 2, 51), ("c", 2, 52))
    with pytest.raises(Faults) as refused:
        joined(events(("a", 2)), held, engine=engine)
    assert [(fault.value, fault.message.split()[0]) for fault in refused.value.faults] == [("a", "2"), ("c", "3")]
    assert "tie_break" in str(refused.value)


@ENGINES
@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]])
@pytest.mark.parametrize("kind", ["number", "text", "time"])
def test_the_tie_break_decides_and_the_order_of_rows_never_does(engine: Any, order: list[int], kind: str) -> None:
    decides = {"number": [1, 3, 2, 10], "text": ["1", "3", "2", "A"], "time": times(1, 3, 2, 10)}[kind]
    held = values(("a", 1, 30), ("a", 1, 31), ("a", 1, 32), ("b", 1, 40), by=decides)
    found = joined(events(("a", 2), ("b", 2)), held.iloc[order], engine=engine, tie_break="by")
    assert ages(found) == [31, 40]


@ENGINES
def test_a_tie_break_that_leaves_rows_tied_is_refused(engine: Any) -> None:
    held = values(("a", 1, 30), ("a", 1, 31), by=["x", "x"])
    with pytest.raises(Faults, match="by does not"):
        joined(events(("a", 2)), held, engine=engine, tie_break="by")


@pytest.mark.parametrize("by", [[1, None], [0.5, 0.25], [True, False]])
def test_a_tie_break_must_be_able_to_decide(by: list[Any]) -> None:
    with pytest.raises(Faults, match=r"missing|integers, texts or times"):
        joined(events(("a", 2)), values(("a", 1, 30), ("a", 1, 31), by=by), tie_break="by")


@ENGINES
def test_unsorted_input_gives_what_sorted_input_gives(engine: Any) -> None:
    held = values(("b", 3, 43), ("a", 2, 32), ("b", 1, 41), ("a", 1, 31))
    asked = events(("b", 2), ("a", 5), ("b", 9), ("a", 1.5))
    assert ages(joined(asked, held, engine=engine)) == [41, 32, 43, 31]


@pytest.mark.parametrize("side", ["events", "values"])
def test_null_times_are_refused_with_their_number(side: str) -> None:
    asked = events(("a", 2), ("a", None)) if side == "events" else events(("a", 2), ("a", 3))
    held = values(("a", 1, 30), ("b", None, 31), ("b", None, 32)) if side == "values" else values(("a", 1, 30))
    with pytest.raises(Faults) as refused:
        joined(asked, held)
    (fault,) = refused.value.faults
    assert (fault.file, fault.message) == (side, {"events": "1 of 2", "values": "2 of 3"}[side] + " are missing")


@ENGINES
def test_null_times_can_be_dropped_and_the_events_stay(engine: Any) -> None:
    held = values(("a", 1, 30), ("a", None, 31), ("b", 1, 40), known=times(1, 1, None))
    asked = events(("a", 2), ("a", None), ("b", 2))
    found = joined(asked, held, known_time="known", drop_null_time=True, engine=engine)
    assert ages(found) == [30, None, None]
    assert found.null_times == (1, 2)
    pd.testing.assert_frame_equal(found.frame[["user", "at"]], asked)


@ENGINES
@pytest.mark.parametrize(
    "keys", [pd.Series(["a", None], dtype=object), pd.Series([7, None], dtype="Int64"), pd.Series([7.0, np.nan])]
)
def test_null_keys_never_match_each_other(engine: Any, keys: pd.Series[Any]) -> None:
    asked, held = events((0, 2), (0, 2)).assign(user=keys), values((0, 1, 30), (0, 1, 31)).assign(user=keys)
    found = joined(asked, held, engine=engine)
    assert ages(found) == [30, None]
    assert found.null_keys == 1


@pytest.mark.parametrize(
    ("of_events", "of_values"), [("int32", "int64"), ("object", "int64"), ("int64", "float64"), ("Int64", "str")]
)
def test_keys_of_different_types_are_refused_by_both_names(of_events: str, of_values: str) -> None:
    asked = events((1, 2)).assign(user=pd.Series([1]).astype("str" if of_events == "object" else of_events))
    held = values((1, 1, 30)).assign(user=pd.Series([1]).astype(of_values))
    with pytest.raises(Faults) as refused:
        joined(asked, held)
    named = [{"object": "text", "str": "text"}.get(kind, kind.lower()) for kind in (of_events, of_values)]
    assert all(kind in str(refused.value) for kind in named)


@pytest.mark.parametrize(
    ("of_events", "of_values"),
    [("str", "object"), ("string", "str"), ("Int64", "int64"), ("int64", "int64"), ("category", "str")],
)
def test_the_same_keys_match_whatever_holds_them(of_events: str, of_values: str) -> None:
    number = "int" in of_values
    one, other = (1, 2) if number else ("1", "2")
    asked = events((one, 2), (other, 2)).astype({"user": of_events})
    assert ages(joined(asked, values((one, 1, 30)).astype({"user": of_values}))) == [30, None]


def test_mixed_keys_are_refused() -> None:
    with pytest.raises(Faults, match="mixture"):
        joined(events(("a", 2), (1, 2)), values(("a", 1, 30), (1, 1, 31)))


@pytest.mark.parametrize(
    ("side", "change", "told"),
    [
        ("events", lambda at: at.dt.tz_localize(None), "without zone"),
        ("values", lambda at: at.dt.tz_localize(None), "without zone"),
        ("values", lambda at: at.dt.tz_convert("Europe/Berlin"), "in UTC"),
        ("events", lambda at: at.astype(str), "no times"),
        ("values", lambda at: at.dt.as_unit("ns") + pd.Timedelta(1, "ns"), "1 times are finer"),
    ],
)
def test_times_must_be_moments_in_utc(side: str, change: Any, told: str) -> None:
    asked, held = events(("a", 2)), values(("a", 1, 30))
    if side == "events":
        asked["at"] = change(asked["at"])
    else:
        held["held"] = change(held["held"])
    with pytest.raises(Faults, match=told) as refused:
        joined(asked, held)
    assert refused.value.faults[0].file == side


@ENGINES
@pytest.mark.parametrize("units", [("ms", "ns"), ("ns", "s"), ("us", "ms")])
def test_units_of_time_do_not_matter(engine: Any, units: tuple[str, str]) -> None:
    asked, held = events(("a", 1), ("a", 2)), values(("a", 1, 30), ("a", 2, 31))
    asked["at"], held["held"] = asked["at"].dt.as_unit(units[0]), held["held"].dt.as_unit(units[1])
    found = joined(asked, held, engine=engine)
    assert ages(found) == [30, 31]
    assert str(found.frame["at"].dtype) == f"datetime64[{units[0]}, UTC]"


def test_columns_of_the_same_name_stay_apart() -> None:
    asked = events(("a", 2), age=[99])
    found = joined(asked, values(("a", 1, 30)))
    assert list(found.frame.columns) == ["user", "at", "age", "user:age"]
    assert (found.frame["age"][0], found.frame["user:age"][0]) == (99, 30)
    with pytest.raises(UsageError, match="user:age"):
        joined(found.frame, values(("a", 1, 30)))


@ENGINES
def test_every_event_comes_back_in_its_place(engine: Any) -> None:
    held = values(("future", 9, 1), ("past", 1, 2))
    asked = events(("future", 2), ("unknown", 2), ("past", 2), ("future", 1)).set_axis([7, 7, 3, 1])
    found = joined(asked, held, engine=engine)
    assert ages(found) == [None, None, 2, None]
    pd.testing.assert_frame_equal(found.frame[["user", "at"]], asked)


@ENGINES
def test_the_newest_value_counts_even_if_it_is_null(engine: Any) -> None:
    held = values(("a", 1, 30), ("a", 2, None))
    assert ages(joined(events(("a", 3)), held, engine=engine)) == [None]
    assert ages(joined(events(("a", 3)), held, engine=engine, skip_null=True)) == [30]


def test_nulls_are_skipped_for_each_feature_by_itself() -> None:
    held = values(("a", 1, 30), ("a", 2, None), ("a", 3, 31), country=["FR", "DE", None])
    found = joined(events(("a", 2), ("a", 3)), held, features=["age", "country"], skip_null=True)
    assert ages(found) == [30, 31]
    assert found.frame["user:country"].tolist() == ["DE", "DE"]


@ENGINES
def test_a_value_that_was_written_later_is_not_used(engine: Any) -> None:
    held = values(("a", 1, 30), ("a", 2, 31), known=times(1, 5))
    asked = events(("a", 3), ("a", 4.9), ("a", 5))
    assert ages(joined(asked, held, engine=engine, known_time="known")) == [30, 30, 31]
    assert joined(asked, held, engine=engine, known_time="known").late == 1
    assert ages(joined(asked, held, engine=engine)) == [31, 31, 31]


@ENGINES
def test_a_correction_counts_from_when_it_was_known_and_an_old_value_never_replaces_a_newer_one(engine: Any) -> None:
    held = values(("a", 2, 31), ("a", 2, 32), ("a", 1, 30), known=times(2, 4, 5))
    asked = events(("a", 2), ("a", 4), ("a", 6))
    assert ages(joined(asked, held, engine=engine, known_time="known")) == [31, 32, 32]


@ENGINES
def test_max_age_is_inclusive_and_says_what_it_voided(engine: Any) -> None:
    asked = events(("a", 3), ("a", 3), ("a", 9), ("b", 9))
    asked.loc[1, "at"] += pd.Timedelta(1, "us")
    found = joined(asked, values(("a", 1, 30)), engine=engine, max_age=timedelta(days=2))
    assert ages(found) == [30, None, None, None]
    assert found.voided == {"user:age": 2}
    assert found.matched == {"user:age": 1}


@pytest.mark.parametrize("max_age", [timedelta(-1), {"height": timedelta(1)}])
def test_a_max_age_that_means_nothing_is_refused(max_age: Any) -> None:
    with pytest.raises(UsageError, match="max_age"):
        joined(events(("a", 3)), values(("a", 1, 30)), max_age=max_age)


def test_an_old_value_is_void_and_none_before_it_is_taken_instead() -> None:
    """The age is that of the newest value known, though it is older than one that came late and is not known yet."""
    held = values(("a", 1, 30), ("a", 4, 31), known=times(1, 9))
    found = joined(events(("a", 5), ("a", 9)), held, known_time="known", max_age=timedelta(days=3))
    assert ages(found) == [None, None]
    assert found.voided == {"user:age": 2}


def test_types_of_features_do_not_depend_on_what_matched() -> None:
    held = values(("a", 1, 2**60 + 1), sure=[True], note=["x"], seen=times(1))
    features = ["age", "sure", "note", "seen"]
    some, every = (joined(events(*rows), held, features=features) for rows in [[("a", 2), ("b", 2)], [("a", 2)]])
    assert some.frame.dtypes.equals(every.frame.dtypes)
    assert some.frame["user:age"][0] == 2**60 + 1


@ENGINES
def test_empty_frames_give_empty_answers(engine: Any) -> None:
    none = values(("a", 1, 30)).iloc[:0]
    assert ages(joined(events(("a", 1)), none, engine=engine)) == [None]
    assert ages(joined(events(("a", 1)).iloc[:0], none, engine=engine)) == []


def test_missing_columns_are_all_told() -> None:
    with pytest.raises(Faults) as refused:
        joined(events(("a", 1)), values(("a", 1, 30)), features=["height"], tie_break="RID", time="when")
    assert {(fault.file, fault.column) for fault in refused.value.faults} == {
        ("events", "when"),
        ("values", "height"),
        ("values", "RID"),
    }
