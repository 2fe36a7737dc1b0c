import os
from pathlib import Path

import pytest

from deriva_ml_kit.mainline import DerivaMLUploadError
from deriva_ml_kit.mainline.feature import staged

pytestmark = pytest.mark.catalog


@pytest.fixture
def image_rids(ml) -> list[str]:
    made = [{"URL": f"/hatrac/none/{os.urandom(8).hex()}", "Filename": "x", "Length": 1, "MD5": "0"} for _ in range(5)]
    return [row["RID"] for row in ml.pathBuilder.schemas["lab"].Image.insert(made)]


def values_of(ml, rid: str, feature: str = "Label") -> list[dict]:
    return ml.catalog.get(f"/entity/lab:Execution_Image_{feature}/Execution={rid}").json()


def test_values_are_counted_when_staged_and_stored_by_the_commit_in_chunks(
    ml, workflow, image_rids, monkeypatch
) -> None:
    monkeypatch.setattr(staged, "CHUNK_ROWS", 2)
    label = ml.feature_record_class("Image", "Label")
    with ml.create_execution(description="labels", workflow=workflow) as exe:
        count = exe.add_features(label(Image=rid, Digit="seven", Confidence=0.5) for rid in image_rids)
        assert values_of(ml, exe.execution_rid) == []
    report = exe.commit_output_assets()

    stored = values_of(ml, exe.execution_rid)
    assert count == report.total_uploaded == len(stored) == 5
    assert {(row["Digit"], row["Confidence"], row["Feature_Name"]) for row in stored} == {("seven", 0.5, "Label")}


def test_no_records_at_all_is_an_error(ml, workflow) -> None:
    with (
        ml.create_execution(description="none", workflow=workflow, dry_run=True) as exe,
        pytest.raises(ValueError, match="no records"),
    ):
        exe.add_features(iter([]))


def test_a_second_value_for_the_same_record_is_told_and_not_dropped_in_silence(ml, workflow, image_rids) -> None:
    label = ml.feature_record_class("Image", "Label")
    with ml.create_execution(description="twice", workflow=workflow) as exe:
        exe.add_features([label(Image=image_rids[0], Digit=digit) for digit in ("seven", "eight")])

    with pytest.raises(DerivaMLUploadError, match=r"1 of 2 values were not stored.*only one value of Label"):
        exe.commit_output_assets()


def test_committing_values_again_adds_nothing(ml, workflow, image_rids) -> None:
    label = ml.feature_record_class("Image", "Label")
    with ml.create_execution(description="again", workflow=workflow) as exe:
        exe.add_features([label(Image=rid, Digit="eight") for rid in image_rids])
    exe.commit_output_assets(clean_folder=False)

    assert exe.commit_output_assets().total_uploaded == 5
    assert len(values_of(ml, exe.execution_rid)) == 5


def test_a_value_that_is_an_output_file_refers_to_its_asset(ml, workflow, image_rids) -> None:
    mask = ml.feature_record_class("Image", "Mask")
    with ml.create_execution(description="masks", workflow=workflow) as exe:
        path = exe.asset_file_path("Execution_Asset", "mask 1.png", "Output_File")
        Path(path).write_bytes(os.urandom(9))
        exe.add_features([mask(Image=image_rids[0], Execution_Asset=path)])
    exe.commit_output_assets()

    (value,) = values_of(ml, exe.execution_rid, "Mask")
    (asset,) = ml.catalog.get(f"/entity/deriva-ml:Execution_Asset/RID={value['Execution_Asset']}").json()
    assert asset["Filename"] == "mask 1.png"


def test_a_term_that_the_catalog_does_not_know_fails_with_the_servers_words(ml, workflow, image_rids) -> None:
    label = ml.feature_record_class("Image", "Label")
    with ml.create_execution(description="bad term", workflow=workflow) as exe:
        exe.add_features([label(Image=image_rids[0], Digit="sevn")])

    with pytest.raises(DerivaMLUploadError, match="sevn"):
        exe.commit_output_assets()
    assert values_of(ml, exe.execution_rid) == []
