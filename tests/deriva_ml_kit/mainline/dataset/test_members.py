"""Members: added and removed as a whole or not at all, in few requests; datasets within datasets."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from deriva_ml.core.exceptions import DerivaMLException
from tests_of_datasets import make_images

from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.mainline.catalog.rows import insert
from deriva_ml_kit.mainline.dataset.dataset import Dataset
from deriva_ml_kit.mainline.errors import (
    DerivaMLCycleError,
    DerivaMLFaults,
    DerivaMLNotFoundError,
    DerivaMLTableNotFound,
    DerivaMLValidationError,
)

New = Callable[..., Dataset]


@pytest.fixture
def family(new: New, images: list[str]) -> dict[str, Dataset]:
    """A diamond: top holds left and right, both hold bottom, which shares an image with right."""
    bottom = new(images[:2])
    left = new([bottom.dataset_rid, images[2]])
    right = new([bottom.dataset_rid, images[0], images[3]])
    top = new([left.dataset_rid, right.dataset_rid])
    return {"top": top, "left": left, "right": right, "bottom": bottom}


def names(family: dict[str, Dataset], found: list[Dataset]) -> list[str]:
    name_of = {dataset.dataset_rid: name for name, dataset in family.items()}
    return [name_of[dataset.dataset_rid] for dataset in found]


def test_a_thousand_members_take_few_requests(ml: DerivaML, plain: Any, new: New, requests_sent: Any) -> None:
    rids = make_images(ml, 1000)
    dataset = new()
    with requests_sent() as sent:
        started = time.perf_counter()
        dataset.add_dataset_members(rids)
        ours = time.perf_counter() - started
    assert sum(sent.values()) < 25, sent
    assert len(dataset.list_members("Image")) == 1000

    # The plain client asks for one RID after another.
    started = time.perf_counter()
    plain.add_dataset_members(new().dataset_rid, rids[:20])
    theirs = time.perf_counter() - started
    assert theirs > ours  # for a fiftieth of the members


def test_members_are_given_by_rid_or_by_table(dataset: Dataset, images: list[str]) -> None:
    dataset.add_dataset_members({"Image": images[3:5]})
    dataset.add_dataset_members({"lab:Image": [images[5]], "Dataset": []})
    assert sorted(dataset.list_members("Image")) == sorted(images)
    members = dataset.list_dataset_members()
    assert {"Image", "Dataset", "File"} <= members.keys()
    assert members["Image"][0]["Filename"]
    assert len(dataset.list_dataset_members(limit=2)["Image"]) == 2


def test_nothing_to_add_or_remove_is_no_change(dataset: Dataset, images: list[str]) -> None:
    dataset.add_dataset_members([])
    dataset.add_dataset_members({})
    dataset.delete_dataset_members([])
    dataset.add_dataset_members(images[:3], validate=False)
    assert str(dataset.current_version) == "0.2.0"


def test_everything_wrong_with_new_members_is_said_at_once(
    ml: DerivaML, dataset: Dataset, new: New, images: list[str]
) -> None:
    parent = new([dataset.dataset_rid])
    term = ml.lookup_term("Digit", "seven").rid
    with pytest.raises(DerivaMLFaults) as refused:
        dataset.add_dataset_members([images[4], images[0], "9-ZZZZ", "9-YYYY", term, parent.dataset_rid])
    text = str(refused.value)
    assert "Nothing was added" in text
    for part in ("9-YYYY, 9-ZZZZ", f"already: {images[0]}", f"rows of table Digit cannot be members ({term})"):
        assert part in text or ", ".join(reversed(part.split(", "))) in text, text
    assert parent.dataset_rid in text and "add_dataset_element_type('Digit')" in text
    assert sorted(dataset.list_members("Image")) == sorted(images[:3])
    assert not dataset.current_version.is_devrelease


def test_rids_under_a_wrong_table_are_refused(dataset: Dataset, images: list[str]) -> None:
    with pytest.raises(DerivaMLFaults, match="no rows of table Dataset"):
        dataset.add_dataset_members({"Image": images[3:4], "Dataset": images[4:5]})
    with pytest.raises(DerivaMLFaults, match="rows of table Digit cannot be members"):
        dataset.add_dataset_members({"Digit": ["1-2345"]})
    with pytest.raises(DerivaMLTableNotFound):
        dataset.add_dataset_members({"Imago": images[3:4]})
    assert len(dataset.list_members("Image")) == 3


# A plain client compares a dataset's RID with the letters of a RID, so it never finds a cycle.
def test_no_dataset_can_come_to_be_in_itself(plain: Any, new: New, family: dict[str, Dataset]) -> None:
    top, bottom = family["top"], family["bottom"]
    for inside in (bottom, top):
        with pytest.raises(DerivaMLCycleError, match="in itself") as refused:
            inside.add_dataset_members([top.dataset_rid])
        assert top.dataset_rid in refused.value.cycle_nodes
    top.add_dataset_members([bottom.dataset_rid])  # a second way to it is no cycle

    a, b = new(), new()
    a.add_dataset_members([b.dataset_rid])
    plain.add_dataset_members(b.dataset_rid, [a.dataset_rid])
    with pytest.raises(RecursionError):
        plain.list_dataset_children(a.dataset_rid, recurse=True)
    assert b.list_dataset_children_rids() == [a.dataset_rid]
    assert a.list_dataset_children_rids(recurse=True) == [b.dataset_rid]
    assert a.list_dataset_members(recurse=True)["Image"] == []
    b.delete_dataset_members([a.dataset_rid])


def test_what_cannot_be_a_member_is_refused(ml: DerivaML, dataset: Dataset, new: New) -> None:
    gone, child = new(), new()
    ml.delete_dataset(gone)
    with pytest.raises(DerivaMLFaults, match=f"marked as deleted: {gone}"):
        dataset.add_dataset_members([gone, child])
    with pytest.raises(DerivaMLValidationError, match="these are none: None, 7"):
        dataset.add_dataset_members([child, None, 7])
    dataset.add_dataset_members([child])
    assert dataset.list_dataset_children() == [child]


def test_members_that_are_removed_are_gone(dataset: Dataset, images: list[str]) -> None:
    with pytest.raises(DerivaMLFaults, match=f"no members of dataset {dataset.dataset_rid}: {images[5]}"):
        dataset.delete_dataset_members([images[0], images[5]])
    assert len(dataset.list_members("Image")) == 3
    dataset.delete_dataset_members(images[:2], description="Blurred")
    assert dataset.list_members("Image") == [images[2]]
    assert dataset.dataset_history()[-1].description == "Blurred"


# A plain client gives what several ways lead to several times.
def test_what_several_ways_lead_to_comes_once(
    ml: DerivaML, plain: Any, family: dict[str, Dataset], images: list[str]
) -> None:
    top = family["top"]
    assert names(family, top.list_dataset_children()) == ["left", "right"]
    assert names(family, top.list_dataset_children(recurse=True)) == ["left", "right", "bottom"]
    assert names(family, family["bottom"].list_dataset_parents(recurse=True)) == ["left", "right", "top"]
    members = top.list_dataset_members(recurse=True)
    assert sorted(row["RID"] for row in members["Image"]) == sorted(images[:4])
    assert len(members["Dataset"]) == 3
    assert ml.list_dataset_members(top.dataset_rid, recurse=True) == members
    assert ml.list_dataset_children(top, recurse=True) == top.list_dataset_children_rids(recurse=True)
    assert ml.list_dataset_parents(family["bottom"].dataset_rid) == [
        family["left"].dataset_rid,
        family["right"].dataset_rid,
    ]
    assert len(plain.list_dataset_children(top.dataset_rid, recurse=True)) == 4
    assert len(plain.list_dataset_members(top.dataset_rid, recurse=True)["Image"]) == 7


def test_datasets_within_are_read_as_they_were(new: New, images: list[str]) -> None:
    child = new(images[:1])
    parent = new([child.dataset_rid])
    child.add_dataset_members(images[1:3])
    parent.delete_dataset_members([child.dataset_rid])
    assert parent.list_dataset_children() == child.list_dataset_parents() == []
    assert parent.list_dataset_children_rids(version="0.2.0") == [child.dataset_rid]
    [then] = parent.list_dataset_children(version="0.2.0")
    assert then.list_members("Image") == images[:1]
    assert child.list_dataset_parents(version="0.2.0") == []  # the child's 0.2.0 is older
    members = parent.list_dataset_members(recurse=True, version="0.2.0")
    assert [row["RID"] for row in members["Image"]] == images[:1]


def test_an_interrupted_add_is_in_development_and_can_be_repeated(
    ml: DerivaML, dataset: Dataset, images: list[str]
) -> None:
    insert(ml.catalog, "lab", "Dataset_Image", [{"Dataset": dataset.dataset_rid, "Image": images[3]}])
    dataset.add_dataset_members(images[3:], validate=False)
    assert sorted(dataset.list_members("Image")) == sorted(images)


def test_nothing_is_changed_in_the_name_of_a_dry_run(ml: DerivaML, dataset: Dataset, images: list[str]) -> None:
    with pytest.raises(DerivaMLNotFoundError, match="no execution 0000"):
        dataset.add_dataset_members(images[3:4], execution_rid="0000")
    with pytest.raises(DerivaMLNotFoundError, match="no execution 0000"):
        dataset.delete_dataset_members(images[:1], execution_rid="0000")
    with pytest.raises(DerivaMLNotFoundError, match="no execution 0000"):
        ml.add_dataset_members(dataset.dataset_rid, images[3:4], execution_rid="0000")
    assert sorted(dataset.list_members("Image")) == sorted(images[:3])
    assert str(dataset.current_version) == "0.2.0"


# What the release has under the same names, with RIDs.
def test_the_releases_calls_mint_a_version_for_all_relatives(ml: DerivaML, family: dict[str, Dataset]) -> None:
    rids = {name: dataset.dataset_rid for name, dataset in family.items()}
    family["right"].mark_dev("Something")
    extra = make_images(ml, 1)
    ml.add_dataset_members(rids["left"], extra, description="One more")
    assert {str(dataset.current_version) for dataset in family.values()} == {"0.3.0"}
    assert ml.dataset_history(rids["left"])[-1].description == "One more"
    ml.delete_dataset_members(dataset_rid=rids["left"], members=extra)
    assert {str(ml.dataset_version(rid)) for rid in rids.values()} == {"0.4.0"}
    with pytest.raises(DerivaMLException):
        ml.add_dataset_members(rids["left"], ["9-ZZZZ"])
    assert {str(ml.dataset_version(rid)) for rid in rids.values()} == {"0.4.0"}


# A plain client ends with an error when a relative is marked as deleted.
def test_a_deleted_relative_is_no_obstacle(ml: DerivaML, plain: Any, new: New, images: list[str]) -> None:
    child = new(images[:1])
    parent, other = new([child.dataset_rid]), new([child.dataset_rid])
    ml.delete_dataset(other)
    with pytest.raises(DerivaMLException, match=r"not for a data set|not belong"):
        plain.increment_dataset_version(child.dataset_rid, "minor")
    assert str(ml.increment_dataset_version(child.dataset_rid, "minor")) == "0.3.0"
    assert str(parent.current_version) == "0.3.0"
