"""The journal: one line a run, its execution as the only anchor."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deriva_ml_kit.design.journal import HEADING, entry, with_entry
from deriva_ml_kit.errors import UsageError

RID = "3-WXYZ"
DAY = date(2026, 1, 31)


def test_a_line_has_the_day_the_execution_and_what_it_was_for() -> None:
    line = entry(RID, "learning rate\n  halved: accuracy 0.97")

    assert line == "execution 3-WXYZ: learning rate halved: accuracy 0.97"
    assert with_entry("", line, DAY) == f"{HEADING}- 2026-01-31 {line}\n"


def test_the_same_line_is_not_written_twice_on_another_day_either() -> None:
    line = entry(RID, "first")
    text = with_entry("# Ours\n\n- by hand", line, DAY)

    assert text == f"# Ours\n\n- by hand\n- 2026-01-31 {line}\n"
    assert with_entry(text, line, date(2026, 2, 1)) == text
    assert with_entry(text, entry(RID, "second"), DAY).count(RID) == 2


@pytest.mark.parametrize("text", ["", "  \n ", "-", "..."])
def test_empty_lines_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no empty line"):
        entry(RID, text)


@pytest.mark.parametrize("text", ["wrote 2-1A2B", "wrote 2-1A2B, 2-1A2C and 1-2A3B-4C5D", "3-WXYZ made 2-1A2B"])
def test_rids_beside_the_executions_are_refused_by_their_form(text: str) -> None:
    with pytest.raises(UsageError, match=r"no RIDs of assets: .*2-1A2B"):
        entry(RID, text)


def test_the_catalog_decides_what_an_asset_is_where_it_can_be_asked() -> None:
    def assets(asked: object) -> set[str]:
        assert asked == {"2-1A2B", "GPT-2023", "4F2"}
        return {"4F2"}

    with pytest.raises(UsageError, match=r"no RIDs of assets: 4F2\."):
        entry(RID, "3-WXYZ, like GPT-2023 or run 2-1A2B, wrote 4F2", assets_among=assets)


@given(st.text())
def test_whatever_is_noted_becomes_one_line_or_is_refused(text: str) -> None:
    try:
        line = entry(RID, text)
    except UsageError:
        return
    assert "\n" not in line
    assert with_entry(with_entry("", line, DAY), line, DAY) == with_entry("", line, DAY)
