"""Tiers 2 and 3: a real execution that is checked after its commit, and whose receipt stands beside its outputs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from bench import MODEL, Bench, Repository, Training, bench, plan
from deriva.core import HatracStore

from deriva_ml_kit.errors import KitError, UsageError
from deriva_ml_kit.mainline import DerivaML, ExecutionConfiguration, Workflow
from deriva_ml_kit.runner import real
from deriva_ml_kit.runner.outputs import Sealed
from deriva_ml_kit.runner.tiered import NotPassed, Played, run_tiered
from deriva_ml_kit.tiers import aftermath
from deriva_ml_kit.tiers.receipt import Check, DatasetInput, Receipt, Status, document

pytestmark = pytest.mark.catalog
WHY = "trying out one check"


@pytest.fixture(scope="module")
def lab(local_host: Any) -> Bench:
    return bench(local_host.hostname)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("real") / "project")


@pytest.fixture(scope="module")
def ml(lab: Bench, tmp_path_factory: pytest.TempPathFactory) -> DerivaML:
    return lab.connect(tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="module")
def tiers(lab: Bench, project: Repository, ml: DerivaML) -> tuple[Played, Played, Played]:
    """All three, one after the other."""
    first = run_tiered(ml, plan(lab, project, dry_run=True), Training())
    second = run_tiered(ml, plan(lab, project, assets=[]), Training())
    third = run_tiered(ml, plan(lab, project, tier=3), Training())
    return first, second, third


def overridden(lab: Bench, project: Repository, ml: DerivaML, work: Any, tier: int = 2, **more: Any) -> Played:
    return run_tiered(ml, plan(lab, project, tier=tier, override=WHY, **more), work)


def check_of(receipt: Receipt, identifier: str) -> Check:
    [found] = [check for check in receipt.checks if check.id == identifier]
    return found


def status(ml: DerivaML, rid: str | None) -> str:
    [row] = ml.catalog.get(f"/entity/deriva-ml:Execution/RID={rid}").json()
    return str(row["Status"])


def outputs(ml: DerivaML, rid: str | None) -> dict[str, Any]:
    assert rid
    found = ml.list_execution_assets(rid, "Output")
    return {asset.filename: asset for asset in found if asset.asset_table == "Execution_Asset"}


def test_a_healthy_model_passes_all_three(tiers: tuple[Played, Played, Played]) -> None:
    for played in tiers:
        failed = [check for check in played.receipt.checks if check.status is Status.FAIL]
        assert (played.receipt.verdict, failed) == (Status.PASS, [])
    assert [played.tier for played in tiers] == [1, 2, 3]


def test_each_real_run_has_its_receipt_and_that_of_the_dry_run_among_its_outputs(
    ml: DerivaML, tiers: tuple[Played, Played, Played], tmp_path: Path
) -> None:
    first, second, third = tiers
    for played in (second, third):
        there = outputs(ml, played.execution_rid)
        own = f"receipt-tier{played.tier}.json"
        assert there.keys() >= {"receipt-tier1.json", own, MODEL, "metrics.json"}
        assert there[own].asset_rid == played.receipt_rid
        for name, receipt in (("receipt-tier1.json", first.receipt), (own, played.receipt)):
            content = there[name].download(tmp_path / str(played.tier)).read_bytes()
            assert content.decode() == document(receipt)
            assert hashlib.md5(content).hexdigest() == there[name].md5
        assert status(ml, played.execution_rid) == "Completed"
        assert played.receipt.execution_rid == played.execution_rid
        assert first.receipt.digest in played.receipt.builds_on
    assert second.receipt.digest in third.receipt.builds_on


def test_the_outputs_that_are_told_are_those_of_the_work(ml: DerivaML, tiers: tuple[Played, Played, Played]) -> None:
    _, second, _ = tiers
    there = outputs(ml, second.execution_rid)
    assert {file["filename"]: file["rid"] for file in second.outputs} == {
        name: there[name].asset_rid for name in (MODEL, "metrics.json")
    }
    assert second.feature_values == 15
    assert check_of(second.receipt, "feature_values").status is Status.PASS


def test_the_full_run_keeps_a_baseline(ml: DerivaML, tiers: tuple[Played, Played, Played], tmp_path: Path) -> None:
    _, _, third = tiers
    kept = outputs(ml, third.execution_rid)["input-ranges.json"].download(tmp_path)
    assert json.loads(kept.read_text())["inputs"]["records"] == 45
    for identifier in ("baseline", "sizes"):
        assert check_of(third.receipt, identifier).status is Status.PASS


def test_a_failed_check_keeps_the_outputs_and_ends_with_one(lab: Bench, project: Repository, ml: DerivaML) -> None:
    played = overridden(lab, project, ml, Training(rate=0.0))
    assert played.receipt.verdict is Status.FAIL
    assert check_of(played.receipt, "loss_fell").status is Status.FAIL
    assert status(ml, played.execution_rid) == "Completed"
    assert MODEL in outputs(ml, played.execution_rid)
    with pytest.raises(NotPassed, match="loss_fell") as failed:
        played.require_pass()
    assert failed.value.exit_code == 1
    assert str(played.execution_rid) in str(failed.value)


def test_an_override_is_on_record_everywhere(lab: Bench, project: Repository, ml: DerivaML) -> None:
    played = overridden(lab, project, ml, Training(), description="A look", config={"model_config": {"epochs": 41}})
    [row] = ml.catalog.get(f"/entity/deriva-ml:Execution/RID={played.execution_rid}").json()
    assert row["Description"] == f"A look [tier override: {WHY}]"
    assert [each.reason for each in played.receipt.overrides] == [WHY]
    assert WHY in str(played.summary()["overrides"])
    metadata = [a for a in ml.list_execution_assets(played.execution_rid or "") if a.filename == "configuration.json"]
    assert WHY in metadata[0].download(Path(ml.working_dir)).read_text()


def test_a_loss_that_is_no_number_ends_a_full_run_at_once(lab: Bench, project: Repository, ml: DerivaML) -> None:
    seen: list[int] = []

    def work(exe: Any, out: Any, ev: Any) -> None:
        for step in ev.batches(range(1000)):
            seen.append(step)
            ev.loss(float("nan") if step == 3 else 1.0)

    before = ml.catalog.get("/attribute/deriva-ml:Execution/RID").json()
    with pytest.raises(KitError, match="The loss became nan at value 4"):
        overridden(lab, project, ml, work, tier=3)
    assert seen == [0, 1, 2, 3]
    [new] = [row for row in ml.catalog.get("/entity/deriva-ml:Execution").json() if {"RID": row["RID"]} not in before]
    assert new["Status"] == "Failed"
    assert "nan" in new["Status_Detail"]


def test_on_a_small_dataset_it_runs_on_and_the_check_fails(lab: Bench, project: Repository, ml: DerivaML) -> None:
    class Diverging(Training):
        def __call__(self, exe: Any, out: Any, ev: Any) -> Any:
            ev.loss(float("nan"))
            return super().__call__(exe, out, ev)

    played = overridden(lab, project, ml, Diverging())
    assert check_of(played.receipt, "loss_finite").status is Status.FAIL


def test_values_for_some_of_the_predicted_records_only_fail(lab: Bench, project: Repository, ml: DerivaML) -> None:
    played = overridden(lab, project, ml, Training(every=2))
    found = check_of(played.receipt, "feature_values")
    assert (found.status, found.limit) == (Status.FAIL, 15)
    assert "15 records were predicted, 8 have a value" in str(found.detail)


def test_a_model_that_is_not_what_was_trained_is_noticed_in_its_downloaded_file(
    lab: Bench, project: Repository, ml: DerivaML
) -> None:
    played = overridden(lab, project, ml, Training(saved=lambda weights: -weights))
    assert check_of(played.receipt, "reload").status is Status.FAIL


def test_outputs_that_are_not_in_the_catalog_or_the_object_store_as_they_were_written_are_noticed(
    lab: Bench, project: Repository, ml: DerivaML
) -> None:
    class Keeping(Training):
        def __call__(self, exe: Any, out: Any, ev: Any) -> Any:
            self.out = out
            return super().__call__(exe, out, ev)

    work = Keeping(files={"own.txt": b"only this run has it"})
    played = overridden(lab, project, ml, work)
    sealed = [Sealed(each["table"], each["filename"], each["bytes"], each["md5"]) for each in played.outputs]
    assert len(work.out.verify(sealed)) == 3
    with pytest.raises(KitError, match=r"own\.txt \(MD5 0\) is no output"):
        work.out.verify([Sealed("Execution_Asset", "own.txt", 20, "0")])
    HatracStore("https", lab.hostname, ml.credential).delete(outputs(ml, played.execution_rid)["own.txt"].url)
    with pytest.raises(KitError, match=r"own\.txt is not in the object store"):
        work.out.verify(sealed)


def test_a_run_that_is_killed_before_its_receipt_is_complete_and_opens_no_gate(
    lab: Bench, ml: DerivaML, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Repository(tmp_path / "project")
    run_tiered(ml, plan(lab, project, dry_run=True), Training())

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(real, "attach", killed)
        with pytest.raises(KeyboardInterrupt):
            run_tiered(ml, plan(lab, project), Training())
    rid = max(row["RID"] for row in ml.catalog.get("/attribute/deriva-ml:Execution/RID").json())
    assert status(ml, rid) == "Completed"
    assert "receipt-tier2.json" not in outputs(ml, rid)
    with pytest.raises(UsageError, match="tier 2"):
        run_tiered(ml, plan(lab, project, tier=3), Training())
    run_tiered(ml, plan(lab, project), Training())
    assert run_tiered(ml, plan(lab, project, tier=3), Training()).receipt.verdict is Status.PASS


def test_a_part_of_another_execution_is_linked_to_it(lab: Bench, project: Repository, ml: DerivaML) -> None:
    workflow = Workflow(
        name="Sweep", workflow_type="Training", url="https://example.org/s.py", checksum="1", version="1"
    )
    with ml.create_execution(ExecutionConfiguration(description="All"), workflow=workflow) as parent:
        pass
    played = overridden(lab, project, ml, Training(), parent=parent.execution_rid, sequence=3)
    [child] = ml.lookup_execution(parent.execution_rid).list_execution_children()
    assert child.execution_rid == played.execution_rid
    assert check_of(played.receipt, "provenance").status is Status.PASS


@pytest.fixture
def finished(tiers: tuple[Played, Played, Played]) -> str:
    return str(tiers[2].execution_rid)


def test_a_status_that_is_no_good_end_is_noticed(lab: Bench, project: Repository, ml: DerivaML) -> None:
    played = overridden(lab, project, ml, Training())
    rid = str(played.execution_rid)
    assert aftermath.finished(ml, rid).status is Status.PASS
    ml.lookup_execution(rid).update_status("Pending_Upload")
    assert aftermath.finished(ml, rid).status is Status.FAIL


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": "0.1.0"}, "is recorded in version"),
        ({"rid": "9-ZZZZ"}, "is not recorded as an input"),
    ],
)
def test_inputs_that_are_not_on_record_are_noticed(
    lab: Bench, ml: DerivaML, finished: str, change: dict[str, str], words: str
) -> None:
    given = DatasetInput(role=None, rid=lab.dataset, version=lab.version)
    assert aftermath.provenance(ml, finished, datasets=[given], assets=[]).status is Status.PASS
    wrong = aftermath.provenance(ml, finished, datasets=[given.model_copy(update=change)], assets=[lab.asset])
    assert wrong.status is Status.FAIL
    assert words in str(wrong.detail)
    assert f"asset {lab.asset} is not recorded as an input" in str(wrong.detail)


def test_a_parent_that_is_not_on_record_is_noticed(lab: Bench, ml: DerivaML, finished: str) -> None:
    given = DatasetInput(role=None, rid=lab.dataset, version=lab.version)
    found = aftermath.provenance(ml, finished, datasets=[given], assets=[], parent="9-ZZZZ")
    assert "it is no part of execution 9-ZZZZ" in str(found.detail)


def test_a_dataset_that_nobody_is_known_to_have_made_is_told_and_does_not_block(lab: Bench, ml: DerivaML) -> None:
    rid = ml.create_dataset([], "Made by hand")
    unknown = DatasetInput(role=None, rid=rid, version=str(ml.dataset_version(rid)))
    known = DatasetInput(role=None, rid=lab.dataset, version=lab.version)
    assert aftermath.origins(ml, [known]).status is Status.PASS
    found = aftermath.origins(ml, [known, unknown])
    assert (found.status, found.required) == (Status.INSUFFICIENT, False)


def test_files_that_nobody_declared_are_noticed(ml: DerivaML, finished: str) -> None:
    names = outputs(ml, finished).keys()
    declared = {("Execution_Asset", name) for name in names}
    assert aftermath.no_orphans(ml, finished, declared).status is Status.PASS
    found = aftermath.no_orphans(ml, finished, declared - {("Execution_Asset", MODEL)})
    assert f"never declared: {MODEL}" in str(found.detail)


def test_a_baseline_that_is_not_there_is_noticed(ml: DerivaML, finished: str) -> None:
    assert aftermath.baseline(ml, finished, "other.json").status is Status.FAIL


def test_outputs_far_from_what_tier_2_lets_expect_are_noticed(tiers: tuple[Played, Played, Played]) -> None:
    before = tiers[1].receipt
    same = {str(file["filename"]): int(file["bytes"]) for file in tiers[1].outputs}
    assert aftermath.sizes(same, before, 1.0).status is Status.PASS
    grown = {name: size * 8 for name, size in same.items()}
    assert aftermath.sizes(grown, before, 1.0).status is Status.FAIL
    assert aftermath.sizes(grown, before, 9.0).status is Status.PASS
    assert aftermath.sizes({MODEL: same[MODEL]}, before, 1.0).detail == "metrics.json is missing"
    assert aftermath.sizes(same, None, 1.0).status is Status.SKIP


def test_counts_of_values_that_differ_are_noticed() -> None:
    assert aftermath.values_written({}, {}, None).status is Status.SKIP
    assert aftermath.values_written({"T": (3, 3)}, {"T": {"1"}}, None).status is Status.PASS
    assert aftermath.values_written({"T": (2, 3)}, {"T": {"1"}}, None).detail == "T holds 2 of 3"
