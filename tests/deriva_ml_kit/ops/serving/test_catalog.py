"""From the catalog and back: a model with what belongs to it, predictions of a dataset, logs that are stored."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import requests
from deriva.core.ermrest_model import Column, builtin_types

from deriva_ml_kit.cli.ops import predict, serve, upload_predictions
from deriva_ml_kit.errors import Faults, KitError, UsageError
from deriva_ml_kit.ops.frames import read_frame
from deriva_ml_kit.ops.golden import golden_records
from deriva_ml_kit.ops.kinds import Stage
from deriva_ml_kit.ops.registry.registration import register
from deriva_ml_kit.ops.serving.batch import Into, predict_dataset
from deriva_ml_kit.ops.serving.bundle import chosen, fetch_bundle, load_bundle, open_bundle
from deriva_ml_kit.ops.serving.model import Model, fetch_model

pytestmark = pytest.mark.catalog


@pytest.fixture(scope="module")
def trained(hospital: Any) -> tuple[Any, str, str]:
    """A model, the RIDs of its training and its asset."""
    from hospital import classifier, train  # noqa: PLC0415  (reads HOME)

    from deriva_ml_kit.numerics.drift.profile import profile  # noqa: PLC0415
    from deriva_ml_kit.ops.drift.documents import Baseline  # noqa: PLC0415

    estimator = classifier(hospital)
    frame = hospital.members(hospital.training)[hospital.features]
    golden = golden_records(Model(estimator, tuple(hospital.features)), frame, count=50)
    files = {
        "golden-records.json": ("Golden_Records", golden.text()),
        "baseline-profile.json": ("Baseline_Profile", Baseline(profile=profile(frame)).text()),
    }
    return estimator, *train(hospital, estimator, files=files)


def test_a_model_comes_with_its_origin(hospital: Any, trained: tuple[Any, str, str], tmp_path: Path) -> None:
    estimator, execution, rid = trained
    bundle = fetch_bundle(hospital.ml, rid, tmp_path)
    assert open_bundle(tmp_path) == bundle
    told = bundle.manifest
    assert (told.execution_rid, told.datasets, told.commit) == (
        execution,
        (hospital.training,),
        "0123456789abcdef0123456789abcdef01234567",
    )
    loaded = load_bundle(bundle)
    assert (loaded.faults, str(loaded.reproduction)) == ([], "50 golden records are reproduced")
    frame = hospital.members(hospital.testing)
    model = fetch_model(hospital.ml, rid)
    assert model.predict(frame).tolist() == estimator.predict(frame[hospital.features]).tolist()
    assert (model.rid, model.execution_rid) == (rid, execution)


def test_what_is_no_model_is_refused(hospital: Any, trained: tuple[Any, str, str], tmp_path: Path) -> None:
    outputs = {each.filename: each.asset_rid for each in hospital.ml.list_execution_assets(trained[1], "Output")}
    for fetch in (lambda rid: fetch_model(hospital.ml, rid), lambda rid: fetch_bundle(hospital.ml, rid, tmp_path)):
        with pytest.raises(UsageError, match=r"golden-records.json\) is no Model_File: its types are Golden_Records"):
            fetch(outputs["golden-records.json"])
    with pytest.raises(UsageError, match="nobody"):
        chosen(hospital.ml, "nobody")


def test_the_registry_chooses_the_model_and_vouches_for_its_file(
    hospital: Any, trained: tuple[Any, str, str], tmp_path: Path
) -> None:
    register(hospital.ml, "tumours", trained[2], force="there is no evaluation here")
    with pytest.raises(UsageError, match="No model tumours is in Production"):
        chosen(hospital.ml, "tumours")
    served = chosen(hospital.ml, "tumours", Stage.CANDIDATE)
    told = fetch_bundle(hospital.ml, served.model_rid, tmp_path, served=served).manifest
    assert (told.model_rid, told.name, told.version, told.stage) == (trained[2], "tumours", 1, "Candidate")
    with pytest.raises(UsageError, match="when it was registered it had 0000"):
        fetch_bundle(hospital.ml, served.model_rid, tmp_path, served=replace(served, md5="0" * 32))


def test_a_dataset_is_predicted_with_everything_on_record(
    hospital: Any, trained: tuple[Any, str, str], tmp_path: Path
) -> None:
    estimator, _, rid = trained
    ml = hospital.ml
    ml.create_vocabulary("Finding", "What a tumour is")
    for name in ("benign", "malignant"):
        ml.add_term("Finding", name, description=name)
    confidence = Column.define("Confidence", builtin_types.float8)
    ml.create_feature("Tumour", "Predicted", terms=["Finding"], metadata=[confidence])
    bundle = fetch_bundle(ml, rid, tmp_path)
    done = predict_dataset(
        ml, bundle, hospital.testing, unit="Patient", into=Into("Predicted", confidence="Confidence")
    )
    rows = hospital.members(hospital.testing).set_index("RID")
    expected = pd.Series(estimator.predict(rows[hospital.features]), index=rows.index)
    assert (done.rows, done.failed, done.values) == (169, 0, 169)
    assert done.counts == expected.value_counts().to_dict()
    # inputs and outputs
    execution = ml.lookup_execution(done.execution_rid)
    assert [each.dataset_rid for each in execution.list_input_datasets()] == [hospital.testing.partition("@")[0]]
    assert rid in {each.asset_rid for each in execution.list_assets("Input")}
    types = {each.filename: each.asset_types for each in execution.list_assets("Output")}
    assert types["predictions.csv"] == ["Prediction_File"]
    assert types["predictions.jsonl"] == ["Prediction_Log"]
    # values, file and log say the same as the model
    values = {each.Tumour: (each.Finding, each.Confidence) for each in ml.feature_values("Tumour", "Predicted")}
    assert {key: label for key, (label, _) in values.items()} == expected.to_dict()
    assert all(0.5 <= share <= 1 for _, share in values.values())
    file = read_frame(done.rids["predictions.csv"], ml).frame.set_index("RID")
    assert file["prediction"].to_dict() == expected.to_dict()
    log = read_frame(done.rids["predictions.jsonl"], ml)
    assert log.log is not None
    assert sorted(log.frame.columns) == sorted(hospital.features)
    assert log.log["unit"].tolist() == [rows.loc[name.partition(":")[2], "Patient"] for name in log.log["request_id"]]


def test_what_does_not_fit_is_refused_before_anything_is_written(
    hospital: Any, trained: tuple[Any, str, str], tmp_path: Path
) -> None:
    ml, bundle = hospital.ml, fetch_bundle(hospital.ml, trained[2], tmp_path)
    before = len(ml.list_executions())
    for wrong, kind, told in (
        ({"unit": "Doctor"}, Faults, "Doctor"),
        ({"into": Into("Nothing")}, UsageError, "no feature 'Nothing'"),
        ({"into": Into("Predicted", column="Size")}, UsageError, "takes predictions"),
        ({"into": Into("Predicted", confidence="Size")}, UsageError, "no column Size that takes a score"),
        ({"transform": lambda raw: raw * 2}, KitError, "50 golden records are not reproduced"),
    ):
        with pytest.raises(kind, match=told):
            predict_dataset(ml, bundle, hospital.testing, **wrong)
    (tmp_path / "rows.csv").write_text("RID,mean_radius\n1-A,3\n")
    with pytest.raises(UsageError, match=r"rows.csv is no dataset"):
        predict_dataset(ml, bundle, str(tmp_path / "rows.csv"))
    (tmp_path / "golden-records.json").unlink()
    with pytest.raises(KitError, match="must not be used"):
        predict_dataset(ml, bundle, hospital.testing)
    assert len(ml.list_executions()) == before


def test_the_commands_serve_store_and_predict(
    hospital: Any, trained: tuple[Any, str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ml = hospital.ml

    def ops(command: Any, *typed: str) -> dict[str, Any]:
        parser = argparse.ArgumentParser()
        command.add(parser.add_subparsers())
        args = parser.parse_args([*typed, "--hostname", ml.host_name, "--catalog-id", str(ml.catalog_id)])
        return dict(args.main(args))

    dry = ops(predict, "predict", "--rid", trained[2], "--dataset", hospital.testing, "--dry-run")
    assert (dry["execution_rid"], dry["rows"], dry["rids"]) == (None, 169, {})
    port = free_port()
    answers: list[dict[str, Any]] = []

    def ask() -> None:
        url, end = f"http://127.0.0.1:{port}", time.monotonic() + 60
        features = hospital.rows[hospital.features].iloc[0].to_dict()
        while time.monotonic() < end:
            with contextlib.suppress(requests.ConnectionError):
                if requests.get(f"{url}/ready", timeout=60).status_code == 200:
                    answers.append(requests.post(f"{url}/predict", json={"features": features}, timeout=60).json())
                    os.kill(os.getpid(), signal.SIGTERM)
                    return
            time.sleep(0.05)

    asking = threading.Thread(target=ask)
    asking.start()
    ended = ops(serve, "serve", "--rid", trained[2], "--port", str(port))
    asking.join()
    assert ended["log"] == "predictions"
    ((name, rid),) = ops(upload_predictions, "upload-predictions")["files"].items()
    assert (tmp_path / "predictions" / "uploaded" / name).exists()
    assert ops(upload_predictions, "upload-predictions")["files"] == {}
    batch = read_frame(rid, ml)
    assert batch.log is not None
    assert batch.log["request_id"].tolist() == [answers[0]["request_id"]]
    used = ml.lookup_execution(ml.lookup_asset(rid).execution_rid).list_assets("Input")
    assert trained[2] in {each.asset_rid for each in used}
    # what a container is given
    told = ops(serve, "serve", "--rid", trained[2], "--export", "model")
    assert (told["model_rid"], open_bundle(tmp_path / "model").manifest.model_rid) == (trained[2], trained[2])


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
