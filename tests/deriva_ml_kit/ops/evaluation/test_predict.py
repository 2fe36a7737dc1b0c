from __future__ import annotations

from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import LinearSVC

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.ops.evaluation.evaluate import metrics_of, predict
from deriva_ml_kit.ops.evaluation.records import Records
from deriva_ml_kit.ops.serving.model import Model

N = 60
FRAME = pd.DataFrame({"x": np.linspace(-1, 1, N), "y": np.cos(np.arange(N))})


def records(truth: Any, clusters: Any = None) -> Records:
    rids = [f"1-{number:04d}" for number in range(N)]
    together = None if clusters is None else dict(zip(rids, clusters, strict=True))
    found = dict(zip(rids, truth, strict=True))
    return Records("2-T@1.0.0", "1@2", "Image", "Kind", "P", found, together, cast(Any, None))


def model(estimator: Any, truth: Any) -> Model:
    return Model(estimator.fit(FRAME, truth), ("x", "y"))


def test_numbers_without_classes_are_a_regression() -> None:
    truth = (2 * FRAME["x"] + 1).tolist()
    found = predict(model(LinearRegression(), truth), FRAME, records(truth, [number // 2 for number in range(N)]))
    assert found.answers.classes == ()
    metrics = metrics_of(found)
    assert set(metrics) == {"rmse", "mae"}
    assert metrics["rmse"].value < 1e-9
    assert metrics["rmse"].baseline == pytest.approx(np.std(truth))


def test_whole_numbers_are_classes_where_the_model_has_classes() -> None:
    truth = [int(x > 0) for x in FRAME["x"]]
    found = predict(model(LogisticRegression(), truth), FRAME, records([float(each) for each in truth]))
    assert found.answers.classes == ("0", "1")
    assert metrics_of(found)["accuracy"].value > 0.9


def test_a_classifier_without_probabilities_has_no_metrics_of_them() -> None:
    truth = ["a" if x > 0 else "b" for x in FRAME["x"]]
    metrics = metrics_of(predict(model(LinearSVC(), truth), FRAME, records(truth)))
    assert metrics["accuracy"].value > 0.9
    assert np.isnan(metrics["auc"].value)


def test_a_class_that_the_model_never_saw_is_wrong_and_not_an_error() -> None:
    truth = ["a" if x > 0 else "b" for x in FRAME["x"]]
    fitted = model(LogisticRegression(), truth)
    found = predict(fitted, FRAME, records(["c", *truth[1:]]))
    assert found.answers.classes == ("a", "b", "c")
    assert found.answers.scores is not None
    assert found.answers.scores[:, 2].max() == 0
    assert metrics_of(found)["accuracy"].value < metrics_of(predict(fitted, FRAME, records(truth)))["accuracy"].value


def test_a_regression_of_words_is_refused() -> None:
    truth = ["a" if x > 0 else "b" for x in FRAME["x"]]
    with pytest.raises(UsageError, match="needs numbers"):
        predict(model(LogisticRegression(), truth), FRAME, records(truth), "regression")
