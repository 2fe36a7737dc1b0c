from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from answered import NAMES, classification, regression
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from deriva_ml_kit.numerics.paired.metrics import METRICS, Answers, Direction, constant, of_task, value
from deriva_ml_kit.numerics.paired.resampling import Groups, bootstrap, swaps

SKLEARN: dict[str, Any] = {
    "accuracy": lambda a, w: sklearn.accuracy_score(a.true_codes, a.predicted_codes, sample_weight=w),
    "balanced_accuracy": lambda a, w: sklearn.balanced_accuracy_score(a.true_codes, a.predicted_codes, sample_weight=w),
    "macro_f1": lambda a, w: sklearn.f1_score(a.true_codes, a.predicted_codes, average="macro", sample_weight=w),
    "auc": lambda a, w: (
        sklearn.roc_auc_score(a.true_codes, a.scores[:, 1], sample_weight=w)
        if len(a.classes) == 2
        else sklearn.roc_auc_score(a.true_codes, a.scores, multi_class="ovr", average="macro", sample_weight=w)
    ),
    "log_loss": lambda a, w: sklearn.log_loss(a.true_codes, a.scores, sample_weight=w),
    "rmse": lambda a, w: sklearn.root_mean_squared_error(a.truth, a.predicted, sample_weight=w),
    "mae": lambda a, w: sklearn.mean_absolute_error(a.truth, a.predicted, sample_weight=w),
}


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("classes", [2, 3, 4])
def test_values_are_those_of_scikit_learn(name: str, classes: int) -> None:
    metric = METRICS[name]
    answers = classification(1, k=classes) if metric.task == "classification" else regression(1)
    assert value(metric, answers) == pytest.approx(SKLEARN[name](answers, None), abs=1e-12)
    if metric.parts and metric.joined:
        assert float(metric.joined(metric.parts(answers).sum(0))) == pytest.approx(value(metric, answers), abs=1e-12)


@pytest.mark.parametrize("name", METRICS)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), classes=st.integers(2, 4))
def test_a_draw_is_the_metric_of_records_with_weights(name: str, seed: int, classes: int) -> None:
    metric = METRICS[name]
    make = classification if metric.task == "classification" else regression
    answers = make(seed, n=60, **({"k": classes} if make is classification else {}))  # type: ignore[arg-type]
    names = np.random.default_rng(seed).integers(0, 25, 60)
    groups = Groups.of(names, 60)
    (drawn,) = bootstrap(metric, (answers,), groups, resamples=3, seed=seed)
    random = np.random.default_rng(seed)
    drawn_groups = random.integers(0, groups.count, (3, groups.count))
    for found, chosen in zip(drawn, drawn_groups, strict=True):
        weights = np.bincount(chosen, minlength=groups.count)[groups.codes].astype(float)
        if len(np.unique(answers.truth[weights > 0])) == len(answers.classes) or not answers.classes:
            assert found == pytest.approx(SKLEARN[name](answers, weights), abs=1e-10)


@pytest.mark.parametrize("name", METRICS)
def test_swapped_answers_are_judged_as_answers(name: str) -> None:
    metric = METRICS[name]
    make = classification if metric.task == "classification" else regression
    one, other = make(1, n=40), make(2, n=40)
    names = np.arange(40) // 2
    found = swaps(metric, one, other, Groups.of(names, 40), resamples=5, seed=3)
    assert len(set(found.tolist())) > 1
    if name == "auc":
        return  # by ranks; see below
    kept = np.random.default_rng(3).integers(0, 2, (5, 20))
    for got, keep in zip(found, kept, strict=True):
        mine = keep[names].astype(bool)
        pair = []
        for a, b in ((one, other), (other, one)):
            scores = None
            if a.scores is not None and b.scores is not None:
                scores = np.where(mine[:, None], a.scores, b.scores)
            pair.append(Answers(one.truth, np.where(mine, a.predicted, b.predicted), scores, one.classes))
        assert got == pytest.approx(value(metric, pair[0]) - value(metric, pair[1]), abs=1e-12)


def test_areas_do_not_depend_on_the_scale_of_scores() -> None:
    """A model whose scores are another function of the same order is the same model."""
    one = classification(1, k=2, n=80)
    assert one.scores is not None
    squeezed = Answers(one.truth, one.predicted, one.scores**3, one.classes)
    assert not swaps(METRICS["auc"], one, squeezed, Groups.of(None, 80), resamples=50, seed=0).any()


@pytest.mark.parametrize("metric", of_task("classification"), ids=lambda metric: metric.name)
def test_without_what_a_metric_needs_it_is_nan(metric: Any) -> None:
    answers = classification(1, k=2)
    bare = Answers(answers.truth, answers.predicted, None, answers.classes)
    assert math.isnan(value(metric, bare)) == metric.scored
    assert answers.scores is not None
    holed = answers.scores.copy()
    holed[3] = np.nan
    assert math.isnan(value(metric, Answers(answers.truth, answers.predicted, holed, answers.classes))) == metric.scored
    assert math.isnan(value(metric, Answers(answers.truth[:0], answers.predicted[:0], holed[:0], answers.classes)))


def test_a_missing_number_makes_metrics_of_regressions_nan() -> None:
    answers = regression(1)
    answers.predicted[0] = np.nan
    assert all(math.isnan(value(metric, answers)) for metric in of_task("regression"))


def test_one_class_alone_has_no_area() -> None:
    truth = np.repeat(NAMES[:1], 10)
    answers = Answers(truth, truth, np.full((10, 2), 0.5), ("ant", "bee"))
    assert math.isnan(value(METRICS["auc"], answers))


def test_the_constant_answer_is_the_majority_or_the_mean() -> None:
    answers = classification(1, n=400)
    plain = constant(answers)
    share = max(np.bincount(answers.true_codes)) / 400
    assert value(METRICS["accuracy"], plain) == pytest.approx(share)
    assert value(METRICS["balanced_accuracy"], plain) == pytest.approx(1 / 3)
    assert value(METRICS["auc"], plain) == 0.5
    numbers = regression(1)
    assert value(METRICS["rmse"], constant(numbers)) == pytest.approx(numbers.truth.std())


def test_the_direction_of_every_metric_is_known() -> None:
    lower = {name for name, metric in METRICS.items() if metric.direction is Direction.LOWER}
    assert lower == {"log_loss", "rmse", "mae"}
