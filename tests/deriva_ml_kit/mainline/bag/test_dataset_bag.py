"""A downloaded dataset with main line's names, and what the release does with the same bag."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clinic import Clinic
from deriva_ml.core.exceptions import DerivaMLException, DerivaMLInvalidTerm
from deriva_ml.dataset.aux_classes import DatasetMinid
from deriva_ml.dataset.dataset_bag import DatasetBag as ReleasedBag
from deriva_ml.model.database import DatabaseModel

from deriva_ml_kit.mainline import DatasetSpec
from deriva_ml_kit.mainline.bag.dataset_bag import DatasetBag
from deriva_ml_kit.mainline.bag.loading import FOLDER, MARK
from deriva_ml_kit.mainline.bag.opened import BagDatabase, open_bag
from deriva_ml_kit.mainline.errors import (
    DerivaMLFeatureNotFound,
    DerivaMLMaterializeLimitExceeded,
    DerivaMLNotFoundError,
    DerivaMLValidationError,
)
from deriva_ml_kit.mainline.feature.records import FeatureRecord

BagOf = Callable[[str], DatasetBag]


def order(place: Clinic, name: str) -> DatasetMinid:
    spec = place.datasets[name]
    return DatasetMinid(dataset_version=spec.version, RID=f"{spec.rid}@1", location="https://example.org")


def members(place: Clinic, bag: DatasetBag, **options: Any) -> dict[str, list[str]]:
    found = bag.list_dataset_members(**options)
    return {table: [str(place.named(row["RID"])) for row in rows] for table, rows in found.items() if rows}


@pytest.fixture(scope="module")
def released(place: Clinic, bag_of: BagOf, tmp_path_factory: pytest.TempPathFactory) -> ReleasedBag:
    """The nested dataset as the release opens it; it cannot read a boolean that is NULL, so those are filled in."""
    copy = tmp_path_factory.mktemp("released") / "bag"
    shutil.copytree(bag_of("nested").path, copy)
    for file in (*copy.rglob("Subject.csv"), *copy.rglob("Execution_Image_Diagnosis.csv")):
        with file.open(newline="") as source:
            header, *rows = list(csv.reader(source))
        booleans = [place for place, name in enumerate(header) if name in {"Smoker", "Sure"}]
        for row in rows:
            for column in booleans:
                row[column] = row[column] or "f"
        with file.open("w", newline="") as target:
            csv.writer(target).writerows([header, *rows])
    return DatabaseModel(order(place, "nested"), copy, tmp_path_factory.mktemp("database")).get_dataset()


def test_the_release_cannot_open_a_bag_with_a_boolean_that_is_null(
    place: Clinic, bag_of: BagOf, tmp_path: Path
) -> None:
    bag = bag_of("subjects")
    with pytest.raises(Exception, match="Invalid boolean value"):
        DatabaseModel(order(place, "subjects"), bag.path, tmp_path)

    smokers = {row["Name"]: row["Smoker"] for row in bag.list_dataset_members()["Subject"]}
    assert smokers == {"Ann": True, "Ben": None, "Cid": False, "Dan": None}


def test_members_are_those_of_the_dataset_and_of_nested_ones_once(place: Clinic, bag_of: BagOf) -> None:
    bag = bag_of("nested")

    assert {table: len(rows) for table, rows in bag.list_dataset_members().items() if rows} == {
        "Image": 1,
        "Dataset": 2,
    }
    found = members(place, bag, recurse=True)
    assert found["Image"] == ["a.txt", "b.txt", "c.txt", "d.txt", "e.txt"]
    assert found["Subject"] == ["Cid"]
    assert sorted(found["Dataset"]) == sorted(place.datasets[name].rid for name in ("left", "right", "inmost"))
    assert members(place, bag, recurse=True, limit=2)["Image"] == ["a.txt", "b.txt"]


def test_the_release_loses_itself_in_nested_datasets(released: ReleasedBag, bag_of: BagOf) -> None:
    # deriva-api.md §4: endless in about half the runs, as a set decides which key is that of the parent; else wrong.
    try:
        theirs = released.list_dataset_members(recurse=True)
    except RecursionError:
        return
    ours = bag_of("nested").list_dataset_members(recurse=True)
    assert {row["RID"] for row in theirs.get("Image", ())} != {row["RID"] for row in ours["Image"]} or len(
        theirs["Image"]
    ) != len(ours["Image"])


def test_children_and_parents_each_once(place: Clinic, bag_of: BagOf) -> None:
    bag = bag_of("nested")
    rid = {name: spec.rid for name, spec in place.datasets.items()}

    assert [child.dataset_rid for child in bag.list_dataset_children()] == [rid["left"], rid["right"]]
    children = bag.list_dataset_children(recurse=True)
    assert [child.dataset_rid for child in children] == [rid["left"], rid["right"], rid["inmost"]]
    inmost = children[-1]
    assert [parent.dataset_rid for parent in inmost.list_dataset_parents()] == [rid["right"]]
    assert {parent.dataset_rid for parent in inmost.list_dataset_parents(recurse=True)} == {rid["right"], rid["nested"]}
    assert members(place, inmost) == {"Image": ["c.txt"], "Subject": ["Cid"]}
    assert inmost.dataset_types == ["Testing"] and inmost.current_version == place.datasets["inmost"].version


def test_what_a_bag_knows_of_its_dataset(place: Clinic, bag_of: BagOf) -> None:
    bag = bag_of("nested")

    assert bag.current_version == bag.version == place.datasets["nested"].version
    assert (bag.dataset_types, bag.description) == (["Split"], "Split dataset")
    assert (bag.path / "data" / "schema.json").is_file()
    assert bag.source_directory is None and not bag.is_directory and not bag.is_source_root
    assert [str(entry.dataset_version) for entry in bag.dataset_history()][-1] == str(bag.current_version)
    assert {table.name for table in bag.list_dataset_element_types()} >= {"Image", "Subject", "Observation", "Dataset"}
    assert {"clinic.Image", "deriva-ml.Dataset"} <= set(bag.list_tables())
    assert "nested" not in repr(bag) and bag.dataset_rid in repr(bag)


def test_executions_of_a_dataset_and_of_a_workflow(place: Clinic, bag_of: BagOf) -> None:
    bag = bag_of("nested")

    assert [place.named(rid) for rid in bag.list_executions()] == ["evening"]
    expected = ["morning", "evening"]
    for asked in (place.rids["Grading"], "Grading"):
        assert [place.named(rid) for rid in bag.list_workflow_executions(asked)] == expected
    with pytest.raises(DerivaMLNotFoundError, match="Trianing"):
        bag.list_workflow_executions("Trianing")


def test_terms_are_found_by_name_and_synonym(bag_of: BagOf) -> None:
    bag = bag_of("images")

    assert bag.lookup_term("Grade", "low").description == "low"
    assert bag.lookup_term("Grade", 'x, "y"').name == "low"
    assert [term.name for term in bag.list_vocabulary_terms("Grade")] == ["low", "high"]
    with pytest.raises(DerivaMLInvalidTerm):
        bag.lookup_term("Grade", "l")  # a letter of a name is no synonym
    with pytest.raises(DerivaMLValidationError, match="Image is no vocabulary"):
        bag.lookup_term("Image", "low")


def test_the_release_finds_no_term_in_a_bag(released: ReleasedBag) -> None:
    # deriva-api.md §4.
    with pytest.raises(TypeError, match="does not support item assignment"):
        released.lookup_term("Grade", "low")


def test_values_of_a_feature_are_the_catalogs(place: Clinic, bag_of: BagOf) -> None:
    bag = bag_of("images")
    theirs = {record.model_dump_json() for record in place.ml.feature_values("Image", "Diagnosis")}

    assert {record.model_dump_json() for record in bag.feature_values("Image", "Diagnosis")} == theirs
    newest = bag.feature_values("Image", "Diagnosis", selector=FeatureRecord.select_newest)
    chosen = {place.named(record.Image): (record.Grade, record.Confidence, record.Sure) for record in newest}
    assert chosen == {"a.txt": ("high", 0.9, False), "b.txt": ("low", None, None), "d.txt": ("high", 1.0, None)}
    by_workflow = FeatureRecord.select_by_workflow("Grading", container=bag)
    assert len(list(bag.feature_values("Image", "Diagnosis", selector=by_workflow))) == 3
    of_one = bag.feature_values("Image", "Diagnosis", execution_rids=[place.rids["morning"]])
    assert [place.named(record.Image) for record in of_one] == ["a.txt", "b.txt"]
    with pytest.raises(DerivaMLMaterializeLimitExceeded):
        bag.feature_values("Image", "Diagnosis", materialize_limit=3)
    with pytest.raises(DerivaMLFeatureNotFound, match="Diagnosis"):
        bag.feature_values("Image", "Diagnosys")
    assert [feature.feature_name for feature in bag.find_features()] == ["Diagnosis", "Severity"]
    assert bag.lookup_feature("Image", "Diagnosis").feature_table.name == "Execution_Image_Diagnosis"


def test_values_are_those_of_the_datasets_own_records(place: Clinic, bag_of: BagOf, released: ReleasedBag) -> None:
    [left, _right] = bag_of("nested").list_dataset_children()

    assert [place.named(row["Image"]) for row in left.list_feature_values("Image", "Diagnosis")] == [
        "a.txt",
        "a.txt",
        "b.txt",
    ]
    # The release gives those of all datasets in the bag, wrapped in objects.
    child = ReleasedBag(released.model, left.dataset_rid)
    theirs = child.list_feature_values("Image", "Diagnosis")
    assert len(theirs) == 4 and "Image" not in theirs[0]


def test_rows_of_any_table_to_which_the_dataset_leads(place: Clinic, bag_of: BagOf) -> None:
    bag = bag_of("images")

    assert [row["Name"] for row in bag.get_table_as_dict("Subject")] == ["Ann", "Ben"]
    frame = bag.get_table_as_dataframe("clinic.Observation")
    assert list(frame["Name"]) == ["first", "third"]
    assert list(bag.get_table_as_dataframe("Execution_Subject_Severity")["Grade"]) == ["high"]
    assert len(list(bag.get_table("Image"))) == 4


def test_empty_texts_are_not_null_and_lists_are_lists(bag_of: BagOf) -> None:
    notes = {Path(row["Filename"]).name: row["Note"] for row in bag_of("nested").get_table_as_dict("Image")}
    aliases = {row["Name"]: row["Aliases"] for row in bag_of("subjects").get_table_as_dict("Subject")}

    assert notes == {"a.txt": "", "b.txt": 'says "no", twice\nand more', "c.txt": None, "d.txt": "d", "e.txt": "e"}
    assert aliases == {"Ann": ["A", 'the "first"', ""], "Ben": None, "Cid": [], "Dan": None}


def test_a_bag_is_loaded_once_and_again_when_it_has_changed(place: Clinic, bag_of: BagOf, tmp_path: Path) -> None:
    shutil.copytree(bag_of("left").path, tmp_path / "kept" / "bag")
    path = tmp_path / "kept" / "bag"
    first = open_bag(order(place, "left"), path)
    mark = path.parent / FOLDER / MARK
    loaded = mark.stat().st_mtime_ns

    assert members(place, open_bag(order(place, "left"), path)) == members(place, first)
    assert mark.stat().st_mtime_ns == loaded

    (path.parent / FOLDER / "clinic.db").unlink()
    mark.unlink()  # a program was killed before it had loaded everything
    assert members(place, open_bag(order(place, "left"), path)) == {"Image": ["a.txt", "b.txt"]}

    moved = tmp_path / "moved"
    path.parent.rename(moved)
    [row, _] = open_bag(order(place, "left"), moved / "bag").list_dataset_members()["Image"]
    assert row["Filename"].startswith(str(moved))
    assert [entry.name for entry in moved.iterdir() if entry.name.startswith(".")] == []


def test_a_bag_has_only_its_datasets(place: Clinic, bag_of: BagOf) -> None:
    bag = bag_of("left")

    with pytest.raises(DerivaMLException, match="holds no dataset 1-XXXX"):
        DatasetBag(bag.model, "1-XXXX")
    with pytest.raises(DerivaMLValidationError, match="holds version"):
        bag.get_denormalized_as_dataframe(["Image"], version="9.9.9")
    assert isinstance(bag.model, BagDatabase) and isinstance(bag, ReleasedBag)


@pytest.fixture(scope="module")
def with_files(place: Clinic) -> DatasetBag:
    spec = place.datasets["nested"]
    bag: DatasetBag = place.ml.download_dataset_bag(DatasetSpec(rid=spec.rid, version=spec.version, materialize=True))
    return bag


def test_files_that_were_left_out_are_fetched_later(place: Clinic, bag_of: BagOf, tmp_path: Path) -> None:
    shutil.copytree(bag_of("left").path, tmp_path / "kept" / "bag")
    bag = open_bag(order(place, "left"), tmp_path / "kept" / "bag")
    files = [Path(row["Filename"]) for row in bag.list_dataset_members()["Image"]]
    assert not any(file.exists() for file in files)

    assert bag.materialize(fetch_concurrency=2) is bag

    assert [file.read_text() for file in files] == ["a", "b"]


NEWEST = {"Diagnosis": FeatureRecord.select_newest}


def test_files_in_folders_by_dataset_type_and_label(with_files: DatasetBag, tmp_path: Path) -> None:
    placed = with_files.restructure_assets(tmp_path, targets=NEWEST)

    found = {str(file.relative_to(tmp_path)): file.read_text() for file in tmp_path.rglob("*.txt")}
    assert found == {
        "training/high/a.txt": "a",
        "testing/low/b.txt": "b",
        "testing/testing/Unknown/c.txt": "c",
        "testing/high/d.txt": "d",
        "Unknown/e.txt": "e",
    }
    assert all(place.is_symlink() and place.resolve() == source.resolve() for source, place in placed.items())
    assert len(placed) == 5


def test_files_may_be_copied_renamed_left_out_and_grouped_by_columns(with_files: DatasetBag, tmp_path: Path) -> None:
    def shout(source: Path, target: Path) -> Path:
        target = target.with_suffix(".upper")
        target.write_text(source.read_text().upper())
        return target

    with_files.restructure_assets(
        tmp_path / "1", targets=NEWEST, missing="skip", use_symlinks=False, type_to_dir_map={}
    )
    with_files.restructure_assets(tmp_path / "2", targets=["Size"], file_transformer=shout, type_to_dir_map={})
    with_files.restructure_assets(
        tmp_path / "3", targets=NEWEST, target_transform=lambda one: f"is-{one.Grade}", type_selector=lambda _: "Split"
    )

    def files(folder: str) -> list[str]:
        return sorted(str(file.relative_to(tmp_path / folder)) for file in (tmp_path / folder).rglob("*.*"))

    assert files("1") == ["high/a.txt", "high/d.txt", "low/b.txt"]
    assert not any(file.is_symlink() for file in (tmp_path / "1").rglob("*.txt"))
    assert files("2") == ["100/d.upper", "101/e.upper", "97/a.upper", "99/c.upper", "Unknown/b.upper"]
    assert (tmp_path / "2/97/a.upper").read_text() == "A"
    assert files("3") == ["Unknown/c.txt", "Unknown/e.txt", "is-high/a.txt", "is-high/d.txt", "is-low/b.txt"]


def test_labels_that_cannot_be_told_are_named(with_files: DatasetBag, bag_of: BagOf, tmp_path: Path) -> None:
    faults = {
        r"1 records have several values of Diagnosis": {"targets": ["Diagnosis"]},
        r"2 of 5 records of Image lack a label": {"targets": NEWEST, "missing": "error"},
        r"Diagnosys: neither a feature nor a column": {"targets": ["Diagnosys"]},
        r"Subject is no asset table": {"asset_table": "Subject"},
        r"it is one of error, skip, unknown": {"missing": "never"},
        r"names no folder": {"targets": NEWEST, "target_transform": lambda one: one.Confidence},
    }
    for message, options in faults.items():
        with pytest.raises(DerivaMLValidationError, match=message):
            with_files.restructure_assets(tmp_path, **options)
    with pytest.raises(DerivaMLValidationError, match=r"bag\.materialize"):
        bag_of("images").restructure_assets(tmp_path)
