"""Executions, as tools tell of them: on the clinic, an older catalog, and on one of their own."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from receipts import receipt

from deriva_ml_kit.tiers.receipt import Check, Status, document

pytestmark = pytest.mark.catalog

RUNS = 12
SWEEP = [("Completed", 0), ("Failed", 1), ("Running", 2), ("Completed", None)]


@dataclass(frozen=True)
class Lab:
    """What the catalog of these tests holds.

    Attributes:
        ml: A connection to it.
        workflow: A workflow that most executions are of.
        runs: Executions in the order in which they were recorded, every third of them Failed.
        sweep: An execution with parts, the first of which has a part of its own, which has the sweep as its part.
        jobs: Its parts in the order of SWEEP.
        step: The part of the first part.
        done: A run that is complete and whose checks failed.
        stopped: A run whose outputs still lie on this machine.
        model: The file that `done` made and `stopped` used.
    """

    ml: Any
    workflow: str
    runs: list[str]
    sweep: str
    jobs: list[str]
    step: str
    done: str
    stopped: str
    model: str


@pytest.fixture(scope="module")
def lab(own: Any) -> Lab:
    """A few executions that ran, and many that are only recorded."""
    from deriva_ml_kit.mainline import DerivaML  # noqa: PLC0415  (takes seconds)

    ml = DerivaML(**own.where)
    tables = ml.pathBuilder.schemas["deriva-ml"].tables
    ml.add_term("Workflow_Type", "Training", description="Trains.")
    code = {"Name": "Train", "URL": "https://example.org/train.py", "Checksum": "1f", "Workflow_Type": "Training"}
    (workflow,) = (row["RID"] for row in tables["Workflow"].insert([code]))

    def recorded(words: list[str]) -> list[str]:
        rows = [{"Workflow": workflow, "Description": f"{word} {n}", "Status": word} for n, word in enumerate(words)]
        return [row["RID"] for row in tables["Execution"].insert(rows)]

    runs = recorded(["Failed" if n % 3 == 0 else "Completed" for n in range(RUNS)])
    sweep, step, *jobs = recorded(["Completed", "Completed", *(word for word, _ in SWEEP)])
    links = [(sweep, job, number) for job, (_, number) in zip(jobs, SWEEP, strict=True)]
    links += [(jobs[0], step, None), (step, sweep, None)]
    rows = [{"Execution": whole, "Nested_Execution": part, "Sequence": number} for whole, part, number in links]
    tables["Execution_Execution"].insert(rows)

    with ml.create_execution(description="A run", workflow=workflow) as done:
        Path(done.asset_file_path("Execution_Asset", "model.pt", asset_types="Model_File")).write_bytes(b"12345")
        checks = (Check(id="loss", title="The loss falls", status=Status.FAIL, detail="it rises"),)
        text = document(receipt(tier=2, checks=checks))
        Path(done.asset_file_path("Execution_Asset", "receipt-tier2.json")).write_text(text, encoding="utf-8")
    done.commit_output_assets()
    model = next(asset.asset_rid for asset in ml.list_execution_assets(done.execution_rid) if asset.length == 5)
    with ml.create_execution(description="Another", workflow=workflow, assets=[model]) as stopped:
        Path(stopped.asset_file_path("Execution_Asset", "predictions.csv")).write_text("1,2\n", encoding="utf-8")
    return Lab(ml, workflow, runs, sweep, jobs, step, done.execution_rid, stopped.execution_rid, model)


def test_an_execution_is_described_with_what_it_used_and_made(ask: Any, clinic: Any) -> None:
    got = ask("deriva_ml_get_execution", execution_rid=clinic.rids["evening"])

    assert (got["rid"], got["workflow_rid"]) == (clinic.rids["evening"], clinic.rids["Grading"])
    assert (got["status"], got["description"]) == ("Uploaded", "evening")
    assert got["workflow"]["workflow_type"] == ["Grading"]
    assert [each["rid"] for each in got["inputs"]["datasets"]] == [clinic.datasets["nested"].rid]
    assert got["outputs"]["feature_values"] == {"Image.Diagnosis": 2}
    assert "deriva_ml_list_feature_values(" in got["next_step"] and clinic.rids["evening"] in got["next_step"]
    for field in ("start_time", "stop_time", "duration", "download_duration", "upload_duration", "receipt", "tier"):
        assert got[field] is None


def test_a_run_tells_its_tier_and_which_checks_failed(own: Any, lab: Lab) -> None:
    got = own("deriva_ml_get_execution", execution_rid=lab.done)

    assert got["tier"] == 2
    assert (got["receipt"]["verdict"], got["receipt"]["unmet"]) == ("fail", ["loss: it rises"])
    assert got["outputs"]["by_table"]["Execution_Asset"]["files"] == 2
    files = {file["filename"]: file for file in got["outputs"]["assets"]}
    assert files["model.pt"] == {
        "rid": lab.model,
        "asset_table": "Execution_Asset",
        "filename": "model.pt",
        "length": 5,
    }
    assert "tier 2 did not pass" in got["next_step"]
    assert got["duration"].endswith("sec") and got["left_here"] is None


def test_outputs_that_wait_on_this_machine_are_uploaded_by_the_command_that_is_printed(own: Any, lab: Lab) -> None:
    before = own("deriva_ml_get_execution", execution_rid=lab.stopped)
    assert before["status"] == "Stopped"
    assert before["left_here"]["process_alive"] is True  # it is ours
    assert before["start_time"] < before["stop_time"]
    assert [file["rid"] for file in before["inputs"]["assets"]] == [lab.model]

    command = before["next_step"][before["next_step"].index("uv run") :]
    exec(shlex.split(command)[-1], {})

    after = own("deriva_ml_get_execution", execution_rid=lab.stopped)
    assert (after["status"], after["left_here"], after["start_time"]) == ("Uploaded", None, None)
    made = next(file for file in after["outputs"]["assets"] if file["filename"] == "predictions.csv")
    assert after["next_step"].endswith(f'asset_rid="{made["rid"]}")')


@pytest.mark.parametrize(
    ("number", "said"), [(1, "An error ended it: see status_detail"), (2, "Ask again later: deriva_ml_get_execution(")]
)
def test_the_next_step_fits_the_status(own: Any, lab: Lab, number: int, said: str) -> None:
    got = own("deriva_ml_get_execution", execution_rid=lab.jobs[number])

    assert got["next_step"].startswith(said)
    assert got["parents"] == [lab.sweep]


def test_pages_of_executions_go_from_the_newest_to_the_oldest_and_overlap_nowhere(own: Any, lab: Lab) -> None:
    seen: list[str] = []
    cursor = None
    while True:
        page = own("deriva_ml_list_executions", workflow_rid=lab.workflow, limit=5, cursor=cursor)
        seen += [row["rid"] for row in page["executions"]]
        assert page["total"] == RUNS + 8 and page["count"] == len(page["executions"])
        cursor = page["next_cursor"]
        if not page["truncated"]:
            break

    assert seen == [lab.stopped, lab.done, *reversed([*lab.runs, lab.sweep, lab.step, *lab.jobs])]
    assert cursor is None


@pytest.mark.parametrize("status", ["Uploaded", "Completed"])
def test_both_generations_words_for_a_status_are_understood(own: Any, lab: Lab, status: str) -> None:
    got = own("deriva_ml_list_executions", status=status, workflow_rid=lab.workflow)

    assert {row["status"] for row in got["executions"]} == {"Uploaded"}
    assert got["total"] == got["by_status"]["Uploaded"] == got["count"]
    assert got["by_status"]["Failed"] == RUNS // 3 + 1


def test_executions_can_be_counted_only_and_chosen_by_time(own: Any, lab: Lab) -> None:
    counted = own("deriva_ml_find_workflow_executions", workflow_rid=lab.workflow, preflight_count=True)
    assert (counted["executions"], counted["count"], counted["total"]) == ([], 0, RUNS + 8)

    moment = lab.ml.catalog.get(f"/entity/deriva-ml:Execution/RID={lab.done}").json()[0]["RCT"]
    late = own("deriva_ml_list_executions", since=moment)
    assert [row["rid"] for row in late["executions"]] == [lab.stopped, lab.done]
    assert own("deriva_ml_list_executions", since="2100-01-01")["total"] == 0


@pytest.mark.parametrize("tool", ["deriva_ml_find_workflow_executions", "deriva_ml_list_executions"])
def test_executions_of_a_workflow_can_be_had_by_rid(own: Any, lab: Lab, tool: str) -> None:
    first = own(tool, workflow_rid=lab.workflow, sort=False, limit=3)
    then = own(tool, workflow_rid=lab.workflow, sort=False, limit=3, after_rid=first["next_cursor"])

    rids = [row["rid"] for page in (first, then) for row in page["executions"]]
    assert rids == sorted(rids) and len(set(rids)) == 6


def test_a_workflow_is_listed_with_its_code_and_its_executions(own: Any, lab: Lab) -> None:
    (got,) = (each for each in own("deriva_ml_list_workflows")["workflows"] if each["rid"] == lab.workflow)

    assert (got["name"], got["checksum"], got["workflow_type"]) == ("Train", "1f", ["Training"])
    assert got["executions"] == RUNS + 8


def test_the_parts_of_a_sweep_come_by_sequence_with_status(own: Any, lab: Lab) -> None:
    got = own("deriva_ml_list_execution_children", execution_rid=lab.sweep)

    assert (got["parent_rid"], got["recurse"], got["count"]) == (lab.sweep, False, len(SWEEP))
    assert [row["rid"] for row in got["children"]] == lab.jobs
    assert [row["sequence"] for row in got["children"]] == [number for _, number in SWEEP]
    assert got["by_status"] == {"Running": 1, "Failed": 1, "Uploaded": 2}
    assert got["next_step"].startswith(f"See why {lab.jobs[1]} is Failed")


@pytest.mark.parametrize("recurse", [False, True])
def test_parts_are_paged_also_where_the_sequence_is_missing(own: Any, lab: Lab, recurse: bool) -> None:
    seen: list[str] = []
    cursor = None
    for _ in range(6):
        page = own(
            "deriva_ml_list_execution_children", execution_rid=lab.sweep, limit=1, cursor=cursor, recurse=recurse
        )
        seen += [row["rid"] for row in page["children"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert seen == [*lab.jobs, *([lab.step] if recurse else [])]


def test_a_walk_ends_where_executions_are_parts_of_themselves(own: Any, lab: Lab) -> None:
    below = own("deriva_ml_list_execution_children", execution_rid=lab.sweep, recurse=True)
    above = own("deriva_ml_list_execution_parents", execution_rid=lab.jobs[1], recurse=True)

    assert [(row["rid"], row["level"]) for row in below["children"]][-1] == (lab.step, 2)
    assert below["children"][-1]["through"] == lab.jobs[0]
    assert [(row["rid"], row["level"]) for row in above["parents"]] == [(lab.sweep, 1), (lab.step, 2), (lab.jobs[0], 3)]
    assert (above["child_rid"], above["total"]) == (lab.jobs[1], 3)


def test_an_execution_on_its_own_has_an_empty_list(own: Any, lab: Lab) -> None:
    for tool, rows in (("children", "children"), ("parents", "parents")):
        got = own(f"deriva_ml_list_execution_{tool}", execution_rid=lab.done)
        assert (got[rows], got["count"], got["total"], got["nested_executions"]) == ([], 0, 0, True)


def test_a_catalog_that_links_no_executions_says_so(ask: Any, clinic: Any) -> None:
    got = ask("deriva_ml_list_execution_children", execution_rid=clinic.rids["morning"])

    assert (got["children"], got["nested_executions"]) == ([], False)
    assert "upgrade-catalog" in got["next_step"]


def test_lineage_leads_from_a_result_to_what_it_was_made_from(own: Any, lab: Lab) -> None:
    got = own("deriva_ml_lookup_lineage", rid=lab.stopped)

    assert (got["root"]["type"], got["root"]["producing_execution"]) == ("Execution", lab.stopped)
    assert [(row["rid"], row["level"]) for row in got["executions"]] == [(lab.stopped, 0), (lab.done, 1)]
    assert got["executions"][0]["assets"] == [f"Execution_Asset {lab.model} model.pt"]
    assert got["executions"][0]["made_from"] == [lab.done]
    assert got["walked_complete"] and not got["cycle_detected"]

    cut = own("deriva_ml_lookup_lineage", rid=lab.stopped, depth=0)
    assert cut["depth_capped"] and "deriva_ml_lookup_lineage(" in cut["next_step"]
    page = own("deriva_ml_lookup_lineage", rid=lab.stopped, limit=1)
    rest = own("deriva_ml_lookup_lineage", rid=lab.stopped, limit=1, cursor=page["next_cursor"])
    assert [row["rid"] for row in rest["executions"]] == [lab.done] and rest["next_cursor"] is None


def test_a_feature_value_is_traced_and_a_plain_row_is_not(ask: Any, refuse: Any, clinic: Any) -> None:
    values = clinic.ml.catalog.get("/entity/clinic:Execution_Subject_Severity").json()
    got = ask("deriva_ml_lookup_lineage", rid=values[0]["RID"])
    assert (got["root"]["type"], got["root"]["producing_execution"]) == ("Feature", clinic.rids["morning"])

    error = refuse("deriva_ml_lookup_lineage", rid=clinic.rids["Ann"])
    assert error["code"] == "bad_argument"
    assert clinic.rids["Ann"] in error["message"] and "Subject" in error["message"]


def test_a_rid_of_another_kind_is_named_and_what_may_have_been_meant(refuse: Any, clinic: Any) -> None:
    grading, evening, morning = (clinic.rids[name] for name in ("Grading", "evening", "morning"))

    error = refuse("deriva_ml_get_execution", execution_rid=clinic.rids["Ann"])
    assert (error["code"], error["message"]) == (
        "not_found",
        f"{clinic.rids['Ann']} is a row of Subject, not an execution.",
    )
    assert refuse("deriva_ml_get_execution", execution_rid=grading)["candidates"] == [evening, morning]
    assert refuse("deriva_ml_find_workflow_executions", workflow_rid=evening)["candidates"] == [grading]
    assert refuse("deriva_ml_list_execution_parents", execution_rid="1-ZZZZ")["code"] == "not_found"
    typo = evening.replace("0", "Q", 1)
    assert evening in refuse("deriva_ml_list_execution_children", execution_rid=typo)["candidates"]


@pytest.mark.parametrize("cursor", ["x y", "1-ZZZZ", "0"])
@pytest.mark.parametrize("tool", ["deriva_ml_list_executions", "deriva_ml_list_workflows"])
def test_a_cursor_that_no_answer_gave_is_refused(refuse: Any, tool: str, cursor: str) -> None:
    assert refuse(tool, cursor=cursor)["code"] == "bad_argument"


def test_an_unknown_status_names_the_known_ones(refuse: Any) -> None:
    error = refuse("deriva_ml_list_executions", status="Faild")

    assert (error["code"], error["candidates"]) == ("bad_argument", ["Failed"])
    assert "Pending_Upload" in error["remedy"]
