"""Tier 1: every promise of a dry run, one by one; each test breaks one and sees that it is noticed."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import requests
from bench import MODEL, Bench, Repository, Training, bench, plan, read
from deriva.core import HatracStore

from deriva_ml_kit.errors import Faults, KitError, Undecidable, UsageError
from deriva_ml_kit.mainline import DatasetSpec, DerivaML, DerivaMLException
from deriva_ml_kit.runner import dry, preflight
from deriva_ml_kit.runner.limit import time_limit
from deriva_ml_kit.runner.outputs import UnknownTerm
from deriva_ml_kit.runner.tiered import NotPassed, Played, hooks, run_tiered
from deriva_ml_kit.runner.unchanged import Fingerprint, WroteInDryRun, fingerprint, read_only
from deriva_ml_kit.tiers.receipt import Check, Receipt, Status, local_receipts

pytestmark = pytest.mark.catalog


@pytest.fixture(scope="module")
def lab(local_host: Any) -> Bench:
    return bench(local_host.hostname)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "project")


@pytest.fixture
def ml(lab: Bench, tmp_path: Path) -> DerivaML:
    return lab.connect(tmp_path / "work")


def play(lab: Bench, repository: Repository, ml: DerivaML, work: Any = None, **more: Any) -> Played:
    return run_tiered(ml, plan(lab, repository, dry_run=True, **more), work or Training())


def check_of(receipt: Receipt, identifier: str) -> Check:
    [found] = [check for check in receipt.checks if check.id == identifier]
    return found


def newest(repository: Repository) -> Receipt:
    return local_receipts(repository.root)[0]


def without_evidence(exe: Any, out: Any, ev: Any) -> dict[str, Any]:
    ev.without("data", "it only copies")
    return {}


def test_a_healthy_run_passes_and_its_receipt_lies_where_git_does_not_see_it(
    lab: Bench, repository: Repository, ml: DerivaML
) -> None:
    played = play(lab, repository, ml, assets=[lab.asset])
    receipt = played.receipt
    assert receipt.verdict is Status.PASS
    promised = {"config", "inputs_exist", "workflow_type", "login", "disk", "fetched", "loading", "model", "work"}
    promised |= {"outputs", "terms", "write_rights", "metrics", "nothing_written", "reload", "inputs_finite"}
    passed = {check.id for check in receipt.checks if check.status is Status.PASS}
    assert promised <= passed
    assert played.receipt_path
    assert played.receipt_path.is_relative_to(repository.root / ".deriva-ml/receipts")
    assert newest(repository) == receipt
    assert repository.git("status", "--porcelain") == ""
    assert (played.execution_rid, played.workflow_rid) == (None, None)
    assert {output["name"] for output in played.outputs} == {MODEL, "metrics.json"}
    assert played.feature_values == 15
    assert receipt.estimate
    assert [cost["tier"] for cost in receipt.estimate["tiers"]] == [2, 3]
    assert receipt.profile
    assert receipt.profile["inputs"]["records"] == 45
    assert played.require_pass().summary()["verdict"] == "pass"


def test_it_runs_the_work_on_two_batches(lab: Bench, repository: Repository, ml: DerivaML) -> None:
    seen = []

    def work(exe: Any, out: Any, ev: Any) -> None:
        ev.without("data", "it counts")
        seen.extend(ev.batches(range(100)))

    play(lab, repository, ml, work)
    assert seen == [0, 1]


def test_a_value_that_cannot_be_recorded_is_refused(lab: Bench, repository: Repository, ml: DerivaML) -> None:
    work = Training()
    with pytest.raises(UsageError, match=r"model_config\.net is a object"):
        play(lab, repository, ml, work, config={"model_config": {"net": object()}})
    assert work.called == 0


@pytest.mark.parametrize(
    "wrong",
    [
        ("9-ZZZZ", "1.0.0", "no such RID"),
        ("", "9.9.9", "has no such version; versions: "),
        ("", "0.2.0.post1.dev1", "development version"),
    ],
)
def test_a_dataset_that_is_not_there_in_that_version_is_refused(
    lab: Bench, repository: Repository, ml: DerivaML, wrong: tuple[str, str, str]
) -> None:
    rid, version, words = wrong
    with pytest.raises(Faults, match="Nothing was written") as refused:
        play(lab, repository, ml, datasets=[DatasetSpec(rid=rid or lab.dataset, version=version)])
    assert words in str(refused.value)
    assert not local_receipts(repository.root)


def test_an_asset_that_is_not_there_is_refused(lab: Bench, repository: Repository, ml: DerivaML) -> None:
    with pytest.raises(Faults, match="no such RID"):
        play(lab, repository, ml, assets=["9-ZZZZ"])


def test_an_asset_whose_file_is_gone_fails(lab: Bench, repository: Repository, ml: DerivaML) -> None:
    lost = {"URL": "/hatrac/Image/lost.txt", "Filename": "lost.txt", "Length": 4, "MD5": "0" * 32}
    [row] = ml.pathBuilder.schemas["deriva-ml"].tables["Execution_Asset"].insert([lost])
    with pytest.raises((DerivaMLException, requests.HTTPError)):
        play(lab, repository, ml, assets=[row["RID"]])
    assert check_of(newest(repository), "fetched").status is Status.FAIL


def test_code_that_fails_while_it_loads_is_told_with_its_place(
    lab: Bench, repository: Repository, ml: DerivaML
) -> None:
    repository.commit("def load(bags, assets):\n    return bags['no such part']\n")
    names: dict[str, Any] = {}
    exec(compile(repository.script.read_text(), str(repository.script), "exec"), names)
    with pytest.raises((KeyError, TypeError)):
        play(lab, repository, ml, hooks(names["load"], lambda *_: None, lambda *_: None, {}))
    receipt = newest(repository)
    failed = check_of(receipt, "loading")
    assert (receipt.verdict, failed.status) == (Status.FAIL, Status.FAIL)
    assert "(train.py:2)" in str(failed.detail)
    assert [check_of(receipt, name).status for name in ("model", "work")] == [Status.SKIP, Status.SKIP]


def test_a_model_that_cannot_be_made_is_told_apart_from_data_that_cannot_be_loaded(
    lab: Bench, repository: Repository, ml: DerivaML
) -> None:
    def build(data: Any, config: Any) -> None:
        raise ValueError("-3 is no number of layers")

    with pytest.raises(ValueError, match="layers"):
        play(lab, repository, ml, hooks(lambda bags, assets: read(bags[0]), build, lambda *_: None, {}))
    receipt = newest(repository)
    assert check_of(receipt, "loading").status is Status.PASS
    assert check_of(receipt, "model").status is Status.FAIL
    assert "-3 is no number of layers" in str(check_of(receipt, "model").detail)


def test_a_workflow_type_that_is_no_term_is_refused(lab: Bench, repository: Repository, ml: DerivaML) -> None:
    with pytest.raises(Faults, match="there is no term Trainig"):
        play(lab, repository, ml, workflow=repository.workflow("Trainig"))


def test_a_term_that_does_not_exist_fails(lab: Bench, repository: Repository, ml: DerivaML) -> None:
    with pytest.raises(UnknownTerm, match="sevn"):
        play(lab, repository, ml, Training(term=lambda digit: "sevn"))
    assert check_of(newest(repository), "terms").status is Status.FAIL


def test_values_that_were_staged_with_the_execution_itself_are_checked_alike(
    lab: Bench, repository: Repository, ml: DerivaML
) -> None:
    def work(exe: Any, out: Any, ev: Any) -> None:
        record = ml.feature_record_class("Image", "Predicted")
        exe.add_features([record(Image=lab.images[0], Digit="sevn")])

    with pytest.raises(UnknownTerm, match="sevn"):
        play(lab, repository, ml, work)


@pytest.mark.parametrize(("rids", "words"), [((0, 0), "more than one value"), (("9-ZZZZ",), "does not have: 9-ZZZZ")])
def test_values_that_the_catalog_would_not_take_fail(
    lab: Bench, repository: Repository, ml: DerivaML, rids: tuple[Any, ...], words: str
) -> None:
    def work(exe: Any, out: Any, ev: Any) -> None:
        record = out.feature("Image", "Predicted")
        named = [rid if isinstance(rid, str) else lab.images[rid] for rid in rids]
        out.features(record(Image=rid, Digit="seven") for rid in named)

    with pytest.raises(KitError, match=words):
        play(lab, repository, ml, work)
    assert newest(repository).verdict is Status.FAIL


def test_a_login_that_is_not_valid_any_more_is_noticed(ml: DerivaML) -> None:
    assert preflight.logged_in(ml).status is Status.PASS
    ml.catalog._session.cookies.clear()
    ml.catalog._session.headers.pop("Authorization", None)
    assert preflight.logged_in(ml).status is Status.FAIL


def test_rights_that_are_not_granted_are_noticed_without_trying(lab: Bench, ml: DerivaML) -> None:
    before = fingerprint(ml)
    assert preflight.may_write(ml, ["Image"], ["Execution_Image_Predicted"]).status is Status.PASS
    assert fingerprint(ml) == before
    as_it_was = ml.catalog_snapshot(f"{lab.catalog_id}@{before.snaptime}")  # nobody may write there
    denied = preflight.may_write(as_it_was, ["Image"], ["Execution_Image_Predicted"])
    assert denied.status is Status.FAIL
    assert "insert Execution_Image_Predicted" in str(denied.detail)


def test_a_disk_without_room_is_noticed(ml: DerivaML) -> None:
    size = preflight.BagSize(whole=10**18, missing=10**18)
    assert preflight.room_for(ml, [size]).status is Status.FAIL
    assert preflight.room_for(ml, [preflight.BagSize(10**18, 0)]).status is Status.PASS


def test_a_dataset_that_is_on_this_disk_needs_no_room(lab: Bench, ml: DerivaML) -> None:
    ml.download_dataset_bag(lab.spec)
    found = preflight.bag_size(ml, lab.spec)
    assert found.whole > found.missing == 0


def test_a_file_that_was_announced_and_not_written_fails(lab: Bench, repository: Repository, ml: DerivaML) -> None:
    def work(exe: Any, out: Any, ev: Any) -> None:
        out.file("a.txt")

    with pytest.raises(KitError, match=r"never written: a\.txt"):
        play(lab, repository, ml, work)
    assert check_of(newest(repository), "outputs").status is Status.FAIL


def test_an_empty_file_fails(lab: Bench, repository: Repository, ml: DerivaML) -> None:
    played = play(lab, repository, ml, Training(files={"empty.txt": b""}))
    assert check_of(played.receipt, "outputs").status is Status.FAIL
    with pytest.raises(NotPassed, match=r"empty\.txt") as refused:
        played.require_pass()
    assert refused.value.exit_code == 1


def test_a_model_file_that_does_not_hold_the_model_fails(lab: Bench, repository: Repository, ml: DerivaML) -> None:
    played = play(lab, repository, ml, Training(saved=lambda weights: -weights))
    assert check_of(played.receipt, "reload").status is Status.FAIL
    assert played.receipt.verdict is Status.FAIL


def test_a_metric_that_is_no_number_fails(lab: Bench, repository: Repository, ml: DerivaML) -> None:
    played = play(lab, repository, ml, Training(metrics={"f1": float("nan")}))
    assert check_of(played.receipt, "metrics").status is Status.FAIL


def test_nothing_is_written_to_the_catalog_the_object_store_or_the_working_folder(
    lab: Bench, repository: Repository, ml: DerivaML
) -> None:
    ml.download_dataset_bag(lab.spec)  # into the cache, which is no result
    before = fingerprint(ml), sorted(Path(ml.working_dir).rglob("*"))
    for _ in range(2):
        played = play(lab, repository, ml)
        assert check_of(played.receipt, "nothing_written").status is Status.PASS
    assert (fingerprint(ml), sorted(Path(ml.working_dir).rglob("*"))) == before


def _row(lab: Bench, ml: DerivaML) -> None:
    ml.pathBuilder.schemas["bench"].tables["Digit"].insert([{"Name": "ten", "Description": "ten"}])


def _row_by_another_connection(lab: Bench, ml: DerivaML) -> None:
    _row(lab, DerivaML(lab.hostname, lab.catalog_id))


def _object(lab: Bench, ml: DerivaML) -> None:
    file = Path(ml.working_dir) / "ten"
    file.write_text("ten")
    HatracStore("https", lab.hostname, ml.credential).put_loc("/hatrac/Image/ten.txt", str(file))


@pytest.mark.parametrize("write", [_row, _row_by_another_connection, _object])
def test_code_that_writes_by_itself_is_stopped_before_it_has_written(
    lab: Bench, repository: Repository, ml: DerivaML, write: Any
) -> None:
    before = fingerprint(ml)
    with pytest.raises(WroteInDryRun, match=r"tried to: (POST|PUT) /(ermrest|hatrac)/"):
        play(lab, repository, ml, lambda exe, out, ev: write(lab, ml))
    assert fingerprint(ml) == before
    assert check_of(newest(repository), "nothing_written").status is Status.FAIL


def test_the_guard_ends_with_the_dry_run(lab: Bench, ml: DerivaML) -> None:
    with read_only(lab.hostname), read_only(lab.hostname):
        pass
    ml.add_term("Workflow_Type", "Written_Afterwards", description="by a test")


def test_an_object_whose_versions_were_deleted_is_counted_as_one(ml: DerivaML, tmp_path: Path) -> None:
    file = tmp_path / "bare.txt"
    file.write_text("bare")
    store = HatracStore("https", ml.host_name, ml.credential)
    before = fingerprint(ml)
    url = store.put_obj("/hatrac/bare.txt", str(file))
    store.del_obj(url)
    assert fingerprint(ml).objects == (before.objects or 0) + 1


def test_what_somebody_else_wrote_meanwhile_is_not_held_against_the_run() -> None:
    found = dry._unchanged(Fingerprint("361", 5), Fingerprint("362", 5), None)
    assert (found.status, found.required) == (Status.INSUFFICIENT, False)


def test_code_that_never_limits_itself_is_stopped_and_told_how(
    lab: Bench, repository: Repository, ml: DerivaML
) -> None:
    def work(exe: Any, out: Any, ev: Any) -> None:
        while True:
            time.sleep(0.05)

    with pytest.raises(Undecidable, match=r"evidence\(\)\.batches\(loader\)") as stopped:
        play(lab, repository, ml, work, limit_seconds=0.3)
    assert stopped.value.exit_code == 2
    receipt = newest(repository)
    assert receipt.verdict is Status.INSUFFICIENT
    assert check_of(receipt, "loading").status is Status.INSUFFICIENT


def test_the_limit_holds_for_code_that_swallows_the_interruption_but_not_for_code_that_limits_itself() -> None:
    def patient(seconds: float) -> None:
        with contextlib.suppress(KeyboardInterrupt):  # as some frameworks do
            time.sleep(seconds)

    with pytest.raises(Undecidable), time_limit(0.05, limits_itself=lambda: False):
        patient(5)
    with time_limit(0.05, limits_itself=lambda: True):
        patient(0.2)
    with time_limit(5, limits_itself=lambda: False):
        pass


@pytest.mark.timeout(30)
def test_code_that_swallows_the_interruption_and_goes_on_is_interrupted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deriva_ml_kit.runner.limit.AGAIN_SECONDS", 0.05)

    with pytest.raises(Undecidable), time_limit(0.05, limits_itself=lambda: False):
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
        threading.Event().wait()


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda *_: None], ids=["ignored", "taken by an uploader"])
def test_the_limit_holds_where_interrupts_do_not_arrive(handler: Any) -> None:
    before = signal.signal(signal.SIGINT, handler)
    try:
        with pytest.raises(Undecidable), time_limit(0.05, limits_itself=lambda: False):
            for _ in range(200):
                time.sleep(0.02)
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_limit_holds_outside_the_main_thread() -> None:
    ended: list[str] = []

    def run() -> None:
        try:
            with time_limit(0.1, limits_itself=lambda: False):
                while True:
                    time.sleep(0.01)
        except Undecidable:
            ended.append("stopped")

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(timeout=5)
    assert ended == ["stopped"]


def test_an_interruption_by_a_person_stays_one() -> None:
    with pytest.raises(KeyboardInterrupt), time_limit(5, limits_itself=lambda: False):
        raise KeyboardInterrupt


def test_code_that_shows_nothing_is_told_what_it_lacks(lab: Bench, repository: Repository, ml: DerivaML) -> None:
    played = play(lab, repository, ml, lambda exe, out, ev: {"rows": 3})
    assert played.receipt.verdict is Status.INSUFFICIENT
    with pytest.raises(NotPassed) as told:
        played.require_pass()
    assert told.value.exit_code == 2
    assert "evidence().data(Records(" in str(told.value)
    assert 'evidence().without("data", "why")' in str(told.value)
    result: Any = told.value.as_json()["result"]
    assert result["metrics"] == {"rows": 3}


def test_code_that_learns_nothing_says_so_and_passes(lab: Bench, repository: Repository, ml: DerivaML) -> None:
    played = play(lab, repository, ml, without_evidence, datasets=[])
    assert played.receipt.verdict is Status.PASS
    skipped = check_of(played.receipt, "inputs_finite")
    assert (skipped.status, skipped.detail) == (Status.SKIP, "it only copies")
