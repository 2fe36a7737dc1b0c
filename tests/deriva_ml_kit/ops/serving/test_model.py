"""A model's file: verified, loaded, asked over named columns."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from deriva_ml_kit.errors import Faults, KitError, UsageError
from deriva_ml_kit.ops.serving.model import Model, load_model

FRAME = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [1.0, 0.0, 1.0, 0.0]}, index=["w", "x", "y", "z"])
LABELS = ["no", "no", "yes", "yes"]
FITTED = LogisticRegression().fit(FRAME, LABELS)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    joblib.dump(FITTED, tmp_path / "model.joblib")
    return tmp_path / "model.joblib"


def test_columns_are_taken_by_name_in_the_order_of_the_model(file: Path) -> None:
    md5 = hashlib.md5(file.read_bytes()).hexdigest()
    model = load_model(file, md5=md5, rid="1-ABC")
    mixed = FRAME[["b", "a"]].assign(more="?")
    assert model.predict(mixed).tolist() == FITTED.predict(FRAME).tolist()
    scores = model.scores(mixed)
    assert scores is not None
    assert scores.index.tolist() == ["w", "x", "y", "z"]
    assert scores.columns.tolist() == ["no", "yes"]
    np.testing.assert_array_equal(scores, FITTED.predict_proba(FRAME))
    assert (model.rid, model.md5, model.classes, model.columns) == ("1-ABC", md5, ("no", "yes"), ("a", "b"))


def test_a_model_of_numbers_has_no_scores() -> None:
    model = Model(LinearRegression().fit(FRAME, [1, 2, 3, 4]), ("a", "b"))
    assert (model.scores(FRAME), model.classes) == (None, None)


def test_missing_columns_are_all_named() -> None:
    with pytest.raises(Faults) as refused:
        Model(FITTED, ("a", "b")).predict(FRAME[[]])
    assert [fault.column for fault in refused.value.faults] == ["a", "b"]


def test_another_file_is_refused_before_it_is_loaded(file: Path) -> None:
    def load(path: Path) -> Any:
        raise AssertionError("loaded")

    with pytest.raises(UsageError, match=r"is another file: its MD5 is .*, that of the model 1-ABC is 0{32}"):
        load_model(file, md5="0" * 32, load=load, rid="1-ABC")


def test_what_cannot_be_loaded_or_asked_is_refused(tmp_path: Path, file: Path) -> None:
    broken, number = tmp_path / "broken.joblib", tmp_path / "number.joblib"
    broken.write_bytes(file.read_bytes()[:50])
    number.write_bytes(pickle.dumps(7))
    with pytest.raises(UsageError, match=r"broken.joblib cannot be loaded: "):
        load_model(broken)
    with pytest.raises(UsageError, match=r"holds a int, which has no predict"):
        load_model(number)
    with pytest.raises(UsageError, match="cannot be read"):
        load_model(tmp_path / "none")


def test_a_model_without_names_needs_them(file: Path) -> None:
    nameless = LogisticRegression().fit(FRAME.to_numpy(), LABELS)
    with pytest.raises(UsageError, match="names of its inputs"):
        load_model(file, load=lambda path: nameless)
    assert load_model(file, load=lambda path: nameless, columns=["a", "b"]).columns == ("a", "b")


def test_answers_of_another_shape_are_refused() -> None:
    class Odd:
        classes_ = ("no", "yes")

        def predict(self, frame: pd.DataFrame) -> list[list[str]]:
            return [["no", "no"]] * len(frame)

        def predict_proba(self, frame: pd.DataFrame) -> list[list[float]]:
            return [[1.0]] * len(frame)

    with pytest.raises(KitError, match=r"shape \(4, 2\) to 4 rows"):
        Model(Odd(), ("a",)).predict(FRAME)
    with pytest.raises(KitError, match=r"scores of shape \(4, 1\), with 2 classes"):
        Model(Odd(), ("a",)).scores(FRAME)
