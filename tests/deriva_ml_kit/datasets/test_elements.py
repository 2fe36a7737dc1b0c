"""What records are called and what they belong to, as the catalog says."""

from __future__ import annotations

from typing import Any

import pytest

from deriva_ml_kit.datasets import elements
from deriva_ml_kit.errors import UsageError

pytestmark = pytest.mark.catalog


def test_labels_come_from_a_feature_or_a_column(clinic: Any, ml: Any):
    rids = [*clinic.grade, clinic.spare]
    found = elements.labels(ml, "Image", "Diagnosis", rids)
    assert dict(found.dropna().itertuples(index=False)) == clinic.grade
    assert list(found["RID"][found["label"].isna()]) == [clinic.spare]
    assert elements.labels(ml, "Image", "Diagnosis.Grade", rids).equals(found)
    assert set(elements.labels(ml, "Image", "Site", rids)["label"]) == {"A", "B"}


def test_of_several_labels_the_newest_can_be_taken(clinic: Any, ml: Any):
    assert sorted(elements.labels(ml, "Image", "Diagnosis", [clinic.twice])["label"]) == ["Mild", "None"]
    assert list(elements.labels(ml, "Image", "Diagnosis", [clinic.twice], newest=True)["label"]) == ["Mild"]


def test_large_sets_are_read_in_pages_with_the_same_result(clinic: Any, ml: Any, monkeypatch: pytest.MonkeyPatch):
    few = (
        elements.labels(ml, "Image", "Diagnosis", list(clinic.grade)),
        elements.groups(ml, "Image", "Subject", list(clinic.grade)),
    )
    monkeypatch.setattr(elements, "BY_RID", 0)
    assert elements.labels(ml, "Image", "Diagnosis", list(clinic.grade)).equals(few[0])
    assert elements.groups(ml, "Image", "Subject", list(clinic.grade)) == few[1]


def test_groups_are_found_over_other_tables(clinic: Any, ml: Any):
    rids = [*clinic.subject, clinic.spare]
    assert elements.groups(ml, "Image", "Subject", rids) == clinic.subject
    assert elements.groups(ml, "Image", "Visit", rids).keys() == clinic.subject.keys()
    assert set(elements.groups(ml, "Image", "Site", rids).values()) == {"A", "B"}


def test_what_does_not_exist_is_answered_with_what_does(ml: Any):
    with pytest.raises(UsageError, match="did you mean 'Diagnosis'"):
        elements.labels(ml, "Image", "Diagnosys", ["1"])
    with pytest.raises(UsageError, match="no column Grad; columns: Grade"):
        elements.labels(ml, "Image", "Diagnosis.Grad", ["1"])
    with pytest.raises(UsageError, match="did you mean 'Subject'"):
        elements.groups(ml, "Image", "Subjekt", ["1"])
