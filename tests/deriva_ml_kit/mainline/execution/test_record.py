"""Executions as the catalog has them: looked up, found, nested, changed."""

import pytest
from deriva_ml import DerivaML as ReleasedDerivaML

from deriva_ml_kit.mainline import DatasetSpec, DerivaMLException, DerivaMLNotFoundError, Workflow
from deriva_ml_kit.mainline.errors import DerivaMLExecutionError, DerivaMLReadOnlyError
from deriva_ml_kit.mainline.execution.record import ExecutionRecord
from deriva_ml_kit.mainline.execution.status import ExecutionStatus

pytestmark = pytest.mark.catalog


@pytest.fixture
def made(ml):
    """Makes executions as rows, without running anything."""
    ml.add_term("Workflow_Type", "Analysis", description="Analysis", exists_ok=True)
    ml.add_term("Workflow_Type", "Training", description="Training", exists_ok=True)

    def rows(count: int, *, name: str, status: str = "Completed", workflow_type: str = "Training") -> list[str]:
        workflow = Workflow(name=name, workflow_type=workflow_type, url=f"u/{name}", checksum=name, version="1")
        row = {"Workflow": ml.add_workflow(workflow), "Status": status}
        stored = ml.catalog.post(
            "/entity/deriva-ml:Execution?defaults=RID,RCT,RCB,RMT,RMB",
            json=[row | {"Description": f"{name} {n}"} for n in range(count)],
        )
        return [each["RID"] for each in stored.json()]

    return rows


def asked_for(ml, monkeypatch) -> list[str]:
    asked: list[str] = []
    get = ml.catalog.get
    monkeypatch.setattr(ml.catalog, "get", lambda path, *a, **k: (asked.append(path), get(path, *a, **k))[1])
    return asked


def test_a_record_reads_and_changes_the_catalog(ml, made) -> None:
    (rid,) = made(1, name="record")
    record = ml.lookup_execution(rid)

    assert (record.status, record.description) == (ExecutionStatus.Uploaded, "record 0")
    assert record.workflow.name == "record"
    assert record.workflow_rid == record.workflow.workflow_rid
    record.status = ExecutionStatus.Failed
    record.description = "another"
    record.update_status(ExecutionStatus.Uploaded, "all there")

    again = ml.lookup_execution(rid)
    assert (again.status, again.description) == (ExecutionStatus.Uploaded, "another")
    (row,) = ml.catalog.get(f"/entity/deriva-ml:Execution/RID={rid}").json()
    assert (row["Status"], row["Status_Detail"]) == ("Completed", "all there")
    assert rid in repr(again)
    assert "another" in str(again)


def test_what_is_no_execution_is_named(ml, made) -> None:
    with pytest.raises(DerivaMLNotFoundError, match="is a row of Workflow"):
        ml.lookup_execution(ml.lookup_execution(made(1, name="x")[0]).workflow_rid)
    with pytest.raises(DerivaMLException, match="belongs to no catalog"):
        ExecutionRecord("1-0000").status = ExecutionStatus.Failed


def test_a_snapshot_is_read_and_not_changed(ml, made) -> None:
    (rid,) = made(1, name="then")
    then = ml.catalog_snapshot(f"{ml.catalog_id}@{ml.catalog.get('/').json()['snaptime']}")
    ml.lookup_execution(rid).status = ExecutionStatus.Failed

    record = then.lookup_execution(rid)
    assert record.status is ExecutionStatus.Uploaded
    assert record.list_assets() == record.list_input_datasets() == []
    with pytest.raises(DerivaMLReadOnlyError, match="snapshot"):
        record.status = ExecutionStatus.Failed


def test_executions_are_found_by_workflow_type_and_status_in_few_requests(ml, made, monkeypatch) -> None:
    done = made(30, name="sweep", workflow_type="Analysis")
    failed = made(3, name="sweep", status="Failed", workflow_type="Analysis")
    waiting = made(1, name="sweep", status="Pending", workflow_type="Analysis")
    workflow = ml.lookup_execution(done[0]).workflow
    asked = asked_for(ml, monkeypatch)

    def found(**arguments) -> list[str]:
        return [record.execution_rid for record in ml.find_executions(**arguments)]

    assert set(found(workflow=workflow)) == set(found(workflow=workflow.workflow_rid)) == {*done, *failed, *waiting}
    assert set(found(workflow=workflow, status=ExecutionStatus.Uploaded)) == set(done)
    assert set(found(workflow=workflow, status="Completed")) == set(done)
    assert set(found(workflow=workflow, status="Created")) == set(waiting)
    assert set(found(workflow_type="Analysis", status=ExecutionStatus.Failed)) >= set(failed)
    assert not set(found(workflow_type="Training")) & {*done, *failed}
    assert len(asked) < 7 * 6
    assert found(workflow=workflow, sort=True) == found(workflow=workflow, sort=lambda path: [path.RCT.desc, path.RID])
    by_text = [r.description for r in ml.find_executions(workflow=workflow, sort=lambda p: [p.Description, p.RID.desc])]
    assert by_text == sorted(by_text)
    assert ml.multirun_status_summary(workflow.workflow_rid).model_dump() == {
        "workflow_rid": workflow.workflow_rid,
        "counts": {"Uploaded": 30, "Failed": 3, "Created": 1},
        "total": 34,
    }
    with pytest.raises(ValueError, match="dataset_role"):
        ml.find_executions(dataset_role="input")


def test_nested_executions_come_by_sequence_each_once_even_in_a_circle(ml, made, monkeypatch) -> None:
    top, a, b, c, deep = made(5, name="nest")
    record = ml.lookup_execution(top)
    for child, sequence in ((c, None), (b, 2), (a, 1)):
        record.add_nested_execution(child, sequence)
    record.add_nested_execution(b, 2)
    ml.lookup_execution(b).add_nested_execution(ml.lookup_execution(deep))

    assert [child.execution_rid for child in record.list_execution_children()] == [a, b, c]
    assert [child.execution_rid for child in record.list_execution_children(recurse=True)] == [a, b, deep, c]
    assert [parent.execution_rid for parent in ml.lookup_execution(deep).list_execution_parents(recurse=True)] == [
        b,
        top,
    ]
    assert (record.is_parent(), record.is_nested()) == (True, False)
    assert ml.lookup_execution(deep).is_nested()
    record.add_nested_execution(c, 0)
    assert [child.execution_rid for child in record.list_execution_children()] == [c, a, b]

    for part in (top, deep):
        with pytest.raises(DerivaMLExecutionError, match="is a part of"):
            ml.lookup_execution(part).add_nested_execution(top)
    # Another client may have made a circle.
    ml.catalog.post(
        "/entity/deriva-ml:Execution_Execution?defaults=RID,RCT,RCB,RMT,RMB",
        json=[{"Execution": deep, "Nested_Execution": top, "Sequence": None}],
    )
    asked = asked_for(ml, monkeypatch)
    assert [child.execution_rid for child in record.list_execution_children(recurse=True)] == [c, a, b, deep]
    assert len(asked) == 3 + 3, "a request a level, then executions, workflows and their types"


def test_executions_are_found_by_the_datasets_that_they_used_and_made(ml, made) -> None:
    ml.add_term("Dataset_Type", "Training", description="d", exists_ok=True)
    maker, user, other = made(3, name="datasets")
    rid = _dataset(ml, maker)
    edge = {"Dataset": rid, "Execution": user, "Dataset_Version": _version(ml, rid, "0.1.0")}
    ml.catalog.post("/entity/deriva-ml:Dataset_Execution?defaults=RID,RCT,RCB,RMT,RMB", json=[edge])

    def found(role: str, dataset=rid) -> set[str]:
        return {record.execution_rid for record in ml.find_executions(dataset=dataset, dataset_role=role)}

    assert (found("input"), found("output"), found("any")) == ({user}, {maker}, {user, maker})
    assert found("input", DatasetSpec(rid=rid, version="0.1.0")) == {user}
    assert found("input", DatasetSpec(rid=rid, version="7.0.0")) == set()
    assert [record.execution_rid for record in ml.find_executions_consuming(rid)] == [user]
    assert [dataset.dataset_rid for dataset in ml.lookup_execution(user).list_input_datasets()] == [rid]
    assert ml.lookup_execution(maker).list_input_datasets() == []
    with pytest.raises(DerivaMLException, match="row of Execution"):
        ml.find_executions_consuming(other)


def _dataset(ml, execution: str) -> str:
    """A dataset as the plain release makes it."""
    return str(ReleasedDerivaML.create_dataset(ml, ["Training"], "d", execution_rid=execution))


def _version(ml, dataset: str, version: str) -> str:
    path = f"/entity/deriva-ml:Dataset_Version/Dataset={dataset}&Version={version}"
    return str(ml.catalog.get(path).json()[0]["RID"])
