"""From criteria over evaluations to a gate, in a catalog."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hospital import TABLE, classifier, train

from deriva_ml_kit.cli.ops.main import main
from deriva_ml_kit.errors import Faults, Undecidable, UsageError
from deriva_ml_kit.ops.documents import fetch
from deriva_ml_kit.ops.evaluation.documents import EvaluationReport
from deriva_ml_kit.ops.evaluation.evaluate import Evaluation, evaluate
from deriva_ml_kit.ops.evaluation.leaks import exposure, trained_on, trainings
from deriva_ml_kit.ops.evaluation.records import read_records
from deriva_ml_kit.ops.gate.documents import GateCriteria, GateReport
from deriva_ml_kit.ops.gate.gate import Gated, gate
from deriva_ml_kit.ops.gate.passing import passing_gate
from deriva_ml_kit.ops.gate.registering import register_criteria

pytestmark = pytest.mark.catalog

ASKED = {
    "table": TABLE,
    "label": "Label",
    "cluster": "Patient",
    "requirements": [
        {"metric": "balanced_accuracy", "direction": "higher", "minimum": 0.85, "min_gain": 0.0},
        {"metric": "log_loss", "direction": "lower", "maximum": 0.3},
    ],
}


@dataclass(frozen=True)
class Played:
    """A candidate that is better than the incumbent, and was judged."""

    of: Any
    criteria: str
    incumbent: str
    candidate: str
    training: str
    evaluation: Evaluation
    gated: Gated


@pytest.fixture(scope="module")
def played(hospital: Any) -> Played:
    ml = hospital.ml
    criteria = register_criteria(ml, GateCriteria.model_validate({**ASKED, "dataset": hospital.testing}))
    assert criteria is not None
    _, incumbent = train(hospital, classifier(hospital, weak=True))
    training, candidate = train(hospital, classifier(hospital), assets=(criteria,))
    settings = {"table": TABLE, "label": "Label", "cluster": "Patient"}
    evaluate(ml, incumbent, hospital.testing, **settings)
    found = evaluate(ml, candidate, hospital.testing, **settings)
    return Played(
        hospital, criteria, incumbent, candidate, training, found, gate(ml, candidate, incumbent_rid=incumbent)
    )


def test_a_better_candidate_passes_and_the_catalog_says_why(played: Played) -> None:
    ml, report = played.of.ml, played.gated.report
    assert report.verdict == "pass", report.checks
    assert played.gated.report_rid is not None
    assert fetch(ml, played.gated.report_rid, GateReport).document == report
    assert played.gated.execution_rid is not None
    used = {each.asset_rid for each in ml.list_execution_assets(played.gated.execution_rid, "Input")}
    assert used == {
        played.candidate,
        played.incumbent,
        played.criteria,
        report.evaluation_rid,
        report.incumbent_evaluation_rid,
    }
    checks = {check.id: check for check in report.checks}
    assert checks["criteria.input"].evidence == (played.criteria, played.training)
    assert checks["groups"].value == 85


def test_who_promotes_finds_the_gate_that_was_passed(played: Played) -> None:
    ml = played.of.ml
    stored = passing_gate(ml, played.candidate, played.incumbent)
    assert stored is not None
    assert stored.rid == played.gated.report_rid
    assert passing_gate(ml, played.candidate, None) is None
    assert passing_gate(ml, played.incumbent, played.candidate) is None


def test_an_evaluation_says_what_was_done_with_what(played: Played) -> None:
    ml, found = played.of.ml, played.evaluation
    assert found.report_rid is not None
    report = fetch(ml, found.report_rid, EvaluationReport).document
    assert report == found.report
    assert (report.dataset, report.model_rid) == (played.of.testing, played.candidate)
    assert report.model_md5 == ml.lookup_asset(played.candidate).md5
    assert (report.records, report.groups, report.classes) == (169, 85, ("benign", "malignant"))
    assert report.metrics["accuracy"].baseline == pytest.approx(130 / 169)
    record = ml.lookup_execution(found.execution_rid)
    assert [each.dataset_rid for each in record.list_input_datasets()] == [played.of.testing.partition("@")[0]]
    (look,) = report.looks
    assert (look.model_rid, look.relation) == (played.incumbent, "family")
    assert "tunes" in " ".join(found.summary()["warnings"])


def test_test_records_from_the_training_are_refused_by_rid(played: Played) -> None:
    ml, of = played.of.ml, played.of
    with pytest.raises(Faults) as refused:
        evaluate(ml, played.candidate, of.training, table=TABLE, label="Label")
    assert all(rid in str(refused.value) for rid in of.rows["RID"][:400])
    with pytest.raises(Faults, match="169 test records belong to groups that were trained on"):
        evaluate(ml, played.candidate, of.testing, table=TABLE, label="Patient", cluster="Label")


def test_leaks_are_found_through_nested_datasets_and_earlier_trainings(played: Played) -> None:
    """A training on a split as a whole has seen its training part; so has a model that began with an earlier one."""
    ml, of = played.of.ml, played.of
    rids = [pin.partition("@")[0] for pin in (of.training, of.testing)]
    with ml.create_execution(workflow=of.workflow("Dataset_Management", "split"), description="Split") as exe:
        split = exe.create_dataset(dataset_types=["Split"], description="Both parts")
        split.add_dataset_members({"Dataset": rids})
        whole = f"{split.dataset_rid}@{split.release(bump='minor', description='As split')}"
    exe.commit_output_assets()
    training, later = train(replace(of, training=whole), classifier(of, seed=3), assets=(played.candidate,))
    model = ml.lookup_asset(later)
    assert trainings(ml, model) == [training, played.training]
    assert [(each.execution, f"{each.dataset}@{each.version}") for each in trained_on(ml, model)] == [
        (played.training, of.training),
        (training, whole),
    ]
    of_training = read_records(ml, of.training, table=TABLE, label="Label", cluster=None)
    seen = exposure(ml, model, of_training)
    assert [(each.dataset, len(each.rids)) for each in seen.leaks] == [(of.training, 400), (whole, 400)]
    of_testing = read_records(ml, of.testing, table=TABLE, label="Label", cluster="Patient")
    assert exposure(ml, model, of_testing).leaks == ()
    elsewhere = replace(of_testing, table="Image", cluster="Subject")  # of which the training has nothing
    assert exposure(ml, model, elsewhere).blind == (of.training, whole)


def test_what_cannot_be_evaluated_on_is_refused_before_anything_is_written(played: Played) -> None:
    ml, of = played.of.ml, played.of
    rid = of.testing.partition("@")[0]
    before = len(list(ml.find_executions()))
    good = {"dataset": of.testing, "table": TABLE, "label": "Label"}
    for change, told in (
        ({"dataset": rid}, "names no version"),
        ({"dataset": f"{rid}@0.2.1.dev1"}, "development version"),
        ({"dataset": f"{rid}@9.9.9"}, "no version 9.9.9"),
        ({"table": "Tumor"}, "Tumour"),
        ({"label": "Lable"}, "Label"),
        ({"cluster": "Patent"}, "Patient"),
        ({"frame": of.rows[400:].drop(columns="mean_radius")}, "mean_radius"),
        ({"frame": of.rows[401:]}, of.rows["RID"][400]),
        ({"frame": of.rows[400:].drop(columns="RID")}, "no column RID"),
    ):
        with pytest.raises(UsageError, match=told):
            evaluate(ml, played.candidate, **{**good, **change})
    with pytest.raises(Undecidable, match="no members of File"):
        evaluate(ml, played.candidate, **{**good, "table": "File"})
    with pytest.raises(UsageError, match="replace itself"):
        gate(ml, played.candidate, incumbent_rid=played.candidate)
    with pytest.raises(Undecidable, match="0 criteria"):
        gate(ml, played.incumbent, incumbent_rid=None)
    with pytest.raises(UsageError, match="no Model_File"):
        gate(ml, played.criteria, incumbent_rid=None)
    assert len(list(ml.find_executions())) == before


def test_records_without_label_or_group_are_listed(played: Played) -> None:
    ml, of = played.of.ml, played.of
    without, rid = of.rows["RID"][400], of.testing.partition("@")[0]
    path = f"/attributegroup/hospital:{TABLE}/RID;mean_radius"
    ml.catalog.put(path, json=[{"RID": without, "mean_radius": None}])
    with ml.create_execution(workflow=of.workflow("Dataset_Management", "fix"), description="Fix"):
        dataset = ml.lookup_dataset(rid)
        dataset.mark_dev("a value is missing")
        version = dataset.release(bump="patch", description="Without a value")
    good = {"table": TABLE, "label": "Label", "cluster": None}
    for change, told in (
        ({"label": "mean_radius"}, "has no mean_radius"),
        ({"cluster": "mean_radius"}, "belongs to no"),
    ):
        with pytest.raises(Faults) as refused:
            read_records(ml, f"{rid}@{version}", **{**good, **change})
        assert [(told in str(fault), fault.value) for fault in refused.value.faults] == [(True, without)]
    assert read_records(ml, of.testing, **{**good, "label": "mean_radius"}).truth[without] is not None  # as it was then


def test_a_dry_run_is_no_look(played: Played) -> None:
    ml = played.of.ml
    found = evaluate(ml, played.candidate, played.of.testing, table=TABLE, label="Label", dry_run=True)
    assert found.report.metrics == {}
    assert [look.relation for look in found.report.looks] == ["family", "model"]
    assert found.execution_rid is None
    assert "counted" in found.summary()["warnings"][0]


@pytest.fixture
def typed(
    played: Played, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Types a command; gives its exit code and its JSON."""

    def run(*words: str) -> tuple[int, dict[str, Any]]:
        place = ["--hostname", played.of.ml.host_name, "--catalog-id", str(played.of.ml.catalog_id)]
        monkeypatch.setattr(sys, "argv", ["deriva-ml-ops", *words, *place, "--json"])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(str(ended.value.code)), json.loads(capsys.readouterr().out)

    return run


def test_it_can_be_judged_again_from_the_catalog_alone(played: Played, typed: Any, tmp_path: Path) -> None:
    code, found = typed("gate", "--again", str(played.gated.report_rid), "--page", str(tmp_path / "gate.html"))
    assert code == 0, found
    assert (found["same"], found["verdict"], found["differences"]) == (True, "pass", [])
    assert "balanced_accuracy" in (tmp_path / "gate.html").read_text()


def test_criteria_from_after_the_training_do_not_bind_it(played: Played, typed: Any, tmp_path: Path) -> None:
    ml, asked = played.of.ml, GateCriteria.model_validate({**ASKED, "dataset": played.of.testing})
    assert register_criteria(ml, asked) == played.criteria  # the same file is the same asset
    late = register_criteria(ml, asked.model_copy(update={"reason": "now that the metrics are known"}))
    code, found = typed("gate", "--model", played.candidate, "--no-incumbent", "--criteria", str(late), "--dry-run")
    assert code == 1, found
    assert (found["verdict"], found["gate_rid"]) == ("fail", None)
    failed = {check["id"] for check in found["checks"] if check["status"] == "fail"}
    assert failed == {"criteria.before_training", "criteria.before_metrics", "criteria.input"}


def test_a_wrong_call_says_what_is_missing(played: Played, typed: Any) -> None:
    code, found = typed("gate", "--model", played.candidate)
    assert (code, "--no-incumbent" in found["error"]["message"]) == (2, True)
    code, found = typed("evaluate", "--model", played.candidate, "--dataset", played.of.testing)
    assert (code, "--table, --label" in found["error"]["message"]) == (2, True)
    code, found = typed("evaluate", "--model", played.candidate, "--criteria", played.criteria, "--table", TABLE)
    assert (code, "--table and --criteria" in found["error"]["message"]) == (2, True)
    code, found = typed("register-criteria")
    assert (code, "--example" in found["error"]["remedy"]) == (2, True)
