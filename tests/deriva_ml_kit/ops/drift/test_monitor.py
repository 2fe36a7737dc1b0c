from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.ops.drift import attach_baseline, find_baseline, write_baseline
from deriva_ml_kit.ops.drift.monitor import Compared, Monitored, models_of, monitor
from deriva_ml_kit.ops.frames import read_frame

pytestmark = pytest.mark.catalog


@pytest.fixture(scope="module")
def trained(hospital: Any) -> tuple[str, str]:
    """Execution and model of a training that has written no baseline."""
    from hospital import classifier, train  # noqa: PLC0415

    return train(hospital, classifier(hospital))


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


def test_a_finished_training_gets_its_baseline_once(hospital: Any, trained: tuple[str, str]) -> None:
    execution, model = trained
    ml = hospital.ml
    with pytest.raises(UsageError, match=f"baseline --execution {execution}"):
        find_baseline(ml, model)
    assert attach_baseline(ml, execution, dry_run=True)[1] is None
    made, rid = attach_baseline(ml, execution)
    assert [each.name for each in made.profile.features] == hospital.features
    assert {each.role for each in made.profile.columns} == {"feature", "prediction", "score"}
    assert {find_baseline(ml, of).rid for of in (execution, model, rid)} == {rid}
    with pytest.raises(UsageError, match=f"has the baseline {rid} already"):
        attach_baseline(ml, execution)
    second, newer = attach_baseline(ml, execution, replace="fewer bins", bins=5)
    assert (second.replaces, second.reason, second.profile.bins) == (rid, "fewer bins", 5)
    assert find_baseline(ml, model).rid == newer
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
