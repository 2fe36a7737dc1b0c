"""The split between model and candidate: sticky, and read again when its file changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from deriva_ml_kit.numerics.assignment import bucket
from deriva_ml_kit.ops.serving import split
from deriva_ml_kit.ops.serving.split import Split, SplitFile

UNITS = [f"S{number}" for number in range(2000)]


def test_a_unit_stays_where_it_is_when_the_share_grows() -> None:
    arms = [
        {unit for unit in UNITS if Split(salt="r", share=share).arm(unit) == "canary"} for share in (0, 0.05, 0.5, 1)
    ]
    assert [len(each) / len(UNITS) for each in arms] == pytest.approx([0, 0.05, 0.5, 1], abs=0.02)
    assert arms[0] < arms[1] < arms[2] < arms[3]
    assert arms[1] == {unit for unit in UNITS if bucket("r", unit) < 0.05}  # anybody can compute it again


def test_the_file_is_read_again_and_a_wrong_one_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(split, "LOOK", 0)
    file = tmp_path / "split.json"
    now = SplitFile(file)
    assert now().share == 0
    for share in (0.05, 0.25):
        file.write_text(Split(salt="r", share=share, shadow=True).model_dump_json())
        assert now() == Split(salt="r", share=share, shadow=True)
    for text in ("{", '{"salt": "r", "share": 2}', '{"salt": "r", "share": NaN}', '{"share": 0.5}'):
        file.write_text(text)
        assert now().share == 0.25
    file.unlink()
    assert now().share == 0.25
    assert "the split stays as it was" in caplog.text


def test_a_salt_has_no_colon() -> None:
    with pytest.raises(ValidationError):
        Split(salt="a:b")
