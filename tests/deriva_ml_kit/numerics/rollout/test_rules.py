from __future__ import annotations

import pytest
from pydantic import ValidationError

from deriva_ml_kit.numerics.rollout import Rules, StageRules


def test_the_stages_are_those_that_everybody_knows() -> None:
    rules = Rules(max_error_share=0.02, slow_ms=300)
    assert [stage.name for stage in rules.stages] == ["shadow", "5%", "25%", "50%"]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"max_error_share": 0}, "greater than 0"),
        ({"slow_ms": None}, "valid number"),
        ({"stages": [{"share": 0}]}, "answers somebody"),
        ({"stages": [{"share": 0.5}, {"share": 0.25}]}, "must grow"),
        ({"stages": [{"share": 0.5}, {"share": 0.5}]}, "must grow"),
        ({"stages": []}, "answers somebody"),
        ({"stages": [{"share": 1}]}, "less than 1"),
        ({"stages": [{"share": 0.5, "minimum_hours": 2, "maximum_hours": 2}]}, "must be more than"),
        ({"stages": [{"share": 0.05}], "minimum_agreement": 0.9}, "judged in shadow"),
        ({"error_ratio": 1}, "greater than 1"),
        ({"max_eror_share": 0.1}, "not permitted"),
    ],
)
def test_thresholds_that_are_missing_or_contradict_each_other_are_refused(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Rules.model_validate({"max_error_share": 0.02, "slow_ms": 300} | wrong)


def test_both_limits_have_to_be_stated() -> None:
    with pytest.raises(ValidationError) as refused:
        Rules.model_validate({})
    assert {each["loc"][0] for each in refused.value.errors()} == {"max_error_share", "slow_ms"}


def test_a_stage_can_be_left_out() -> None:
    assert Rules(max_error_share=0.02, slow_ms=300, stages=(StageRules(share=0.1),)).stages[0].name == "10%"
