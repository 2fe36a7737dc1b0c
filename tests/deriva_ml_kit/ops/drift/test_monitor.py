from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from webhooks import receiving

from deriva_ml_kit.cli.ops import baseline, monitor_drift, monitor_labels
from deriva_ml_kit.cli.subcommand import program
from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.mainline import DerivaMLException
from deriva_ml_kit.ops.drift import attach_baseline, find_baseline, webhook, write_baseline
from deriva_ml_kit.ops.drift.monitor import Compared, Monitored, models_of, monitor
from deriva_ml_kit.ops.drift.webhook import TOKEN
from deriva_ml_kit.ops.frames import read_frame
from deriva_ml_kit.ops.kinds import AssetType, Stage, WorkflowType
from deriva_ml_kit.ops.operation import operation
from deriva_ml_kit.script import Verdict

Typed = Callable[..., Verdict]

pytestmark = pytest.mark.catalog
SECRET = "s3cret"


@pytest.fixture(scope="module")
def trained(hospital: Any) -> tuple[str, str]:
    """Execution and model of a training that has written no baseline."""
    from hospital import classifier, train  # noqa: PLC0415

    return train(hospital, classifier(hospital))


@pytest.fixture
def typed(hospital: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Typed:
    """A command of deriva-ml-ops as it is typed."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> Verdict:
        made = program("deriva-ml-ops", "", "")
        subparsers = made.add_subparsers(required=True)
        for command in (baseline, monitor_drift, monitor_labels):
            command.add(subparsers)
        where = ["--hostname", hospital.ml.host_name, "--catalog-id", str(hospital.ml.catalog_id)]
        typed_words = [*map(str, words), *where]
        monkeypatch.setattr(sys, "argv", ["deriva-ml-ops", *typed_words])
        args = made.parse_args(typed_words)
        found: Verdict = args.main(args)
        return found

    return run


def test_a_training_writes_its_baseline_and_a_dry_run_leaves_nothing(hospital: Any) -> None:
    frame = hospital.members(hospital.training)[hospital.features[:5]]
    for dry_run in (True, False):
        with hospital.ml.create_execution(
            workflow=hospital.workflow(), datasets=[hospital.training], description="Train", dry_run=dry_run
        ) as execution:
            made = write_baseline(execution, frame)
        execution.commit_output_assets()
    rid, version = hospital.training.split("@")
    origin = made.profile.origin
    assert (origin.dataset_rid, origin.dataset_version, origin.execution_rid) == (rid, version, execution.execution_rid)
    assert origin.snapshot
    stored = find_baseline(hospital.ml, execution.execution_rid)
    assert stored.document == made and stored.execution_rid == execution.execution_rid
    with pytest.raises(UsageError, match="no input of execution"):
        write_baseline(execution, frame, dataset=hospital.testing.split("@")[0])


def test_a_finished_training_gets_its_baseline_once(hospital: Any, trained: tuple[str, str], typed: Typed) -> None:
    execution, model = trained
    ml = hospital.ml
    with pytest.raises(UsageError, match=f"baseline --execution {execution}"):
        find_baseline(ml, model)
    made, rid = attach_baseline(ml, execution)
    assert [each.name for each in made.profile.features] == hospital.features
    assert {each.role for each in made.profile.columns} == {"feature", "prediction", "score"}
    assert {find_baseline(ml, of).rid for of in (execution, model, rid)} == {rid}
    with pytest.raises(DerivaMLException, match="has no RID 9-ZZZZ"):
        find_baseline(ml, "9-ZZZZ")
    with pytest.raises(UsageError, match=f"has the baseline {rid} already"):
        attach_baseline(ml, execution)
    with pytest.raises(UsageError, match="already"):
        typed("baseline", "--execution", execution, "--dry-run")
    words = ["baseline", "--execution", execution, "--replace", "fewer bins", "--bins", 5]
    assert typed(*words, "--dry-run")["baseline"] == "not written: dry run"
    newer = find_baseline(ml, typed(*words)["baseline"])
    second = newer.document
    assert (second.replaces, second.reason, second.profile.bins) == (rid, "fewer bins", 5)
    assert find_baseline(ml, model).rid == newer.rid
    assert ml.lookup_execution(execution).status == "Uploaded"


def test_a_batch_is_an_execution_with_its_inputs_and_outputs(hospital: Any, trained: tuple[str, str]) -> None:
    ml, (execution, model) = hospital.ml, trained
    compared = Compared(find_baseline(ml, model), models_of(ml, execution))
    batch = read_frame(hospital.testing, ml)
    assert monitor(ml, compared, batch, dry_run=True).report_rid is None
    found = monitor(ml, compared, batch)
    assert found.is_new and found.report.models == (model,)
    assert found.report.result.verdict == "drift"  # of the first 400 tumours 43 % are malignant, of the others 22 %
    inputs = {each.asset_rid for each in ml.list_execution_assets(found.execution_rid, "Input")}
    assert inputs == {compared.baseline.rid}
    record = ml.lookup_execution(found.execution_rid)
    assert [each.dataset_rid for each in record.list_input_datasets()] == [hospital.testing.split("@")[0]]
    outputs = {each.filename for each in ml.list_execution_assets(found.execution_rid, "Output")}
    assert outputs >= {f"drift-report-{found.report.key[:16]}.json", "drift.html", "drift.prom", "batch-profile.json"}
    assert _same(monitor(ml, compared, batch), found)
    earlier = find_baseline(ml, found.execution_rid)
    assert earlier.document.profile.origin.dataset_rid == hospital.testing.split("@")[0]


def _same(again: Monitored, found: Monitored) -> bool:
    return not again.is_new and (again.report, again.report_rid, again.page) == (
        found.report,
        found.report_rid,
        found.page,
    )


def test_shifted_rows_of_a_log_have_drifted_and_others_models_rows_do_not_count(
    hospital: Any, trained: tuple[str, str], tmp_path: Path
) -> None:
    ml, (_, model) = hospital.ml, trained
    compared = Compared(find_baseline(ml, model), (model,))
    shifted = hospital.members(hospital.training)[hospital.features] * 1.5
    log = tmp_path / "log.jsonl"
    with log.open("w") as lines:
        for number, row in enumerate(shifted.to_dict("records")):
            for who in (model, "1-SHAD"):
                line = {"request_id": f"{who}{number}", "time": f"2026-02-01T{number // 60:02}:{number % 60:02}:00Z"}
                line |= {"model_rid": who, "prediction": "malignant", "scores": {"benign": 0.1, "malignant": 0.9}}
                lines.write(json.dumps(line | {"features": row if who == model else {}, "latency_ms": 1}) + "\n")
    found = monitor(ml, compared, read_frame(log), dry_run=True)
    result = found.report.result
    assert (result.verdict, result.exit_code, result.rows) == ("drift", 1, 400)
    assert result.first is not None and result.first.hour == 0
    assert {each.role for each in result.columns} == {"feature", "prediction", "score"}
    assert "drift" in found.page and "<svg" in found.page
    with pytest.raises(UsageError, match="and none of 1-NONE"):
        monitor(ml, Compared(compared.baseline, ("1-NONE",)), read_frame(log), dry_run=True)


def test_a_drift_is_told_and_starts_what_it_is_to_once(
    hospital: Any, trained: tuple[str, str], typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ml, (_, model) = hospital.ml, trained
    (hospital.members(hospital.training)[hospital.features] * 1.5).to_csv(tmp_path / "shifted.csv", index=False)
    monkeypatch.setenv(TOKEN, "t0ken")
    monkeypatch.setattr(webhook, "PAUSE_SECONDS", 0.001)
    note = "echo $DERIVA_ML_DRIFT_REPORT >> started; exit 3"
    with receiving([503, 200]) as (url, got):
        words = ["monitor-drift", "--model", model, "--file", "shifted.csv", "--webhook", f"{url}/{SECRET}"]
        words += ["--on-drift", note, "--metrics", "out/drift.prom", "--page", "out/drift.html"]
        found = typed(*words)
        assert (found["verdict"], found.exit_code, found["new"], found["told"]) == ("drift", 1, True, "127.0.0.1")
        assert found["started"] == f"{note}: exit code 3"
        assert len(got) == 2 and got[1]["token"] == "Bearer t0ken"
        assert (got[1]["body"]["verdict"], got[1]["body"]["report_rid"]) == ("drift", found["report"])
        assert (
            "deriva_ml_drift_psi" in Path("out/drift.prom").read_text() and "<svg" in Path("out/drift.html").read_text()
        )

        outputs = list(ml.list_execution_assets(found["execution"], "Output"))
        [response] = [each for each in outputs if AssetType.DRIFT_RESPONSE in each.asset_types]
        kept = json.loads(response.download(tmp_path / "kept").read_text())
        assert kept["delivered"] and kept["retraining"]["exit_code"] == 3 and kept["webhook"] == "127.0.0.1"
        texts = [each.download(tmp_path / "outputs" / each.asset_rid).read_text() for each in outputs]
        assert len(texts) > 6 and not any(SECRET in text or "t0ken" in text for text in texts)

        for _ in range(2):  # what failed is started again, in the name of the same report; what came off is not
            again = typed(*[word.replace("exit 3", "exit 0") for word in words])
            assert (again["new"], again["report"]) == (False, found["report"])
            assert Path("started").read_text().split() == [found["report"]] * 2
    unheard = typed(*words[:5], "--webhook", "http://127.0.0.1:9/x", "--again")
    assert unheard["new"] is True and unheard["report"] != found["report"]
    assert unheard["told"].startswith("nobody: 127.0.0.1 does not answer")


def test_no_data_is_never_ok(hospital: Any, trained: tuple[str, str], typed: Typed, tmp_path: Path) -> None:
    ml, (_, model) = hospital.ml, trained
    with ml.create_execution(workflow=hospital.workflow("Dataset_Management"), description="Empty") as exe:
        dataset = exe.create_dataset(dataset_types=["Testing"], description="Nothing")
    exe.commit_output_assets()
    found = typed("monitor-drift", "--model", model, "--dataset", f"{dataset.dataset_rid}@0.1.0", "--dry-run")
    assert (found["verdict"], found.exit_code) == ("no_data", 2)
    hospital.members(hospital.training)[:20].to_csv(tmp_path / "few.csv", index=False)
    few = typed("monitor-drift", "--model", model, "--file", "few.csv", "--dry-run")
    assert (few["verdict"], few.exit_code) == ("insufficient", 2)
    with pytest.raises(UsageError, match=r"gone.csv does not exist"):
        typed("monitor-drift", "--model", model, "--file", "gone.csv")
    with pytest.raises(UsageError, match="neither a model"):
        typed("monitor-drift", "--model", dataset.dataset_rid, "--file", "few.csv")


def test_the_model_in_service_is_compared_with_its_answers(
    hospital: Any, trained: tuple[str, str], typed: Typed
) -> None:
    from deriva_ml_kit.ops.registry.events import move  # noqa: PLC0415
    from deriva_ml_kit.ops.registry.stages import Step  # noqa: PLC0415

    ml, (_, model) = hospital.ml, trained
    md5, other = ml.lookup_asset(model).md5, find_baseline(ml, model).rid
    with operation(ml, "Promote", program=("Promotes", WorkflowType.PROMOTION, "deriva_ml_kit.ops.operation")) as doing:
        move(ml, "weather", doing.rid, lambda _: [Step(other, "0", Stage.STAGING, "not in service")])
        move(ml, "tumours", doing.rid, lambda _: [Step(model, md5, Stage.PRODUCTION, "a test")])
    with pytest.raises(UsageError, match="No model weather is in Production"):
        find_baseline(ml, "weather")
    rid = hospital.testing.split("@")[0]
    found = typed("monitor-drift", "--model", "tumours", "--dataset", rid, "--predict", "--dry-run")
    assert found["batch"] == hospital.testing and found["baseline"] == find_baseline(ml, model).rid
    assert not [warning for warning in found["warnings"] if "predictions" in warning]


def test_a_year_later_the_same_season_decides(hospital: Any, typed: Typed, tmp_path: Path) -> None:
    ml, rng = hospital.ml, np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=400, freq="D", tz="UTC")
    warmth = 20 - 15 * np.cos(2 * np.pi * np.arange(400) / 365)
    year = pd.DataFrame({"day": np.repeat(days, 10), "warmth": np.repeat(warmth, 10) + rng.normal(size=4000)})
    year["subject"] = [f"s{number // 2}" for number in range(4000)]
    with ml.create_execution(workflow=hospital.workflow(), description="Train") as execution:
        write_baseline(execution, year, seasonal=["warmth"], times="day", clusters="subject")
    execution.commit_output_assets()
    rid = str(execution.execution_rid)
    for name, start in (("then", "2025-07-01"), ("now", "2026-07-01")):
        batch = year[:800].assign(day=pd.date_range(start, periods=800, freq="30min"), warmth=35 + rng.normal(size=800))
        batch.to_csv(tmp_path / f"{name}.csv", index=False)
    then = typed("monitor-drift", "--execution", rid, "--series", "weather", "--file", "then.csv")
    assert then["verdict"] == "drift"  # there is no year before, and the baseline spans a whole one
    compared = Compared(find_baseline(ml, rid), series="weather")
    report = monitor(ml, compared, read_frame(tmp_path / "now.csv"), rolling=True, dry_run=True).report
    assert report.result.verdict == "ok"
    [column] = [each for each in report.result.columns if each.name == "warmth"]
    assert column.basis == "seasonal" and report.seasonal_rid == report.rolling_rid
    assert report.seasonal_rid == find_baseline(ml, then["execution"]).rid
    assert report.settings.group_by == "subject" and report.result.clusters == 400


def _output(ml: Any, execution: str, prefix: str, folder: Path) -> str:
    [asset] = [each for each in ml.list_execution_assets(execution, "Output") if each.filename.startswith(prefix)]
    text: str = asset.download(folder / asset.asset_rid).read_text()
    return text


def test_labels_in_the_catalog_judge_a_model_against_its_evaluation(
    hospital: Any, trained: tuple[str, str], typed: Typed, tmp_path: Path
) -> None:
    from hospital import classifier  # noqa: PLC0415

    from deriva_ml_kit.ops.evaluation.evaluate import evaluate  # noqa: PLC0415

    ml, (_, model) = hospital.ml, trained
    answered = hospital.members(hospital.testing)
    fitted = classifier(hospital)
    scores = pd.DataFrame(fitted.predict_proba(answered[hospital.features]), columns=fitted.classes_)
    lines = []
    for number, (rid, said, row) in enumerate(
        zip(answered["RID"], fitted.predict(answered[hospital.features]), scores.to_dict("records"), strict=True)
    ):
        line = {"request_id": rid, "time": f"2026-02-{number // 24 + 1:02}T{number % 24:02}:00:00Z", "model_rid": model}
        lines.append(json.dumps(line | {"features": {}, "prediction": said, "scores": row, "latency_ms": 1}))
    (tmp_path / "log.jsonl").write_text("\n".join(lines))
    evaluation = str(evaluate(ml, model, hospital.testing, table="Tumour", label="Label").report_rid)
    common = ("monitor-labels", "--log", "log.jsonl", "--labels-feature", "Tumour:Label")
    found = typed(*common, "--evaluation", evaluation, "--page", "labels.html")
    assert (found["verdict"], found.exit_code, found["labelled"]) == ("ok", 0, "169 of 169")
    assert found["accuracy"] > 0.9 and "expected_without_labels" not in found
    inputs = [each.asset_rid for each in ml.list_execution_assets(found["execution"], "Input")]
    assert inputs == [evaluation]
    report = json.loads(_output(ml, found["execution"], "label-report", tmp_path))
    assert report["evaluation_rid"] == evaluation and report["realised"]["reference"] == found["evaluation"]
    assert report["windows"][0]["estimated"]["warning"] is None  # its scores were checked by the evaluation
    assert "Accuracy over time" in Path("labels.html").read_text()
