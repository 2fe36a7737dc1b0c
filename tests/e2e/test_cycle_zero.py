"""The main job: an empty folder becomes a judged model, and a second run finds everything done."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deriva_ml_kit.mainline import DerivaML

pytestmark = [pytest.mark.catalog, pytest.mark.e2e, pytest.mark.timeout(900)]
PROGRAM = Path(sys.executable).with_name("cycle-zero")
ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "skills/execution-lifecycle/scripts/basic_execution.py"
SEED = json.loads((ROOT / "tests/data/seed-commands.json").read_text(encoding="utf-8"))


def cycle_zero(folder, host):
    """Run the program as a person does, against the tests' own host."""
    return subprocess.run(
        [PROGRAM, folder, "--hostname", host.hostname, "--json"],
        env=host.person_env,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def first(local_host, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cycle") / "demo"
    return folder, cycle_zero(folder, local_host)


@pytest.fixture(scope="module")
def steps(first):
    folder, ran = first
    log = folder / "cycle-zero.log"
    assert ran.returncode == 0, ran.stderr + (log.read_text()[-3000:] if log.exists() else "")
    return json.loads(ran.stdout.splitlines()[-1])


def test_every_scan_is_ingested_and_labelled(steps):
    assert steps["ingest"]["images"] == 1797
    assert steps["labels"]["added"] == 1797


def test_the_development_dataset_has_ten_images_of_each_digit(steps):
    assert steps["check"]["labels"] == {str(digit): 10 for digit in range(10)}


def test_the_held_out_accuracy_meets_the_threshold_by_feature_values_and_by_file(steps):
    verdict = steps["verdict"]

    assert (verdict["records"], verdict["threshold"], verdict["verdict"]) == (359, "accuracy >= 0.95", "met")
    assert verdict["value"] == verdict["from_values"] == pytest.approx(verdict["from_file"])


def test_a_run_on_another_catalog_gives_the_same_accuracy(steps):
    assert steps["verdict"]["value"] == pytest.approx(354 / 359)


def test_each_tier_is_passed_on_the_receipts_of_those_before_it(steps):
    tiers = {name: steps[name] for name in ("tier1", "tier2", "tier1_full", "tier3")}

    assert [each["tier"] for each in tiers.values()] == [1, 2, 1, 3]
    assert {each["verdict"] for each in tiers.values()} == {"pass"}
    assert {status for each in tiers.values() for status in each["checks"].values()} <= {"pass", "skip"}
    assert not any("overrides" in each for each in tiers.values())


@pytest.mark.parametrize("name", ["tier1", "tier1_full"])
def test_a_dry_run_trains_on_two_batches_and_makes_no_execution(steps, name):
    assert steps[name]["metrics"]["batches"] == 2
    assert steps[name]["execution_rid"] is None


def test_the_project_is_a_clean_repository_with_verdict_and_journal(first, steps):
    folder, _ = first
    status = subprocess.run(["git", "status", "--porcelain"], cwd=folder, capture_output=True, text=True, check=True)

    assert status.stdout == ""
    assert "Status: Validated" in (folder / "docs/design/model/digit-classifier.md").read_text()
    assert steps["verdict"]["execution"] in (folder / "tacit-knowledge.md").read_text()


def test_the_page_shows_the_accuracy_of_the_verdict(first, steps):
    folder, _ = first

    assert f"{100 * steps['verdict']['value']:.1f} %" in (folder / "report.html").read_text(encoding="utf-8")


def test_a_second_run_says_what_is_there_and_changes_nothing(first, steps, local_host):
    folder, _ = first
    again = cycle_zero(folder, local_host)

    assert again.returncode == 0, again.stderr
    assert again.stderr.count("already there") == len(steps) - 1
    assert json.loads(again.stdout.splitlines()[-1])["verdict"] == steps["verdict"]


@pytest.fixture(scope="module")
def typed(first, steps, local_host):
    """Every command line of the source document's phases 5 to 7, typed in the project as it stands there."""
    folder, _ = first
    shutil.copy(TEMPLATE, folder / "src/scripts/train_resnet50.py")
    for command in (["git", "add", "src/scripts"], ["git", "commit", "-qm", "A script of the template"]):
        subprocess.run(command, cwd=folder, check=True)
    rid, _, version = steps["development"]["pin"].partition("@")
    values = {
        "data.example.org": steps["schema"]["hostname"],
        "--catalog-id 1": f"--catalog-id {steps['schema']['catalog_id']}",
        "--hostname ...": f"--hostname {steps['schema']['hostname']}",
        "--catalog-id ...": f"--catalog-id {steps['schema']['catalog_id']}",
        "--dataset-rid ...": f"--dataset-rid {rid}",
        "--version ...": f"--version {version}",
        "<dev_rid>": rid,
        "<dev_version>": version,
        "<type>": "minor",
    }
    ended = {}
    for line in (command["line"] for command in SEED["commands"]):
        filled = line
        for placeholder, value in values.items():
            filled = filled.replace(placeholder, value)
        ended[line] = subprocess.run(
            shlex.split(filled), cwd=folder, env=local_host.person_env, capture_output=True, text=True, check=False
        )
    return ended


@pytest.mark.parametrize("line", [command["line"] for command in SEED["commands"]])
def test_a_command_of_the_source_document_works_as_it_stands_there(line, typed):
    assert typed[line].returncode == 0, typed[line].stdout[-2000:] + typed[line].stderr[-3000:]
    assert "Traceback" not in typed[line].stderr


def test_the_sweep_has_one_parent_and_all_its_children_in_order(typed, steps, tmp_path):
    ml = DerivaML(steps["schema"]["hostname"], steps["schema"]["catalog_id"], working_dir=tmp_path)
    (parent,) = [found for found in ml.find_executions() if found.list_execution_children()]

    assert parent.status == "Uploaded"
    assert [child.status for child in parent.list_execution_children()] == ["Uploaded"] * 3


def test_the_tag_stands_in_the_metadata_of_the_runs_after_it(typed, steps, tmp_path):
    ml = DerivaML(steps["schema"]["hostname"], steps["schema"]["catalog_id"], working_dir=tmp_path)
    newest = max(ml.find_executions(), key=lambda found: found.execution_rid)
    (receipt,) = [asset for asset in newest.list_assets("Output") if asset.filename == "receipt-tier3.json"]

    assert json.loads(receipt.download(tmp_path).read_text())["code"]["version"] == "v0.1.0"


def ops_demo(folder, host):
    """What comes after cycle zero, in the same project."""
    return subprocess.run(
        [PROGRAM.with_name("ops-demo"), folder, "--hostname", host.hostname, "--json"],
        env=host.person_env,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def production(first, steps, local_host):
    folder, _ = first
    ran = ops_demo(folder, local_host)
    assert ran.returncode == 0, ran.stderr + (folder / "cycle-zero.log").read_text()[-3000:]
    return json.loads(ran.stdout.splitlines()[-1])


def test_a_candidate_that_may_only_have_been_lucky_is_refused_and_a_better_one_passes(production):
    assert [production[name]["gate"] for name in ("first", "same", "better")] == ["pass", "fail", "pass"]
    assert "has not passed a gate" in production["same"]["refused"]
    assert production["better"]["earlier"] == 2  # the catalog has counted who looked at the test dataset


def test_batches_that_have_drifted_are_told_from_those_that_have_not(production):
    assert {name: each["verdict"] for name, each in production["drift"].items()} == {
        "as-usual": "ok",
        "worn-scanner": "drift",
        "torn-column": "drift",
        "a-handful": "insufficient",
    }


def test_a_deployment_with_a_fault_is_rolled_back(production):
    assert production["faulty"]["state"] == "rolled back"
    assert production["faulty"]["answers"].keys() == {"200", "500"}
    assert production["faulty"]["steps"][-1] | {"reason": ""} == {"stage": "0%", "move": "roll back", "reason": ""}
    assert production["first"]["model"] in json.dumps(production["lineage"])


def test_of_an_ab_test_nothing_is_shown_too_early_and_harm_ends_it(production):
    assert {slug: each["verdict"] for slug, each in production["ab_test"].items()} == {
        "larger-network": "continue",
        "larger-network-as-deployed": "loss",
    }


def test_the_pages_of_production_lead_to_each_other_and_a_second_run_changes_nothing(first, production, local_host):
    folder, _ = first
    pages = folder / "outputs/pages"
    linked = re.findall(r'href="([^"]+)"', (pages / "index.html").read_text(encoding="utf-8"))

    assert len(linked) == 11
    assert [name for name in linked if not (pages / name).is_file()] == []
    again = ops_demo(folder, local_host)
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("already there") == len(production)
