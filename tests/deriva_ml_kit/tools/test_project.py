"""The project's version, how far it is, and its receipts, as tools: with and without git, a catalog, a project."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from receipts import CODE, DEV, receipt

from deriva_ml_kit.tiers.receipt import Check, Receipt, Status, document, receipts_folder, write
from deriva_ml_kit.tools.invoke import call_of, invoke

RECEIPTS = "deriva_ml_list_receipts"
NOWHERE = {"hostname": "localhost:1", "catalog_id": "1"}
FAILED = Check(id="loss", title="The loss falls", status=Status.FAIL, value=2.5, limit=2.3, remedy="Lower the rate")


@dataclass(frozen=True)
class Project:
    """A folder, and tools in it."""

    root: Path

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.root, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(self, path: str, text: str) -> str:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "A change")
        return self.git("rev-parse", "HEAD")

    def ask(self, tool: str, **arguments: Any) -> dict[str, Any]:
        outcome = invoke(tool, arguments, call_of(tool, self.root))
        assert outcome.failure is None, outcome.failure
        return outcome.document

    def error(self, tool: str, **arguments: Any) -> dict[str, Any]:
        found: dict[str, Any] = invoke(tool, arguments, call_of(tool, self.root)).document["error"]
        return found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An empty folder, which is not the one that the process is in."""
    monkeypatch.delenv("DERIVA_ML_DIRTY_CHECK_IGNORE", raising=False)
    made = Project(tmp_path / "project")
    made.root.mkdir()
    return made


@pytest.fixture
def repository(folder: Project) -> Project:
    folder.git("init", "-q", "-b", "main")
    folder.git("config", "user.name", "T")
    folder.git("config", "user.email", "t@example.org")
    folder.commit("src/models/digits.py", "depth = 1\n")
    return folder


def test_a_version_is_advised_tried_given_and_refused_a_second_time(repository: Project) -> None:
    advice = repository.ask("bump_version")
    assert (advice["fits"], advice["version"], advice["written"]) == ("minor", "v0.1.0", False)
    assert repository.ask("bump_version", bump_type="patch", dry_run=True)["next_step"] == 'bump_version("patch")'
    assert repository.git("tag") == ""

    made = repository.ask("bump_version", bump_type="patch")

    assert (made["version"], made["written"], repository.git("tag", "--points-at", "HEAD")) == (
        "v0.1.0",
        True,
        "v0.1.0",
    )
    again = repository.error("bump_version", bump_type="patch")
    assert (again["code"], "v0.1.0" in again["message"]) == ("conflict", True)
    assert "v0.1.0 is this very commit" in repository.ask("bump_version")["note"]

    commit = repository.commit("src/scripts/train.py", "def main():\n    pass\n")
    made = repository.ask("bump_version", bump_type="patch", start="3.0.0", dry_run=True)
    assert (made["version"], made["previous"], made["commit"]) == ("v0.1.1", "v0.1.0", commit)
    assert "start counts for a first version only" in made["note"]
    note = repository.ask("bump_version", bump_type="patch", dry_run=True)["note"]
    assert note == "What changed fits minor rather than patch; see evidence."
    (repository.root / "new.py").write_text("1")
    dirty = repository.error("bump_version", bump_type="minor")
    assert (dirty["code"], "new.py" in dirty["message"], "git commit" in dirty["remedy"]) == ("conflict", True, True)
    assert "new.py" in repository.ask("bump_version")["not_yet"]


@pytest.mark.parametrize("start", ["v2.3.4", "2.3.4"])
def test_the_first_version_may_be_named(repository: Project, start: str) -> None:
    assert repository.ask("bump_version", bump_type="major", start=start)["version"] == "v2.3.4"


def test_the_repository_may_lie_elsewhere(folder: Project, repository: Project) -> None:
    above = Project(folder.root.parent)

    assert above.error("bump_version")["remedy"] == "git init"
    assert above.ask("bump_version", bump_type="patch", project_path="project")["written"]
    assert above.error("bump_version", project_path="nowhere")["code"] == "not_found"


def test_how_far_it_is_without_git_or_a_catalog(folder: Project) -> None:
    found = folder.ask("deriva_ml_bootstrap_status", **NOWHERE)

    assert (found["root"], len(found["phases"])) == (str(folder.root), 8)
    assert {phase["state"] for phase in found["phases"]} == {"not done", "cannot tell"}
    assert "Nothing answers at localhost:1" in found["catalog"]
    assert found["next_step"] == "uv run lint-design --new model project"


def test_without_receipts_the_answer_says_so(folder: Project) -> None:
    found = folder.ask(RECEIPTS)

    assert (found["receipts"], found["truncated"], found["next_cursor"]) == ([], False, None)
    assert "src/configs/catalog.json" in found["catalog_problem"]
    assert "no receipt yet" in found["next_step"]
    assert "localhost:1" in folder.ask(RECEIPTS, **NOWHERE)["catalog_problem"]


def stored(project: Project, hour: int, **changes: Any) -> Receipt:
    """A receipt of tier 1 in the repository, for the commit that is checked out."""
    code = CODE.model_copy(update={"commit": project.git("rev-parse", "HEAD"), "script": "src/models/digits.py"})
    made: Receipt = receipt(**({"made": datetime(2026, 11, 21, hour, tzinfo=UTC), "code": code} | changes))
    write(made, receipts_folder(project.root))
    return made


def test_a_receipt_holds_until_the_code_changes(repository: Project) -> None:
    good = stored(repository, 10)
    stored(repository, 11, checks=(FAILED,))

    failed, passed = repository.ask(RECEIPTS)["receipts"]

    assert (passed["verdict"], passed["holds"], passed["why_not"]) == ("pass", True, [])
    assert (passed["config_hash"], passed["commit"]) == (good.config_hash, good.code.commit)
    assert passed["datasets"] == [f"training={DEV.rid}@{DEV.version} (100 records)"]
    assert (repository.root / passed["place"]).is_file()
    assert (failed["holds"], failed["verdict"]) == (False, "fail")
    [check] = failed["failing"]
    assert (check["id"], check["value"], check["limit"], check["remedy"]) == ("loss", 2.5, 2.3, "Lower the rate")
    repository.commit("src/models/digits.py", "depth = 2\n")
    assert not any(each["holds"] for each in repository.ask(RECEIPTS)["receipts"])


def test_receipts_are_filtered_and_paged_and_an_edited_one_proves_nothing(repository: Project) -> None:
    for hour in range(1, 6):
        stored(repository, hour, checks=(FAILED,) if hour == 2 else receipt().checks)
    edited = next(receipts_folder(repository.root).glob("tier1-20261121T05*.json"))
    edited.write_text(edited.read_text().replace('"tier": 1', '"tier": 2', 1))

    seen, cursor = [], None
    while True:
        page = repository.ask(RECEIPTS, limit=2, cursor=cursor)
        seen += page["receipts"]
        cursor = page["next_cursor"]
        if not page["truncated"]:
            break

    assert [each["made"][11:13] for each in seen[:4]] == ["04", "03", "02", "01"]
    assert (seen[4]["holds"], seen[4]["verdict"], seen[4]["place"]) == (
        False,
        None,
        str(edited.relative_to(repository.root)),
    )
    assert "edited" in seen[4]["why_not"][0]
    assert [each["made"][11:13] for each in repository.ask(RECEIPTS, verdict="fail")["receipts"]] == ["02"]
    assert repository.ask(RECEIPTS, tier=2)["receipts"] == []
    for nowhere in ("behind the third", "catalog:2026-99-01T00:00:00,1-0000", "local:-1", "catalog:,"):
        assert repository.error(RECEIPTS, cursor=nowhere)["code"] == "bad_argument"
    assert repository.error(RECEIPTS, tier=4)["code"] == "bad_argument"


@pytest.mark.catalog
def test_receipts_of_real_runs_are_the_catalogs(own: Any, repository: Project) -> None:
    from deriva_ml_kit.mainline import DerivaML, Workflow  # noqa: PLC0415  (reads HOME)

    ml = DerivaML(own.where["hostname"], own.where["catalog_id"], working_dir=repository.root / ".." / "work")
    ml.add_term("Workflow_Type", "Training", description="Trains", exists_ok=True)
    workflow = Workflow(name="Train", workflow_type="Training", url="https://example.org/t.py", checksum="1")
    code = CODE.model_copy(update={"commit": repository.git("rev-parse", "HEAD")})
    with ml.create_execution(description="A run", workflow=workflow) as run:
        for tier in (2, 3):
            where = {"hostname": ml.host_name, "catalog_id": str(ml.catalog_id), "execution_rid": run.execution_rid}
            file = Path(run.asset_file_path("Execution_Asset", f"receipt-tier{tier}.json"))
            file.write_text(document(receipt(tier=tier, code=code, **where)))
    run.commit_output_assets()
    (repository.root / "src/configs").mkdir(parents=True)
    (repository.root / "src/configs/catalog.json").write_text(json.dumps(own.where))
    repository.commit("README.md", "Digits\n")

    first = repository.ask(RECEIPTS, limit=1)
    second = repository.ask(RECEIPTS, limit=1, cursor=first["next_cursor"])

    rows = {each["tier"]: each for each in (*first["receipts"], *second["receipts"])}
    assert {each["execution_rid"] for each in rows.values()} == {run.execution_rid}
    assert first["catalog"] == f"{ml.catalog_id} on {ml.host_name}"
    assert (rows[3]["holds"], rows[2]["holds"]) == (True, False)
    assert any("receipt-tier1.json is not beside it" in why for why in rows[2]["why_not"])
    assert [each["tier"] for each in repository.ask(RECEIPTS, tier=3, **own.where)["receipts"]] == [3]
    phases = repository.ask("deriva_ml_bootstrap_status")["phases"]
    assert phases[6]["title"] == "Tier 3: production"
