from __future__ import annotations

from pathlib import Path

import pytest

from deriva_ml_kit.errors import Faults, UsageError
from deriva_ml_kit.ops.documents import parse
from deriva_ml_kit.ops.features.definitions import FeatureDefinitions, read_definitions

TOML = """
[entities]
user = "Subject"

[features."user:age"]
table = "Visit"
column = "Age"
event_time = "Visited_At"

[features."user:30d_spend"]
version = 2
description = "Sum of thirty days"
table = "Spending"
column = "Sum_30d"
max_age_days = 1.5

[features."user:country"]
feature = "Country"
"""


def definitions(tmp_path: Path, text: str = TOML) -> FeatureDefinitions:
    file = tmp_path / "features.toml"
    file.write_text(text)
    return read_definitions(file)


def test_the_definitions_of_a_project_are_the_document_that_a_training_keeps(tmp_path: Path) -> None:
    found = definitions(tmp_path)
    assert [feature.name for feature in found.features] == ["user:age", "user:30d_spend", "user:country"]
    kept = tmp_path / "features.json"
    kept.write_text(found.text())
    assert read_definitions(kept) == found == parse(found.text(), FeatureDefinitions, "x")


def test_features_are_chosen_by_name_and_version_in_the_order_asked_for(tmp_path: Path) -> None:
    found = definitions(tmp_path)
    chosen = found.chosen(["user:30d_spend@2", "user:age"])
    assert [feature.name for feature in chosen.features] == ["user:30d_spend", "user:age"]
    assert chosen.digest() != found.chosen(["user:age"]).digest()
    with pytest.raises(Faults) as refused:
        found.chosen(["age", "user:aeg", "user:30d_spend@1", "user:30d_spend@0"])
    assert [fault.value for fault in refused.value.faults] == [
        "age",
        "user:aeg",
        "user:30d_spend@1",
        "user:30d_spend@0",
    ]
    assert "'user:age'" in str(refused.value)
    assert "version 2 now" in str(refused.value)
    with pytest.raises(Faults, match="no feature was asked for"):
        found.chosen([])


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        (("Age", "Years"), 1),
        (('event_time = "Visited_At"', ""), 1),
        (("max_age_days = 1.5", "max_age_days = 2"), 1),
        (('user = "Subject"', 'user = "Person"'), 3),
        (("Sum of thirty days", "Another description"), 0),
        (('[features."user:age"]', '[features."user:age"]\nversion = 2\nskip_null = true'), 0),
    ],
)
def test_a_feature_that_changes_needs_a_new_version(tmp_path: Path, change: tuple[str, str], faults: int) -> None:
    before, after = definitions(tmp_path), definitions(tmp_path, TOML.replace(*change))
    assert len(after.changed_since(before)) == faults
    assert after.digest() != before.digest()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ('[features.age]\ncolumn = "A"', "age.name"),
        ('[features."user age:x"]\ncolumn = "A"', "<entity>:<feature>"),
        ('[features."user:age"]\ntable = "Visit"', "which column"),
        ('[features."user:age"]\ntable = "Visit"\nfeature = "Age"', "one of the two"),
        ('[features."user:age"]\ncolumn = "A"\nmax_age_days = -1', "user:age.max_age_days"),
        ('[features."user:age"]\ncolumn = "A"\nversion = 0', "user:age.version"),
        ('[features."user:age"]\ncolumn = "A"\nmaximum = 3', "user:age.maximum"),
    ],
)
def test_every_fault_of_a_definition_is_told_with_its_place(tmp_path: Path, wrong: str, told: str) -> None:
    with pytest.raises(Faults, match=told):
        definitions(tmp_path, wrong)


@pytest.mark.parametrize("text", ["features = 3", "[feature]", "[features", ""])
def test_what_holds_no_definitions_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError):
        definitions(tmp_path, text)
