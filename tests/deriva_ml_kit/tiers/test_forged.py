"""Forged and stale receipts: each is refused, and the refusal says why."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import platformdirs
import pytest
import requests
from bench import Bench, Repository, bench
from receipts import CONFIG, DEV, edited, receipt, request

from deriva_ml_kit.mainline import DerivaML, ExecutionConfiguration, Workflow
from deriva_ml_kit.mainline.workflow.git import blob_hash
from deriva_ml_kit.runner.outputs import attach
from deriva_ml_kit.tiers import catalog
from deriva_ml_kit.tiers.checks import RULES
from deriva_ml_kit.tiers.gate import NotAdmitted, Request, admit
from deriva_ml_kit.tiers.receipt import (
    Check,
    DatasetInput,
    Override,
    Receipt,
    Status,
    config_hash,
    document,
    receipts_folder,
    seal,
    write,
)
from deriva_ml_kit.tiers.state import code_state

Edit = Callable[[dict[str, Any]], None]


@pytest.fixture
def project(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "project")


def asked(project: Repository, tier: int = 2, **changes: Any) -> Request:
    """A run of the project as it is now."""
    return request(tier, **({"code": code_state(project.script), "root": project.root} | changes))


def dry(project: Repository, **changes: Any) -> Receipt:
    """The receipt of a dry run of the project as it is now."""
    return receipt(**({"code": code_state(project.script)} | changes))


def put(project: Repository, content: bytes, name: str = "tier1.json") -> None:
    receipts_folder(project.root).joinpath(name).write_bytes(content)


def refusal(project: Repository, **changes: Any) -> str:
    with pytest.raises(NotAdmitted) as refused:
        admit(asked(project, **changes), ml=None)
    assert refused.value.exit_code == 2
    return str(refused.value)


def test_the_genuine_receipt_lets_the_run_begin(project: Repository) -> None:
    made = dry(project)
    write(made, receipts_folder(project.root))
    passage = admit(asked(project), ml=None)
    assert passage.builds_on == (made,)
    assert passage.profile == made.profile


def set_to(*path: str | int, value: Any) -> Edit:
    """An edit that sets one value of the document."""

    def edit(found: Any) -> None:
        for step in path[:-1]:
            found = found[step]
        found[path[-1]] = value

    return edit


def other_config(found: dict[str, Any]) -> None:
    """The work of somebody who knows how digests are made, and has no key."""
    found["config"]["model_config"]["learning_rate"] = 0.1
    found["config_hash"] = config_hash(found["config"])
    redigested(found)


def redigested(found: dict[str, Any]) -> None:
    kept = found["seal"]
    again = seal(Receipt.model_validate(found))
    found.update(digest=again.digest, seal=kept)


def skip_as_pass(found: dict[str, Any]) -> None:
    found["checks"] = [found["checks"][0] | {"status": "skip"}]
    redigested(found)


def insufficient_as_pass(found: dict[str, Any]) -> None:
    found["checks"].append(found["checks"][0] | {"id": "data", "status": "insufficient"})
    redigested(found)


FAILED = (
    Check(id="work", title="The work ran to its end", status=Status.PASS),
    Check(id="inputs_finite", title="Inputs are finite", status=Status.FAIL, remedy="Clean them."),
)

EDITS: dict[str, tuple[Edit, str]] = {
    "edited check": (set_to("checks", 0, "value", value=5), "edited after it was made"),
    "edited verdict": (set_to("verdict", value="insufficient"), "its verdict is insufficient, but its checks say pass"),
    "edited configuration": (set_to("config", "model_config", "learning_rate", value=0.1), "configuration was edited"),
    "edited configuration, all hashes anew": (other_config, "its seal is not that of this user"),
    "edited commit": (set_to("code", "commit", value="3c" * 20), "edited after it was made"),
    "cleaned": (set_to("code", "dirty", value=True), "edited after it was made"),
    "edited dataset version": (set_to("datasets", 0, "version", value="0.9.0"), "edited after it was made"),
    "edited ranges": (set_to("profile", value=None), "edited after it was made"),
    "edited tier": (set_to("tier", value=2), "edited after it was made"),
    "no such tier": (set_to("tier", value=0), "there is no tier 0"),
    "a check removed": (lambda found: found["checks"].pop(), "edited after it was made"),
    "a skip presented as pass": (skip_as_pass, "its verdict is pass, but its checks say insufficient"),
    "insufficient presented as pass": (insufficient_as_pass, "its verdict is pass, but its checks say insufficient"),
    "an override removed": (set_to("overrides", value=[]), "edited after it was made"),
    "no seal": (set_to("seal", value=None), "its seal is not that of this user"),
    "a later schema": (set_to("schema_version", value=2), "its schema version is 2; this version of the kit reads 1"),
    "no schema": (lambda found: found.pop("schema_version"), "its schema version is none"),
    "something added": (set_to("approved", value=True), "approved: extra inputs are not permitted"),
    "something missing": (lambda found: found.pop("datasets"), "datasets: field required"),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_receipt_is_refused(project: Repository, name: str) -> None:
    edit, said = EDITS[name]
    over = Override(tier=1, reason="r", by="b", at=dry(project).made, missing=())
    made = dry(project, overrides=(over,), checks=(FAILED[0], FAILED[0]))
    put(project, edited(made, edit))
    assert "tier1.json proves nothing: " in (text := refusal(project))
    assert said in text


@pytest.mark.parametrize("content", [b'{"schema_version": 1, "tier"', b"", b"[]", b"\xff\xfe\x00", b"null"])
def test_what_is_no_receipt_is_refused(project: Repository, content: bytes) -> None:
    put(project, content)
    assert "tier1.json proves nothing: it" in refusal(project)


def test_a_receipt_sealed_by_somebody_else_is_refused(
    project: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(platformdirs, "user_data_dir", lambda *_, **__: str(tmp_path / "theirs"))
        theirs = dry(project)
    write(theirs, receipts_folder(project.root))
    assert "its seal is not that of this user on this machine" in refusal(project)


def test_a_receipt_of_another_project_is_refused(project: Repository, tmp_path: Path) -> None:
    other = Repository(tmp_path / "other")
    other.commit("print('other')\n")
    write(dry(other), receipts_folder(project.root))
    assert "made at another commit" in refusal(project)


def test_a_receipt_of_the_commit_before_is_refused(project: Repository) -> None:
    write(dry(project), receipts_folder(project.root))
    project.commit("print('better')\n")
    assert "made at another commit" in refusal(project)


def test_uncommitted_changes_are_refused_before_all_else(project: Repository) -> None:
    write(dry(project), receipts_folder(project.root))
    project.script.write_text("print('quick fix')\n")
    text = refusal(project)
    assert "Missing: committed code" in text
    assert text.index("git commit") < text.index("dry_run=true")


def test_a_dry_run_with_uncommitted_changes_is_refused_once_they_are_gone(project: Repository) -> None:
    project.script.write_text("print('quick fix')\n")
    write(dry(project), receipts_folder(project.root))
    project.git("checkout", "-q", "--", ".")
    assert "it was made with uncommitted changes" in refusal(project)


STALE: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "another catalog": ({"catalog_id": "4"}, {}, "it is about another catalog, 4 on localhost:8443"),
    "another host": ({"hostname": "data.example.org"}, {}, "it is about another catalog, 1 on data.example.org"),
    "another version of the dataset": (
        {},
        {"datasets": (DEV.model_copy(update={"version": "0.2.0"}),)},
        "dataset 2-DEV0 was in version 0.1.0, now in 0.2.0",
    ),
    "failed": ({"checks": FAILED}, {}, "it did not pass: fail (inputs_finite)"),
    "no check at all": ({"checks": ()}, {}, "it did not pass: insufficient"),
    "another configuration": (
        {},
        {"config": CONFIG | {"model_config": CONFIG["model_config"] | {"learning_rate": 0.1, "epochs": 9}}},
        "model_config.learning_rate: 0.001 -> 0.1",
    ),
}


@pytest.mark.parametrize("name", STALE)
def test_a_receipt_of_something_else_is_refused(project: Repository, name: str) -> None:
    before, now, said = STALE[name]
    write(dry(project, **before), receipts_folder(project.root))
    assert said in refusal(project, **now)


def test_a_refusal_reads_well(project: Repository) -> None:
    write(dry(project), receipts_folder(project.root))
    before = dry(project).made.astimezone().strftime("%Y-%m-%d %H:%M")
    model = CONFIG["model_config"] | {"learning_rate": 0.1, "epochs": 9}
    assert refusal(project, config=CONFIG | {"model_config": model}) == (
        "Tier 2 of my_experiment cannot start. Nothing was written.\n"
        "Missing: tier 1, a dry run of this\n"
        f"  the nearest receipt, of {before}: it was made with another configuration:\n"
        "    model_config.learning_rate: 0.001 -> 0.1\n"
        "Next:\n"
        "  uv run deriva-ml-run +experiment=my_experiment dry_run=true\n"
        "Then:\n"
        "  uv run deriva-ml-run +experiment=my_experiment\n"
        "Or, told in every later receipt:\n"
        '  uv run deriva-ml-run +experiment=my_experiment --override-tier "reason"'
    )


def test_a_refusal_is_also_for_programs(project: Repository) -> None:
    with pytest.raises(NotAdmitted) as refused:
        admit(asked(project, command=None), ml=None)
    assert str(pickle.loads(pickle.dumps(refused.value))) == str(refused.value)
    found = json.loads(json.dumps(refused.value.as_json()))
    assert found["type"] == "NotAdmitted"
    assert found["reentry"]["tier"] == 1
    assert found["missing"] == [
        {
            "what": "tier 1, a dry run of this",
            "why": ["there is no receipt in .deriva-ml/receipts"],
            "differences": [],
            "command": "this run with dry_run=true (scripts: --dry-run)",
        }
    ]


# In the catalog


@dataclass(frozen=True)
class Runs:
    """Executions on one dataset that anybody with a login can make, and a project whose script they ran.

    Attributes:
        good: It ended well, and has the receipt of the dry run among its outputs.
        bare: It ended well, and has none.
        failed: It has one, and failed.
        first: That receipt.
    """

    ml: DerivaML
    project: Repository
    dataset: DatasetInput
    good: str
    bare: str
    failed: str
    first: Receipt

    def request(self, tier: int = 3, **changes: Any) -> Request:
        now = {"datasets": (self.dataset.model_copy(update={"rid": "9-FULL", "records": 5000}),)}
        return asked(self.project, tier, **(self._place | now | changes))

    def small(self, execution: str, **changes: Any) -> Receipt:
        """The receipt of tier 2 of an execution."""
        known = [*(rule.id for rule in RULES if 2 in rule.tiers), *sorted(catalog.AFTERWARDS)]
        checks = tuple(Check(id=name, title=name, status=Status.PASS) for name in known)
        given = {"tier": 2, "execution_rid": execution, "builds_on": (self.first.digest,), "checks": checks}
        return dry(self.project, **(self._place | {"datasets": (self.dataset,)} | given | changes))

    @property
    def _place(self) -> dict[str, Any]:
        return {"hostname": self.ml.host_name, "catalog_id": str(self.ml.catalog_id)}

    def store(self, content: str, execution: str) -> str:
        return attach(self.ml, execution, catalog.SMALL, content)

    def forget(self, asset: str) -> None:
        self.ml.catalog.delete(f"/entity/deriva-ml:Execution_Asset_Execution/Execution_Asset={asset}")


@pytest.fixture(scope="module")
def runs(local_host: Any, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    lab: Bench = bench(local_host.hostname)
    ml = lab.connect(tmp_path_factory.mktemp("work"))
    project = Repository(tmp_path_factory.mktemp("forged") / "project")
    project.commit("print('the script of these executions')\n")
    workflow = Workflow(
        name="Forged",
        workflow_type="Training",
        url=f"https://example.org/blob/{project.git('rev-parse', 'HEAD')}/{project.script.name}",
        checksum=blob_hash(project.script.read_bytes()),
        version="1",
    )

    def execution(description: str) -> Any:
        configuration = ExecutionConfiguration(datasets=[lab.spec], description=description)
        with ml.create_execution(configuration, workflow=workflow) as exe:
            pass
        exe.commit_output_assets()
        return exe

    good, bare, failed = (str(execution(name).execution_rid) for name in ("good", "bare", "failed"))
    ml.lookup_execution(failed).update_status("Failed")
    dataset = DatasetInput(role="training", rid=lab.dataset, version=lab.version, records=60)
    made = Runs(ml, project, dataset, good, bare, failed, first=dry(project))
    first = dry(project, **made._place, datasets=(dataset,))
    for rid in (made.good, made.failed):
        attach(ml, rid, catalog.FIRST, document(first))
    write(first, receipts_folder(project.root))
    return replace(made, first=first)


def refused(runs: Runs, **changes: Any) -> str:
    with pytest.raises(NotAdmitted) as found:
        admit(runs.request(**changes), ml=runs.ml)
    assert "Missing: tier 2, a real run on little data" in str(found.value)
    return str(found.value)


def in_small(*path: str | int, value: Any, again: bool = True) -> Callable[[Runs], str]:
    """A genuine receipt in which something was changed; the digest, too, if `again`."""

    def forge(runs: Runs) -> str:
        def edit(found: dict[str, Any]) -> None:
            set_to(*path, value=value)(found)
            if again:
                redigested(found)

        return edited(runs.small(runs.good), edit).decode()

    return forge


def untold(runs: Runs) -> str:
    over = Override(tier=2, reason="trust me", by="Eve", at=runs.first.made, missing=("tier 1",))
    return document(runs.small(runs.bare, builds_on=(), overrides=(over,)))


def other_commit(runs: Runs) -> str:
    """The commit before, which holds another script."""
    code = code_state(runs.project.script)
    return document(
        runs.small(runs.good, code=code.model_copy(update={"commit": runs.project.git("rev-parse", "HEAD~1")}))
    )


def fewer_checks(runs: Runs) -> str:
    whole = runs.small(runs.good)
    return document(runs.small(runs.good, checks=[each for each in whole.checks if each.id != "loss_fell"]))


# Kind of forgery -> (its text, the execution that it is stored with, what is said).
FORGED: dict[str, tuple[Callable[[Runs], str], str, str]] = {
    "output of another execution": (
        lambda runs: document(runs.small(runs.good)),
        "bare",
        "but an output of",
    ),
    "of an execution that failed": (
        lambda runs: document(runs.small(runs.failed)),
        "failed",
        "its execution did not end well: its status is Failed",
    ),
    "without tier 1 beside it": (
        lambda runs: document(runs.small(runs.bare)),
        "bare",
        "receipt-tier1.json is not beside it",
    ),
    "built on another dry run": (
        lambda runs: document(runs.small(runs.good, builds_on=("0" * 64,))),
        "good",
        "receipt-tier1.json beside it: is not the one that it builds on",
    ),
    "an override that the execution does not tell of": (untold, "bare", "receipt-tier1.json is not beside it"),
    "other datasets than on record": (
        lambda runs: document(runs.small(runs.good, datasets=(DEV,))),
        "good",
        "it names the datasets 2-DEV0@0.1.0, its execution had",
    ),
    "another version than on record": (
        lambda runs: document(runs.small(runs.good, datasets=(runs.dataset.model_copy(update={"version": "7.0.0"}),))),
        "good",
        "@7.0.0, its execution had",
    ),
    "a receipt of tier 1 under the name of tier 2": (
        lambda runs: document(runs.small(runs.good, tier=1)),
        "good",
        "it says that it is of tier 1",
    ),
    "a failed run": (
        lambda runs: document(runs.small(runs.good, checks=(*runs.small(runs.good).checks, FAILED[1]))),
        "good",
        "it did not pass: fail (inputs_finite)",
    ),
    "a check left out": (fewer_checks, "good", "it lacks checks: loss_fell"),
    "of another commit than its execution ran": (
        other_commit,
        "good",
        "its execution ran another train.py than commit",
    ),
    "of another catalog": (
        lambda runs: document(runs.small(runs.good, catalog_id="77")),
        "good",
        "it is about another catalog, 77 on",
    ),
    "edited": (in_small("name", value="other", again=False), "good", "edited after it was made"),
    "edited configuration, digest anew": (
        in_small("config", "model_config", "seed", value=1),
        "good",
        "its configuration was edited",
    ),
    "insufficient presented as pass": (
        in_small("checks", 0, "status", value="insufficient"),
        "good",
        "its verdict is pass, but its checks say insufficient",
    ),
    "a later schema": (in_small("schema_version", value=2, again=False), "good", "its schema version is 2"),
    "cut off": (lambda runs: document(runs.small(runs.good))[:300], "good", "it is no complete JSON"),
}


@pytest.mark.catalog
@pytest.mark.parametrize("name", FORGED)
def test_a_receipt_in_the_catalog_is_judged_by_the_catalogs_rows(runs: Runs, name: str) -> None:
    forge, execution, said = FORGED[name]
    asset = runs.store(forge(runs), getattr(runs, execution))
    try:
        assert said in refused(runs)
    finally:
        runs.forget(asset)


@pytest.mark.catalog
def test_a_file_on_this_disk_is_never_tier_2(runs: Runs) -> None:
    path = write(runs.small(runs.good), receipts_folder(runs.project.root))
    assert "says it is of tier 2; only the catalog's count" in refused(runs)
    path.unlink()


@pytest.mark.catalog
def test_a_row_that_does_not_describe_its_file_is_refused(runs: Runs) -> None:
    asset = runs.store(document(runs.small(runs.good, name="tampered")), runs.good)
    runs.ml.catalog.put("/attributegroup/deriva-ml:Execution_Asset/RID;MD5", json=[{"RID": asset, "MD5": "0" * 32}])
    assert "is not what the catalog describes: MD5" in refused(runs)
    runs.forget(asset)


def test_a_receipt_stored_by_somebody_else_is_refused() -> None:
    row = {"status": "Completed", "asset_by": "Eve", "execution_by": "Ada"}
    assert list(catalog._of_row(row)) == ["it was stored by somebody else than its execution"]
    assert list(catalog._of_row(row | {"asset_by": "Ada"})) == []


@pytest.fixture
def genuine(runs: Runs) -> Iterator[Receipt]:
    made = runs.small(runs.good, made=datetime.now(UTC))
    asset = runs.store(document(made), runs.good)
    yield made
    runs.forget(asset)


@pytest.mark.catalog
def test_the_genuine_receipt_opens_tier_3(runs: Runs, genuine: Receipt) -> None:
    passage = admit(runs.request(), ml=runs.ml)
    assert passage.builds_on == (genuine, runs.first)


@pytest.mark.catalog
def test_few_requests_are_made_however_many_executions_there_are(
    runs: Runs, genuine: Receipt, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = [runs.store(document(runs.small(rid, name=f"older {rid}")), rid) for rid in (runs.bare, runs.failed)]
    newest = runs.small(runs.good, made=datetime.now(UTC), name="newest")
    asset = runs.store(document(newest), runs.good)
    sent: list[str] = []
    send = requests.Session.send

    def counted(session: Any, request: Any, **options: Any) -> Any:
        sent.append(f"{request.method} {request.url}")
        return send(session, request, **options)

    monkeypatch.setattr(requests.Session, "send", counted)
    assert admit(runs.request(), ml=runs.ml).builds_on[0] == newest
    assert len(sent) <= 6, sent
    for each in (*below, asset):
        runs.forget(each)


@pytest.mark.catalog
def test_tier_3_also_needs_a_dry_run_of_exactly_this(runs: Runs, genuine: Receipt) -> None:
    longer = CONFIG | {"model_config": CONFIG["model_config"] | {"epochs": 50}}
    with pytest.raises(NotAdmitted, match=r"model_config\.epochs: 3 -> 50") as found:
        admit(runs.request(config=longer), ml=runs.ml)
    assert found.value.reentry.tier == 1
    path = write(dry(runs.project, **runs._place, config=longer), receipts_folder(runs.project.root))
    passage = admit(runs.request(config=longer), ml=runs.ml)
    assert [str(each) for each in passage.differences] == ["model_config.epochs: 3 -> 50"]
    path.unlink()


@pytest.mark.catalog
def test_the_newest_that_fits_is_taken_whatever_lies_above_it(runs: Runs, genuine: Receipt) -> None:
    kinds = [FORGED[name] for name in ("without tier 1 beside it", "of an execution that failed")]
    above = [runs.store(forge(runs), getattr(runs, execution)) for forge, execution, _ in kinds]
    assert admit(runs.request(), ml=runs.ml).builds_on[0] == genuine
    for asset in above:
        runs.forget(asset)


@pytest.mark.catalog
def test_an_override_goes_on_and_is_told_ever_after(runs: Runs) -> None:
    passage = admit(runs.request(), ml=runs.ml, override="deadline  tonight")
    [over] = passage.overrides
    assert (over.tier, over.reason, over.missing) == (3, "deadline tonight", ("tier 2, a real run on little data",))
    assert over.by
    later = dry(runs.project, **runs._place, overrides=(over,), made=runs.first.made + timedelta(days=1))
    path = write(later, receipts_folder(runs.project.root))
    again = admit(runs.request(2), ml=runs.ml)
    assert (again.builds_on, again.overrides) == ((later,), (over,))
    path.unlink()


def test_an_override_says_why(project: Repository) -> None:
    with pytest.raises(Exception, match="An override needs a reason"):
        admit(asked(project), ml=None, override="  ")


def test_an_override_that_is_not_needed_is_not_recorded(project: Repository) -> None:
    write(dry(project), receipts_folder(project.root))
    assert admit(asked(project), ml=None, override="just in case").overrides == ()
    assert admit(asked(project, 1), ml=None, override="just in case").overrides == ()


def test_a_tier_below_what_the_data_say_is_an_override(project: Repository) -> None:
    large = (DEV.model_copy(update={"records": 5000, "types": ()}),)
    write(dry(project, datasets=large), receipts_folder(project.root))
    [over] = admit(asked(project, datasets=large), ml=None, override="they are tiny").overrides
    assert over.missing == ("tier 3, since 2-DEV0 holds 5000 records, more than 200, and is not of type Development",)
