"""Inputs of executions: what is there and what is not, in a handful of requests."""

import json
import os

import pytest
from deriva_ml import DerivaML as ReleasedDerivaML
from deriva_ml.dataset.aux_classes import VersionPart

from deriva_ml_kit.mainline import DatasetSpec, DerivaMLConfigurationError, Workflow
from deriva_ml_kit.mainline.asset.spec import AssetSpec
from deriva_ml_kit.mainline.execution.configuration import ExecutionConfiguration

pytestmark = pytest.mark.catalog


@pytest.fixture(scope="module")
def there(lab, tmp_path_factory) -> dict:
    """A dataset with twelve versions, a deleted one, images, a workflow."""
    ml = lab.connect(tmp_path_factory.mktemp("work"))
    for term in ("Training",):
        ml.add_term("Dataset_Type", term, description=term, exists_ok=True)
        ml.add_term("Workflow_Type", term, description=term, exists_ok=True)
    dataset, deleted = (ReleasedDerivaML.create_dataset(ml, ["Training"], name) for name in ("digits", "old"))
    for _ in range(22):
        ReleasedDerivaML.increment_dataset_version(ml, dataset, VersionPart.minor)
    ml.catalog.put("/attributegroup/deriva-ml:Dataset/RID;Deleted", json=[{"RID": deleted, "Deleted": True}])
    files = [
        {"URL": f"/hatrac/v/{os.urandom(8).hex()}", "Filename": f"{n}.png", "Length": 1, "MD5": "0"} for n in range(40)
    ]
    images = [row["RID"] for row in ml.pathBuilder.schemas["lab"].Image.insert(files)]
    workflow = Workflow(name="Digits", workflow_type="Training", url="u/validation", checksum="validation", version="1")
    digit = ml.catalog.get("/entity/lab:Digit").json()[0]["RID"]
    return {
        "dataset": dataset,
        "deleted": deleted,
        "images": images,
        "workflow": ml.add_workflow(workflow),
        "digit": digit,
    }


def spec(rid: str, version: str = "0.1.0") -> DatasetSpec:
    return DatasetSpec(rid=rid, version=version)


def test_what_is_there_is_described(ml, there) -> None:
    config = ExecutionConfiguration(
        datasets=[spec(there["dataset"], "0.2.0"), f"{there['deleted']}@0.1.0"],
        assets=[there["images"][0], AssetSpec(rid=there["images"][1], cache=True)],
        workflow=there["workflow"],
    )
    report = ml.validate_execution_configuration(config)

    assert report.all_valid
    first, second = report.dataset_results
    assert (first.resolved_version, first.dataset_name, first.warnings, first.reasons) == ("0.2.0", "digits", [], [])
    assert (second.valid, second.warnings) == (True, ["dataset_deleted"])
    assert [(asset.asset_table, asset.filename) for asset in report.asset_results] == [
        ("Image", "0.png"),
        ("Image", "1.png"),
    ]
    assert report.workflow_result.model_dump() == {
        "rid": there["workflow"],
        "valid": True,
        "reasons": [],
        "actual_table": None,
        "workflow_name": "Digits",
    }
    assert json.loads(report.model_dump_json())["dataset_results"][0]["spec"]["rid"] == there["dataset"]


def test_what_is_not_there_is_named_with_what_is(ml, there) -> None:
    report = ml.validate_execution_configuration(
        {
            "datasets": [
                {"rid": there["dataset"], "version": "9.9.9"},
                {"rid": there["digit"], "version": "1.0.0"},
                {"rid": "ZZZ9", "version": "1.0.0"},
            ],
            "assets": ["ZZZ8", {"rid": there["digit"], "asset_role": "Input"}],
            "workflow": there["images"][0],
        }
    )

    assert not report.all_valid
    wrong, other, missing = report.dataset_results
    assert wrong.reasons == ["version_not_found"]
    assert wrong.available_versions == [f"0.{minor}.0" for minor in range(23, 3, -1)]
    assert (other.reasons, other.actual_table) == (["not_a_dataset"], "Digit")
    assert (missing.reasons, missing.actual_table) == (["rid_not_found"], None)
    assert [(r.reasons, r.actual_table) for r in report.asset_results] == [
        (["rid_not_found"], None),
        (["not_an_asset"], "Digit"),
    ]
    assert (report.workflow_result.reasons, report.workflow_result.actual_table) == (["not_a_workflow"], "Image")
    gone = ml.validate_execution_configuration(ExecutionConfiguration(workflow="ZZZ7"))
    assert gone.workflow_result.reasons == ["rid_not_found"]


def test_what_does_not_go_together_is_named(ml, there) -> None:
    dataset, image = there["dataset"], there["images"][0]
    config = ExecutionConfiguration(
        datasets=[spec(dataset), spec(dataset, "0.2.0"), spec(there["deleted"]), spec(there["deleted"])],
        assets=[image, image, dataset],
    )
    report = ml.validate_execution_configuration(config)

    assert [(issue.issue, issue.rids) for issue in report.cross_spec_issues] == [
        ("version_conflict", [dataset]),
        ("duplicate_rid", [there["deleted"]]),
        ("duplicate_rid", [image]),
        ("role_conflict", [dataset]),
    ]
    assert "as dataset and as asset" in report.cross_spec_issues[-1].detail
    assert not report.all_valid
    both = ml.validate_execution_configuration(ExecutionConfiguration(assets=[image], workflow=image))
    assert [issue.issue for issue in both.cross_spec_issues] == ["role_conflict"]


def test_forty_inputs_cost_a_handful_of_requests_and_none_is_written(ml, there, monkeypatch) -> None:
    config = ExecutionConfiguration(
        datasets=[spec(there["dataset"], f"0.{minor}.0") for minor in range(1, 20)], assets=there["images"]
    )
    asked: list[str] = []
    get = ml.catalog.get
    monkeypatch.setattr(ml.catalog, "get", lambda path, *a, **k: (asked.append(path), get(path, *a, **k))[1])
    before = ml.catalog.get("/").json()["snaptime"]

    report = ml.validate_execution_configuration(config)

    assert all(result.valid for result in [*report.dataset_results, *report.asset_results])
    assert len(asked) <= 10
    assert ml.catalog.get("/").json()["snaptime"] == before


def test_datasets_alone_are_taken_in_any_form(ml, there) -> None:
    rid = there["dataset"]
    report = ml.validate_dataset_specs([spec(rid), f"{rid}@0.1.0", {"rid": rid, "version": "0.99.0"}])

    assert [result.valid for result in report.results] == [True, True, False]
    assert not report.all_valid
    assert ml.validate_dataset_specs([]).all_valid
    with pytest.raises(DerivaMLConfigurationError, match="RID@VERSION"):
        ml.validate_dataset_specs(["no version"])
    assert ml.validate_execution_configuration(ExecutionConfiguration()).model_dump() == {
        "all_valid": True,
        "dataset_results": [],
        "asset_results": [],
        "workflow_result": None,
        "cross_spec_issues": [],
    }


def test_a_snapshot_answers_as_it_was(ml, there) -> None:
    then = ml.catalog_snapshot(f"{ml.catalog_id}@{ml.catalog.get('/').json()['snaptime']}")
    config = ExecutionConfiguration(datasets=[spec(there["dataset"])], assets=there["images"][:2])
    assert then.validate_execution_configuration(config).all_valid


def test_a_configuration_comes_back_from_its_file(tmp_path) -> None:
    made = ExecutionConfiguration(
        datasets=["1-000S@0.2.0"], assets=["1-AAAA", {"rid": "1-BBBB", "cache": True}], config_choices={"model": "cnn"}
    )
    (tmp_path / "configuration.json").write_text(made.model_dump_json())
    read = ExecutionConfiguration.load_configuration(tmp_path / "configuration.json")

    assert [(str(d.rid), str(d.version)) for d in read.datasets] == [("1-000S", "0.2.0")]
    assert [(asset.rid, asset.cache) for asset in read.assets] == [("1-AAAA", False), ("1-BBBB", True)]
    assert read.config_choices == {"model": "cnn"}
