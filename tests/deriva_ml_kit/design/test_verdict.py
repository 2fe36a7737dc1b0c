"""Verdicts on real executions of a real catalog. What their receipts say is made up: it decides what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from designed import DESIGN, PATH, Lab, lab_in

from deriva_ml_kit.cli import record_verdict, subcommand
from deriva_ml_kit.design.lint import lint
from deriva_ml_kit.design.verdict import Missed
from deriva_ml_kit.errors import KitError, UsageError
from deriva_ml_kit.mainline import DerivaMLNotFoundError, ExecutionConfiguration, Workflow
from deriva_ml_kit.runner.outputs import attach
from deriva_ml_kit.tiers.receipt import DatasetInput, document

pytestmark = pytest.mark.catalog


@pytest.fixture
def lab(local_host: Any, tmp_path: Path) -> Lab:
    return lab_in(tmp_path / "project", local_host.hostname)


@pytest.fixture
def judged(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """The command in this process: what it prints, or what it raises."""
    parser = subcommand.program("deriva-ml-kit", "", "")
    record_verdict.add(parser.add_subparsers())
    monkeypatch.chdir(lab.repository.root)

    def run(execution: str, *more: str) -> dict[str, Any]:
        return record_verdict.main(parser.parse_args(["record-verdict", "--execution", execution, *more]))

    return run


Judged = Callable[..., dict[str, Any]]


def status_of(lab: Lab) -> str:
    return next(line for line in lab.read(PATH).splitlines() if line.startswith("Status"))


def test_a_threshold_that_is_met_validates_the_design_once(lab: Lab, local_host: Any, judged: Judged) -> None:
    rid = lab.run(wrong=1, metrics={"test_accuracy": 0.95, "loss": 0.1})

    command = [sys.executable, "-m", "deriva_ml_kit.cli.main", "record-verdict", "--execution", rid, "--json"]
    done = subprocess.run(
        command, cwd=lab.repository.root, env=local_host.env, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads(done.stdout)
    assert (result["from_values"], result["from_file"], result["records"]) == (0.95, 0.95, 20)
    assert (result["verdict"], result["dataset"], result["status"]) == ("met", lab.testing, "Validated")
    told = "accuracy 0.9500 on 20 records, threshold accuracy >= 0.9 met"
    assert status_of(lab).startswith(f"Status: Validated (execution {rid}: {told}; ")
    assert lab.read("tacit-knowledge.md").splitlines()[-1].endswith(f" execution {rid}: All of it: {told}")
    before = lab.read(PATH), lab.read("tacit-knowledge.md")
    assert judged(rid)["changed"] == "nothing"
    assert (lab.read(PATH), lab.read("tacit-knowledge.md")) == before
    assert not list(lint([Path(PATH)], lambda design: None).faults)


def test_a_threshold_that_is_missed_is_recorded_and_fails(lab: Lab, judged: Judged) -> None:
    rid = lab.run(wrong=5)

    with pytest.raises(Missed, match=r"accuracy 0\.7500 on 20 records, threshold accuracy >= 0\.9 missed") as caught:
        judged(rid, "--note", "a first try.")

    assert caught.value.exit_code == 1
    assert caught.value.as_json()["result"] == caught.value.recorded
    assert (caught.value.recorded["status"], caught.value.recorded["verdict"]) == ("Built", "missed")
    assert status_of(lab).startswith(f"Status: Built (execution {rid}: accuracy 0.7500")
    assert f"execution {rid}: a first try: accuracy 0.7500" in lab.read("tacit-knowledge.md")


def test_a_later_failure_does_not_take_back_what_another_run_has_earned(lab: Lab, judged: Judged) -> None:
    good, bad = lab.run(), lab.run(wrong=5)
    judged(good)
    earned = status_of(lab)
    with pytest.raises(Missed):
        judged(bad)

    assert status_of(lab) == earned
    assert [rid in lab.read("tacit-knowledge.md") for rid in (good, bad)] == [True, True]


def test_metrics_alone_decide_where_the_design_names_no_features(lab: Lab, judged: Judged) -> None:
    lab.write(PATH, DESIGN.replace("- Predictions: `Predicted` on `Image`\n", "").replace("accuracy", "auc"))
    lab.commit()
    result = judged(lab.run(values=False, metrics={"AUC": 0.93, "loss": 0.1}))

    assert (result["value"], result["from_values"], result["records"]) == (0.93, None, None)


def test_what_is_labelled_otherwise_after_the_run_does_not_change_the_verdict(lab: Lab, judged: Judged) -> None:
    lab.write(PATH, DESIGN.replace("`testing`", "of type Testing"))
    lab.commit()
    rid = lab.run()
    record = lab.ml.feature_record_class("Image", "Label")
    again = ExecutionConfiguration(description="A second opinion")
    workflow = Workflow(name="L", workflow_type="Training", url="https://example.org/l.py", checksum="1", version="1")
    with lab.ml.create_execution(again, workflow=workflow) as exe:
        first = min(lab.labels)
        exe.add_features([record(Image=first, Digit=lab.guess(first, right=False))])
    exe.commit_output_assets()

    assert judged(rid)["value"] == 1.0


def test_an_override_is_shown_in_the_verdict(lab: Lab, judged: Judged) -> None:
    reason = "the deadline, (agreed)"
    rid = lab.run(overrides=(reason,), description=f"All [tier override: {reason}]")

    assert judged(rid)["overrides"] == [reason]
    assert f"tier override: {reason}" in status_of(lab)
    assert f"tier override: {reason}" in lab.read("tacit-knowledge.md")


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ({"tier": 2}, "is of tier 2: it shows that the pipeline works"),
        ({"tier": None}, "has no receipt of its own"),
        ({"overrides": ("hurry",)}, "has a tier override in its receipt, and not in its description"),
        ({"description": "x [tier override: hurry]"}, "has a tier override in its description, not in its receipt"),
        ({"lacking": 2}, "2 of the 20 records of .* have no value of Predicted on Image"),
        ({"metrics": {"accuracy": 0.99}, "wrong": 1}, "do not agree: accuracy is 0.95 on the 20 records"),
        ({"values": False}, "have no value of Predicted on Image from execution"),
    ],
)
def test_what_can_have_no_verdict_leaves_everything_as_it_was(
    lab: Lab, judged: Judged, made: dict[str, Any], expected: str
) -> None:
    rid = lab.run(**made)

    with pytest.raises(KitError, match=expected):
        judged(rid)

    assert lab.read(PATH) == DESIGN
    assert not (lab.repository.root / "tacit-knowledge.md").exists()


def test_a_design_that_says_no_or_says_it_too_late_is_refused(lab: Lab, judged: Judged) -> None:
    rid = lab.run()
    for old, new, expected in (
        ("Status: Approved", "Status: Draft", "is Draft, so nothing was agreed to judge by"),
        ("accuracy >= 0.9", "accuracy >= 0.5", r"threshold is accuracy >= 0\.5 now; when the run was made .* it was"),
        ("`testing`", "`tested`", "has no pin tested; did you mean 'testing'"),
        ("`testing`", "of type Validation", r"used no dataset of type Validation; it used .*Testing"),
        ("`Label` on `Image`\n- Thr", "the labels\n- Thr", "Labels names no feature of a table"),
    ):
        lab.write(PATH, DESIGN.replace(old, new))
        with pytest.raises(KitError, match=expected):
            judged(rid)


def test_a_receipt_of_a_higher_tier_beside_the_executions_own_is_refused(lab: Lab, judged: Judged) -> None:
    rid = lab.run(tier=2)
    attach(lab.ml, rid, "receipt-tier3.json", document(lab.receipt(3, execution=rid)))

    with pytest.raises(UsageError, match=r"has receipts of tiers 2, 3, and can have one"):
        judged(rid)


def test_a_receipt_that_names_other_datasets_than_the_catalog_is_refused(lab: Lab, judged: Judged) -> None:
    rid = lab.run(tier=None)
    other = (DatasetInput(role="training", rid=lab.outer.rid, version="9.9.9"),)
    attach(lab.ml, rid, "receipt-tier3.json", document(lab.receipt(3, execution=rid, datasets=other)))

    with pytest.raises(UsageError, match=r"names the datasets .*@9\.9\.9, the catalog has .* on record"):
        judged(rid)


def test_executions_that_are_not_there_or_not_finished_are_refused(lab: Lab, judged: Judged) -> None:
    with pytest.raises(DerivaMLNotFoundError, match="has no execution"):
        judged("0000")
    rid = lab.run()
    lab.ml.lookup_execution(rid).update_status("Failed")
    with pytest.raises(UsageError, match="is not finished: its status is Failed"):
        judged(rid)


def test_the_journal_takes_no_assets_and_the_document_stays_as_it_was(lab: Lab, judged: Judged) -> None:
    rid = lab.run()
    with pytest.raises(UsageError, match=f"no RIDs of assets: {lab.bench.images[0]}"):
        judged(rid, "--note", f"wrote {lab.bench.images[0]} and GPT-2023")
    assert lab.read(PATH) == DESIGN
