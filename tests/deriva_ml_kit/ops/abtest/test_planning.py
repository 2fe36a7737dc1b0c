from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deriva_ml_kit.cli.ops import plan_ab_test
from deriva_ml_kit.cli.subcommand import program
from deriva_ml_kit.design import lint
from deriva_ml_kit.errors import Faults, UsageError
from deriva_ml_kit.numerics.power.planning import inflation
from deriva_ml_kit.numerics.power.units import units_for_rates
from deriva_ml_kit.ops.abtest.design import design_file, design_text
from deriva_ml_kit.ops.abtest.documents import AbTestPlan
from deriva_ml_kit.ops.abtest.planning import read_plan
from deriva_ml_kit.ops.documents import parse


def test_units_and_weeks_follow_from_what_is_asked(planned: Any) -> None:
    plan = planned()
    each = units_for_rates(0.4, 0.2) * inflation(4, alpha=0.05, power=0.8)
    assert each * 2 <= plan.units <= each * 2 + 2
    assert (plan.weeks, plan.weeks_max, plan.salt) == (1, 2, "reminder-model")
    assert planned(design_effect=2.0).units == pytest.approx(2 * plan.units, abs=2)
    uneven = planned(arms=[{"name": "control", "weight": 0.8}, {"name": "treatment", "weight": 0.2}])
    assert uneven.units > 1.4 * plan.units
    assert uneven.information == pytest.approx(plan.information, rel=0.05)


def test_a_fall_is_sized_as_a_fall(planned: Any) -> None:
    metric = {"name": "errors", "kind": "rate", "column": "failed", "better": "lower"}
    assert (
        planned(metric=metric, baseline=0.3, effect=0.2, guardrails=[]).units
        != planned(metric=metric | {"better": "higher"}, baseline=0.3, effect=0.2, guardrails=[]).units
    )


def test_a_plan_reads_back_as_it_was_written(planned: Any) -> None:
    plan = planned()
    assert parse(plan.text(), AbTestPlan, "x") == plan


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"units": 100}, "plans 100 units, and a power of 0.8 takes"),
        ({"per_day": 2, "weeks_max": 3}, "allows 3 weeks, and .* take"),
        ({"arms": [{"name": "a", "weight": 0.5}, {"name": "a", "weight": 0.5}]}, "both arms are called a"),
        ({"arms": [{"name": "a", "weight": 0.5}, {"name": "b", "weight": 0.6}]}, "add up to 1.1"),
        ({"salt": "a:b"}, "without a colon"),
        ({"weeks_min": 5, "weeks_max": 4}, "below weeks_min"),
        ({"metric": {"name": "stay", "kind": "mean", "column": "days"}}, "standard deviation"),
        ({"effect": 0.7}, "after the change"),
        ({"starts": "2026-09-07T00:00:00"}, "timezone"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_plans_that_cannot_be_kept_are_refused(planned: Any, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        planned(**changes)


def test_everything_that_is_wrong_in_a_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    file.write_text('slug = "Bad Slug"\nalpha = 2\neffect = 0.1\nbaseline = 0.1\n')
    with pytest.raises(Faults) as refused:
        read_plan(file)
    assert {"slug", "alpha", "question", "arms", "metric"} <= {fault.column for fault in refused.value.faults}
    file.write_text("slug =")
    with pytest.raises(UsageError, match="cannot be read"):
        read_plan(file)
    file.write_text("kind = 'x'")
    with pytest.raises(Faults, match="not yours to set"):
        read_plan(file)


def test_the_design_document_is_one_that_lint_design_accepts(planned: Any, tmp_path: Path) -> None:
    plan = planned()
    file = design_file(tmp_path, plan)
    file.parent.mkdir(parents=True)
    file.write_text(design_text(plan, "3-ABCD"))
    assert not lint.lint([file], lambda design: None).faults
    assert "3-ABCD" in file.read_text() and "must not rise by more than 0.02" in file.read_text()


def size(*words: str) -> Any:
    made = program("deriva-ml-ops", "", "")
    plan_ab_test.add(made.add_subparsers())
    args = made.parse_args(["plan-ab-test", "--sample-size-only", *words])
    return args.main(args)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("--baseline 0.1 --effect 0.01 --looks 1 --per-day 2000", {"units": 29490, "weeks": 3}),
        ("--kind mean --effect 0.5 --sd 1 --looks 1", {"units": 128}),
    ],
)
def test_a_sample_size_needs_neither_plan_nor_catalog(words: str, found: dict[str, int]) -> None:
    assert found.items() <= size(*words.split()).items()


@pytest.mark.parametrize("words", ["", "--effect 0.1", "--kind mean --effect 1", "--baseline 0.1 --effect 0"])
def test_a_size_of_nothing_is_refused(words: str) -> None:
    with pytest.raises(UsageError):
        size(*words.split())
