from __future__ import annotations

import pandas as pd
import pytest

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.ops.drift.columns import columns_of, span
from deriva_ml_kit.ops.drift.documents import Settings
from deriva_ml_kit.ops.frames import Batch, Origin

ORIGIN = Origin(kind="file", name="x", rows=3)
WHEN = pd.to_datetime(["2026-01-01", "2026-01-02", "2026-01-03"], utc=True)
LOG = pd.DataFrame(
    {
        "request_id": list("abc"),
        "time": WHEN,
        "unit": ["u1", "u1", "u2"],
        "model_rid": ["1-MINE", "1-OTHR", "1-MINE"],
        "prediction": ["yes", "no", "no"],
        "scores.yes": [0.9, 0.2, 0.3],
    }
)
FEATURES = pd.DataFrame({"age": [1, 2, 3], "time": ["morning", "noon", "night"]})


def test_of_a_log_the_answers_of_the_models_are_taken_and_its_times() -> None:
    found = columns_of(Batch(FEATURES, ORIGIN, LOG), Settings(group_by="unit"), ["1-MINE"], None, None)
    assert found.features.to_dict("list") == {"age": [1, 3], "time": ["morning", "night"]}  # a feature, and no time
    assert list(found.predictions) == ["yes", "no"] and list(found.clusters) == ["u1", "u2"]
    assert found.scores.to_dict("list") == {"yes": [0.9, 0.3]}
    assert span(found.times) == (WHEN[0].to_pydatetime(), WHEN[2].to_pydatetime())


def test_a_baseline_that_names_a_time_column_does_not_refuse_a_log_without_it() -> None:
    found = columns_of(Batch(FEATURES[["age"]], ORIGIN, LOG), Settings(time="Acquired"), [], None, None)
    assert list(found.times) == list(WHEN)


def test_columns_that_are_named_are_no_features() -> None:
    frame = FEATURES.assign(said=["yes"] * 3, when=WHEN)
    found = columns_of(Batch(frame, ORIGIN), Settings(time="when", group_by="time"), [], "said", None)
    assert list(found.features) == ["age"]
    assert list(found.predictions) == ["yes"] * 3 and list(found.clusters) == ["morning", "noon", "night"]
    with pytest.raises(UsageError, match="no column Subject for groups"):
        columns_of(Batch(frame, ORIGIN), Settings(group_by="Subject"), [], None, None)
    empty = columns_of(Batch(pd.DataFrame(), ORIGIN), Settings(time="when", group_by="time"), [], None, None)
    assert not len(empty.features) and not len(empty.clusters) and span(empty.times) == (None, None)
