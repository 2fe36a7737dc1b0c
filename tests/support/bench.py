"""A small catalog to run models on: images that hold numbers, labelled; and a model that learns them in a second.

Each image is a text file of numbers around the mean of its digit, so that a healthy model is almost always right.
"""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from deriva.core import HatracStore
from deriva.core.ermrest_model import Schema

from deriva_ml_kit.mainline import DatasetSpec, DerivaML, ExecutionConfiguration, Workflow
from deriva_ml_kit.mainline.schema.create import create_ml_catalog
from deriva_ml_kit.runner.tiered import Plan
from deriva_ml_kit.tiers import Records

DIGITS = ("seven", "eight", "nine")
IMAGES = 60
WIDTH = 6
MODEL = "weights.npy"


@dataclass(frozen=True)
class Bench:
    """The catalog: its address, its images in order, and a dataset of all of them."""

    hostname: str
    catalog_id: str
    images: tuple[str, ...]
    dataset: str
    version: str
    asset: str

    def connect(self, working_dir: Path) -> DerivaML:
        """A new connection; downloaded datasets are shared by all."""
        return DerivaML(self.hostname, self.catalog_id, working_dir=working_dir, cache_dir=_cache())

    @property
    def spec(self) -> DatasetSpec:
        return DatasetSpec(rid=self.dataset, version=self.version)


@cache
def _cache() -> Path:
    return Path(tempfile.mkdtemp(prefix="bench-cache-", dir=Path.home()))


@cache
def bench(hostname: str) -> Bench:
    """Make one, once in a run."""
    catalog = create_ml_catalog(hostname, project_name="bench")
    catalog.getCatalogModel().create_schema(Schema.define("bench"))
    ml = DerivaML(hostname, catalog.catalog_id, working_dir=tempfile.mkdtemp(prefix="bench-", dir=Path.home()))
    ml.create_vocabulary("Digit", "Three of the ten digits")
    for digit in DIGITS:
        ml.add_term("Digit", digit, description=digit)
    ml.create_asset("Image")
    for feature in ("Label", "Predicted"):
        ml.create_feature("Image", feature, terms=["Digit"])
    ml.add_dataset_element_type("Image")
    workflow = Workflow(name="Setup", workflow_type="Ingest", url="https://example.org/s.py", checksum="1", version="1")
    with ml.create_execution(ExecutionConfiguration(description="Setup"), workflow=workflow) as exe:
        images = _upload(ml)
        record = ml.feature_record_class("Image", "Label")
        exe.add_features([record(Image=rid, Digit=DIGITS[n % len(DIGITS)]) for n, rid in enumerate(images)])
        asset = exe.asset_file_path("Execution_Asset", "start.txt", asset_types="Output_File")
        Path(asset).write_text("where to begin")
    exe.commit_output_assets()
    with ml.create_execution(ExecutionConfiguration(description="Dataset"), workflow=workflow) as making:
        dataset = making.create_dataset(["Training"], description="All images").dataset_rid
        making.add_dataset_members(dataset, {"Image": list(images)})
    making.commit_output_assets()
    (first,) = [each.asset_rid for each in ml.list_execution_assets(exe.execution_rid) if each.filename == "start.txt"]
    return Bench(hostname, str(catalog.catalog_id), images, dataset, str(ml.dataset_version(dataset)), first)


def _upload(ml: DerivaML) -> tuple[str, ...]:
    store = HatracStore("https", ml.host_name, ml.credential)
    random = np.random.default_rng(7)
    means = random.normal(0, 3, (len(DIGITS), WIDTH))
    rows = []
    for number in range(IMAGES):
        content = " ".join(f"{value:.6f}" for value in random.normal(means[number % len(DIGITS)], 1.0)).encode()
        file = ml.working_dir / "source"
        file.write_bytes(content)
        md5 = hashlib.md5(content).hexdigest()
        url = store.put_loc(f"/hatrac/Image/{md5}.image{number}.txt", str(file))
        rows.append({"URL": url, "Filename": f"image{number}.txt", "Length": len(content), "MD5": md5})
    return tuple(row["RID"] for row in ml.pathBuilder.schemas["bench"].tables["Image"].insert(rows))


class Repository:
    """A committed script in a git repository of its own."""

    def __init__(self, root: Path) -> None:
        root.mkdir()
        self.root = root
        self.script = root / "train.py"
        self.git("init", "-q", "-b", "main")
        self.commit("print('train')\n")

    def git(self, *arguments: str) -> str:
        command = ["git", "-c", "user.name=T", "-c", "user.email=t@example.org", *arguments]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=True).stdout.strip()

    def workflow(self, workflow_type: str = "Training") -> Workflow:
        """What the script is as a workflow."""
        url, checksum = Workflow.get_url_and_checksum(self.script, allow_dirty=True)
        return Workflow(name="Train", workflow_type=workflow_type, url=url, checksum=checksum, version="1")

    def commit(self, text: str) -> None:
        """A new version of the script."""
        self.script.write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "A version")


def plan(bench: Bench, repository: Repository, **more: Any) -> Plan:
    """A run of the script on all images."""
    given: dict[str, Any] = {
        "name": "train",
        "script": repository.script,
        "config": {"model_config": {"learning_rate": 0.5, "epochs": 40}},
        "workflow": repository.workflow(),
        "datasets": [bench.spec],
        "description": "Learn three digits",
    }
    return Plan(**(given | more))


class Softmax:
    """Multinomial logistic regression by gradient descent."""

    def __init__(self, weights: np.ndarray) -> None:
        self.weights = weights

    def step(self, x: np.ndarray, y: np.ndarray, rate: float) -> float:
        """Learn from a batch; gives its loss."""
        shares = self._shares(x)
        loss = -np.log(shares[np.arange(len(y)), y] + 1e-12).mean()
        shares[np.arange(len(y)), y] -= 1
        self.weights -= rate * self._with_one(x).T @ shares / len(y)
        return float(loss)

    def predict(self, x: np.ndarray) -> list[str]:
        return [DIGITS[best] for best in self._shares(x).argmax(axis=1)]

    def _shares(self, x: np.ndarray) -> np.ndarray:
        scores = self._with_one(x) @ self.weights
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))

    @staticmethod
    def _with_one(x: np.ndarray) -> np.ndarray:
        return np.column_stack([x, np.ones(len(x))])


@dataclass
class Training:
    """The work of a healthy run; tests change one part of it.

    Attributes:
        rate: Learning rate.
        epochs: How often each image is seen.
        term: What becomes of a predicted digit before it is stored.
        every: Of how many predictions one is stored.
        saved: What becomes of the weights before they are written.
        called: How often it was played.
    """

    rate: float = 0.5
    epochs: int = 40
    term: Any = lambda digit: digit
    every: int = 1
    saved: Any = lambda weights: weights
    files: Mapping[str, bytes] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    called: int = 0

    def __call__(self, exe: Any, out: Any, ev: Any) -> Mapping[str, Any]:
        self.called += 1
        rids, x, digits = read(exe.datasets[0])
        y = np.array([DIGITS.index(digit) for digit in digits])
        train, test = np.arange(len(x)) % 4 != 0, np.arange(len(x)) % 4 == 0
        ev.data(
            Records(x[train], digits[train], rids=rids[train]),
            Records(x[test], digits[test], rids=rids[test]),
            classes=DIGITS,
        )
        model = Softmax(np.zeros((WIDTH + 1, len(DIGITS))))
        for _ in ev.epochs(self.epochs):
            for rows in ev.batches(np.array_split(np.flatnonzero(train), 3)):
                ev.loss(model.step(x[rows], y[rows], self.rate))
        predicted = model.predict(x[test])
        ev.predictions(digits[test], predicted, rids=rids[test])
        ev.trial(self._trial(x[train], y[train]))
        ev.reload(MODEL, lambda path: Softmax(np.load(path)).predict, x[test])
        np.save(out.file(MODEL, asset_type="Model_File"), self.saved(model.weights))
        for name, content in self.files.items():
            out.file(name).write_bytes(content)
        record = out.feature("Image", "Predicted")
        stored = list(zip(rids[test], predicted, strict=True))[:: self.every]
        out.features(record(Image=rid, Digit=self.term(digit)) for rid, digit in stored)
        return {"accuracy": float(np.mean(np.array(predicted) == digits[test])), **self.metrics}

    def _trial(self, x: np.ndarray, y: np.ndarray) -> Any:
        def trial(rows: np.ndarray, epochs: int) -> tuple[Sequence[float], Sequence[str]]:
            model = Softmax(np.zeros((WIDTH + 1, len(DIGITS))))
            losses = [model.step(x[rows], y[rows], self.rate) for _ in range(epochs)]
            return losses, model.predict(x[rows])

        return trial


def read(bag: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """RIDs (n,), numbers (n, WIDTH) and digits (n,) of a dataset, by RID."""
    label = {value.Image: value.Digit for value in bag.feature_values("Image", "Label")}
    rows = sorted(bag.list_dataset_members()["Image"], key=lambda row: str(row["Filename"]))
    x = np.array([[float(word) for word in Path(row["Filename"]).read_text().split()] for row in rows])
    rids = np.array([row["RID"] for row in rows])
    return rids, x, np.array([label[rid] for rid in rids])
