"""A model behind HTTP, on real sockets: what it answers, what it refuses, when it is not ready, what stays of it."""

from __future__ import annotations

import json
import math
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from tumours import Client, classifier, exported, serving, tumours

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.ops.documents import load as load_document
from deriva_ml_kit.ops.frames import read_frame
from deriva_ml_kit.ops.golden import GoldenRecords
from deriva_ml_kit.ops.predictions import Prediction
from deriva_ml_kit.ops.serving.bundle import Bundle, load_bundle, open_bundle, write_bundle
from deriva_ml_kit.ops.serving.log import closed
from deriva_ml_kit.ops.serving.service import Settings
from deriva_ml_kit.ops.serving.split import Split

RAW, _ = tumours()
MODEL = classifier()
WEAK = clone(classifier(2)).fit(RAW[RAW.columns[::-1]] * (np.arange(30) > 27), tumours()[1])
FEATURES = ["body", "features"]
RECORDS: list[dict[str, Any]] = RAW.to_dict("records")  # type: ignore[assignment]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return exported(tmp_path_factory.mktemp("model"), MODEL, RAW)


@pytest.fixture(scope="module")
def candidate(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    turned = RAW[RAW.columns[::-1]]  # columns in another order are the same columns
    return exported(tmp_path_factory.mktemp("candidate"), WEAK, turned, rid="1-WEAK")


@pytest.fixture(scope="module")
def client(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    settings = Settings(find=lambda: bundle, log=tmp_path_factory.mktemp("log"), largest=100_000, most=20, patience=1)
    with serving(settings) as client:
        client.until("/ready", 200)
        yield client


def loaded(client: Client, status: int) -> dict[str, Any]:
    """What `/ready` says when the model was loaded."""
    while "the model is being loaded" in (answer := client.until("/ready", status).json())["faults"]:
        time.sleep(0.02)
    return dict(answer)


def logged(folder: Path) -> list[Prediction]:
    lines = [line for file in closed(folder) for line in file.read_text(encoding="utf-8").splitlines()]
    return [Prediction.model_validate_json(line) for line in lines]


def test_answers_are_those_of_the_model(client: Client) -> None:
    one = client.predict({"features": RECORDS[0], "unit": "P000", "request_id": "first"})
    assert one.status_code == 200
    expected = dict(zip(["benign", "malignant"], MODEL.predict_proba(RAW[:1])[0], strict=True))
    assert one.json() == {
        "request_id": "first",
        "prediction": MODEL.predict(RAW[:1])[0],
        "scores": pytest.approx(expected, abs=1e-9),
        "unseen": [],
        "arm": "production",
        "model_rid": "1-TUMR",
    }
    many = client.predict([{"features": dict(reversed(record.items()))} for record in RECORDS[:20]])
    assert [each["prediction"] for each in many.json()] == MODEL.predict(RAW[:20]).tolist()


JSON = "application/json"
WRONG = {
    "broken": (b"{", JSON, 400, ["body"]),
    "nothing": (b"", JSON, 400, ["body"]),
    "text": (b"{}", "text/plain", 415, ["body"]),
    "form": (b"a=1", "application/x-www-form-urlencoded", 415, ["body"]),
    "large": (b"[" + b" " * 100_001 + b"]", JSON, 413, ["body"]),
    "many": (json.dumps([{"features": {}}] * 21).encode(), JSON, 422, ["body"]),
    "NaN": (
        json.dumps({"features": RECORDS[0] | {"mean_area": math.nan}}).encode(),
        JSON,
        422,
        [*FEATURES, "mean_area"],
    ),
    "more": (
        json.dumps({"features": RECORDS[0] | {"age": 3}}).encode(),
        f"{JSON}; charset=utf-8",
        422,
        [*FEATURES, "age"],
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_refused_with_the_reason(client: Client, case: str) -> None:
    body, kind, status, loc = WRONG[case]
    answer = client.send(body, kind)
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (status, loc)


def test_what_is_not_there_is_told(client: Client) -> None:
    assert [client.send(b"{}", JSON, path).status_code for path in ("/predictions", "/health")] == [404, 405]
    assert client.get("/predict").status_code == 405


def test_a_body_without_an_announced_length_is_limited_too(client: Client) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(30):
            yield b" " * 10_000

    answer = client.send(parts(), "application/json")  # type: ignore[arg-type]
    assert answer.status_code == 413


def test_a_body_that_does_not_come_is_not_waited_for(client: Client) -> None:
    port = int(client.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as slow:
        slow.sendall(
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
        )
        assert slow.recv(100).startswith(b"HTTP/1.1 408")


def test_values_that_the_training_never_had_are_named(client: Client) -> None:
    far = client.predict({"features": RECORDS[0] | {"mean_radius": 400.0, "mean_area": 9999.0}})
    assert (far.status_code, far.json()["unseen"]) == (200, ["mean_radius", "mean_area"])
    # So far that the model overflows: the caller's fault, not the server's.
    beyond = client.predict([{"features": RECORDS[0]}, {"features": RECORDS[0] | {"smoothness_error": 1e308}}])
    assert beyond.status_code == 422
    assert [each["loc"] for each in beyond.json()["detail"]] == [["body", 1, "features", "smoothness_error"]]


def test_what_is_served_is_told(client: Client) -> None:
    told = client.get("/info").json()
    assert told["production"]["model_rid"] == "1-TUMR"
    assert (told["production"]["execution_rid"], told["production"]["datasets"]) == ("1-EXEC", ["1-DATA@1.0.0"])
    properties = told["schema"]["$defs"]["Features"]["properties"]
    assert properties["mean_radius"]["x-trained"] == {"low": RAW["mean_radius"].min(), "high": RAW["mean_radius"].max()}
    api = client.get("/openapi.json").json()
    assert api["paths"].keys() == {"/predict", "/health", "/ready", "/info", "/metrics"}
    record = api["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert record["properties"]["features"]["$ref"] == "#/components/schemas/Features"
    assert list(api["components"]["schemas"]["Features"]["properties"]) == list(RAW.columns)
    assert client.get("/health").json() == {"alive": True}
    assert client.get("/ready").json()["golden"] == {"production": "50 golden records are reproduced"}


def test_counts_are_openmetrics(client: Client) -> None:
    client.predict({"features": RECORDS[3]})
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
    values = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
    assert int(values['deriva_ml_requests_total{status="200"}']) >= 1
    count = values['deriva_ml_model_seconds_count{arm="production"}']
    assert values['deriva_ml_model_seconds_bucket{arm="production",le="+Inf"}'] == count
    assert all(re.fullmatch(r'[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})?', name) for name in values)


def test_every_answer_is_in_the_log_after_the_end(bundle: Bundle, tmp_path: Path) -> None:
    with serving(Settings(find=lambda: bundle, log=tmp_path)) as client:
        client.until("/ready", 200)

        def ask(number: int) -> dict[str, Any]:
            record = RECORDS[number] | ({"mean_radius": 99.0} if number == 7 else {})
            answer = Client(int(client.url.rpartition(":")[2]), client.service).predict(
                {"features": record, "unit": f"P{number // 2}", "request_id": f"r{number}"}
            )
            return dict(answer.json())

        with ThreadPoolExecutor(8) as pool:
            answers = {each["request_id"]: each for each in pool.map(ask, range(60))}
    lines = {each.request_id: each for each in logged(tmp_path)}
    assert lines.keys() == answers.keys()
    for name, line in lines.items():
        assert (line.prediction, line.scores, line.unit) == (
            answers[name]["prediction"],
            answers[name]["scores"],
            f"P{int(name[1:]) // 2}",
        )
    assert lines["r7"].unseen == ("mean_radius",)
    batch = read_frame(closed(tmp_path)[0])  # what drift monitoring reads
    assert sorted(batch.frame.columns) == sorted(RAW.columns)
    assert batch.log is not None
    assert len(batch.log) == 60


def test_values_never_seen_are_refused_where_that_is_asked_for(bundle: Bundle, tmp_path: Path) -> None:
    with serving(Settings(find=lambda: bundle, log=tmp_path, refuse_unseen=True)) as client:
        client.until("/ready", 200)
        refused = client.predict({"features": RECORDS[0] | {"mean_radius": 400.0}})
        assert client.predict({"features": RECORDS[0]}).status_code == 200
    assert refused.status_code == 422
    assert refused.json()["detail"][0]["loc"] == ["body", "features", "mean_radius"]
    assert [each.status for each in logged(tmp_path)] == [422, 200]


def test_a_model_that_is_not_there_is_waited_for(bundle: Bundle, tmp_path: Path) -> None:
    tries = Counter[str]()

    def find() -> Bundle:
        tries["all"] += 1
        if tries["all"] < 3:
            raise UsageError("No model tumours is in Production.")
        return bundle

    with serving(Settings(find=find, log=tmp_path, retry=0.2)) as client:
        answer = client.until("/ready", 503)
        assert client.get("/health").status_code == 200
        refused = client.predict({"features": RECORDS[0]})
        assert refused.status_code == 503
        assert refused.json()["detail"][0]["type"] == "not_ready"
        client.until("/ready", 200)
    assert answer.json()["ready"] is False


def test_a_model_that_answers_otherwise_than_in_training_is_not_served(bundle: Bundle, tmp_path: Path) -> None:
    def load(path: Path) -> Any:
        estimator = joblib.load(path)
        estimator[-1].intercept_ = estimator[-1].intercept_ + 0.01
        return estimator

    with serving(Settings(find=lambda: bundle, log=tmp_path, load=load)) as client:
        answer = loaded(client, 503)
        assert client.predict({"features": RECORDS[0]}).status_code == 503
    assert "50 golden records are not reproduced" in answer["faults"][0]
    assert "score of benign: expected" in answer["faults"][0]


def test_files_that_are_missing_or_were_changed_are_named(bundle: Bundle, tmp_path: Path) -> None:
    bare = exported(tmp_path / "bare", MODEL, RAW)
    golden = load_document(bare.folder / "golden-records.json", GoldenRecords)
    bare = write_bundle(
        bare.folder / "model.joblib", [golden], model_rid="1-B", execution_rid=None, hostname="h", catalog_id="1"
    )
    assert load_bundle(bare).faults == ["model 1-B has no Baseline_Profile among the outputs of its training"]
    for name, told in (
        ("model.joblib", "is another file"),
        ("golden-records.json", "was changed after it was fetched"),
    ):
        changed = exported(tmp_path / name, MODEL, RAW)
        with (changed.folder / name).open("ab") as file:
            file.write(b" ")
        (fault,) = load_bundle(open_bundle(changed.folder)).faults
        assert told in fault
    with pytest.raises(UsageError, match="no folder with a model"):
        open_bundle(tmp_path)


def test_features_are_made_by_the_code_of_the_training(tmp_path: Path) -> None:
    people = pd.DataFrame(
        {"height": np.linspace(1.4, 2.1, 60), "sex": ["f", "m", None] * 20, "born": np.arange(1940, 2000)}
    )

    def transform(raw: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame(
            {"cm": raw["height"] * 100, "male": (raw["sex"] == "m").astype(int), "age": 2026 - raw["born"]}
        )

    estimator = LogisticRegression(max_iter=2000).fit(transform(people), people["height"] > 1.7)
    folder = exported(tmp_path / "model", estimator, people, transform=transform)
    (expected,) = estimator.predict(pd.DataFrame({"cm": [190.0], "male": [1], "age": [126]}))
    with serving(Settings(find=lambda: folder, log=tmp_path / "log", transform=transform)) as client:
        client.until("/ready", 200)
        answer = client.predict({"features": {"height": 1.9, "sex": "m", "born": 1900}})
        wrong = client.predict({"features": {"height": 1.9, "sex": "m", "born": 1990.5}})
        fine = client.predict({"features": {"height": 1.9, "sex": None, "born": 1990}})
    assert (answer.json()["prediction"], answer.json()["unseen"]) == (str(expected), ["age"])
    assert [each["loc"][-1] for each in wrong.json()["detail"]] == ["born"]
    assert fine.status_code == 200
    assert logged(tmp_path / "log")[0].features == {"cm": 190.0, "male": 1, "age": 126}


def test_units_keep_their_arm_and_the_split_can_change(bundle: Bundle, candidate: Bundle, tmp_path: Path) -> None:
    split = [Split(salt="r", share=0.3)]
    units = [f"S{number}" for number in range(60)]
    with serving(
        Settings(find=lambda: bundle, candidate=lambda: candidate, log=tmp_path, split=lambda: split[0])
    ) as client:
        client.until("/ready", 200)
        content = [{"features": RECORDS[n], "unit": unit} for n, unit in enumerate(units)]
        first, again = client.predict(content).json(), client.predict(content).json()
        split[0] = Split(salt="r", share=1.0)
        all_of_it = client.predict(content).json()
        split[0] = Split(salt="r", share=0.5)
        nameless = client.predict([{"features": record} for record in RECORDS[:200]]).json()
    assert [each["arm"] for each in first] == [Split(salt="r", share=0.3).arm(unit) for unit in units]
    assert [each["arm"] for each in first] == [each["arm"] for each in again]
    assert {each["arm"] for each in all_of_it} == {"canary"}
    expected = {"production": MODEL.predict(RAW[:60]), "canary": WEAK.predict(RAW[RAW.columns[::-1]][:60])}
    assert [each["prediction"] for each in first] == [expected[each["arm"]][n] for n, each in enumerate(first)]
    assert {each["model_rid"] for each in all_of_it} == {"1-WEAK"}
    assert 60 < sum(each["arm"] == "canary" for each in nameless) < 140
    assert Counter(each.arm for each in logged(tmp_path))["canary"] > 60


def test_a_candidate_that_cannot_be_used_keeps_nobody_from_being_answered(bundle: Bundle, tmp_path: Path) -> None:
    raw = RAW.rename(columns={"mean_radius": "radius"})
    other = exported(tmp_path / "other", classifier(mean_radius="radius"), raw, rid="1-OTHR")
    split = Split(salt="r", share=1.0, shadow=True)
    for find, told in (
        (lambda: other, "the candidate takes other columns, or other types of them: mean_radius, radius"),
        (lambda: open_bundle(tmp_path), "no folder with a model"),
    ):
        settings = Settings(find=lambda: bundle, candidate=find, log=tmp_path / "log", split=lambda: split)
        with serving(settings) as client:
            (fault,) = client.until("/ready", 200).json()["candidate_faults"]
            assert client.predict({"features": RECORDS[0]}).json()["arm"] == "production"
        assert told in fault


def test_a_failing_model_is_told_and_counted(bundle: Bundle, tmp_path: Path) -> None:
    class Broken:
        feature_names_in_ = np.array(RAW.columns)

        def __init__(self, inner: Any) -> None:
            self.inner, self.classes_ = inner, inner.classes_

        def predict(self, frame: pd.DataFrame) -> Any:
            if (frame["mean_radius"] == RECORDS[1]["mean_radius"]).any():
                raise ZeroDivisionError("secret of the model")
            return self.inner.predict(frame)

        def predict_proba(self, frame: pd.DataFrame) -> Any:
            return self.inner.predict_proba(frame)

    rest = RAW.drop(index=1)
    folder = exported(tmp_path / "model", MODEL, rest)
    with serving(Settings(find=lambda: folder, log=tmp_path / "log", load=lambda path: Broken(MODEL))) as client:
        client.until("/ready", 200)
        barrier = threading.Barrier(4)

        def ask(number: int) -> int:
            mine = Client(int(client.url.rpartition(":")[2]), client.service)
            mine.get("/health")
            barrier.wait()
            return mine.predict({"features": RECORDS[number]}).status_code

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(ask, range(4))) == [200, 500, 200, 200]  # whoever came together with it is answered
        failed = client.predict({"features": RECORDS[1]})
        assert client.service.metrics.requests[500] == 2
    assert "secret" not in failed.text
    assert [each.error for each in logged(tmp_path / "log") if each.status == 500] == [
        "ZeroDivisionError: secret of the model"
    ] * 2
