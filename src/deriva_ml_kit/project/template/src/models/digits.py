"""The digit classifier: reads the datasets of an execution, trains, predicts, writes files and feature values.

`train_digits` is what deriva-ml-run calls; its arguments are the keys of `model_config` (src/configs/digits.py). In
a dry run it is called as well: `ev.epochs` and `ev.batches` end early then, and its files go to a temporary folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
import pandas as pd
from PIL import Image
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from deriva_ml_kit.tiers import Evidence, Records, evidence
from models import digit_features

if TYPE_CHECKING:  # it takes seconds, which --cfg and --info need not wait for
    from deriva_ml_kit.mainline import DatasetBag, DerivaML, Execution

MODEL_FILE = "digit_classifier.joblib"


@dataclass(frozen=True)
class Part:
    """Images and labels.

    `rids` (n,) are RIDs of Image, `raw` has a row of 64 grey levels for each, `pixels` the features made of it, numbers
    from 0 to 1, `digits` (n,) are term names.
    """

    rids: np.ndarray
    raw: pd.DataFrame
    pixels: pd.DataFrame
    digits: np.ndarray

    def rows(self, numbers: np.ndarray) -> Part:
        """Some of them, by row number."""
        return Part(self.rids[numbers], self.raw.iloc[numbers], self.pixels.iloc[numbers], self.digits[numbers])

    def __len__(self) -> int:
        """How many images."""
        return len(self.rids)


def train_digits(
    hidden_units: int = 64,
    learning_rate: float = 0.005,
    batch_size: int = 32,
    epochs: int = 40,
    seed: int = 20,
    *,
    ml_instance: DerivaML,
    execution: Execution,
) -> dict[str, Any]:
    """Train on the Training part of the execution's dataset, predict its Testing part.

    Args:
        hidden_units: Units of the one hidden layer.
        learning_rate: Step of the Adam optimiser at the start.
        batch_size: Images in a batch.
        epochs: How often each image is seen.
        seed: Of the weights, the order of the images, and the split of a dataset that is not split yet.
        ml_instance: The connection.
        execution: The running execution, its datasets downloaded.

    Returns:
        Metrics; they are written to metrics.json.
    """
    from deriva_ml_kit.ops.training import keep_for_production, record_run  # noqa: PLC0415  (takes seconds)

    classes = [term.name for term in ml_instance.list_vocabulary_terms("Digit_Class")]
    train, test = read(execution.datasets, seed)
    settings = {"hidden_units": hidden_units, "learning_rate": learning_rate, "batch_size": batch_size, "seed": seed}
    with record_run(execution, parameters=settings | {"epochs": epochs}, seeds={"seed": seed}) as run:
        model, losses, predicted = learn(train, test, classes, evidence(), epochs=epochs, **settings)
        for loss in losses:
            run.value("loss", loss)
        accuracy = float((predicted == test.digits).mean())
        run.metrics(accuracy=accuracy)
    confidence = model.predict_proba(test.pixels).max(axis=1)
    file = execution.asset_file_path("Execution_Asset", MODEL_FILE, asset_types="Model_File")
    joblib.dump(model, file)
    keep_for_production(execution, file, train.raw, transform=digit_features)
    write_predictions(ml_instance, execution, test.rids.tolist(), predicted.tolist(), confidence.tolist())
    return {
        "train_images": len(train),
        "test_images": len(test),
        "batches": len(losses),
        "first_loss": losses[0],
        "last_loss": losses[-1],
        "accuracy": accuracy,
        "loss_curve": losses[:: max(1, len(losses) // 200)],
    }


def read(bags: Iterable[DatasetBag], seed: int) -> tuple[Part, Part]:
    """Training and test images: the datasets of those types, or the only dataset split 80/20, each digit alike.

    Raises:
        ValueError: There is neither, or an image is in both parts.
    """
    nested = [bag for outer in bags for bag in [outer, *outer.list_dataset_children()]]
    by_type = {kind: bag for bag in nested for kind in bag.dataset_types}
    if {"Training", "Testing"} <= by_type.keys():
        train, test = read_part(by_type["Training"]), read_part(by_type["Testing"])
        if shared := sorted(set(train.rids) & set(test.rids)):
            raise ValueError(f"{len(shared)} images are in both datasets, {shared[0]} among them.")
        return train, test
    if len(nested) != 1:
        raise ValueError("Expected a dataset with a Training and a Testing one in it, or a single dataset to split.")
    return halves(read_part(nested[0]), seed)


def halves(part: Part, seed: int) -> tuple[Part, Part]:
    """Four fifths to train, one fifth to test, each digit with the same share of both."""
    numbers = np.arange(len(part))
    train, test = train_test_split(numbers, test_size=0.2, stratify=part.digits, random_state=seed)
    return part.rows(train), part.rows(test)


def read_part(bag: DatasetBag) -> Part:
    """All images of one dataset, in the order of their source, so that a run can be repeated on another catalog."""
    label = {value.Image: value.Digit_Class for value in bag.feature_values("Image", "Digit")}
    rows = sorted(bag.list_dataset_members()["Image"], key=lambda row: row["Source_Index"])
    raw = pd.DataFrame(
        [np.asarray(Image.open(row["Filename"])).ravel() for row in rows], columns=digit_features.COLUMNS
    )
    pixels = digit_features.features(raw)
    return Part(np.array([row["RID"] for row in rows]), raw, pixels, np.array([label[row["RID"]] for row in rows]))


def learn(
    train: Part, test: Part, classes: Sequence[str], ev: Evidence, *, epochs: int, **settings: Any
) -> tuple[MLPClassifier, list[float], np.ndarray]:
    """Train, predict the test images, and show what the checks of the tiers look at.

    Returns:
        The model, the loss of each batch, and the (n,) digits predicted for the test images.
    """
    ev.data(
        Records(train.pixels.to_numpy(), train.digits, rids=train.rids.tolist()),
        Records(test.pixels.to_numpy(), test.digits, rids=test.rids.tolist()),
        classes=classes,
    )
    ev.without("groups", "the scans do not say who wrote them")
    fit = Fit(classes, **settings)
    for _ in ev.epochs(epochs):
        for numbers in ev.batches(fit.batches(len(train))):
            ev.loss(fit.step(train.rows(numbers)))
    predicted = fit.model.predict(test.pixels)

    def trial(numbers: np.ndarray, epochs: int) -> tuple[Sequence[float], Sequence[str]]:
        again, few = Fit(classes, **settings), train.rows(numbers)
        for _ in range(epochs):
            for batch in again.batches(len(few)):
                again.step(few.rows(batch))
        return again.losses, again.model.predict(few.pixels)

    ev.predictions(test.digits, predicted, rids=test.rids.tolist())
    ev.trial(trial)
    ev.reload(MODEL_FILE, lambda path: joblib.load(path).predict, test.pixels[:20])
    return fit.model, fit.losses, predicted


class Fit:
    """A multilayer perceptron that is trained batch by batch; all that is random in it comes from one seed."""

    def __init__(
        self, classes: Sequence[str], *, hidden_units: int, learning_rate: float, batch_size: int, seed: int
    ) -> None:
        """A new model."""
        self.model = MLPClassifier((hidden_units,), learning_rate_init=learning_rate, random_state=seed)
        self.losses: list[float] = []
        self._classes = np.array(classes)
        self._batch_size = batch_size
        self._order = np.random.default_rng(seed)

    def batches(self, count: int) -> Iterator[np.ndarray]:
        """Row numbers, a batch at a time: every row once, in a new order at each call."""
        shuffled = self._order.permutation(count)
        for start in range(0, count, self._batch_size):
            yield shuffled[start : start + self._batch_size]

    def step(self, batch: Part) -> float:
        """Learn from one batch; gives its loss."""
        self.model.partial_fit(batch.pixels, batch.digits, classes=self._classes)
        self.losses.append(float(self.model.loss_))
        return self.losses[-1]


def write_predictions(
    ml: DerivaML, execution: Execution, rids: Sequence[str], digits: Sequence[str], confidence: Sequence[float]
) -> None:
    """A line in predictions.csv and a value of the feature Predicted_Digit for each image."""
    rows = [(rid, digit, round(share, 6)) for rid, digit, share in zip(rids, digits, confidence, strict=True)]
    file = execution.asset_file_path("Execution_Asset", "predictions.csv", asset_types="Prediction_File")
    lines = [f"{rid},{digit},{share:.6f}\n" for rid, digit, share in rows]
    Path(file).write_text("Image,Digit_Class,Confidence\n" + "".join(lines), encoding="utf-8")
    record = ml.feature_record_class("Image", "Predicted_Digit")
    execution.add_features([record(Image=rid, Digit_Class=digit, Confidence=share) for rid, digit, share in rows])
