"""A bag's records as training reads them, one by one."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clinic import Clinic

from deriva_ml_kit.errors import KitError
from deriva_ml_kit.mainline.bag.dataset_bag import DatasetBag
from deriva_ml_kit.mainline.bag.samples import Samples
from deriva_ml_kit.mainline.errors import DerivaMLValidationError
from deriva_ml_kit.mainline.feature.records import FeatureRecord

NEWEST = {"Diagnosis": FeatureRecord.select_newest}


def samples(bag: DatasetBag, table: str = "Image", **options: Any) -> list[tuple[Any, ...]]:
    settings = {"transform": None, "targets": NEWEST, "target_transform": None, "missing": "skip", "reachable": True}
    return list(Samples(bag, table, **{"sample_loader": name_of, **settings, **options}))


def name_of(path: Path | None, row: dict[str, Any]) -> str:
    return path.stem if path else str(row["Name"])


def grade(record: Any) -> Any:
    return record and record.Grade


def test_a_sample_its_target_and_its_record(place: Clinic, bag_of: Callable[[str], DatasetBag]) -> None:
    bag = bag_of("images")

    assert samples(bag, target_transform=grade, transform=str.upper) == [
        ("A", "high", place.rids["a.txt"]),
        ("B", "low", place.rids["b.txt"]),
        ("D", "high", place.rids["d.txt"]),
    ]
    assert samples(bag, target_transform=grade, missing="unknown")[-1] == ("e", None, place.rids["e.txt"])
    assert [one[:-1] for one in samples(bag, targets=None)] == [("a",), ("b",), ("d",), ("e",)]
    assert [one[1] for one in samples(bag, targets=["Size"], missing="unknown")] == [97, None, 100, 101]
    both = samples(
        bag, targets={**NEWEST, "Size": None}, target_transform=lambda of: (of["Size"], of["Diagnosis"].Grade)
    )
    assert [one[1] for one in both] == [(97, "high"), (100, "high")]


def test_records_to_which_members_lead_or_members_only(bag_of: Callable[[str], DatasetBag]) -> None:
    bag = bag_of("subjects")

    assert [one[0] for one in samples(bag, targets=None)] == ["a", "b", "c", "d"]
    assert samples(bag, targets=None, reachable=False) == []
    subjects = samples(bag, "Subject", targets=["Severity"], sample_loader=None)
    assert [(row["Name"], record.Grade) for row, record, _ in subjects] == [("Ben", "high")]


def test_what_is_missing_is_said_at_once(bag_of: Callable[[str], DatasetBag]) -> None:
    bag = bag_of("images")
    with pytest.raises(DerivaMLValidationError, match="1 of 4 records of Image lack a label of Diagnosis"):
        samples(bag, missing="error")
    with pytest.raises(DerivaMLValidationError, match="must be said how a sample is made"):
        samples(bag, sample_loader=None)
    for package, make in (("torch", bag.as_torch_dataset), ("tensorflow", bag.as_tf_dataset)):
        if importlib.util.find_spec(package) is None:
            with pytest.raises(ImportError, match=f"{package} is not installed") as refused:
                make("Image", sample_loader=name_of)
            assert isinstance(refused.value, KitError)
