"""basic_execution.py: works unedited, checks everything first, proves its outputs, and a dry run writes nothing."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

from deriva_ml_kit.mainline import DatasetSpec

pytestmark = pytest.mark.catalog

PREDICT = '''
def run(model, data, out, evidence):
    """Predict one thing for every image."""
    evidence.without("data", "it says the same of everything")
    record = out.feature("Image", "FEATURE")
    rows = list(evidence.batches(data.tables["Image"]["RID"]))
    added = out.features(record(Image=rid, Diagnosis="TERM", Confidence=0.5) for rid in rows)
    (out.file("model.best.pt", asset_type="Model_File")).write_bytes(b"weights")
    (out.file("README", asset_type="Output_File")).write_text("what this is")
    return {"predicted": added}
'''


@pytest.fixture(scope="session")
def dataset(gallery: Any) -> tuple[str, str]:
    """An outer dataset with one image and a nested dataset of three, one of them twice; with its version."""
    ml = gallery.ml
    inner = ml.create_dataset(["Training"], "Three images")
    ml.add_dataset_members(inner, {"Image": list(gallery.images[:3])})
    outer = ml.create_dataset(["Training"], "One image and a nested dataset")
    ml.add_dataset_members(outer, {"Image": [gallery.images[0], gallery.images[5]], "Dataset": [inner]})
    return outer, str(ml.dataset_version(outer))


def arguments(*more: object, workflow_type: str = "Training") -> list[object]:
    return ["--workflow-type", workflow_type, "--json", *more]


def tiers_1_and_2(project: Any, *given: object) -> Any:
    """The outcome of a real run, after the dry run that it asks for."""
    dry = project.run("basic", *given, "--dry-run")
    assert dry.code == 0, dry.err
    return project.run("basic", *given)


def replace_region(name: str, body: str) -> Any:
    pattern = rf"(# >>> edit: {name}\n).*?(# <<< edit: {name}\n)"
    return lambda text: re.sub(pattern, lambda m: m[1] + body + m[2], text, flags=re.DOTALL)


def test_unedited_it_runs_on_any_dataset_and_its_outputs_are_in_the_catalog(
    gallery: Any, project: Any, dataset: tuple[str, str]
) -> None:
    config = project.folder / "small.toml"
    config.write_text("batch_size = 3\n")
    asset = gallery.masks[0]
    done = tiers_1_and_2(
        project,
        *arguments("--dataset", "@".join(dataset), "--asset", asset, "--config", config, "--description", "First"),
    )
    assert done.code == 0, done.err
    result = done.result
    assert result["metrics"] == {"batches": 2, "rows": 4, "files": 5}
    assert result["feature_values"] == 0

    rid = result["execution_rid"]
    [execution] = gallery.rows(f"deriva-ml:Execution/RID={rid}")
    assert (execution["Status"], execution["Description"]) == ("Completed", "First")
    assert [row["Dataset"] for row in gallery.rows(f"deriva-ml:Dataset_Execution/Execution={rid}")] == [dataset[0]]
    [link] = gallery.rows(f"gallery:Mask_Execution/Execution={rid}")
    assert (link["Mask"], link["Asset_Role"]) == (asset, "Input")
    outputs = {output["filename"]: output for output in result["outputs"]}
    assert outputs.keys() == {"summary.csv", "metrics.json"}
    for output in outputs.values():
        [row] = gallery.rows(f"deriva-ml:Execution_Asset/RID={output['rid']}")
        assert (row["Filename"], row["Length"], row["MD5"]) == (output["filename"], output["bytes"], output["md5"])
        content = gallery.ml.catalog.deriva_server.get(row["URL"]).content
        if output["filename"] == "summary.csv":
            assert "Image.Size,8.0" in content.decode().splitlines()
        assert (len(content), hashlib.md5(content).hexdigest()) == (output["bytes"], output["md5"])


def test_without_inputs_it_still_runs(project: Any, gallery: Any) -> None:
    done = project.run("basic", *arguments("--dry-run"))
    assert done.code == 0, done.err
    assert done.result["metrics"]["rows"] == 0


def test_a_dry_run_loads_builds_and_runs_two_batches_and_writes_nothing(
    gallery: Any, project: Any, dataset: tuple[str, str]
) -> None:
    config = project.folder / "small.toml"
    config.write_text("batch_size = 1\n")
    before = gallery.snaptime, sorted(Path(gallery.ml.working_dir).rglob("*"))
    for _ in range(3):
        done = project.run("basic", *arguments("--dataset", "@".join(dataset), "--config", config, "--dry-run"))
        assert done.code == 0, done.err
        assert done.result["status"] == "dry run"
        assert done.result["execution_rid"] is None
        assert done.result["metrics"]["batches"] == 2
        assert {output["name"] for output in done.result["outputs"]} == {"summary.csv", "metrics.json"}
    assert gallery.snaptime == before[0]


def test_unedited_it_goes_through_all_three_tiers(gallery: Any, project: Any, dataset: tuple[str, str]) -> None:
    given = arguments("--dataset", "@".join(dataset))
    first, second, third = (project.run("basic", *given, *more) for more in (["--dry-run"], [], ["--tier", "3"]))
    for tier, done in enumerate((first, second, third), start=1):
        assert done.code == 0, done.err
        assert (done.result["tier"], done.result["verdict"]) == (tier, "pass")
    assert Path(first.result["receipt"]).is_relative_to(project.folder / ".deriva-ml/receipts")
    rid = third.result["execution_rid"]
    names = {asset.filename for asset in gallery.ml.list_execution_assets(rid) if asset.asset_table != "Image"}
    assert names >= {"receipt-tier1.json", "receipt-tier3.json", "input-ranges.json", "summary.csv", "metrics.json"}


def test_a_real_run_without_the_dry_run_before_it_says_what_to_type(
    gallery: Any, project: Any, dataset: tuple[str, str]
) -> None:
    before = gallery.count("Execution")
    refused = project.run("basic", *arguments("--dataset", "@".join(dataset)))
    assert refused.code == 2
    assert "--dry-run" in refused.result["error"]["remedy"]
    assert gallery.count("Execution") == before


def test_a_run_that_shows_nothing_is_told_what_it_lacks_and_its_result_is_printed_all_the_same(
    gallery: Any, project: Any
) -> None:
    body = 'def run(model, data, out, evidence):\n    return {"rows": 1}\n'
    project.edit("basic", replace_region("run", body))
    done = project.run("basic", *arguments("--dry-run"))
    assert done.code == 2
    error = done.result["error"]
    assert "evidence().data(" in error["message"]
    assert error["result"]["metrics"] == {"rows": 1}


def test_an_edited_run_writes_feature_values_and_files_of_any_name(
    gallery: Any, project: Any, dataset: tuple[str, str], feature: str
) -> None:
    body = PREDICT.replace("FEATURE", feature).replace("TERM", "Glaucoma")
    project.edit("basic", replace_region("run", body))
    done = tiers_1_and_2(project, *arguments("--dataset", "@".join(dataset)))
    assert done.code == 0, done.err
    assert done.result["feature_values"] == 4
    assert {output["filename"] for output in done.result["outputs"]} == {"model.best.pt", "README", "metrics.json"}
    rows = gallery.rows(f"gallery:Execution_Image_{feature}/Execution={done.result['execution_rid']}")
    assert sorted(row["Image"] for row in rows) == sorted([*gallery.images[:3], gallery.images[5]])


@pytest.mark.parametrize("dry", [["--dry-run"], ["--override-tier", "to see it fail"]])
def test_a_predicted_term_that_does_not_exist_fails_dry_as_well_as_real(
    project: Any, gallery: Any, dataset: tuple[str, str], feature: str, dry: list[str]
) -> None:
    project.edit("basic", replace_region("run", PREDICT.replace("FEATURE", feature).replace("TERM", "Glaucma")))
    done = project.run("basic", *arguments("--dataset", "@".join(dataset), *dry))
    assert done.code == 2
    assert "'Glaucma' is no term of Diagnosis" in done.result["error"]["message"]
    assert "Did you mean 'Glaucoma'" in done.result["error"]["remedy"]
    assert gallery.rows(f"gallery:Execution_Image_{feature}") == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('out.file("a.txt")\n', "never written: a.txt"),
        ('out.file("a.txt", asset_type="Modl_File")\n', "Did you mean 'Model_File'"),
        ('out.file("a.txt", table="Execution_Aset")\n', "Execution_Aset"),
        ('[out.file("a.txt") for _ in range(2)]\n', "registered twice"),
        ('out.feature("Image", "Nothing")\n', "has no feature 'Nothing'"),
    ],
)
def test_outputs_that_cannot_work_are_refused_in_a_dry_run_already(
    project: Any, gallery: Any, line: str, words: str
) -> None:
    body = f"def run(model, data, out, evidence):\n    {line}    return {{}}\n"
    project.edit("basic", replace_region("run", body))
    done = project.run("basic", *arguments("--dry-run"))
    assert done.code in {1, 2}
    assert words in str(done.result["error"])
    assert "Traceback" not in done.err


def test_everything_wrong_with_the_inputs_is_said_at_once_and_nothing_is_written(
    gallery: Any, project: Any, dataset: tuple[str, str]
) -> None:
    rid, version = dataset
    before = gallery.snaptime
    named = [f"{rid}@9.9.9", f"{rid}@{version}", f"9-ZZZZ@{version}", "not a RID"]
    files = ["9-ZZZZ", rid, gallery.masks[0], gallery.masks[0]]
    done = project.run(
        "basic",
        *arguments(workflow_type="Trainig"),
        *(part for text in named for part in ("--dataset", text)),
        *(part for text in files for part in ("--asset", text)),
    )
    assert done.code == 2
    messages = [fault["message"] for fault in done.result["error"]["faults"]]
    expected = [
        "did you mean 'Training'",
        f"has no version 9.9.9; versions: {version}",
        f"dataset {rid} is named twice",
        "no dataset has the RID 9-ZZZZ",
        "no dataset has the RID not a RID",
        "--asset 9-ZZZZ: the catalog has no such RID",
        "is a row of Dataset, which holds no files",
        "is named twice",
    ]
    assert len(messages) == len(expected)
    for message, words in zip(messages, expected, strict=True):
        assert words in message
    assert gallery.snaptime == before


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "version is missing"), ("@0.4.0.post1.dev2", "development version"), ("@", "version is missing")],
)
def test_a_dataset_needs_a_released_version(project: Any, dataset: tuple[str, str], text: str, words: str) -> None:
    done = project.run("basic", *arguments("--dataset", dataset[0] + text))
    assert done.code == 2
    [fault] = done.result["error"]["faults"]
    assert words in fault["message"]
    assert dataset[1] in fault["message"]


@pytest.mark.parametrize(("content", "words"), [("epochs = \n", "line 1"), (None, "No such file")])
def test_a_config_that_cannot_be_read_is_a_usage_error(
    project: Any, gallery: Any, content: str | None, words: str
) -> None:
    config = project.folder / "model.toml"
    if content is not None:
        config.write_text(content)
    done = project.run("basic", *arguments("--config", config))
    assert done.code == 2
    assert words in done.result["error"]["message"]


def test_uncommitted_changes_are_refused_before_an_execution_exists(project: Any, gallery: Any) -> None:
    script = project.folder / "src/scripts/basic_execution.py"
    script.write_text(script.read_text() + "\n# changed\n")
    before = gallery.count("Execution")
    refused = project.run("basic", *arguments())
    assert refused.code == 2
    assert "basic_execution.py" in refused.result["error"]["message"]
    assert gallery.count("Execution") == before
    allowed = project.run("basic", *arguments("--allow-dirty", "--override-tier", "only looking"))
    assert allowed.code == 0, allowed.err


def test_a_dataset_whose_feature_values_leave_a_boolean_empty_can_be_loaded(
    project: Any, gallery: Any, feature: str
) -> None:
    csv = project.folder / "labels.csv"
    csv.write_text(f"Image,Diagnosis,Checked\n{gallery.images[7]},Healthy,\n{gallery.images[8]},Healthy,yes\n")
    named = ["--workflow-type", "Annotation", "--target-table", "Image", "--feature-name", feature]
    assert project.run("populate", *named, "--csv", csv).code == 0
    rid = gallery.ml.create_dataset([], "Two labelled images")
    gallery.ml.add_dataset_members(rid, {"Image": list(gallery.images[7:9])})
    done = project.run("basic", *arguments("--dataset", f"{rid}@{gallery.ml.dataset_version(rid)}", "--dry-run"))
    assert done.code == 0, done.err
    assert done.result["metrics"]["rows"] == 2


def test_the_types_of_a_dataset_tell_its_part_in_a_split(project: Any, dataset: tuple[str, str]) -> None:
    bodies = {
        "imports": "",
        "load": "def load(bags, assets):\n"
        "    return [part.dataset_types for bag in bags for part in [bag, *bag.list_dataset_children(recurse=True)]]\n",
        "build": "def build(data, config):\n    return None\n",
        "run": "def run(model, data, out, evidence):\n"
        "    evidence.without('data', 'only looks')\n    return {'types': data}\n",
    }
    for name, body in bodies.items():
        project.edit("basic", replace_region(name, body))
    done = project.run("basic", *arguments("--dataset", "@".join(dataset), "--dry-run"))
    assert done.code == 0, done.err
    assert done.result["metrics"] == {"types": [["Training"], ["Training"]]}


def test_labels_of_a_bag_are_those_of_its_images(project: Any, gallery: Any, feature: str) -> None:
    csv = project.folder / "labels.csv"
    csv.write_text(f"Image,Diagnosis\n{gallery.images[9]},Healthy\n{gallery.images[10]},Glaucoma\n")
    named = ["--workflow-type", "Annotation", "--target-table", "Image", "--feature-name", feature]
    assert project.run("populate", *named, "--csv", csv).code == 0
    rid = gallery.ml.create_dataset([], "Two more labelled images")
    gallery.ml.add_dataset_members(rid, {"Image": list(gallery.images[9:11])})
    spec = DatasetSpec(rid=rid, version=gallery.ml.dataset_version(rid), materialize=False)
    bag = gallery.ml.download_dataset_bag(spec)

    labels = {value.Image: value.Diagnosis for value in bag.feature_values("Image", feature)}

    assert labels == {gallery.images[9]: "Healthy", gallery.images[10]: "Glaucoma"}
