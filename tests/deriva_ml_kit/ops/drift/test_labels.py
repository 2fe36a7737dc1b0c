from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest

from deriva_ml_kit.errors import Faults, UsageError
from deriva_ml_kit.ops.drift.documents import LabelReport
from deriva_ml_kit.ops.drift.labelled import page
from deriva_ml_kit.ops.drift.labels import Reference, changes_of, joined, report
from deriva_ml_kit.ops.frames import Batch, Origin

ORIGIN = Origin(kind="file", name="log.jsonl", rows=0)
REFERENCE = Reference(900, 1000)


def log_of(errors: np.ndarray, *, model: str = "1-MODL", sure: float = 0.9) -> tuple[Batch, pd.DataFrame]:
    """A log of one answer a minute, and its labels: errors are where they differ."""
    n = len(errors)
    frame = pd.DataFrame(
        {
            "request_id": [f"r{number}" for number in range(n)],
            "time": pd.date_range("2026-01-01", periods=n, freq="10min", tz="UTC"),
            "model_rid": model,
            "prediction": "yes",
            "unit": [f"u{number // 4}" for number in range(n)],
            "scores.yes": sure,
            "scores.no": 1 - sure,
        }
    )
    labels = pd.DataFrame({"request_id": frame["request_id"], "label": np.where(errors, "no", "yes")})
    labels["time"] = (frame["time"] + pd.Timedelta(days=3)).astype(str)
    return Batch(pd.DataFrame(index=range(n)), ORIGIN, frame), labels


def judged(errors: np.ndarray, labelled: float = 1.0, **settings: object) -> LabelReport:
    batch, labels = log_of(errors)
    found, notes = joined([batch], labels[: round(len(labels) * labelled)])
    return report(found, REFERENCE, logs=[ORIGIN], labels=ORIGIN, notes=notes, **settings)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def stable() -> np.ndarray:
    return np.random.default_rng(0).random(6000) < 0.1


def test_a_model_that_is_as_right_as_before_is_ok(stable: np.ndarray) -> None:
    found = judged(stable, labelled=0.5)
    assert (found.verdict, found.exit_code, found.changes) == ("ok", 0, ())
    assert found.realised.rows == 3000 and found.realised.waiting == pytest.approx(0.5)
    assert found.realised.lower is not None and found.realised.upper is not None
    assert found.realised.lower < 0.9 < found.realised.upper
    assert found.estimated is not None and found.estimated.rows == 3000
    assert found.estimated.estimate == pytest.approx(0.9)
    assert found.median_delay_days == pytest.approx(3)
    assert sum(each.realised.rows for each in found.windows) == 3000
    assert len(found.windows) == 7 and found.windows[-1].realised.status == "insufficient"
    assert found.windows[-1].estimated is not None
    text = page(found)
    assert "by scores, without labels" in text and "3.0 days" in text


def test_a_change_in_the_errors_is_found_where_it_is(stable: np.ndarray) -> None:
    errors = stable.copy()
    errors[4000:] = np.random.default_rng(1).random(2000) < 0.3
    found = judged(errors, drop=0.5)  # the accuracy over all is within what is tolerated
    assert (found.verdict, found.exit_code, found.realised.status) == ("drift", 1, "investigate")
    [change] = found.changes
    begin, minutes = pd.Timestamp("2026-01-01", tz="UTC"), 10
    at = (pd.Timestamp(change.time) - begin).total_seconds() / 60 / minutes
    assert abs(at - 4000) < 200 and change.found > change.time
    assert change.before == pytest.approx(0.1, abs=0.02) and change.after > 0.2
    assert "Changes" in page(found)
    better = judged(errors[::-1], drop=0.5)
    assert better.changes and better.verdict != "drift" and better.changes[0].after < better.changes[0].before


def test_a_loss_of_accuracy_is_drift_also_without_river(stable: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "river.drift", None)
    errors = np.random.default_rng(2).random(2000) < 0.2
    assert judged(errors, stream=False).verdict == "drift"
    with pytest.raises(UsageError, match="stream") as refused:
        judged(errors)
    assert refused.value.remedy is not None and "--no-stream" in refused.value.remedy


def test_without_labels_there_is_no_verdict(stable: np.ndarray) -> None:
    none = judged(stable[:500], labelled=0.0)
    assert (none.verdict, none.exit_code) == ("no_data", 2)
    assert none.estimated is not None and none.estimated.rows == 500
    few = judged(stable[:50])
    assert (few.verdict, few.exit_code) == ("insufficient", 2)
    page(few)
    empty = report(joined([], pd.DataFrame())[0], REFERENCE, logs=[], labels=None)
    assert (empty.verdict, empty.exit_code, empty.predictions) == ("no_data", 2, 0)
    page(empty)


def test_groups_make_labels_worth_less(stable: np.ndarray) -> None:
    together = np.repeat(np.random.default_rng(3).random(500) < 0.13, 4)  # all four of a unit are wrong, or none
    alone, grouped = judged(together), judged(together, group_by="unit")
    assert alone.realised.upper is not None and grouped.realised.upper is not None
    assert grouped.realised.upper > alone.realised.upper
    with pytest.raises(UsageError, match="no column team"):
        judged(together, group_by="team")


def test_labels_find_their_requests() -> None:
    batch, labels = log_of(np.zeros(4))
    assert batch.log is not None
    batch.log["prediction"] = [1.0, 1.0, 0.0, np.nan]  # as JSON has whole numbers
    again = Batch(batch.frame[:1], ORIGIN, batch.log[:1].assign(time=batch.log["time"][3], prediction=0.0))
    labels["label"] = [1, 0, 0, 1]
    labels.loc[4] = ["other", 1, labels["time"][0]]
    found, notes = joined([batch, again], pd.concat([labels, labels[:1]]))
    assert found["correct"].tolist() == [1.0, 0.0, 1.0]
    assert (
        len(notes) == 3 and "repeat a request_id" in notes[0] and "got no answer" in notes[1] and "1 labels" in notes[2]
    )


def test_what_cannot_be_joined_is_refused() -> None:
    batch, labels = log_of(np.zeros(4))
    other, _ = log_of(np.zeros(4), model="1-OTHR")
    with pytest.raises(UsageError, match="several models: 1-MODL, 1-OTHR"):
        joined([batch, other], labels)
    assert len(joined([batch, other], labels, model="1-OTHR")[0]) == 4
    with pytest.raises(UsageError, match="none of 1-NONE"):
        joined([batch], labels, model="1-NONE")
    with pytest.raises(Faults) as refused:
        joined([batch], pd.concat([labels, labels[:1].assign(label="no")]))
    assert refused.value.faults[0].value == "r0"
    with pytest.raises(UsageError, match="lack the columns label"):
        joined([batch], labels.rename(columns={"label": "truth"}))
    with pytest.raises(UsageError, match="no prediction log"):
        joined([Batch(pd.DataFrame({"a": [1]}), ORIGIN)], labels)
    assert batch.log is not None
    batch.log["prediction"] = [0.5, 1.0, 2.0, 3.0]
    with pytest.raises(UsageError, match="numbers and no classes"):
        joined([batch], labels)
    assert not len(changes_of(pd.DataFrame()))
