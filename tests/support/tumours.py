"""A model in a folder as `serve --export` writes it, made without a catalog; and a server of it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import requests
import uvicorn
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from deriva_ml_kit.numerics.drift.profile import profile
from deriva_ml_kit.ops.drift.documents import Baseline
from deriva_ml_kit.ops.golden import Transform, golden_records
from deriva_ml_kit.ops.serving.app import create_app
from deriva_ml_kit.ops.serving.bundle import Bundle, write_bundle
from deriva_ml_kit.ops.serving.model import Model
from deriva_ml_kit.ops.serving.service import Service, Settings


def tumours() -> tuple[pd.DataFrame, Any]:
    """569 rows of 30 measurements, and their labels."""
    bunch = load_breast_cancer()
    names = [str(name).replace(" ", "_") for name in bunch.feature_names]
    return pd.DataFrame(bunch.data, columns=names), np.where(bunch.target == 1, "benign", "malignant")


def classifier(columns: int = 30, **renamed: str) -> Any:
    """A fitted one; of fewer columns a weaker one, which takes all and looks at the first."""
    frame, labels = tumours()
    seen = (frame * (np.arange(30) < columns)).rename(columns=renamed)
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(seen, labels)


def exported(
    folder: Path, estimator: Any, raw: pd.DataFrame, *, rid: str = "1-TUMR", transform: Transform | None = None
) -> Bundle:
    """A folder with a model, its baseline and its golden records."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "model.joblib"
    joblib.dump(estimator, file)
    features = transform(raw) if transform else raw
    model = Model(estimator, tuple(map(str, features.columns)))
    documents = [Baseline(profile=profile(features)), golden_records(model, raw, transform, count=50)]
    origin = {"execution_rid": "1-EXEC", "hostname": "localhost", "catalog_id": "1", "datasets": ("1-DATA@1.0.0",)}
    return write_bundle(file, documents, model_rid=rid, **origin)


class Client:
    """Asks a server on loopback.

    Attributes:
        service: What answers there.
    """

    def __init__(self, port: int, service: Service) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.service = service
        self._session = requests.Session()

    def get(self, path: str) -> requests.Response:
        return self._session.get(self.url + path, timeout=20)

    def predict(self, content: Any) -> requests.Response:
        return self._session.post(self.url + "/predict", json=content, timeout=20)

    def send(self, body: bytes, kind: str = "application/json", path: str = "/predict") -> requests.Response:
        return self._session.post(self.url + path, data=body, headers={"Content-Type": kind}, timeout=20)

    def until(self, path: str, status: int, seconds: float = 20) -> requests.Response:
        """Ask until there is an answer of that status."""
        end = time.monotonic() + seconds
        while (answer := self.get(path)).status_code != status:
            assert time.monotonic() < end, answer.text
            time.sleep(0.02)
        return answer


@contextmanager
def serving(settings: Settings) -> Iterator[Client]:
    """A server in a thread, with real sockets; it is shut down as by a signal at the end."""
    app = create_app(settings)
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.bind(("127.0.0.1", 0))
    bound.listen()
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=10))
    thread = threading.Thread(target=server.run, args=([bound],))
    thread.start()
    client = Client(bound.getsockname()[1], app.state.service)
    try:
        yield client
    finally:
        server.should_exit = True
        thread.join()
        bound.close()
