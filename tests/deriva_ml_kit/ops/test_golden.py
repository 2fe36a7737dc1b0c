"""Golden records: what a model answered in its training, reproduced or named where it is not."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from sklearn.linear_model import LinearRegression, LogisticRegression

from deriva_ml_kit.errors import KitError, UsageError
from deriva_ml_kit.ops import golden
from deriva_ml_kit.ops.documents import parse
from deriva_ml_kit.ops.golden import GoldenRecords, golden_records, verify
from deriva_ml_kit.ops.serving.model import Model

RAW = pd.DataFrame({"height": np.linspace(1.4, 2.1, 80), "sex": ["f", "m"] * 40})
LABELS = np.where(RAW["height"] > 1.75, "tall", "short")


def features(raw: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"cm": raw["height"] * 100, "male": (raw["sex"] == "m").astype(int)})


def centred(raw: pd.DataFrame) -> pd.DataFrame:
    return features(raw).assign(cm=lambda made: made["cm"] - made["cm"].mean())


def trained(estimator: Any, labels: Any, transform: Any = features) -> Model:
    return Model(estimator.fit(transform(RAW), labels), ("cm", "male"))


TALL = trained(LogisticRegression(), LABELS)
WRITTEN = golden_records(TALL, RAW, features, count=60)


def test_what_is_written_is_read_and_reproduced() -> None:
    again = parse(WRITTEN.text(), GoldenRecords, "golden.json")
    assert again == WRITTEN
    assert len(again.records) == 60
    found = verify(again, TALL, features)
    assert (found.same, found.versions, str(found)) == (True, {}, "60 golden records are reproduced")


def test_every_difference_is_told_with_record_and_column() -> None:
    def skewed(raw: pd.DataFrame) -> pd.DataFrame:
        return features(raw).assign(cm=lambda made: made["cm"].where(raw["height"] < 2, 150.0))

    found = verify(WRITTEN, TALL, skewed)
    tall = [number for number, record in enumerate(WRITTEN.records) if float(record.inputs["height"] or 0) >= 2]
    assert {each.record for each in found.differences} == set(tall)
    assert {each.column for each in found.differences} == {"cm", "prediction", "score of short", "score of tall"}
    first = found.differences[0]
    assert (first.column, first.expected, first.found) == ("cm", WRITTEN.records[tall[0]].features["cm"], 150.0)
    with pytest.raises(
        KitError, match=rf"{len(tall)} of 60 golden records are not reproduced:\n  record {tall[0]}, cm"
    ):
        found.require()


@pytest.mark.parametrize(("change", "same"), [(0.0, True), (1e-9, True), (1e-3, False)])
def test_numbers_are_the_same_within_the_tolerance(change: float, same: bool) -> None:
    model = trained(LinearRegression(), RAW["height"])
    kept = golden_records(model, RAW, features)
    assert isinstance(kept.records[0].prediction, float)
    model.estimator.intercept_ += change
    assert verify(kept, model, features).same is same


def test_other_versions_of_libraries_are_told() -> None:
    old = WRITTEN.model_copy(update={"versions": WRITTEN.versions | {"numpy": "1.0", "left-pad": "3"}})
    found = verify(old, TALL, features)
    assert found.same
    assert found.versions == {"numpy": ("1.0", np.__version__), "left-pad": ("3", None)}
    assert f"numpy 1.0 -> {np.__version__}" in str(found)


def test_a_transform_that_fails_is_no_reproduction() -> None:
    found = verify(WRITTEN, TALL, lambda raw: raw[["weight"]])
    assert not found.same
    assert "record 0: KeyError" in str(found)


def test_features_that_depend_on_the_other_records_are_found_in_the_training(tmp_path: Any) -> None:
    class Training:
        def asset_file_path(self, table: str, name: str, asset_types: str) -> Any:
            assert (table, asset_types) == ("Execution_Asset", "Golden_Records")
            return tmp_path / name

    with pytest.raises(KitError, match="are not reproduced"):
        golden.write_golden(Training(), trained(LogisticRegression(), LABELS, centred), RAW, centred)
    assert not list(tmp_path.iterdir())
    path = golden.write_golden(Training(), TALL, RAW, features)
    assert parse(path.read_text(), GoldenRecords, "golden") == golden_records(TALL, RAW, features)


def test_missing_values_and_types_survive() -> None:
    raw = RAW.assign(height=RAW["height"].where(RAW.index % 3 > 0), sex=RAW["sex"].where(RAW.index % 5 > 0), seen=True)
    raw["visits"] = pd.array([None, 1, 2, 3] * 20, dtype="Int64")
    raw["first"] = pd.to_datetime([None, "2026-01-02T03:04:05Z"] * 40)
    raw["note"] = ["nan", "NaT"] * 40
    kept = golden_records(TALL, raw, lambda given: features(given).fillna(170.0))
    nones = {name for record in kept.records for name, value in record.inputs.items() if value is None}
    assert nones == {"height", "sex", "visits", "first"}
    seen: list[pd.DataFrame] = []

    def spy(given: pd.DataFrame) -> pd.DataFrame:
        seen.append(given)
        return features(given).fillna(170.0)

    assert verify(kept, TALL, spy).same
    assert {tuple(map(str, frame.dtypes)) for frame in seen} == {tuple(map(str, raw.dtypes))}


@pytest.mark.parametrize(("rows", "count"), [(49, 50), (80, 49), (80, 201)])
def test_too_few_or_too_many_are_refused(rows: int, count: int) -> None:
    with pytest.raises(UsageError, match="50 to 200"):
        golden_records(TALL, RAW[:rows], features, count=count)


def test_records_of_other_columns_are_no_golden_records() -> None:
    with pytest.raises(ValidationError, match="record 0 has other columns"):
        GoldenRecords.model_validate(WRITTEN.model_dump() | {"input_types": {"height": "float64"}})
    assert dataclasses.is_dataclass(verify(WRITTEN, TALL, features))
