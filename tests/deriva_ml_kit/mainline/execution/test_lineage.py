"""What stands behind a dataset, an asset, a feature value or an execution."""

import os
from dataclasses import dataclass
from itertools import pairwise

import pytest
from deriva_ml import DerivaML as ReleasedDerivaML
from deriva_ml.dataset.aux_classes import VersionPart

from deriva_ml_kit.mainline import DerivaMLException, Workflow

pytestmark = pytest.mark.catalog


@dataclass
class History:
    """Writes executions and what they used and made, as clients do."""

    ml: object
    workflow: str

    def insert(self, table: str, rows: list[dict]) -> list[str]:
        path = f"/entity/{table}?defaults=RID,RCT,RCB,RMT,RMB"
        return [row["RID"] for row in self.ml.catalog.post(path, json=rows).json()]

    def executions(self, *names: str) -> list[str]:
        rows = [{"Workflow": self.workflow, "Status": "Completed", "Description": name} for name in names]
        return self.insert("deriva-ml:Execution", rows)

    def image(self, maker: str | None, *users: str) -> str:
        file = {"URL": f"/hatrac/l/{os.urandom(8).hex()}", "Filename": "i.png", "Length": 1, "MD5": "0"}
        (rid,) = self.insert("lab:Image", [file])
        roles = [(maker, "Output")] if maker else []
        for execution, role in [*roles, *((user, "Input") for user in users)]:
            self.insert("lab:Image_Execution", [{"Image": rid, "Execution": execution, "Asset_Role": role}])
        return rid

    def dataset(self, maker: str | None, members: list[str]) -> str:
        rid = ReleasedDerivaML.create_dataset(self.ml, ["Training"], "dataset", execution_rid=maker)
        if members:
            self.insert("lab:Dataset_Image", [{"Dataset": rid, "Image": image} for image in members])
            ReleasedDerivaML.increment_dataset_version(self.ml, rid, VersionPart.minor, execution_rid=maker)
        return str(rid)

    def used(self, dataset: str, version: str | None, execution: str) -> None:
        path = f"/entity/deriva-ml:Dataset_Version/Dataset={dataset}&Version={version}"
        rid = self.ml.catalog.get(path).json()[0]["RID"] if version else None
        edge = {"Dataset": dataset, "Execution": execution, "Dataset_Version": rid}
        self.insert("deriva-ml:Dataset_Execution", [edge])


@pytest.fixture
def history(ml) -> History:
    ml.add_term("Workflow_Type", "Training", description="Training", exists_ok=True)
    ml.add_term("Dataset_Type", "Training", description="Training", exists_ok=True)
    workflow = Workflow(name="Lineage", workflow_type="Training", url="u/lineage", checksum="lineage", version="1")
    return History(ml, ml.add_workflow(workflow))


def flat(node) -> dict:
    """The tree as RIDs; an execution that is shown elsewhere as None."""
    return {p.execution.rid: None if p.already_shown else flat(p) for p in node.parents}


def test_a_chain_is_followed_from_a_model_to_the_first_upload(ml, history) -> None:
    upload, curate, train = history.executions("upload", "curate", "train")
    image = history.image(upload)
    dataset = history.dataset(curate, [image])
    history.used(dataset, "0.2.0", train)
    model = history.image(train)

    found = ml.lookup_lineage(model)

    assert (found.root.type, found.root.producing_execution.rid) == ("Asset", train)
    assert found.lineage.execution.model_dump() == {
        "rid": train,
        "description": "train",
        "workflow": {"rid": history.workflow, "name": "Lineage"},
        "status": "Uploaded",
    }
    assert [d.model_dump() for d in found.lineage.consumed_datasets] == [
        {"rid": dataset, "description": "dataset", "version": "0.2.0"}
    ]
    assert flat(found.lineage) == {curate: {}, upload: {}}
    assert (found.executions_visited, found.walked_complete, found.cycle_detected) == (3, True, False)
    assert flat(ml.lookup_lineage(train).lineage) == flat(found.lineage)
    of_dataset = ml.lookup_lineage(dataset)
    assert (of_dataset.root.type, of_dataset.root.description) == ("Dataset", "dataset")
    assert of_dataset.lineage.execution.rid == curate
    assert flat(of_dataset.lineage) == {upload: {}}


def test_the_version_that_was_used_counts_not_what_came_later(ml, history) -> None:
    upload, later, curate, train = history.executions("upload", "later", "curate", "train")
    dataset = history.dataset(curate, [history.image(upload)])
    history.used(dataset, "0.2.0", train)
    history.insert("lab:Dataset_Image", [{"Dataset": dataset, "Image": history.image(later)}])

    assert flat(ml.lookup_lineage(train).lineage) == {curate: {}, upload: {}}
    assert flat(ml.lookup_lineage(dataset).lineage) == {upload: {}, later: {}}


def test_a_feature_value_leads_to_the_execution_that_wrote_it(ml, history) -> None:
    upload, label = history.executions("upload", "label")
    image = history.image(upload, label)
    feature = ml.lookup_feature("Image", "Label").feature_table
    value = {"Image": image, "Execution": label, "Feature_Name": "Label", "Digit": "seven", "Confidence": None}
    (rid,) = history.insert(f"lab:{feature.name}", [value])

    found = ml.lookup_lineage(rid)

    assert (found.root.type, found.root.description) == ("Feature", None)
    assert found.lineage.execution.rid == label
    assert [asset.model_dump() for asset in found.lineage.consumed_assets] == [
        {"rid": image, "filename": "i.png", "asset_table": "Image"}
    ]
    assert flat(found.lineage) == {upload: {}}


def test_an_execution_on_two_ways_is_shown_in_full_once(ml, history) -> None:
    source, left, right, end = history.executions("source", "left", "right", "end")
    history.image(source, left, right)
    history.image(left, end)
    history.image(right, end)

    found = ml.lookup_lineage(end)

    assert flat(found.lineage) == {left: {source: {}}, right: {source: None}}
    assert (found.executions_visited, found.cycle_detected) == (4, False)
    shown_again = found.lineage.parents[1].parents[0]
    assert (shown_again.execution.description, shown_again.consumed_assets) == ("source", [])


def test_a_circle_is_reported_and_ends(ml, history) -> None:
    one, two = history.executions("one", "two")
    history.image(one, two)
    history.image(two, one)

    found = ml.lookup_lineage(one)

    assert found.cycle_detected
    assert flat(found.lineage) == {two: {one: None}}


def test_depth_and_number_of_executions_are_limited_and_that_is_said(ml, history) -> None:
    chain = history.executions(*(f"step {n}" for n in range(5)))
    for maker, user in pairwise(chain):
        history.image(maker, user)

    nearest = ml.lookup_lineage(chain[-1], depth=0)
    assert (flat(nearest.lineage), nearest.depth_capped, nearest.walked_complete) == ({}, True, False)
    two = ml.lookup_lineage(chain[-1], depth=2)
    assert (two.executions_visited, two.depth_capped) == (3, True)
    whole = ml.lookup_lineage(chain[-1], depth=4)
    assert (whole.executions_visited, whole.depth_capped, whole.walked_complete) == (5, False, True)
    few = ml.lookup_lineage(chain[-1], max_executions=3)
    assert (few.executions_visited, few.walked_complete, few.depth_capped) == (3, False, False)


def test_wide_histories_cost_requests_by_level(ml, history, monkeypatch) -> None:
    makers = history.executions(*(f"maker {n}" for n in range(25)))
    (end,) = history.executions("end")
    for maker in makers:
        history.image(maker, end)
    asked: list[str] = []
    get = ml.catalog.get
    monkeypatch.setattr(ml.catalog, "get", lambda path, *a, **k: (asked.append(path), get(path, *a, **k))[1])

    found = ml.lookup_lineage(end)

    assert found.executions_visited == 26
    assert len(asked) <= 25, asked


def test_what_has_no_lineage_says_so(ml, history) -> None:
    with pytest.raises(DerivaMLException, match="Workflow has no lineage"):
        ml.lookup_lineage(history.workflow)
    with pytest.raises(DerivaMLException, match="no RID 9-ZZZZ"):
        ml.lookup_lineage("9-ZZZZ")
    nobody = ml.lookup_lineage(history.image(None))
    assert (nobody.lineage, nobody.root.producing_execution, nobody.executions_visited) == (None, None, 0)


def test_a_snapshot_is_looked_through_as_it_was(ml, history) -> None:
    upload, train = history.executions("upload", "train")
    dataset = history.dataset(upload, [history.image(upload)])
    history.used(dataset, "0.2.0", train)
    then = ml.catalog_snapshot(f"{ml.catalog_id}@{ml.catalog.get('/').json()['snaptime']}")
    (before,) = history.executions("before")
    history.image(before, train)

    assert flat(then.lookup_lineage(train).lineage) == {upload: {}}
    assert flat(ml.lookup_lineage(train).lineage) == {upload: {}, before: {}}


def test_datasets_that_nobody_made_are_found(ml, history) -> None:
    (maker,) = history.executions("maker")
    made, nobodys = history.dataset(maker, []), history.dataset(None, [])
    report = ml.audit_provenance()

    found = {finding.rid: finding for finding in report.violations}
    assert made not in found
    assert (found[nobodys].category, found[nobodys].kind) == ("null_producer", "Dataset")
    assert nobodys in str(found[nobodys])
    assert (report.is_clean, report.summary().startswith(str(len(found)))) == (False, True)
