from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.ops.drift.history import Earlier, a_season_before, file_name, just_before

START = datetime(2025, 1, 1, tzinfo=UTC)
DAYS = [
    Earlier(f"1-{day:04}", START + timedelta(days=day), START + timedelta(days=day), "2026-01-01") for day in range(60)
]
YEAR_LATER = START + timedelta(days=365 + 30)


def test_the_same_days_of_the_year_before_are_found_and_never_the_batch_itself() -> None:
    found = a_season_before(DAYS, YEAR_LATER, YEAR_LATER, 365)
    assert found is not None and found.rid == "1-0030"
    assert a_season_before(DAYS, DAYS[30].first, DAYS[30].last, 365) is None
    assert a_season_before(DAYS, DAYS[30].first, DAYS[30].last, 3) == DAYS[27]
    far = YEAR_LATER + timedelta(days=29 + 7)
    assert a_season_before(DAYS, far, far, 365) == DAYS[59]
    assert a_season_before(DAYS, far + timedelta(days=1), far + timedelta(days=1), 365) is None


def test_of_a_batch_that_was_monitored_twice_the_later_profile_counts() -> None:
    again = Earlier("1-NEWE", DAYS[30].first, DAYS[30].last, "2026-01-02")
    assert a_season_before([*DAYS, again], YEAR_LATER, YEAR_LATER, 365) == again
    assert just_before([*DAYS[:31], again], DAYS[31].first) == again


def test_the_batch_just_before_has_ended_when_the_next_begins() -> None:
    assert just_before(DAYS, DAYS[30].first) == DAYS[29]
    assert just_before(DAYS, START) is None


def test_a_profile_is_found_by_its_name() -> None:
    assert file_name("digits", START, START) == "batch-profile-digits-20250101-20250101.json"
    assert file_name(None, START, START) == file_name("digits", None, None) == "batch-profile.json"
    with pytest.raises(UsageError, match="no name of a series"):
        file_name("a/b", START, START)
