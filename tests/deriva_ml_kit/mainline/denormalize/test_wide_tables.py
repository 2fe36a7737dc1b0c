"""Tables side by side: of a catalog and of a bag of the same version alike, and what the release does instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from clinic import Clinic
from deriva_ml.dataset.dataset_bag import DatasetBag as ReleasedBag
from pandas.errors import DatabaseError

from deriva_ml_kit.mainline.bag.dataset_bag import DatasetBag
from deriva_ml_kit.mainline.denormalize.methods import Denormalizing
from deriva_ml_kit.mainline.errors import (
    DerivaMLDenormalizeDownstreamLeaf,
    DerivaMLDenormalizeMultiLeaf,
    DerivaMLTableNotFound,
    DerivaMLValidationError,
)
from deriva_ml_kit.mainline.feature.records import FeatureRecord

BagOf = Callable[[str], DatasetBag]
NEWEST = FeatureRecord.select_newest
EVERY = ["images", "subjects", "left", "right", "inmost", "nested"]
SHAPES: list[tuple[list[str], dict[str, Any]]] = [
    (["Image"], {}),
    (["Subject", "Observation", "Image"], {}),
    (["Subject", "Image"], {}),
    (["Image", "Image_Diagnosis"], {}),
    (["Image", "Image_Diagnosis"], {"selector": NEWEST}),
    (["Subject", "Image", "Diagnosis"], {"selector": FeatureRecord.select_first}),
    (["Image", "Diagnosis", "Grade"], {"selector": FeatureRecord.select_majority_vote()}),
    (["Image", "Grade"], {"row_per": "Image", "via": ["Execution_Image_Diagnosis"]}),
    (["Subject", "Execution_Subject_Severity"], {"system_columns": ["RCT", "RMT", "RCB", "RMB"]}),
    (["Observation", "Subject"], {"ignore_unrelated_anchors": True}),
    (["Execution_Image_Diagnosis", "Execution", "Workflow"], {}),
]


def live(place: Clinic, name: str) -> Denormalizing:
    found: Denormalizing = place.ml.lookup_dataset(place.datasets[name].rid)
    return found


def names(place: Clinic, frame: pd.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    """Rows of some columns, with the names of records instead of RIDs and None for what is missing."""
    rows = frame[list(columns)].astype(object).itertuples(index=False)
    return [tuple(None if pd.isna(value) else place.named(value) for value in row) for row in rows]


@pytest.mark.parametrize("dataset", EVERY)
def test_a_catalog_and_a_bag_of_the_same_version_give_the_same(place: Clinic, bag_of: BagOf, dataset: str) -> None:
    version = place.datasets[dataset].version
    for tables, options in SHAPES:
        ours = bag_of(dataset).get_denormalized_as_dataframe(tables, **options)
        then = live(place, dataset).get_denormalized_as_dataframe(tables, version=version, **options)

        if "Image.Filename" in ours:  # the bag has the paths of local files
            ours["Image.Filename"] = [None if pd.isna(name) else Path(name).name for name in ours["Image.Filename"]]
        pd.testing.assert_frame_equal(ours, then, check_dtype=True)


def test_a_record_without_a_label_appears_and_one_with_two_appears_twice(place: Clinic, bag_of: BagOf) -> None:
    frame = bag_of("images").get_denormalized_as_dataframe(["Image", "Image_Diagnosis"])

    label = "Execution_Image_Diagnosis"
    assert names(place, frame, "Image.RID", f"{label}.Grade", f"{label}.Execution") == [
        ("a.txt", "low", "morning"),
        ("a.txt", "high", "evening"),
        ("b.txt", "low", "morning"),
        ("d.txt", "high", "evening"),
        ("e.txt", None, None),
    ]


def test_a_selector_leaves_one_row_for_each_record(place: Clinic, bag_of: BagOf) -> None:
    frame = bag_of("images").get_denormalized_as_dataframe(["Image", "Diagnosis"], selector=NEWEST)

    found = names(place, frame, "Image.RID", "Execution_Image_Diagnosis.Grade")
    assert found == [("a.txt", "high"), ("b.txt", "low"), ("d.txt", "high"), ("e.txt", None)]


def test_a_selector_of_ones_own_may_drop_a_value(place: Clinic, bag_of: BagOf) -> None:
    def sure(records: list[Any]) -> Any:
        return next((record for record in records if record.Sure), None)

    rows = list(bag_of("images").get_denormalized_as_dict(["Image", "Diagnosis"], selector=sure))

    labels = {place.named(row["Image.RID"]): row["Execution_Image_Diagnosis.Grade"] for row in rows}
    assert labels == {"a.txt": "low", "b.txt": None, "d.txt": None, "e.txt": None}


def test_tables_above_are_joined_over_those_between_and_subjects_without_images_stay(
    place: Clinic, bag_of: BagOf
) -> None:
    frame = bag_of("subjects").get_denormalized_as_dataframe(["Subject", "Image"])

    assert names(place, frame, "Subject.RID", "Image.RID") == [
        ("Ann", "a.txt"),
        ("Ann", "b.txt"),
        ("Ann", "c.txt"),
        ("Ben", "d.txt"),
        ("Cid", None),
        ("Dan", None),
    ]


def test_an_unlabelled_image_of_a_member_subject_appears_with_its_subject(place: Clinic, bag_of: BagOf) -> None:
    frame = bag_of("subjects").get_denormalized_as_dataframe(["Subject", "Image", "Image_Diagnosis"], selector=NEWEST)

    assert names(place, frame, "Subject.RID", "Image.RID", "Execution_Image_Diagnosis.Grade") == [
        ("Ann", "a.txt", "high"),
        ("Ann", "b.txt", "low"),
        ("Ben", "d.txt", "high"),
        ("Ann", "c.txt", None),
        ("Cid", None, None),
        ("Dan", None, None),
    ]


def test_members_of_nested_datasets_count_once(place: Clinic, bag_of: BagOf) -> None:
    frame = bag_of("nested").get_denormalized_as_dataframe(["Image"], ignore_unrelated_anchors=True)

    assert names(place, frame, "Image.RID") == [("a.txt",), ("b.txt",), ("c.txt",), ("d.txt",), ("e.txt",)]


def test_columns_have_the_catalogs_types(place: Clinic) -> None:
    frame = live(place, "nested").get_denormalized_as_dataframe(
        ["Subject", "Observation", "Image", "Image_Diagnosis"], system_columns=["RCT"]
    )

    types = {label: str(kind) for label, kind in frame.dtypes.items()}
    assert types["Image.Size"] == "Int64"
    assert types["Subject.Smoker"] == types["Execution_Image_Diagnosis.Sure"] == "boolean"
    assert types["Execution_Image_Diagnosis.Confidence"] == "float64"
    assert types["Observation.Day"].startswith("datetime64") and types["Image.RCT"].endswith("UTC]")
    assert "Image.RMT" not in types


def test_one_asks_what_a_plan_would_give_before_it_is_carried_out(place: Clinic, bag_of: BagOf) -> None:
    asked = ["Subject", "Image", "Image_Diagnosis"]
    bag = bag_of("images")

    described = bag.describe_denormalized(asked)

    assert described["row_per"] == "Execution_Image_Diagnosis"
    assert described["row_per_candidates"] == ["Execution_Image_Diagnosis"]
    assert described["include_tables"] == ["Subject", "Image", "Execution_Image_Diagnosis"]
    assert described["join_path"] == ["Execution_Image_Diagnosis", "Image", "Observation", "Subject"]
    assert described["transparent_intermediates"] == ["Observation"]
    assert described["estimated_row_count"]["in_scope_row_per_rows"] == 4
    assert described["anchors"] == {"total": 4, "by_type": {"Image": 4}}
    assert (described["source"], described["ambiguities"], described["warnings"]) == ("local", [], [])
    assert described["columns"] == bag.list_denormalized_columns(asked)
    frame = bag.get_denormalized_as_dataframe(asked)
    assert [label for label, _ in described["columns"]] == list(frame.columns)
    version = place.datasets["images"].version
    assert live(place, "images").describe_denormalized(asked, version=version) == described | {"source": "catalog"}


def test_a_plan_that_does_not_work_is_described_and_refused_with_its_remedy(bag_of: BagOf) -> None:
    bag = bag_of("images")

    described = bag.describe_denormalized(["Image", "Grade"])

    assert described["row_per"] is None and described["row_per_candidates"] == ["Grade", "Image"]
    assert "row_per='Grade'" in described["warnings"][0]
    with pytest.raises(DerivaMLDenormalizeMultiLeaf, match="Execution_Image_Diagnosis") as refused:
        bag.get_denormalized_as_dataframe(["Image", "Grade"])
    assert "Execution_Image_Diagnosis" in refused.value.bridge_suggestions
    with pytest.raises(DerivaMLDenormalizeDownstreamLeaf):
        bag.get_denormalized_as_dataframe(["Image", "Image_Diagnosis"], row_per="Image")
    with pytest.raises(DerivaMLTableNotFound, match="Imgae"):
        bag.list_denormalized_columns(["Imgae"])
    with pytest.raises(DerivaMLValidationError, match="one feature"):
        bag.get_denormalized_as_dataframe(["Image"], selector=NEWEST)


def test_what_can_be_asked_for(place: Clinic, bag_of: BagOf) -> None:
    found = bag_of("subjects").list_schema_paths()

    assert found["member_types"] == found["anchor_types"] == ["Subject"]
    assert {"Observation", "Image", "Execution_Image_Diagnosis"} <= set(found["reachable_tables"]["Subject"])
    assert found["feature_tables"] == ["Execution_Image_Diagnosis", "Execution_Subject_Severity"]
    assert found["schema_paths"]["Subject", "Image"] == [{"path": ["Subject", "Observation", "Image"], "direct": False}]
    assert live(place, "subjects").list_schema_paths() == found


def test_a_version_is_kept_and_the_present_is_not(place: Clinic, tmp_path: Path) -> None:
    dataset = live(place, "images")
    version = place.datasets["images"].version
    first = dataset.cache_denormalized(["Image", "Image_Diagnosis"], version=version)
    kept = list((Path(place.ml.cache_dir) / "denormalized").iterdir())
    assert len(kept) == 1

    pd.testing.assert_frame_equal(dataset.cache_denormalized(["Image", "Image_Diagnosis"], version=version), first)
    pd.testing.assert_frame_equal(dataset.cache_denormalized(["Image", "Image_Diagnosis"]), first)
    assert list((Path(place.ml.cache_dir) / "denormalized").iterdir()) == kept


def test_the_size_over_the_whole_catalog(place: Clinic) -> None:
    found = place.ml.estimate_denormalized_size(["Subject", "Image"])

    assert found["join_path"] == ["Image", "Observation", "Subject"]
    assert found["tables"]["Image"] == {"row_count": 5, "is_asset": True, "asset_bytes": 5}
    assert (found["total_rows"], found["total_asset_bytes"], found["total_asset_size"]) == (13, 5, "5.0 B")


def test_the_release_cannot_join_a_dataset_with_nested_ones(place: Clinic, bag_of: BagOf) -> None:
    # deriva-api.md §4: binds objects instead of RIDs.
    with pytest.raises(DatabaseError, match="type 'DatasetBag' is not supported"):
        ReleasedBag.denormalize_as_dataframe(bag_of("nested"), ["Image"])

    assert len(bag_of("nested").get_denormalized_as_dataframe(["Image"], ignore_unrelated_anchors=True)) == 5
