from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from deriva_ml.core.exceptions import DerivaMLException
from deriva_ml.feature import FeatureRecord as ReleasedRecord
from hypothesis import given
from hypothesis import strategies as st

from deriva_ml_kit.mainline.errors import DerivaMLValidationError
from deriva_ml_kit.mainline.feature.records import FeatureRecord
from deriva_ml_kit.mainline.feature.selectors import moment, reduce_with_selector


class Look(FeatureRecord):
    Feature_Name: str = "Look"
    Picture: str | None = "1-AAAA"
    Style: Any = None
    Side: str | None = None


def look(rct: str | None = None, style: Any = None, **fields: Any) -> Look:
    return Look(RCT=rct, Style=style, **fields)


# Few moments, so that many records share theirs; at several offsets, as a server with summer time gives them.
START = datetime(2026, 3, 1, tzinfo=UTC)
MOMENTS = st.integers(0, 5).map(lambda hours: START + timedelta(hours=hours))
OFFSETS = st.sampled_from([0, 2, -7]).map(lambda hours: timezone(timedelta(hours=hours)))
TIMES = st.builds(lambda time, offset: time.astimezone(offset).isoformat(), MOMENTS, OFFSETS)
LOOKS = st.builds(
    look,
    st.none() | TIMES,
    st.sampled_from(["cubism", "realism", None, {"a": [1]}, [1, 2]]),
    Execution=st.sampled_from(["2-AAAA", "2-BBBB", None]),
)
GROUPS = st.lists(LOOKS, min_size=1, max_size=8)
SHUFFLED = GROUPS.flatmap(lambda group: st.tuples(st.just(group), st.permutations(group)))


class Executions:
    """What select_by_workflow asks."""

    def list_workflow_executions(self, workflow: str) -> list[str]:
        if workflow != "Labelling":
            raise DerivaMLException(f"no workflow {workflow}")
        return ["2-AAAA", "2-CCCC"]


SELECTORS = [
    FeatureRecord.select_newest,
    FeatureRecord.select_latest,
    FeatureRecord.select_first,
    FeatureRecord.select_by_execution("2-AAAA"),
    FeatureRecord.select_by_workflow("Labelling", container=Executions()),
    FeatureRecord.select_majority_vote("Style"),
    FeatureRecord.select_as_of(START + timedelta(hours=3)),
]


@pytest.mark.parametrize("selector", SELECTORS)
@given(groups=SHUFFLED)
def test_the_order_of_the_records_does_not_matter_and_the_choice_is_one_of_them(selector, groups) -> None:
    group, shuffled = groups
    chosen = selector(group)
    assert chosen == selector(shuffled)
    assert chosen is None or chosen in group


@given(GROUPS)
def test_newest_and_first_are_the_ends_and_no_time_is_oldest(group) -> None:
    times = [moment(record) for record in group]
    assert moment(FeatureRecord.select_newest(group)) == moment(FeatureRecord.select_latest(group)) == max(times)
    assert moment(FeatureRecord.select_first(group)) == min(times)


@given(GROUPS, MOMENTS, OFFSETS)
def test_as_of_never_gives_what_came_later_and_gives_the_newest_of_the_rest(group, time, offset) -> None:
    chosen = FeatureRecord.select_as_of(time.astimezone(offset))(group)
    existing = [record for record in group if record.RCT and datetime.fromisoformat(record.RCT) <= time]

    assert chosen == FeatureRecord.select_as_of(time.isoformat())(group)
    assert chosen == (FeatureRecord.select_newest(existing) if existing else None)


@given(st.lists(LOOKS, max_size=8), MOMENTS)
def test_later_values_change_nothing_about_the_past(group, time) -> None:
    later = [record for record in group if record.RCT and moment(record) > time]
    select = FeatureRecord.select_as_of(time)
    assert select(group) == select([record for record in group if record not in later])


@pytest.mark.parametrize("time", [datetime(2026, 3, 1), "2026-03-01T00:00:00", "2026-03-01"])
def test_a_time_without_offset_is_no_moment(time) -> None:
    with pytest.raises(DerivaMLValidationError, match=r"Write 2026-03-01T00:00:00\+00:00 if UTC is meant"):
        FeatureRecord.select_as_of(time)


def test_text_that_is_no_time_is_refused_where_it_stands() -> None:
    with pytest.raises(DerivaMLValidationError, match="'yesterday' is no ISO 8601 time"):
        FeatureRecord.select_as_of("yesterday")
    with pytest.raises(DerivaMLValidationError, match="RCT 'soon'"):
        FeatureRecord.select_newest([look("soon"), look()])


def test_times_are_compared_as_moments_not_as_text() -> None:
    earlier = look("2026-10-25T02:30:00+02:00")  # 00:30 UTC
    later = look("2026-10-25T02:15:00.5+01:00")  # 01:15 UTC
    assert FeatureRecord.select_newest([earlier, later]) is later
    assert FeatureRecord.select_first([later, earlier]) is earlier


@given(GROUPS)
def test_the_majority_is_a_value_that_no_other_outnumbers_and_the_newest_of_such(group) -> None:
    chosen = FeatureRecord.select_majority_vote("Style")(group)
    styles = [record.Style for record in group]
    most = max(map(styles.count, styles))

    assert styles.count(chosen.Style) == most
    assert moment(chosen) == max(moment(record) for record in group if styles.count(record.Style) == most)


def test_an_absent_value_has_a_vote_too() -> None:
    group = [look("2026-01-01T00:00Z"), look("2026-01-02T00:00Z"), look("2026-01-03T00:00Z", "cubism")]
    assert FeatureRecord.select_majority_vote("Style")(group) is group[1]


def test_no_records_have_no_majority() -> None:
    assert FeatureRecord.select_majority_vote("Style")([]) is None


def test_a_majority_about_no_column_is_refused() -> None:
    with pytest.raises(DerivaMLException, match="has no column Stile; it has Execution"):
        FeatureRecord.select_majority_vote("Stile")([look()])


def test_values_of_one_execution_or_of_a_workflows() -> None:
    group = [
        look("2026-01-01T00:00Z", Execution="2-AAAA"),
        look("2026-01-02T00:00Z", Execution="2-CCCC"),
        look("2026-01-03T00:00Z", Execution="2-BBBB"),
    ]
    assert FeatureRecord.select_by_execution("2-AAAA")(group) is group[0]
    assert FeatureRecord.select_by_execution("2-ZZZZ")(group) is None
    assert FeatureRecord.select_by_workflow("Labelling", container=Executions())(group) is group[1]
    assert FeatureRecord.select_by_workflow("Labelling", container=Executions())(group[2:]) is None


def test_an_unknown_workflow_is_told_before_anything_is_read() -> None:
    with pytest.raises(DerivaMLException, match="no workflow Other"):
        FeatureRecord.select_by_workflow("Other", container=Executions())
    with pytest.raises(TypeError):
        FeatureRecord.select_by_workflow("Labelling", Executions())


def test_one_record_is_chosen_for_each_target_and_qualifier() -> None:
    records = [
        look("2026-01-01T00:00Z", "cubism", Picture="1-B", Side="left"),
        look("2026-01-02T00:00Z", "realism", Picture="1-A", Side="left"),
        look("2026-01-03T00:00Z", "realism", Picture="1-B", Side="right"),
        look("2026-01-04T00:00Z", "cubism", Picture="1-B", Side=None),
        look("2026-01-05T00:00Z", "cubism", Picture="1-B", Side="left"),
        look("2026-01-06T00:00Z", "cubism", Picture=None),
    ]
    newest = FeatureRecord.select_newest

    assert list(reduce_with_selector(iter(records), "Picture", newest)) == [records[4], records[1]]
    assert list(reduce_with_selector(records, "Picture", newest, ["Side"])) == [
        records[4],
        records[1],
        records[2],
        records[3],
    ]
    only_realism = FeatureRecord.select_by_execution("2-AAAA")
    assert list(reduce_with_selector(records, "Picture", only_realism)) == []


def test_the_plain_library_has_no_selectors() -> None:
    assert [name for name in dir(ReleasedRecord) if name.startswith("select_")] == []  # of 1.17.10
    assert len([name for name in dir(FeatureRecord) if name.startswith("select_")]) == 7
