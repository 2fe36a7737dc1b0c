"""Columns that are missing, new or of another type; predictions; clusters; seasons."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.numerics.drift import BaselineProfile, DriftReport, compare, profile, same_season

quick = settings(deadline=None, max_examples=50)
RANDOM = np.random.default_rng(4)
FRAME = pd.DataFrame(
    {"age": RANDOM.normal(50, 10, 2000), "sex": RANDOM.choice(["F", "M"], 2000), "smoker": RANDOM.random(2000) < 0.3}
)


def test_a_missing_column_forbids_to_say_that_all_is_well() -> None:
    report = compare(profile(FRAME), FRAME.drop(columns="sex"))

    assert {column.name: column.status for column in report.columns} == {"age": "ok", "sex": "missing", "smoker": "ok"}
    assert (report.verdict, report.exit_code) == ("no_data", 2)
    assert "sex (missing)" in report.reason


def test_additional_columns_are_listed_and_change_nothing() -> None:
    report = compare(profile(FRAME), FRAME.assign(new=1))

    assert (report.verdict, report.additional) == ("ok", ("new",))


def test_another_type_is_told_from_drift() -> None:
    report = compare(profile(FRAME), FRAME.assign(age="old", sex=RANDOM.integers(0, 2, 2000)))

    assert {column.name: column.status for column in report.columns} == {
        "age": "wrong_type",
        "sex": "wrong_type",
        "smoker": "ok",
    }
    assert report.verdict == "no_data"


@pytest.mark.parametrize("dtype", ["Float64", "float32", "object"])
def test_the_same_numbers_in_another_type_are_the_same(dtype: str) -> None:
    found = compare(profile(FRAME), FRAME.assign(age=FRAME["age"].astype(dtype))).columns[0].training

    assert found.psi < 1e-4


def test_booleans_may_come_as_numbers_and_with_nulls() -> None:
    for values in (FRAME["smoker"].astype(int), FRAME["smoker"].astype("boolean"), FRAME["smoker"].astype(object)):
        report = compare(profile(FRAME), FRAME.assign(smoker=values))

        assert report.columns[2].training.psi == 0


def test_one_column_without_values_does_not_hide_drift_of_another() -> None:
    report = compare(profile(FRAME), FRAME.assign(sex=None, age=FRAME["age"] + 20))

    assert report.verdict == "drift"
    assert [column.name for column in report.with_status("no_data")] == ["sex"]


def test_predictions_and_scores_are_compared_as_features_are() -> None:
    labels, scores = RANDOM.choice(["sick", "well"], 2000, p=[0.2, 0.8]), RANDOM.beta(2, 5, 2000)
    baseline = profile(FRAME, predictions=labels, scores=scores)

    report = compare(baseline, FRAME, predictions=RANDOM.choice(["sick", "well"], 2000, p=[0.6, 0.4]), scores=scores)

    assert {(column.role, column.status) for column in report.columns} == {
        ("feature", "ok"),
        ("prediction", "drift"),
        ("score", "ok"),
    }
    assert compare(baseline, FRAME).warnings == (
        "No predictions were compared: the batch has none.",
        "No scores were compared: the batch has none.",
    )


def test_predictions_may_be_columns_of_the_frame() -> None:
    frame = FRAME.assign(label="a", p_a=0.5, p_b=0.5)

    baseline = profile(frame, predictions="label", scores=["p_a", "p_b"])

    assert [column.name for column in baseline.features] == ["age", "sex", "smoker"]
    assert [column.role for column in baseline.columns[3:]] == ["prediction", "score", "score"]


def test_rare_levels_share_a_cell() -> None:
    words = [f"w{k}" for k in range(200)]
    before = pd.DataFrame({"word": RANDOM.choice(words, 5000)})

    baseline = profile(before, levels=20)

    assert (len(baseline.columns[0].levels), baseline.columns[0].other > 0) == (20, True)
    assert compare(baseline, before).columns[0].training.psi == 0


def test_thresholds_decide_between_investigate_and_drift() -> None:
    baseline, moved = profile(FRAME[["age"]]), FRAME[["age"]] + 4

    assert compare(baseline, moved).verdict == "investigate"
    assert compare(baseline, moved).exit_code == 0
    assert compare(baseline, moved, thresholds=(0.05, 0.1)).verdict == "drift"
    assert compare(baseline, moved, thresholds=(0.3, 0.4)).verdict == "ok"
    assert compare(baseline, moved, minimum_rows=3000).verdict == "insufficient"


anything = st.one_of(
    *(
        st.lists(values, min_size=1, max_size=30)
        for values in (
            st.floats() | st.none(),
            st.integers(-(2**70), 2**70) | st.none(),
            st.sampled_from(["a", "b", "__other__", "null", "", None]),
            st.booleans() | st.none(),
            st.none(),
            st.just(pd.Timestamp("2026-01-01")),
            st.just([1, 2]),
            st.integers() | st.text(max_size=3),
        )
    )
)


@quick
@given(anything, anything, st.booleans())
def test_whatever_the_columns_hold_there_is_a_report(before: list[Any], after: list[Any], grouped: bool) -> None:
    train, batch = (pd.DataFrame({"x": pd.Series(values), "y": 1.0}) for values in (before, after))
    groups = [{"clusters": np.arange(len(rows)) // 2} if grouped else {} for rows in (before, after)]
    baseline = BaselineProfile.model_validate_json(profile(train, **groups[0]).model_dump_json())

    report = compare(baseline, batch, **groups[1])

    assert DriftReport.model_validate_json(report.model_dump_json()) == report
    assert report.verdict == "insufficient" or report.with_status("no_data", "wrong_type", "constant")
    for column in report.columns:
        found = column.training
        if found:
            assert sum(cell.current for cell in found.cells) == len(batch)
            assert found.psi >= 0
            assert all(p is None or 0 <= p <= 1 for p in (found.psi_p, found.ks_p, found.chi2_p))


def test_a_report_survives_writing() -> None:
    report = compare(profile(FRAME), FRAME.assign(age=np.inf))

    assert DriftReport.model_validate_json(report.model_dump_json()) == report
    assert json.loads(report.model_dump_json())["verdict"] == report.verdict


def of_subjects(subjects: int, shift: float = 0) -> pd.DataFrame:
    """Twenty images of each subject, which are much alike."""
    own = np.repeat(RANDOM.normal(shift, 1, subjects), 20)
    return pd.DataFrame({"x": own + RANDOM.normal(0, 0.3, len(own)), "Subject": np.repeat(np.arange(subjects), 20)})


def test_rows_of_few_subjects_are_not_taken_for_independent() -> None:
    alarms = {True: 0, False: 0}
    for _ in range(60):
        before, after = of_subjects(200), of_subjects(80)
        for clustered in alarms:
            baseline = profile(before, columns=["x"], clusters="Subject" if clustered else None)
            found = compare(baseline, after[["x", "Subject"]], clusters="Subject" if clustered else None).columns[0]
            alarms[clustered] += found.training.psi_p < 0.05

    assert alarms[False] > 40
    assert alarms[True] <= 9


def test_drift_of_many_subjects_is_found_and_few_are_insufficient() -> None:
    baseline = profile(of_subjects(400), columns=["x"], clusters="Subject")

    assert compare(baseline, of_subjects(300, shift=1), clusters="Subject").verdict == "drift"
    few = compare(baseline, of_subjects(15), clusters="Subject")
    assert (few.verdict, few.clusters, few.columns[0].training.psi_p) == ("insufficient", 15, None)
    assert few.columns[0].training.effective_rows < 60


def test_a_baseline_of_few_subjects_gives_no_p_however_many_rows_it_has() -> None:
    frame = pd.DataFrame({"x": RANDOM.normal(size=6000)})
    baseline = profile(frame, clusters=np.arange(6000) % 12)

    report = compare(baseline, frame, clusters=np.arange(6000))

    assert (report.verdict, report.columns[0].training.psi_p) == ("insufficient", None)
    assert "Too few clusters" in report.columns[0].reason


def test_clusters_must_be_named_on_both_sides() -> None:
    with pytest.raises(UsageError, match="training baseline are in clusters"):
        compare(profile(of_subjects(30), clusters="Subject"), of_subjects(30))


@pytest.mark.parametrize(("arguments", "said"), [({"alpha": 0}, "alpha"), ({"thresholds": (0.2, 0.1)}, "thresholds")])
def test_limits_that_cannot_be_are_refused(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        compare(profile(FRAME), FRAME, **arguments)


def of_days(first: str, days: int, shift: float = 0) -> pd.DataFrame:
    """A hundred values a day, a degree warmer in July than the mean of the year."""
    at = np.repeat(pd.date_range(first, periods=days, tz="UTC"), 100)
    warmth = np.cos(2 * np.pi * (at.day_of_year - 196) / 365.25)
    return pd.DataFrame({"at": at, "warmth": warmth + RANDOM.normal(shift, 1, len(at))})


def test_a_seasonal_column_is_judged_by_the_same_season_a_year_before() -> None:
    history, winter = of_days("2025-01-01", 365), of_days("2026-01-10", 5)
    july = profile(history[history["at"].dt.month == 7], times="at", seasonal=["warmth"])
    season = profile(history[same_season(history["at"], winter["at"].min(), winter["at"].max())], times="at")

    report = compare(july, winter, times="at", seasonal=season)

    assert (report.verdict, report.season, report.columns[0].basis) == ("ok", "used", "seasonal")
    assert report.columns[0].training.psi > 0.2
    assert compare(july, of_days("2026-01-10", 5, shift=1), times="at", seasonal=season).verdict == "drift"


def test_a_baseline_of_a_month_is_refused_for_a_seasonal_column() -> None:
    july = profile(of_days("2025-07-01", 31), times="at", seasonal={"warmth": 365})

    report = compare(july, of_days("2026-01-10", 5), times="at")

    assert (report.verdict, report.season, report.columns[0].status) == ("insufficient", "unavailable", "refused")
    assert "spans 31" in report.columns[0].reason or "spans 30" in report.columns[0].reason
    assert any("seasonal=unavailable" in warning for warning in report.warnings)


def test_a_baseline_of_a_whole_year_serves_where_there_is_no_season_before() -> None:
    year = profile(of_days("2025-01-01", 365), times="at", seasonal=["warmth"])

    report = compare(year, of_days("2026-01-01", 365), times="at")

    assert (report.verdict, report.season, report.columns[0].basis) == ("ok", "unavailable", "training")


def test_a_rolling_baseline_is_shown_and_never_decides() -> None:
    before, month, now = (
        of_days("2025-07-01", 20),
        of_days("2025-07-21", 20, shift=3),
        of_days("2025-08-10", 5, shift=3),
    )

    report = compare(profile(before[["warmth"]]), now, rolling=profile(month[["warmth"]]))

    assert report.verdict == "drift"
    assert report.columns[0].rolling.psi < 0.1


def test_a_history_that_is_too_short_has_no_season() -> None:
    history = of_days("2025-07-01", 100)
    first, last = pd.Timestamp("2026-01-10", tz="UTC"), pd.Timestamp("2026-01-15", tz="UTC")

    assert same_season(history["at"], first, last) is None
    assert same_season(history["at"], first, last, days=120, margin=3).sum() == 12 * 100
    with pytest.raises(UsageError, match="before it begins"):
        same_season(history["at"], last, first)
