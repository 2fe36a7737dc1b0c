"""Accuracy without labels, its calibration, and accuracy once labels have come."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.numerics.drift import calibration, confidence, estimated_accuracy, realised_accuracy


def binary(rows: int, centre: float = 0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and labels drawn with them."""
    random = np.random.default_rng(seed)
    p = 1 / (1 + np.exp(-random.normal(centre, 2, rows)))
    return p, (random.random(rows) < p).astype(int)


def test_the_estimate_follows_a_shift_of_inputs_that_makes_cases_harder() -> None:
    p, y = binary(20_000)
    easy = estimated_accuracy(p)
    hard_p = 0.5 + (p - 0.5) * 0.3
    hard_y = np.random.default_rng(1).random(len(p)) < hard_p

    hard = estimated_accuracy(hard_p)

    assert easy.lower <= np.mean((p >= 0.5) == y) <= easy.upper
    assert hard.lower <= np.mean((hard_p >= 0.5) == hard_y) <= hard.upper
    assert hard.estimate < easy.estimate - 0.1


def test_the_interval_holds_the_realised_accuracy_in_95_of_100_cases() -> None:
    held = 0
    for seed in range(400):
        p, y = binary(300, seed=seed)
        found = estimated_accuracy(p)
        held += found.lower <= np.mean((p >= 0.5) == y) <= found.upper

    assert 0.92 <= held / 400 <= 0.98


def test_overconfident_scores_are_found_out_and_corrected() -> None:
    p, y = binary(20_000)
    boasting = np.clip(0.5 + (p - 0.5) * 1.6, 0.001, 0.999)
    right = (p >= 0.5) == y

    honest, checked = calibration(confidence(p), right), calibration(confidence(boasting), right)
    found = estimated_accuracy(boasting, checked=checked)

    assert honest.calibrated
    assert not checked.calibrated
    assert checked.error > 0.05
    assert found.recalibrated
    assert found.estimate == pytest.approx(right.mean(), abs=0.01)
    assert estimated_accuracy(boasting).estimate > right.mean() + 0.05
    assert estimated_accuracy(boasting).warning == "The scores were never checked against labels."


def test_several_classes_by_name() -> None:
    scores = pd.DataFrame({"a": [0.7, 0.2], "b": [0.2, 0.5], "c": [0.1, 0.3]})

    assert list(confidence(scores)) == [0.7, 0.5]
    assert list(confidence(scores, ["b", "c"])) == [0.2, 0.3]
    assert list(confidence(np.array([0.2, 0.9]), ["no", "yes"], positive="yes")) == [0.8, 0.9]


@pytest.mark.parametrize(
    ("scores", "predictions", "said"),
    [
        ([0.5, 1.5], None, "probabilities"),
        ([0.5, np.nan], None, "probabilities"),
        ([[0.5, 0.2], [0.5, 0.5]], None, "sum up to 1"),
        (pd.DataFrame({"a": [0.5], "b": [0.5]}), ["c"], "class 'c'"),
        ([0.5, 0.6], [1], "1 predictions for 2"),
    ],
)
def test_scores_that_are_no_probabilities_are_refused(scores: object, predictions: object, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        confidence(scores, predictions)


def test_nothing_to_estimate_or_to_calibrate_with_is_refused() -> None:
    with pytest.raises(UsageError, match="no scores"):
        estimated_accuracy([])
    with pytest.raises(UsageError, match="at least 50"):
        calibration([0.5] * 10, [True] * 10)


def test_a_loss_of_accuracy_is_told_from_chance_and_from_too_few_labels() -> None:
    reference = (900, 1000)

    assert realised_accuracy([True] * 890 + [False] * 110, reference=reference).status == "ok"
    fallen = realised_accuracy([True] * 800 + [False] * 200, reference=reference)
    assert (fallen.status, fallen.accuracy, fallen.waiting) == ("drift", 0.8, 0)
    assert fallen.lower < 0.8 < fallen.upper < 0.9
    assert realised_accuracy([True] * 800 + [False] * 200, reference=reference, drop=0.15).status == "investigate"
    assert realised_accuracy([True] * 40 + [False] * 20, reference=reference).status == "insufficient"
    assert realised_accuracy([None] * 10, reference=reference).accuracy is None
    assert realised_accuracy([True, None, False, None], reference=reference).waiting == 0.5


def test_labels_of_few_subjects_are_not_taken_for_independent() -> None:
    random = np.random.default_rng(2)
    subject = np.repeat(np.arange(30), 40)
    right = np.repeat(random.random(30) < 0.85, 40)

    assert realised_accuracy(right, reference=(900, 1000)).status != "insufficient"
    assert realised_accuracy(right, reference=(900, 1000), clusters=subject).status == "insufficient"


def test_a_reference_that_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="5 of 3"):
        realised_accuracy([True], reference=(5, 3))
