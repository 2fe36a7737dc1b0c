from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deriva_ml_kit.errors import Faults, UsageError
from deriva_ml_kit.ops.gate.documents import Check, GateCriteria, Status
from deriva_ml_kit.ops.gate.registering import EXAMPLE, read_criteria

HEAD = 'dataset = "2-B4C8@1.0.0"\ntable = "Image"\nlabel = "Diagnosis"\n'


def written(folder: Path, text: str) -> Path:
    file = folder / "criteria.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_example_is_valid(tmp_path: Path) -> None:
    criteria = read_criteria(written(tmp_path, EXAMPLE))
    assert [each.metric for each in criteria.requirements] == ["balanced_accuracy", "log_loss"]
    assert (criteria.alpha, criteria.cluster) == (0.05, "Subject")


REQUIREMENTS = {
    'metric = "accuracy"\ndirection = "up"\nmin_gain = 0': "'higher' or 'lower'",
    'metric = "accuracy"\nmin_gain = 0': "Field required",
    'metric = "log_loss"\ndirection = "higher"\nmin_gain = 0': "lower values are better",
    'metric = "accuracy"\ndirection = "higher"\nmaximum = 0.5': "a maximum makes no sense",
    'metric = "precision"\ndirection = "higher"\nminimum = 0.5': "unknown metric; there are accuracy",
    'metric = "accuracy"\ndirection = "higher"': "nothing is required",
    'metric = "accuracy"\ndirection = "higher"\nminimum = nan': "finite",
    'metric = "accuracy"\ndirection = "higher"\nminimum = 0.5': "needs min_gain",
    'metric = "accuracy"\ndirection = "higher"\nmin_gain = 0\nthreshold = 0.5': "Extra inputs",
}


@pytest.mark.parametrize(("text", "told"), REQUIREMENTS.items())
def test_a_requirement_that_makes_no_sense_is_refused(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(Faults) as refused:
        read_criteria(written(tmp_path, f"{HEAD}[[requirements]]\n{text}\n"))
    assert told in str(refused.value)


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(Faults) as refused:
        read_criteria(written(tmp_path, f"{HEAD}alpha = 0.5\nmax_bytes = -1\nrequirements = []\n"))
    assert {fault.column for fault in refused.value.faults} == {"alpha", "max_bytes", "requirements"}


def test_requirements_are_of_one_task_and_of_a_metric_each() -> None:
    def made(*metrics: str) -> GateCriteria:
        directions = {"accuracy": "higher", "mae": "lower"}
        required: list[Any] = [{"metric": name, "direction": directions[name], "min_gain": 0} for name in metrics]
        return GateCriteria.model_validate(
            {"dataset": "2-B4C8@1.0.0", "table": "Image", "label": "Age", "requirements": required}
        )

    assert made("mae").requirements[0].limit is None
    with pytest.raises(ValueError, match="several requirements of mae"):
        made("mae", "mae")
    with pytest.raises(ValueError, match="not all of classifications"):
        made("mae", "accuracy")


def test_what_is_no_file_of_criteria_is_refused(tmp_path: Path) -> None:
    for text in ("", "a = ["):
        with pytest.raises(UsageError):
            read_criteria(written(tmp_path, text))
    with pytest.raises(UsageError, match="cannot be read"):
        read_criteria(tmp_path / "missing.toml")


def test_checks_agree_but_for_rounding() -> None:
    one = Check(id="gain.auc", status=Status.PASS, what="x", value=0.1, limit=0.0, evidence=("1-A",))
    assert one.agrees(one.model_copy(update={"value": 0.1 + 1e-14, "what": "other words"}))
    for change in (
        {"value": 0.1001},
        {"value": None},
        {"limit": 0.01},
        {"status": Status.FAIL},
        {"evidence": ("1-B",)},
    ):
        assert not one.agrees(one.model_copy(update=change))
    nan = one.model_copy(update={"value": float("nan")})
    assert nan.agrees(Check.model_validate_json(nan.model_dump_json()))
