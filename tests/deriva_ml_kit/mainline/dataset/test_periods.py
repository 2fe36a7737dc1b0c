"""Development and release: labels, one winner, what is cut short, and what plain clients see of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from deriva_ml.dataset.aux_classes import DatasetSpec as ReleasedSpec
from deriva_ml.dataset.aux_classes import VersionPart
from deriva_ml.schema import create_ml_catalog

from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.mainline.catalog.rows import insert, table_name
from deriva_ml_kit.mainline.dataset import periods
from deriva_ml_kit.mainline.dataset.dataset import Dataset
from deriva_ml_kit.mainline.dataset.versions import DatasetVersion
from deriva_ml_kit.mainline.errors import (
    DerivaMLConfigurationError,
    DerivaMLDataError,
    DerivaMLNotFoundError,
    DerivaMLReadOnlyError,
    DerivaMLValidationError,
)

New = Callable[..., Dataset]


def version_rows(ml: DerivaML, dataset: Dataset) -> list[dict[str, Any]]:
    return list(periods.versions_of(ml, dataset.dataset_rid).rows)


def test_a_dataset_begins_with_a_version_that_points_to_its_snapshot(ml: DerivaML, new: New) -> None:
    dataset = new()
    [first] = dataset.dataset_history()
    assert (str(first.dataset_version), first.description) == ("0.1.0", "Initial dataset creation.")
    assert dataset["Version"] is not None and first.snapshot
    as_it_was = ml.catalog_snapshot(f"{ml.catalog_id}@{first.snapshot}")
    assert str(as_it_was.lookup_dataset(dataset.dataset_rid).current_version) == "0.1.0"


def test_changes_count_up_until_they_are_released(dataset: Dataset, images: list[str]) -> None:
    seen = [str(dataset.current_version)]
    dataset.add_dataset_members(images[3:4], description="One more")
    seen.append(str(dataset.current_version))
    dataset.mark_dev("Labels were corrected")
    seen.append(str(dataset.current_version))
    dataset.delete_dataset_members(images[:1])
    seen.append(str(dataset.current_version))
    assert seen == ["0.2.0", "0.2.0.post1.dev1", "0.2.0.post1.dev2", "0.2.0.post1.dev3"]
    assert dataset.dataset_history()[-1].description == "Removed members"

    released = dataset.release(VersionPart.minor, "Corrected")

    assert str(released) == str(dataset.current_version) == "0.3.0"
    history = dataset.dataset_history()
    assert [str(entry.dataset_version) for entry in history] == ["0.1.0", "0.2.0", "0.3.0"]
    assert (history[-1].description, history[-1].dataset_rid) == ("Corrected", dataset.dataset_rid)
    with pytest.raises(DerivaMLValidationError, match=r"did not change since version 0\.3\.0"):
        dataset.release(VersionPart.minor, "Again")


def test_a_release_is_about_one_dataset(ml: DerivaML, new: New, images: list[str]) -> None:
    child = new(images[:1])
    parent = new([child.dataset_rid])
    child.add_dataset_members(images[1:2])
    assert str(parent.current_version) == "0.2.0"
    child.release("patch", "Corrected")
    assert (str(child.current_version), str(parent.current_version)) == ("0.2.1", "0.2.0")


def test_the_snapshot_of_a_version_shows_that_version(ml: DerivaML, dataset: Dataset, images: list[str]) -> None:
    dataset.add_dataset_members(images[3:])
    released = dataset.release("minor", "All")
    dataset.delete_dataset_members(images[:5])
    then = ml.catalog_snapshot(ml._version_snapshot(ReleasedSpec(rid=dataset.dataset_rid, version=released)))
    as_it_was = then.lookup_dataset(dataset.dataset_rid)
    assert as_it_was.current_version == released
    assert sorted(as_it_was.list_members("Image")) == sorted(images)
    assert sorted(dataset.list_members("Image")) == sorted(images[5:])
    by_version = dataset.list_dataset_members(version="0.2.0")["Image"]
    assert sorted(row["RID"] for row in by_version) == sorted(images[:3])
    for change in (
        lambda: as_it_was.add_dataset_members(images[:1]),
        lambda: as_it_was.mark_dev("x"),
        lambda: as_it_was.release("minor", "x"),
        lambda: setattr(as_it_was, "description", "x"),
        lambda: then.delete_dataset(as_it_was),
    ):
        with pytest.raises(DerivaMLReadOnlyError, match="snapshot"):
            change()


def test_of_two_releases_at_once_one_wins(lab: Any, dataset: Dataset, tmp_path: Any) -> None:
    for turn in range(4):
        dataset.mark_dev("Something")
        before = len(dataset.dataset_history()) - 1
        start = Barrier(2)

        def attempt(part: str, *, start: Barrier = start, turn: int = turn) -> Any:
            mine = lab.connect(tmp_path / f"{part}-{turn}").lookup_dataset(dataset.dataset_rid)
            start.wait()
            try:
                return str(mine.release(part, f"By {part}"))
            except (DerivaMLDataError, DerivaMLValidationError) as error:
                return error

        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(attempt, ["minor", "major"]))

        won = [result for result in results if isinstance(result, str)]
        [lost] = [result for result in results if not isinstance(result, str)]
        assert won == [str(dataset.current_version)], results
        assert "same time" in str(lost) or "begun" in str(lost) or "did not change" in str(lost)
        assert len(dataset.dataset_history()) == before + 1


def test_a_release_that_did_not_see_a_change_is_refused(ml: DerivaML, dataset: Dataset) -> None:
    dataset.mark_dev("One")
    read = periods.versions_of(ml, dataset.dataset_rid).period
    assert read is not None
    dataset.mark_dev("Two")
    assert not periods._replaced(ml, read, {"Counter": -1})
    assert str(dataset.current_version) == "0.2.0.post1.dev2"


def test_a_release_cut_short_before_its_version_is_finished_by_the_same_call(ml: DerivaML, dataset: Dataset) -> None:
    dataset.mark_dev("Something")
    period = periods.versions_of(ml, dataset.dataset_rid).period
    assert period is not None and periods._replaced(ml, period, {"Base_Version": "0.3.0", "Counter": -1})
    assert str(dataset.current_version) == "0.2.0.post1.dev1"
    with pytest.raises(DerivaMLValidationError, match=r"as 0\.3\.0 has begun"):
        dataset.release("major", "Other")
    assert str(dataset.release("minor", "Same")) == str(dataset.current_version) == "0.3.0"


def test_a_release_cut_short_can_be_taken_back(ml: DerivaML, dataset: Dataset) -> None:
    dataset.mark_dev("Something")
    period = periods.versions_of(ml, dataset.dataset_rid).period
    assert period is not None and periods._replaced(ml, period, {"Base_Version": "0.3.0", "Counter": -1})
    dataset.mark_dev("Rather not yet")
    assert str(dataset.current_version) == "0.2.0.post1.dev2"
    assert str(dataset.release("major", "Now")) == "1.0.0"


def test_a_version_without_a_snapshot_gets_one(ml: DerivaML, dataset: Dataset, images: list[str]) -> None:
    dataset.mark_dev("Something")
    row = {"Dataset": dataset.dataset_rid, "Version": "0.3.0", "Description": "Cut short", "Execution": None}
    insert(ml.catalog, ml.ml_schema, "Dataset_Version", [row], defaults=["Minid", "Snapshot"])
    assert str(dataset.current_version) == "0.3.0"
    with pytest.raises(DerivaMLDataError, match="cut short"):
        dataset.list_dataset_members(version="0.3.0")

    assert str(dataset.release("minor", "Again")) == "0.3.0"

    newest = version_rows(ml, dataset)[-1]
    assert newest["Snapshot"] and ml.lookup_dataset(dataset.dataset_rid)["Version"] == newest["RID"]
    assert len(dataset.list_dataset_members(version="0.3.0")["Image"]) == 3


def test_a_change_finishes_the_version_before_it(ml: DerivaML, dataset: Dataset) -> None:
    row = {"Dataset": dataset.dataset_rid, "Version": "0.3.0", "Description": "Cut short", "Execution": None}
    insert(ml.catalog, ml.ml_schema, "Dataset_Version", [row], defaults=["Minid", "Snapshot"])
    dataset.mark_dev("Something new")
    assert str(dataset.current_version) == "0.3.0.post1.dev1"
    assert version_rows(ml, dataset)[-1]["Snapshot"]


def test_lost_answers_do_not_double_a_release(faulty_host: Any, lab: Any, dataset: Dataset, tmp_path: Any) -> None:
    ml = DerivaML(faulty_host.hostname, lab.catalog_id, working_dir=tmp_path / "far")
    dataset.mark_dev("Something")
    faulty_host.fail("lose", "POST", "/entity/deriva-ml:Dataset_Version")
    assert str(ml.lookup_dataset(dataset.dataset_rid).release("minor", "Far away")) == "0.3.0"
    assert [row["Version"] for row in version_rows(ml, dataset)] == ["0.1.0", "0.2.0", "0.3.0"]


def test_many_clients_can_change_a_dataset_at_once(
    lab: Any, dataset: Dataset, images: list[str], tmp_path: Any
) -> None:
    def add(number: int) -> None:
        mine = lab.connect(tmp_path / str(number)).lookup_dataset(dataset.dataset_rid)
        mine.add_dataset_members([images[number]])

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(add, [3, 4, 5]))
    assert str(dataset.current_version) == "0.2.0.post1.dev3"
    assert sorted(dataset.list_members("Image")) == sorted(images)


# In a plain client, a label in Dataset_Version ends dataset_history and dataset_version with an error.
def test_a_plain_client_reads_a_dataset_in_development(
    ml: DerivaML, plain: Any, dataset: Dataset, images: list[str]
) -> None:
    dataset.add_dataset_members(images[3:])
    rid = dataset.dataset_rid
    assert dataset.current_version.is_devrelease
    assert sorted(str(entry.dataset_version) for entry in plain.dataset_history(rid)) == ["0.1.0", "0.2.0"]
    assert [str(entry.dataset_version) for entry in ml.dataset_history(rid)] == ["0.1.0", "0.2.0"]
    assert str(plain.dataset_version(rid)) == str(ml.dataset_version(rid)) == "0.2.0"
    assert len(plain.list_dataset_members(rid)["Image"]) == 6
    bag = plain.download_dataset_bag(ReleasedSpec(rid=rid, version="0.2.0", materialize=False))
    assert len(bag.list_dataset_members()["Image"]) == 3


def test_a_plain_client_cannot_read_a_label_that_stands_in_dataset_version(ml: DerivaML, plain: Any, new: New) -> None:
    dataset = new()
    row = {"Dataset": dataset.dataset_rid, "Version": "0.1.0.post1.dev1", "Description": "Main line", "Execution": None}
    insert(ml.catalog, ml.ml_schema, "Dataset_Version", [row], defaults=["Minid", "Snapshot"])
    with pytest.raises(ValueError, match="not valid SemVer"):
        plain.dataset_version(dataset.dataset_rid)
    assert str(dataset.current_version) == "0.1.0.post1.dev1"
    assert str(ml.dataset_version(dataset.dataset_rid)) == "0.1.0"
    with pytest.raises(DerivaMLDataError, match="where main line keeps it"):
        dataset.mark_dev("Mine")
    path = f"/entity/{table_name(ml.ml_schema, 'Dataset_Version')}/Version=0.1.0.post1.dev1"
    ml.catalog.delete(path)


def test_a_version_minted_by_a_plain_client_ends_a_period(
    ml: DerivaML, plain: Any, dataset: Dataset, images: list[str]
) -> None:
    dataset.add_dataset_members(images[3:4])
    plain.add_dataset_members(dataset.dataset_rid, images[4:5])
    assert str(dataset.current_version) == "0.3.0"
    assert [entry.dataset_version.is_devrelease for entry in dataset.dataset_history()] == [False] * 3
    assert len(dataset.list_dataset_members(version="0.3.0")["Image"]) == 5
    with pytest.raises(DerivaMLValidationError, match="did not change"):
        dataset.release("minor", "Nothing left")
    dataset.add_dataset_members(images[5:])
    assert str(dataset.current_version) == "0.3.0.post1.dev1"
    assert str(dataset.release("minor", "The last")) == "0.4.0"


@pytest.mark.parametrize("seed", range(3))
def test_any_order_of_changes_releases_and_interruptions(ml: DerivaML, new: New, seed: int) -> None:
    """Against a model: the newest version, how many changes there were since, and what a cut-short release wants."""
    chance = random.Random(seed)
    dataset, newest, changes, claimed = new(), DatasetVersion(0, 1, 0), 0, None
    for _ in range(25):
        step = chance.choice(["change", "release", "release", "plain", "claim", "mint"])
        part = chance.choice(["minor", "patch"])
        period = periods.versions_of(ml, dataset.dataset_rid).period
        if step == "change":
            dataset.mark_dev("x")
            changes, claimed = changes + 1, None
        elif step == "release" and not changes:
            with pytest.raises(DerivaMLValidationError, match="did not change"):
                dataset.release(part, "x")
        elif step == "release" and claimed not in {None, newest.next_release(part)}:
            with pytest.raises(DerivaMLValidationError, match="has begun"):
                dataset.release(part, "x")
        elif step == "release":
            newest, changes, claimed = dataset.release(part, "x"), 0, None
        elif step == "plain":
            newest, changes, claimed = ml.increment_dataset_version(dataset, part), 0, None
        elif changes and not claimed and period:
            claimed = newest.next_release(part)
            assert periods._replaced(ml, period, {"Base_Version": str(claimed), "Counter": -changes})
            if step == "mint":
                row = {"Dataset": dataset.dataset_rid, "Version": str(claimed), "Description": "", "Execution": None}
                insert(ml.catalog, ml.ml_schema, "Dataset_Version", [row], defaults=["Minid", "Snapshot"])
                assert dataset.release("major", "Any part: what was minted is finished") == claimed
                newest, changes, claimed = claimed, 0, None
        assert dataset.current_version == (newest.in_development(changes) if changes else newest)
    assert all(entry.snapshot for entry in ml.dataset_history(dataset))
    assert ml.dataset_version(dataset) == newest


def test_a_catalog_without_the_table_says_what_to_do(local_host: Any, tmp_path: Any) -> None:
    catalog = create_ml_catalog(local_host.hostname, project_name="old")
    ml = DerivaML(local_host.hostname, catalog.catalog_id, working_dir=tmp_path)
    dataset = Dataset.create_dataset(ml, None, [], "Old")
    remedy = f"upgrade-catalog --hostname {local_host.hostname} --catalog-id {catalog.catalog_id}"
    for change in (
        lambda: dataset.mark_dev("x"),
        lambda: dataset.release("minor", "x"),
        lambda: dataset.add_dataset_members([dataset.dataset_rid]),
    ):
        with pytest.raises(DerivaMLConfigurationError, match="Dataset_Dev") as refused:
            change()
        assert remedy in str(refused.value)
    assert str(dataset.current_version) == "0.1.0"
    assert str(ml.increment_dataset_version(dataset, VersionPart.minor)) == "0.2.0"


def test_a_version_that_does_not_exist_is_named(dataset: Dataset) -> None:
    with pytest.raises(DerivaMLNotFoundError, match=r"no version 0\.7\.0.\nIt has 0\.2\.0, 0\.1\.0"):
        dataset.list_dataset_members(version="0.7.0")
    dataset.mark_dev("x")
    with pytest.raises(DerivaMLNotFoundError, match=r"0\.2\.0\.post1\.dev1"):
        dataset.list_dataset_members(version="0.2.0.post1.dev7")
    assert len(dataset.list_dataset_members(version="0.2.0.post1.dev1")["Image"]) == 3
