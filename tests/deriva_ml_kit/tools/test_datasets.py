"""Datasets through the tools: found, described, made, filled, marked and released."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deriva_ml_kit.tools.invoke import call_of, invoke

Ask = Callable[..., dict[str, Any]]


def _walk(ask: Ask, tool: str, rows: str, **arguments: Any) -> Iterator[list[dict[str, Any]]]:
    """Every page of a list."""
    cursor = None
    while True:
        answer = ask(tool, **arguments, **({"cursor": cursor} if cursor else {}))
        yield answer[rows]
        cursor = answer["next_cursor"]
        if not cursor:
            return


# Reading


def test_datasets_are_listed_by_type_and_in_pages(ask: Ask, clinic: Any) -> None:
    every = sorted(spec.rid for spec in clinic.datasets.values())

    pages = list(_walk(ask, "deriva_ml_list_datasets", "datasets", limit=4))

    assert [[each["rid"] for each in page] for page in pages] == [every[:4], every[4:]]
    first = ask("deriva_ml_list_datasets", dataset_type="Split")
    assert [each["rid"] for each in first["datasets"]] == [clinic.datasets["nested"].rid]
    assert first["datasets"][0]["dataset_types"] == ["Split"]
    assert first["datasets"][0]["current_version"] == str(clinic.datasets["nested"].version)
    assert (first["total"], first["truncated"]) == (1, False)


def test_a_dataset_is_described_with_versions_members_and_relatives(ask: Ask, clinic: Any) -> None:
    rids = {name: spec.rid for name, spec in clinic.datasets.items()}

    right = ask("deriva_ml_get_dataset", dataset_rid=rids["right"])

    assert right["members"] == {"Image": 2, "Dataset": 1}
    assert right["member_count"] == 3
    assert [each["rid"] for each in right["parents"]] == [rids["nested"]]
    assert [each["rid"] for each in right["children"]] == [rids["inmost"]]
    assert (right["parent_count"], right["child_count"]) == (1, 1)
    versions = [each["version"] for each in right["version_history"]]
    assert versions[0] == right["current_version"] == right["released_version"] == str(clinic.datasets["right"].version)
    assert versions[-1] == "0.1.0"
    assert all(each["snapshot"] for each in right["version_history"])
    assert (right["in_development"], right["dirty"]) == (False, False)
    assert f'version="{versions[0]}"' in right["next_step"]


def test_members_of_several_tables_come_in_pages_and_as_they_were(ask: Ask, clinic: Any) -> None:
    inmost = clinic.datasets["inmost"].rid

    pages = list(_walk(ask, "deriva_ml_list_dataset_members", "members", dataset_rid=inmost, limit=1))

    assert pages == [
        [{"table": "Image", "rid": clinic.rids["c.txt"], "label": "c.txt"}],
        [{"table": "Subject", "rid": clinic.rids["Cid"], "label": "Cid"}],
    ]
    of_table = ask("deriva_ml_list_dataset_members", dataset_rid=inmost, element_table="Subject")
    assert (of_table["total"], of_table["summary"]) == (1, {"Subject": 1})
    before = ask("deriva_ml_list_dataset_members", dataset_rid=inmost, version="0.1.0")
    assert (before["members"], before["version"]) == ([], "0.1.0")


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_pages_of_members_hold_each_once_and_say_when_they_end(ask: Ask, clinic: Any, limit: int) -> None:
    right = clinic.datasets["right"].rid

    pages = list(_walk(ask, "deriva_ml_list_dataset_members", "members", dataset_rid=right, limit=limit))

    rids = [each["rid"] for page in pages for each in page]
    assert sorted(rids) == sorted([clinic.rids["b.txt"], clinic.rids["d.txt"], clinic.datasets["inmost"].rid])
    assert [len(page) for page in pages] == [min(limit, 3 - start) for start in range(0, 3, limit)]


def test_element_types_are_told_apart_from_tables_that_are_none(ask: Ask) -> None:
    answer = ask("deriva_ml_list_dataset_element_types")

    assert [each["table"] for each in answer["element_types"]] == ["Image", "Observation", "Subject", "Dataset", "File"]
    assert answer["other_tables"] == []


def test_a_rid_that_is_no_dataset_is_told_with_what_it_is_and_what_was_meant(refuse: Ask, clinic: Any) -> None:
    subject, nested = clinic.rids["Ann"], clinic.datasets["nested"].rid

    of_subject = refuse("deriva_ml_get_dataset", dataset_rid=subject)
    mistyped = refuse("deriva_ml_list_dataset_members", dataset_rid=f"9{nested[1:]}")

    assert of_subject["code"] == "not_found"
    assert f"{subject} is a row of Subject, not a dataset" in of_subject["message"]
    assert mistyped["candidates"] == [nested]


def test_unknown_types_versions_and_tables_are_refused_with_the_nearest(refuse: Ask, clinic: Any) -> None:
    rid = clinic.datasets["images"].rid
    cases = [
        (refuse("deriva_ml_list_datasets", dataset_type="Trainin"), "Training"),
        (refuse("deriva_ml_list_dataset_members", dataset_rid=rid, version="0.3.1"), "0.3.0"),
        (refuse("deriva_ml_list_dataset_members", dataset_rid=rid, table="Images"), "Image"),
    ]

    assert [(error["code"], meant in error["candidates"]) for error, meant in cases] == [("not_found", True)] * 3


@pytest.mark.parametrize("cursor", ["x", "9:1-0001", "-1:1-0001", "²:1-0001", "0:", "1-0001"])
def test_a_cursor_of_another_list_is_refused(refuse: Ask, clinic: Any, cursor: str) -> None:
    error = refuse("deriva_ml_list_dataset_members", dataset_rid=clinic.datasets["images"].rid, cursor=cursor)

    assert error["code"] == "bad_argument"


# Writing


@dataclass(frozen=True)
class Lab:
    """A catalog that this file writes to.

    Attributes:
        ask: Calls a tool on it.
        refuse: Calls a tool on it and gives its error.
        where: Names it.
        ml: A connection, as things were.
        rids: Name of a subject or a site to its RID.
    """

    ask: Ask
    refuse: Ask
    where: dict[str, str]
    ml: Any
    rids: dict[str, str]

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Rows of one of DerivaML's own tables."""
        return list(self.ml.catalog.get(f"/entity/deriva-ml:{table}@sort(RCT)").json())

    def noted(self, execution_rid: str) -> list[dict[str, Any]]:
        """What the record of an execution names."""
        assets = self.ml.list_execution_assets(execution_rid, "Output")
        [record] = [asset for asset in assets if asset.filename == "writes.jsonl"]
        file = record.download(self.ml.working_dir / execution_rid)
        return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.fixture(scope="module")
def lab(own: Ask, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Subjects, who are no members of datasets yet, and sites."""
    from deriva.core.ermrest_model import Column, Table, builtin_types  # noqa: PLC0415  (reads HOME)

    from deriva_ml_kit.mainline import DerivaML  # noqa: PLC0415

    where: dict[str, str] = own.where  # type: ignore[attr-defined]
    project = tmp_path_factory.mktemp("project")
    ml = DerivaML(**where)
    name = Column.define("Name", builtin_types.text)
    for table in ("Subject", "Site"):
        ml.model.model.schemas["lab"].create_table(Table.define(table, [name]))
    ml = DerivaML(**where)
    rids = {}
    for table, names in {"Subject": ["Ann", "Ben", "Cid", "Dan"], "Site": ["Rome"]}.items():
        for row in ml.pathBuilder.schemas["lab"].tables[table].insert([{"Name": each} for each in names]):
            rids[row["Name"]] = row["RID"]

    def refuse(tool: str, **arguments: Any) -> dict[str, Any]:
        outcome = invoke(tool, where | arguments, call_of(tool, project))
        assert outcome.failure is not None, outcome.document
        return outcome.document["error"]

    own("deriva_ml_add_dataset_element_type", table_name="Subject")
    return Lab(own, refuse, where, DerivaML(**where), rids)


def test_an_element_type_is_added_once(lab: Lab) -> None:
    executions = len(lab.rows("Execution"))

    again = lab.ask("deriva_ml_add_dataset_element_type", element_table="Subject")
    dry = lab.ask("deriva_ml_add_dataset_element_type", table="Site", dry_run=True)

    assert (again["status"], again["links"], again["execution_rid"]) == ("exists", "Dataset_Subject", None)
    assert (dry["status"], dry["links"]) == ("would_add", "Dataset_Site")
    types = lab.ask("deriva_ml_list_dataset_element_types")
    assert [each["table"] for each in types["element_types"]] == ["Subject", "Dataset", "File"]
    assert types["other_tables"] == ["Site"]
    assert len(lab.rows("Execution")) == executions == 1
    assert lab.noted(lab.rows("Execution")[0]["RID"]) == [
        {"schema": "lab", "table": "Dataset_Subject", "made": "table"}
    ]


def test_only_tables_of_the_domain_can_be_added(lab: Lab) -> None:
    error = lab.refuse("deriva_ml_add_dataset_element_type", table="Workflow")

    assert error["code"] == "bad_argument"
    assert "Site" in error["candidates"]


def test_a_dataset_is_made_filled_changed_and_released_by_executions_that_name_every_row(lab: Lab) -> None:
    made = lab.ask("deriva_ml_create_dataset", description="To learn from", dataset_types=["Training"])
    rid = made["dataset_rid"]
    assert (made["status"], made["version"]) == ("created", "0.1.0")

    members = [lab.rids["Ann"], lab.rids["Ben"]]
    added = lab.ask("deriva_ml_add_dataset_members", dataset_rid=rid, member_rids=members, description="Two of them")
    assert (added["added_by_table"], added["current_version"]) == ({"Subject": 2}, "0.1.0.post1.dev1")
    [note] = lab.noted(added["execution_rid"])
    links = lab.ml.catalog.get("/entity/lab:Dataset_Subject").json()
    assert note == {"schema": "lab", "table": "Dataset_Subject", "rids": [row["RID"] for row in links]}

    again = lab.ask("deriva_ml_add_dataset_members", dataset_rid=rid, members={"Subject": members})
    assert (again["status"], again["already_members"], again["execution_rid"]) == ("unchanged", 2, None)

    released = lab.ask("deriva_ml_release_dataset", dataset_rid=rid)
    assert (released["previous_version"], released["new_version"]) == ("0.1.0", "0.2.0")
    assert (released["pin"], released["description"]) == (f"{rid}@0.2.0", "Two of them")

    nothing = lab.refuse("deriva_ml_release_dataset", dataset_rid=rid)
    assert nothing["code"] == "conflict"
    assert "deriva_ml_mark_dev(" in nothing["remedy"]

    marked = lab.ask("deriva_ml_mark_dev", dataset_rid=rid, description="New labels")
    assert (marked["previous_version"], marked["current_version"]) == ("0.2.0", "0.2.0.post1.dev1")
    by = marked["execution_rid"]
    patched = lab.ask(
        "deriva_ml_release_dataset", dataset_rid=rid, bump="patch", description="Labels", execution_rid=by
    )
    assert (patched["new_version"], patched["execution_rid"]) == ("0.2.1", by)

    versions = {row["Version"]: row["Execution"] for row in lab.rows("Dataset_Version") if row["Dataset"] == rid}
    origins = [made["execution_rid"], released["execution_rid"], by]
    assert versions == dict(zip(("0.1.0", "0.2.0", "0.2.1"), origins, strict=True))
    seen = lab.ask("deriva_ml_get_dataset", dataset_rid=rid)
    assert (seen["execution_rid"], seen["members"], seen["dirty"]) == (made["execution_rid"], {"Subject": 2}, False)
    assert {row["Status"] for row in lab.rows("Execution")} == {"Completed"}


def test_a_dry_run_of_every_write_writes_nothing(lab: Lab) -> None:
    rid = lab.ml.create_dataset(["Testing"], "Dry")
    lab.ml.lookup_dataset(rid).mark_dev("by hand")
    before = lab.ml.catalog.get("/").json()["snaptime"]

    made = lab.ask("deriva_ml_create_dataset", description="No", version="1.0.0", dry_run=True)
    added = lab.ask("deriva_ml_add_dataset_members", dataset_rid=rid, member_rids=[lab.rids["Cid"]], dry_run=True)
    marked = lab.ask("deriva_ml_mark_dev", dataset_rid=rid, description="No", dry_run=True)
    released = lab.ask("deriva_ml_release_dataset", dataset_rid=rid, bump="major", dry_run=True)

    assert (made["status"], made["version"], made["dataset_rid"]) == ("would_create", "1.0.0", None)
    assert (added["status"], added["added"]) == ("would_add", 1)
    assert (marked["status"], marked["current_version"]) == ("would_mark", "0.1.0.post1.dev2")
    assert (released["status"], released["new_version"]) == ("would_release", "1.0.0")
    assert lab.ml.catalog.get("/").json()["snaptime"] == before


def test_all_faulty_members_are_named_at_once_and_nothing_is_written(lab: Lab) -> None:
    rid = lab.ml.create_dataset(["Testing"], "Faulty")
    outer = lab.ml.create_dataset(["Testing"], "Outer")
    lab.ml.lookup_dataset(outer).add_dataset_members([rid])
    before = lab.ml.catalog.get("/").json()["snaptime"]
    workflow = lab.rows("Workflow")[0]["RID"]
    given = [lab.rids["Ann"], lab.rids["Rome"], workflow, "9-ZZZZ", "9-YYYY", outer]

    error = lab.refuse("deriva_ml_add_dataset_members", dataset_rid=rid, member_rids=given)

    said = {fault["message"]: fault.get("remedy", "") for fault in error["faults"]}
    text = " | ".join(said)
    assert error["code"] == "bad_argument"
    assert len(said) == 4
    assert f"{lab.rids['Rome']} is a row of Site, which is no element type; those are Subject, Dataset, File" in text
    assert any("deriva_ml_add_dataset_element_type(" in remedy and "lab:Site" in remedy for remedy in said.values())
    assert f"{workflow} is a row of Workflow" in text
    assert "the catalog does not have 9-ZZZZ, 9-YYYY" in text
    assert outer in text.rpartition("|")[2]
    by_table = {"Subjects": [lab.rids["Ann"]], "Subject": [lab.rids["Rome"], "9-ZZZZ"], "Site": [lab.rids["Rome"]]}
    faults = lab.refuse("deriva_ml_add_dataset_members", dataset_rid=rid, members_by_table=by_table)["faults"]
    assert [fault.get("column") for fault in faults] == ["Subjects", None, "Subject", "Site"]
    assert faults[0]["remedy"] == "did you mean 'Subject'?"
    assert f"{lab.rids['Rome']} is a row of Site, not of Subject" in faults[2]["message"]
    assert lab.ml.catalog.get("/").json()["snaptime"] == before


def test_of_very_many_unknown_members_only_some_are_looked_for(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deriva_ml_kit.tools.datasets.members.LOOKED_FOR", 2)
    rid = lab.ml.create_dataset(["Testing"], "Many")

    error = lab.refuse("deriva_ml_add_dataset_members", dataset_rid=rid, members=["9-ZZZ1", "9-ZZZ2", "9-ZZZ3"])

    assert [fault["message"] for fault in error["faults"]] == [
        "the catalog does not have 9-ZZZ1, 9-ZZZ2",
        "1 further RIDs are in no such table, either",
    ]


def test_what_was_added_before_a_call_was_cancelled_is_recorded(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("deriva_ml_kit.mainline.catalog.rows.BATCH_ROWS", 1)
    rid = lab.ml.create_dataset(["Testing"], "Cancelled")
    tool = "deriva_ml_add_dataset_members"
    call = call_of(tool, tmp_path, report=lambda done, *_: call.stop.set() if done else None)
    members = [lab.rids[name] for name in ("Ann", "Ben", "Cid", "Dan")]

    outcome = invoke(tool, lab.where | {"dataset_rid": rid, "member_rids": members}, call)

    assert outcome.failure is not None
    assert outcome.failure.code == "cancelled"
    seen = lab.ask("deriva_ml_get_dataset", dataset_rid=rid)
    assert (seen["members"], seen["current_version"]) == ({"Subject": 2}, "0.1.0.post1.dev1")
    execution = lab.rows("Execution")[-1]["RID"]
    links = lab.ml.catalog.get(f"/entity/lab:Dataset_Subject/Dataset={rid}@sort(RID)").json()
    noted = [rid for line in lab.noted(execution) for rid in line.get("rids", [])]
    assert noted == [row["RID"] for row in links]
    assert seen["version_history"][0]["execution_rid"] == execution


def test_what_does_not_exist_is_refused_before_an_execution_is_made(lab: Lab) -> None:
    subject = lab.rids["Ann"]
    gone = lab.ml.create_dataset([], "Gone")
    lab.ml.delete_dataset(gone)
    before = lab.ml.catalog.get("/").json()["snaptime"]

    types = lab.refuse("deriva_ml_create_dataset", description="x", dataset_types=["Trainin", "Testin", "Training"])
    origin = lab.refuse("deriva_ml_create_dataset", description="x", execution_rid=subject)
    version = lab.refuse("deriva_ml_create_dataset", description="x", version="1.0.0.post1.dev1")
    deleted = lab.refuse("deriva_ml_mark_dev", dataset_rid=gone, description="x")
    silent = lab.refuse("deriva_ml_mark_dev", dataset_rid=gone, description="  ")
    both = lab.refuse("deriva_ml_add_dataset_members", dataset_rid=gone, member_rids=[subject], members={"Subject": []})

    assert types["code"] == "not_found"
    assert "Trainin" in types["message"] and "Testin" in types["message"]
    assert {"Training", "Testing"} <= set(types["candidates"])
    assert f"{subject} is a row of Subject, not an execution" in origin["message"]
    assert [version["code"], deleted["code"], silent["code"]] == ["bad_argument", "conflict", "bad_argument"]
    assert [origin["code"], both["code"]] == ["not_found", "bad_argument"]
    assert lab.ml.catalog.get("/").json()["snaptime"] == before


def test_datasets_that_are_deleted_or_have_no_version_are_shown_as_they_are(lab: Lab) -> None:
    gone = lab.ml.create_dataset(["Testing"], "Gone")
    lab.ml.delete_dataset(gone)
    row = {"Description": "Unfinished", "Deleted": False}
    [unfinished] = lab.ml.pathBuilder.schemas["deriva-ml"].tables["Dataset"].insert([row])

    deleted = lab.ask("deriva_ml_get_dataset", dataset_rid=gone)
    versionless = lab.ask("deriva_ml_get_dataset", dataset_rid=unfinished["RID"])
    members = lab.ask("deriva_ml_list_dataset_members", dataset_rid=unfinished["RID"])
    listed = {each["rid"]: each for each in lab.ask("deriva_ml_list_datasets", deleted=True, limit=100)["datasets"]}
    alive = [each["rid"] for each in lab.ask("deriva_ml_list_datasets", limit=100)["datasets"]]

    assert (deleted["deleted"], deleted["next_step"]) == (True, None)
    assert (versionless["current_version"], versionless["dirty"], versionless["version_count"]) == (None, None, 0)
    assert (members["version"], members["members"]) == (None, [])
    assert listed[gone]["deleted"]
    assert (gone in alive, unfinished["RID"] in alive) == (False, True)
    checked = lab.ask("deriva_ml_validate_execution_configuration", config={"datasets": [f"{gone}@0.1.0"]})
    assert [each["reason"] for each in checked["problems"]] == ["dataset_deleted"]
    assert lab.refuse("deriva_ml_bag_info", dataset_rid=gone)["code"] == "conflict"
    assert lab.refuse("deriva_ml_bag_info", dataset_rid=unfinished["RID"])["code"] == "conflict"


def test_a_dataset_in_development_and_one_with_new_values_say_what_to_do(lab: Lab) -> None:
    rid = lab.ml.create_dataset(["Testing"], "Drifting")
    dataset = lab.ml.lookup_dataset(rid)
    dataset.add_dataset_members([lab.rids["Dan"]])
    developing = lab.ask("deriva_ml_get_dataset", dataset_rid=rid)
    dataset.release("minor", "Dan")
    lab.ml.pathBuilder.schemas["lab"].tables["Subject"].update([{"RID": lab.rids["Dan"], "Name": "Daniel"}])
    drifting = lab.ask("deriva_ml_get_dataset", dataset_rid=rid)

    assert developing["in_development"]
    assert developing["next_step"].startswith("deriva_ml_release_dataset(")
    assert (drifting["in_development"], drifting["dirty"]) == (False, True)
    assert drifting["next_step"].startswith("deriva_ml_mark_dev(")
