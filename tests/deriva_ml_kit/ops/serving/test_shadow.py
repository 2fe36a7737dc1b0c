"""A candidate in the shadow that is slow, fails or dies: it never touches an answer, and what it missed is counted."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import shadows
from tumours import Client, classifier, exported, serving, tumours

from deriva_ml_kit.ops.predictions import Prediction
from deriva_ml_kit.ops.serving.log import closed
from deriva_ml_kit.ops.serving.service import Settings
from deriva_ml_kit.ops.serving.split import Split

RAW, _ = tumours()
RECORDS: list[dict[str, Any]] = RAW.to_dict("records")  # type: ignore[assignment]
MODEL, WEAK = classifier(), classifier(2)


def test_the_shadow_never_touches_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(shadows.PARENT, str(os.getpid()))
    model = exported(tmp_path / "m", MODEL, RAW)
    turned = RAW[RAW.columns[::-1]]  # columns in another order are the same columns
    candidate = exported(tmp_path / "c", WEAK.fit(turned, MODEL.predict(RAW)), turned, rid="1-WEAK")
    settings = Settings(
        find=lambda: model,
        candidate=lambda: candidate,
        log=tmp_path / "log",
        load=shadows.load,
        split=lambda: Split(salt="r", shadow=True),
    )
    with serving(settings) as client:
        client.until("/ready", 200)
        ask(client, RECORDS[0])
        seen_by_shadow(client, 1)  # its process takes a while to start
        for record in [*RECORDS[1:20], RECORDS[20] | {"mean_radius": shadows.FAILS}, *RECORDS[21:30]]:
            ask(client, record)
        seen_by_shadow(client, 30)
        ask(client, RECORDS[30] | {"mean_radius": shadows.DIES})
        ask(client, RECORDS[31])
        assert client.service.shadow is not None
        while client.service.shadow.dropped < 2:
            time.sleep(0.01)
        ask(client, RECORDS[32])
        while client.service.shadow.dropped < 3:
            time.sleep(0.01)
        assert "deriva_ml_shadow_dropped_total 3" in client.get("/metrics").text
    lines = [line for file in closed(tmp_path / "log") for line in file.read_text(encoding="utf-8").splitlines()]
    logged = [Prediction.model_validate_json(line) for line in lines]
    answered = {each.request_id: each for each in logged if each.arm == "production"}
    shadow = {each.request_id: each for each in logged if each.arm == "shadow"}
    assert (len(answered), len(shadow)) == (33, 30)
    assert shadow.keys() < answered.keys()
    assert {each.model_rid for each in shadow.values()} == {"1-WEAK"}
    first = next(each for each in shadow.values() if not each.error)
    assert first.features == answered[first.request_id].features
    assert [first.prediction] == WEAK.predict(pd.DataFrame([first.features])[turned.columns]).tolist()
    failed = [each.request_id for each in shadow.values() if each.status == 500]
    assert [shadow[name].error for name in failed] == ["ValueError: not today"]
    assert [(answered[name].error, answered[name].features["mean_radius"]) for name in failed] == [
        (None, shadows.FAILS)
    ]


def ask(client: Client, record: dict[str, Any]) -> None:
    answer = client.predict({"features": record})
    assert answer.status_code == 200
    assert [answer.json()["prediction"]] == MODEL.predict(pd.DataFrame([record])).tolist()


def seen_by_shadow(client: Client, count: int) -> None:
    end = time.monotonic() + 60
    while sum(n for (arm, _), n in client.service.metrics.predictions.items() if arm == "shadow") < count:
        assert time.monotonic() < end
        time.sleep(0.01)
