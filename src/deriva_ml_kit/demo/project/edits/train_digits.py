"""The edits that turn the template basic_execution.py into train_digits.py: one block for each marked region."""

# >>> edit: imports
from dataclasses import dataclass

import joblib
import numpy as np
from PIL import Image
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

# <<< edit: imports


# >>> edit: load
DIGITS = np.array([str(n) for n in range(10)])


@dataclass(frozen=True)
class Part:
    """Images and labels: `pixels` is (n, 64) in 0..1, `digits` (n,) of term names, `rids` (n,) of Image RIDs."""

    rids: np.ndarray
    pixels: np.ndarray
    digits: np.ndarray


@dataclass(frozen=True)
class Data:
    """What the model learns from and what it is judged on."""

    train: Part
    test: Part


def read_part(bag) -> Part:
    """All images of one dataset, in the order of their source, so that a run can be repeated on another catalog."""
    label = {value.Image: value.Digit_Class for value in bag.feature_values("Image", "Digit")}
    rows = sorted(bag.list_dataset_members()["Image"], key=lambda row: row["Source_Index"])
    pixels = np.stack([np.asarray(Image.open(row["Filename"]), dtype="float64").ravel() / 255 for row in rows])
    return Part(np.array([r["RID"] for r in rows]), pixels, np.array([label[r["RID"]] for r in rows]))


def load(bags, assets) -> Data:
    """A Training and a Testing dataset as they are; a single dataset is split 80/20, each digit alike."""
    parts = [(bag.dataset_types, read_part(bag)) for bag in bags]
    if len(parts) == 1:
        part = parts[0][1]
        rows = np.arange(len(part.rids))
        train, test = train_test_split(rows, test_size=0.2, stratify=part.digits, random_state=20)
        return Data(*(Part(part.rids[i], part.pixels[i], part.digits[i]) for i in (train, test)))
    by_type = {kind: part for kinds, part in parts for kind in kinds}
    data = Data(by_type["Training"], by_type["Testing"])
    if shared := set(data.train.rids) & set(data.test.rids):
        raise ValueError(f"{len(shared)} images are in both datasets, {sorted(shared)[0]} among them.")
    return data


# <<< edit: load


# >>> edit: build
def build(data: Data, config) -> MLPClassifier:
    """A multilayer perceptron with the hyperparameters of the config file."""
    model = MLPClassifier(
        hidden_layer_sizes=(config["hidden_units"],),
        learning_rate_init=config["learning_rate"],
        random_state=config["seed"],
    )
    model.batch_size_, model.epochs_ = config["batch_size"], config["epochs"]
    return model


# <<< edit: build


# >>> edit: run
def run(model: MLPClassifier, data: Data, out, max_batches):
    """Train batch by batch, then predict the test part: a file of predictions and a feature value an image."""
    order = np.random.default_rng(model.random_state)
    losses = []
    for rows in batches(len(data.train.rids), model.batch_size_, model.epochs_, order, max_batches):
        model.partial_fit(data.train.pixels[rows], data.train.digits[rows], classes=DIGITS)
        losses.append(float(model.loss_))

    shares = model.predict_proba(data.test.pixels)
    predicted, confidence = DIGITS[shares.argmax(axis=1)], shares.max(axis=1)
    joblib.dump(model, out.file("digit_classifier.joblib", asset_type="Model_File"))
    with out.file("predictions.csv", asset_type="Prediction_File").open("w", encoding="utf-8") as file:
        file.write("Image,Digit_Class,Confidence\n")
        file.writelines(f"{r},{d},{c:.6f}\n" for r, d, c in zip(data.test.rids, predicted, confidence, strict=True))
    record = out.feature("Image", "Predicted_Digit")
    out.features(
        record(Image=rid, Digit_Class=digit, Confidence=round(float(share), 6))
        for rid, digit, share in zip(data.test.rids, predicted, confidence, strict=True)
    )
    return {
        "train_images": len(data.train.rids),
        "test_images": len(data.test.rids),
        "batches": len(losses),
        "first_loss": losses[0],
        "last_loss": losses[-1],
        "test_accuracy": float((predicted == data.test.digits).mean()),
        "loss_curve": losses[:: max(1, len(losses) // 200)],
    }


def batches(count, size, epochs, order, most):
    """Row numbers of one batch after the other: every row once an epoch, in a new order each time."""
    given = 0
    for _ in range(epochs):
        shuffled = order.permutation(count)
        for start in range(0, count, size):
            if most is not None and given == most:
                return
            given += 1
            yield shuffled[start : start + size]


# <<< edit: run
