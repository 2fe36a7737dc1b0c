from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from answered import classification, regression

from deriva_ml_kit.errors import KitError
from deriva_ml_kit.numerics.paired.metrics import Answers
from deriva_ml_kit.ops.evaluation.predictions import Predicted, label_text, read, write

RIDS = tuple(f"1-{number:04d}" for number in range(120))


def test_what_is_written_is_read_again_to_the_last_bit(tmp_path: Path) -> None:
    answers = classification(1)
    given = Predicted(RIDS, answers, tuple(f"P {number}, 'x'" for number in range(120)))
    write(tmp_path / "p.csv", given)
    found = read(tmp_path / "p.csv", answers.classes)
    assert (found.rids, found.clusters) == (given.rids, given.clusters)
    assert np.array_equal(found.answers.truth, answers.truth)
    assert found.answers.scores is not None
    assert answers.scores is not None
    assert np.array_equal(found.answers.scores, answers.scores)


def test_labels_stay_what_they_are(tmp_path: Path) -> None:
    """Also those that look like numbers, like nothing, or like a missing value."""
    labels = ("007", "7", "NA", "", "a,b")
    answers = Answers(np.array(labels, dtype=object), np.array(labels[::-1], dtype=object), None, labels)
    write(tmp_path / "p.csv", Predicted(RIDS[:5], answers, None))
    found = read(tmp_path / "p.csv", labels)
    assert found.answers.predicted.tolist() == list(labels[::-1])
    assert found.clusters is None


def test_numbers_that_are_missing_stay_missing(tmp_path: Path) -> None:
    answers = regression(1)
    answers.predicted[3] = np.nan
    write(tmp_path / "p.csv", Predicted(RIDS, answers, None))
    found = read(tmp_path / "p.csv", ())
    assert np.array_equal(found.answers.predicted, answers.predicted, equal_nan=True)
    assert np.array_equal(found.answers.truth, answers.truth)


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("RID,truth\n1-0001,ant\n")
    with pytest.raises(KitError, match="prediction"):
        read(tmp_path / "p.csv", ("ant",))
    (tmp_path / "p.csv").write_text("RID,truth,prediction\n1-0001,ant,wasp\n")
    with pytest.raises(KitError, match="wasp"):
        read(tmp_path / "p.csv", ("ant",))


def test_a_class_has_one_name_whatever_it_was_read_as() -> None:
    assert {label_text(each) for each in (1, 1.0, np.int64(1), np.float64(1), "1")} == {"1"}
    assert label_text(np.bool_(True)) == label_text(True) == "True"
    assert label_text(0.5) == label_text(np.float32(0.5)) == "0.5"
