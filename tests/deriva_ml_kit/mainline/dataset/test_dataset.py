"""Finding, describing and deleting datasets; types; what changed since a version."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from deriva_ml.core.exceptions import DerivaMLException, DerivaMLInvalidTerm, DerivaMLTableTypeError
from deriva_ml.dataset.aux_classes import DatasetVersion as ReleasedVersion
from tests_of_datasets import make_images

from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.mainline.catalog.rows import insert
from deriva_ml_kit.mainline.catalog.single import change_row
from deriva_ml_kit.mainline.dataset.dataset import Dataset
from deriva_ml_kit.mainline.dataset.spec import DatasetSpec
from deriva_ml_kit.mainline.dataset.versions import InvalidVersion
from deriva_ml_kit.mainline.errors import (
    DerivaMLDatasetNotFound,
    DerivaMLNotFoundError,
    DerivaMLTableNotFound,
    DerivaMLValidationError,
)

New = Callable[..., Dataset]


def test_datasets_are_found(ml: DerivaML, new: New) -> None:
    first, second = new((), "First of two"), new((), "Second of two")
    newest = [found.description for found in ml.find_datasets(sort=True)][:2]
    assert newest == ["Second of two", "First of two"]
    oldest = ml.find_datasets(sort=lambda path: path.RCT)
    assert oldest.index(first) < oldest.index(second)
    assert {first, second} <= set(ml.find_datasets())
    assert ml.lookup_dataset(DatasetSpec(rid=first, version="0.1.0")) == ml.lookup_dataset(first.dataset_rid) == first
    assert f"{first}@0.1.0" == f"{first.dataset_rid}@0.1.0"
    assert first.dataset_rid == first and {first.dataset_rid: 1}[first] == 1 and first != second.dataset_rid


def test_rows_that_the_release_gave_can_still_be_read(ml: DerivaML, new: New) -> None:
    dataset = new((), "Read as a row")
    dataset.add_dataset_type("File")
    rows = {row["Description"]: row for row in ml.find_datasets()}
    assert rows["Read as a row"]["RID"] == dataset.dataset_rid
    assert rows["Read as a row"]["Dataset_Type"] == ["File"]
    assert rows["Read as a row"]["Deleted"] is False


def test_what_is_no_dataset_is_said(ml: DerivaML, images: list[str]) -> None:
    with pytest.raises(DerivaMLDatasetNotFound, match=f"{images[0]} is a row of Image"):
        ml.lookup_dataset(images[0])
    for call in (ml.dataset_history, ml.dataset_version, ml.list_dataset_members, ml.list_dataset_parents):
        with pytest.raises(DerivaMLDatasetNotFound, match="9-ZZZZ"):
            call("9-ZZZZ")


def test_a_deleted_dataset_is_found_only_if_asked_for(ml: DerivaML, new: New, images: list[str]) -> None:
    child = new(images[:1])
    grandchild = new(images[1:2])
    child.add_dataset_members([grandchild.dataset_rid])
    parent = new([child.dataset_rid])
    with pytest.raises(DerivaMLValidationError, match=f"{child} is in dataset {parent}"):
        ml.delete_dataset(child)
    ml.delete_dataset(parent, recurse=True)
    for dataset in (parent, child, grandchild):
        assert dataset not in ml.find_datasets() and dataset in ml.find_datasets(deleted=True)
        assert ml.lookup_dataset(dataset.dataset_rid, deleted=True)["Deleted"] is True
        with pytest.raises(DerivaMLDatasetNotFound, match="marked as deleted"):
            ml.lookup_dataset(dataset.dataset_rid)
    assert str(parent.current_version) == "0.2.0"
    with pytest.raises(DerivaMLDatasetNotFound):
        ml.delete_dataset(parent)


def test_a_dataset_can_be_deleted_once_its_parent_is(ml: DerivaML, new: New, images: list[str]) -> None:
    child = new(images[:1])
    parent = new([child.dataset_rid])
    ml.delete_dataset(parent)
    ml.delete_dataset(child.dataset_rid)
    assert child not in ml.find_datasets()


def test_a_description_is_written_to_the_catalog(ml: DerivaML, dataset: Dataset) -> None:
    dataset.description = "Better said"
    assert ml.lookup_dataset(dataset.dataset_rid).description == "Better said"
    assert str(dataset.current_version) == "0.2.0"
    assert "Better said" in dataset.to_markdown() and dataset.get_chaise_url() in dataset.to_markdown()


def test_types_are_added_and_removed(ml: DerivaML, dataset: Dataset) -> None:
    ml.add_term("Dataset_Type", "Blurred", description="Out of focus", synonyms=["Unsharp"])
    dataset.add_dataset_types(["Unsharp", "File", "File"])
    assert sorted(dataset.dataset_types) == ["Blurred", "File"]
    assert str(dataset.current_version) == "0.2.0.post1.dev1"
    dataset.add_dataset_type("File")
    dataset.remove_dataset_type("Training")
    assert str(dataset.current_version) == "0.2.0.post1.dev1"
    dataset.remove_dataset_type("File")
    assert dataset.dataset_types == ["Blurred"]
    with pytest.raises(DerivaMLInvalidTerm):
        dataset.add_dataset_types(["File", "No such type"])
    assert dataset.dataset_types == ["Blurred"]


# A plain client has made the dataset before it finds that a synonym is not the name of a type.
def test_a_dataset_of_a_type_that_is_named_by_a_synonym(ml: DerivaML, plain: Any) -> None:
    ml.add_term("Dataset_Type", "Noisy", description="With noise", synonyms=["Grainy"])
    before = len(ml.find_datasets())
    with pytest.raises(Exception, match=r"409|foreign key"):
        plain.create_dataset(["Grainy"], "Half made")
    assert len(ml.find_datasets()) == before + 1
    assert Dataset.create_dataset(ml, None, "Grainy").dataset_types == ["Noisy"]
    with pytest.raises(DerivaMLInvalidTerm):
        ml.create_dataset(["No such type"], "Never made")
    assert len(ml.find_datasets()) == before + 2


def test_a_dataset_begins_with_the_version_that_is_wanted(ml: DerivaML) -> None:
    for version in ("1.0.0", ReleasedVersion(1, 0, 0)):
        assert str(Dataset.create_dataset(ml, None, [], "d", version).current_version) == "1.0.0"
    with pytest.raises(InvalidVersion, match="in development"):
        Dataset.create_dataset(ml, None, [], "d", "1.0.0.post1.dev1")
    for description, version in (("d", "1.0"), ("d", "first"), ("", "1.0"), ("", "v1.0.0")):
        with pytest.raises(InvalidVersion, match="is no version"):
            Dataset.create_dataset(ml, None, [], description, version)
    before = len(ml.find_datasets())
    with pytest.raises(DerivaMLNotFoundError, match="no execution 0000"):
        ml.create_dataset([], "In the name of a dry run", "0000")
    assert len(ml.find_datasets()) == before


def test_a_text_in_the_place_of_the_version_is_the_description(ml: DerivaML) -> None:
    # create_dataset(types, "description") of the release's executions
    dataset = Dataset.create_dataset(ml, None, [], version="Ten scans")
    assert (dataset.description, str(dataset.current_version)) == ("Ten scans", "0.1.0")


def test_element_types_are_added_once(ml: DerivaML) -> None:
    links = ml.add_dataset_element_type("Image")
    assert links.name == "Dataset_Image"
    assert {"Image", "Dataset", "File"} <= {table.name for table in ml.list_dataset_element_types()}
    with pytest.raises(DerivaMLTableTypeError):
        ml.add_dataset_element_type("Execution")
    with pytest.raises(DerivaMLTableNotFound):
        ml.add_dataset_element_type("Imago")


def test_datasets_that_a_change_of_a_table_would_touch(ml: DerivaML, dataset: Dataset) -> None:
    found = {reference.dataset_rid: reference for reference in ml.find_datasets_referencing("Image", "Split")}
    assert (found[dataset.dataset_rid].element_table, found[dataset.dataset_rid].member_count) == ("Image", 3)
    assert ml.find_datasets_referencing("Digit") == []


def test_what_changed_since_a_version_is_found_along_all_ways(
    ml: DerivaML, new: New, images: list[str], execution: Any
) -> None:
    child = new(images[:2])
    parent = new([child.dataset_rid, images[2]])
    assert not parent.is_dirty() and parent.release_diff() == {}

    change = {"Split": "test", "RID": images[0]}
    ml.catalog.put("/attributegroup/lab:Image/RID;Split", json=[change])
    label = {"Feature_Name": "Label", "Digit": "seven", "Execution": execution.execution_rid}
    rows = [{"Image": image, **label} for image in images]
    insert(ml.catalog, "lab", "Execution_Image_Label", rows, defaults=["Confidence"])

    assert parent.is_dirty() and child.is_dirty()
    assert parent.release_diff() == {"lab:Image": 1, "lab:Execution_Image_Label": 3}
    assert child.release_diff() == {"lab:Image": 1, "lab:Execution_Image_Label": 2}
    assert not parent.current_version.is_devrelease
    parent.mark_dev("Labels")
    parent.release("minor", "With labels")
    assert not parent.is_dirty()
    assert parent.compare_versions("0.3.0", "0.2.0") == {"lab:Image": 1, "lab:Execution_Image_Label": 3}
    assert parent.compare_versions("0.2.0", "0.2.0") == {}
    with pytest.raises(DerivaMLNotFoundError, match=r"no version 7\.0\.0"):
        parent.compare_versions("0.2.0", "7.0.0")


def test_feature_values_are_those_of_members(ml: DerivaML, new: New, images: list[str], execution: Any) -> None:
    label = {"Feature_Name": "Label", "Digit": "seven", "Execution": execution.execution_rid}
    insert(ml.catalog, "lab", "Execution_Image_Label", [{"Image": i, **label} for i in images], defaults=["Confidence"])
    parent = new([new(images[:2]).dataset_rid, images[2]])
    values = list(parent.feature_values("Image", "Label"))
    assert sorted(value.Image for value in values) == sorted(images[:3])
    assert parent.lookup_feature("Image", "Label").feature_name == "Label"
    assert "Label" in {feature.feature_name for feature in parent.find_features("Image")}


def test_executions_that_made_or_used_a_dataset(ml: DerivaML, execution: Any) -> None:
    made = Dataset.create_dataset(ml, execution.execution_rid, [], "Made by one")
    assert [found.execution_rid for found in made.list_executions()] == [execution.execution_rid]
    assert made.dataset_history()[0].execution_rid == made.execution_rid == execution.execution_rid
    made.mark_dev("x", execution)
    made.release("minor", "y", execution)
    assert made.dataset_history()[-1].execution_rid == execution.execution_rid


def test_a_dataset_that_stands_for_a_folder(ml: DerivaML, new: New) -> None:
    folder, inner = new((), "Folder"), new((), "Inner")
    assert folder.source_directory is None and not folder.is_directory and not folder.is_source_root
    folder.add_dataset_members([inner.dataset_rid])
    rows = [{"Dataset": d.dataset_rid, "Path": p} for d, p in ((folder, "scans"), (inner, "scans/monday"))]
    insert(ml.catalog, ml.ml_schema, "Directory_Dataset", rows)
    assert (folder.source_directory, folder.is_source_root, inner.is_source_root) == ("scans", True, False)


def test_a_version_is_downloaded(dataset: Dataset, images: list[str]) -> None:
    dataset.add_dataset_members(images[3:])
    bag = dataset.download_dataset_bag("0.2.0", materialize=False)
    assert sorted(row["RID"] for row in bag.list_dataset_members()["Image"]) == sorted(images[:3])


def test_a_state_in_development_is_downloaded_as_it_is_now(ml: DerivaML, dataset: Dataset, images: list[str]) -> None:
    dataset.add_dataset_members(images[3:5])
    label = dataset.current_version
    bag = dataset.download_dataset_bag(label, materialize=False)
    assert sorted(row["RID"] for row in bag.list_dataset_members()["Image"]) == sorted(images[:5])
    dataset.add_dataset_members(images[5:])
    with pytest.raises(DerivaMLNotFoundError, match=f"no version {label}"):
        ml.download_dataset_bag(DatasetSpec(rid=dataset, version=label, materialize=False))


def test_the_releases_own_check_of_rids_still_holds(ml: DerivaML, plain: Any, dataset: Dataset) -> None:
    assert ml._is_dataset_rid(dataset.dataset_rid)
    change_row(ml, "Dataset", dataset.dataset_rid, {"Deleted": True})
    assert not ml._is_dataset_rid(dataset.dataset_rid)
    assert ml._is_dataset_rid(dataset.dataset_rid, deleted=True)
    assert make_images(ml, 1)
    with pytest.raises(DerivaMLException):
        ml.dataset_version(dataset.dataset_rid)
