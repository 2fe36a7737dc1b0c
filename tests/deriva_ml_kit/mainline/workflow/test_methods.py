"""Workflows in a catalog: found again, with all their types, and changed through their objects."""

import subprocess

import pytest
from deriva_ml import DerivaML as ReleasedDerivaML

from deriva_ml_kit.mainline import DerivaMLException, DerivaMLInvalidTerm, DerivaMLNotFoundError, Workflow
from deriva_ml_kit.mainline.catalog.single import has_column
from deriva_ml_kit.mainline.errors import DerivaMLConfigurationError, DerivaMLReadOnlyError, DerivaMLWorkflowError
from deriva_ml_kit.mainline.workflow.git import blob_hash
from deriva_ml_kit.mainline.workflow.installed import installed_program

pytestmark = pytest.mark.catalog


@pytest.fixture
def terms(ml) -> list[str]:
    for term in ("Tuning", "Judging", "Loading"):
        ml.add_term("Workflow_Type", term, description=term, synonyms=[f"{term}_synonym"], exists_ok=True)
    return ["Tuning", "Judging", "Loading"]


def made(ml, name: str, types, checksum: str | None = None) -> Workflow:
    url = f"https://example.org/{name}.py"
    workflow = Workflow(name=name, workflow_type=types, url=url, checksum=checksum or f"sum-{name}", version="1")
    return ml.lookup_workflow(ml.add_workflow(workflow))


def test_a_workflow_is_found_by_rid_url_and_checksum(ml, terms) -> None:
    workflow = made(ml, "found", "Tuning")

    assert workflow.workflow_rid == workflow.rid
    assert (workflow.name, workflow.workflow_type, workflow.version) == ("found", ["Tuning"], "1")
    for key in (workflow.url, workflow.checksum):
        assert ml.lookup_workflow_by_url(key).workflow_rid == workflow.workflow_rid
    assert (
        ml.add_workflow(Workflow(name="again", workflow_type="Tuning", checksum="sum-found", url="u")) == workflow.rid
    )
    with pytest.raises(DerivaMLNotFoundError, match="lookup_workflow_by_url"):
        ml.lookup_workflow(workflow.url)
    with pytest.raises(DerivaMLException, match="is a row of Digit"):
        ml.lookup_workflow(ml.catalog.get("/entity/lab:Digit").json()[0]["RID"])
    with pytest.raises(DerivaMLNotFoundError, match=r"nowhere\.py"):
        ml.lookup_workflow_by_url("https://example.org/nowhere.py")


def test_workflows_are_listed_in_any_order_with_their_types_in_two_requests(ml, terms, monkeypatch) -> None:
    made(ml, "a", "Tuning"), made(ml, "b", "Loading")
    asked: list[str] = []
    get = ml.catalog.get
    monkeypatch.setattr(ml.catalog, "get", lambda path, *a, **k: (asked.append(path), get(path, *a, **k))[1])

    names = [workflow.name for workflow in ml.find_workflows(sort=True)]
    by_name = [workflow.name for workflow in ml.find_workflows(sort=lambda path: path.Name)]

    assert names[:2] == ["b", "a"]
    assert by_name == sorted(by_name)
    assert {workflow.name: workflow.workflow_type for workflow in ml.list_workflows()}["b"] == ["Loading"]
    assert len(asked) <= 3 * 2 + 1


def test_a_workflow_has_several_types_where_the_catalog_can_hold_them(ml, terms) -> None:
    if not has_column(ml, "Workflow_Workflow_Type"):
        with pytest.raises(DerivaMLConfigurationError, match="upgrade-catalog"):
            made(ml, "many", ["Tuning", "Judging"])
        return
    workflow = made(ml, "many", ["Tuning", "Judging_synonym", "Judging"])
    assert workflow.workflow_type == workflow.workflow_types == ["Tuning", "Judging"]

    workflow.add_workflow_type("Loading_synonym")
    workflow.remove_workflow_type("Tuning")
    workflow.remove_workflow_type("Tuning")
    again = ml.lookup_workflow(workflow.workflow_rid)

    assert sorted(again.workflow_type) == sorted(workflow.workflow_types) == ["Judging", "Loading"]
    again.workflow_type = "Tuning"
    assert ml.lookup_workflow(workflow.workflow_rid).workflow_type == ["Tuning"]
    # A plain client of the release reads the column.
    plain = ReleasedDerivaML(ml.host_name, ml.catalog_id, working_dir=ml.working_dir, use_minid=False)
    assert {w.rid: w.workflow_type for w in plain.list_workflows()}[workflow.rid] == "Tuning"
    with pytest.raises(DerivaMLInvalidTerm):
        again.add_workflow_type("Nonsense")
    with pytest.raises(DerivaMLConfigurationError, match="at least one"):
        again.remove_workflow_type("Tuning")


def test_a_description_is_written_when_it_is_set_but_not_in_a_snapshot(ml, terms) -> None:
    workflow = made(ml, "described", "Tuning")
    workflow.description = "what it does"
    assert ml.lookup_workflow(workflow.workflow_rid).description == "what it does"

    then = ml.catalog_snapshot(f"{ml.catalog_id}@{ml.catalog.get('/').json()['snaptime']}")
    with pytest.raises(DerivaMLReadOnlyError):
        then.lookup_workflow(workflow.workflow_rid).description = "another"
    with pytest.raises(DerivaMLWorkflowError, match="not recorded"):
        Workflow(name="n", workflow_type="Tuning", url="u", checksum="c", version="1").add_workflow_type("Tuning")


def test_a_run_takes_the_rid_of_a_workflow(ml, terms) -> None:
    workflow = made(ml, "by-rid", "Tuning")
    for given in (workflow.workflow_rid, workflow):
        with ml.create_execution(description="by RID", workflow=given) as exe:
            pass
        assert exe.workflow_rid == workflow.workflow_rid


# A bug of the release, which asks the RID for its git_root when it has written the execution's row already.
def test_the_release_cannot_take_the_rid_of_a_workflow(ml, terms) -> None:
    from deriva_ml.execution import ExecutionConfiguration  # noqa: PLC0415

    workflow = made(ml, "by-rid", "Tuning")
    plain = ReleasedDerivaML(ml.host_name, ml.catalog_id, working_dir=ml.working_dir, use_minid=False)
    with pytest.raises(AttributeError, match="git_root"):
        plain.create_execution(ExecutionConfiguration(description="by RID"), workflow=workflow.workflow_rid)


def test_an_installed_program_is_named_by_version_and_file_without_a_repository(ml, terms, tmp_path) -> None:
    described = installed_program(ml, "Upload", "Loading", "d", module="deriva_ml_kit.mainline.workflow.git")
    assert described.url is not None
    assert described.url.startswith("pkg:pypi/deriva-ml-kit@")
    assert described.url.endswith("#deriva_ml_kit/mainline/workflow/git.py")
    workflow = ml.lookup_workflow(ml.add_workflow(described))
    assert ml.add_workflow(described) == workflow.workflow_rid

    # Another version is another workflow, though the file is the same.
    newer = described.model_copy(update={"url": described.url.replace("@", "@9"), "version": "9"})
    assert ml.add_workflow(newer) != workflow.workflow_rid


def test_a_hash_is_the_one_that_git_gives(tmp_path) -> None:
    (tmp_path / "f").write_bytes(b"text\r\n\0")
    said = subprocess.run(["git", "hash-object", "f"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert blob_hash(b"text\r\n\0") == said.strip()


def test_one_type_is_a_list_of_one_and_both_names_of_the_rid_agree() -> None:
    workflow = Workflow(name="n", workflow_type="t", url="u", checksum="c", version="1", rid="1-AAAA")
    assert (workflow.workflow_type, workflow.workflow_rid) == (["t"], "1-AAAA")
    workflow.rid = "1-BBBB"
    assert workflow.workflow_rid == "1-BBBB"
    assert workflow.model_dump()["workflow_rid"] == "1-BBBB"
