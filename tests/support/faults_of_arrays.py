"""Healthy experiments on scikit-learn's data sets, faults to put into them, and models that hand over their evidence.

`experiment("digits", seed)` draws records, `FAULTS[name](experiment)` breaks it, `play(experiment, ...)` trains it and
returns the evidence. Each fault names the checks that are expected to find it, and the tier where they can.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn import datasets
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from threadpoolctl import threadpool_limits

from deriva_ml_kit.tiers.evidence import Evidence, Records

REGRESSION = ("diabetes",)
threadpool_limits(1)  # on matrices this small, threads mostly wait for each other


@dataclass(frozen=True)
class Experiment:
    """Arrays of both parts, the vocabulary, and what a fault may turn: x (n, columns), y, rids and groups (n,)."""

    x: np.ndarray
    y: np.ndarray
    rids: np.ndarray
    groups: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray
    rids_val: np.ndarray
    groups_val: np.ndarray
    classes: tuple[str, ...] | None
    seed: int
    learning_rate: float = 0.01
    epochs: int = 30
    batch_size: int = 16
    say: Callable[[np.ndarray], np.ndarray] = lambda predicted: predicted


def experiment(name: str = "digits", seed: int = 0, records: int = 200) -> Experiment:
    """Draw records of a data set and split them 80/20, each class alike; two records in a row are one Subject's."""
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    classes = None
    if name in REGRESSION:
        y = (y - y.mean()) / y.std()
        x = x / x.std(axis=0)
    else:
        classes = tuple(f"class {n}" for n in np.unique(y))
        y = np.array(classes)[y]
        x = x / 16 if name == "digits" else (x - x.mean(axis=0)) / x.std(axis=0)
    strata = None if classes is None else y
    rows = np.arange(len(x))
    if records < len(x):
        rows, _ = train_test_split(rows, train_size=records, stratify=strata, random_state=seed)
    inner = None if classes is None else y[rows]
    train, val = train_test_split(rows, test_size=0.2, stratify=inner, random_state=seed)
    rids = np.array([f"1-{row:04d}" for row in range(len(x))])
    groups = np.array([f"2-{row:04d}" for row in range(len(x))])
    parts = [(x[i], y[i], rids[i], groups[i]) for i in (train, val)]
    rate = 0.003 if name in REGRESSION else 0.01
    return Experiment(*parts[0], *parts[1], classes=classes, seed=seed, learning_rate=rate)


def shuffled(values: np.ndarray, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(values)


def one_nan(e: Experiment) -> Experiment:
    x = e.x.copy()
    x[3, 20 % x.shape[1]] = np.nan
    return replace(e, x=x)


def few_classes(e: Experiment) -> Experiment:
    assert e.classes is not None
    known = e.classes[:3]
    train, val = np.isin(e.y, known), np.isin(e.y_val, known)
    e = replace(e, x=e.x[train], y=e.y[train], rids=e.rids[train], groups=e.groups[train])
    return replace(e, x_val=e.x_val[val], y_val=e.y_val[val], rids_val=e.rids_val[val], groups_val=e.groups_val[val])


def codes(e: Experiment, y: np.ndarray) -> np.ndarray:
    assert e.classes is not None
    return np.array([e.classes.index(name) for name in y], dtype=float)


def label_among_inputs(e: Experiment) -> Experiment:
    return replace(
        e,
        x=np.column_stack([e.x, codes(e, e.y) / 9]),
        x_val=np.column_stack([e.x_val, codes(e, e.y_val) / 9]),
    )


def one_hot_label_among_inputs(e: Experiment) -> Experiment:
    assert e.classes is not None
    eye = np.eye(len(e.classes))
    return replace(
        e,
        x=np.column_stack([e.x, eye[codes(e, e.y).astype(int)]]),
        x_val=np.column_stack([e.x_val, eye[codes(e, e.y_val).astype(int)]]),
    )


def off_by_one(e: Experiment) -> Experiment:
    assert e.classes is not None
    return replace(e, y_val=np.array(e.classes)[(codes(e, e.y_val).astype(int) + 1) % len(e.classes)])


def unknown_term(e: Experiment) -> Experiment:
    return replace(e, y=np.where(e.y == e.y[0], "klass 0", e.y))


def leaked_group(e: Experiment) -> Experiment:
    return replace(e, groups_val=np.concatenate([e.groups[:1], e.groups_val[1:]]))


@dataclass(frozen=True)
class Fault:
    """What is put in, the first tier that can find it, and the checks of which one at least has to fail there."""

    put: Callable[[Experiment], Experiment]
    tier: int
    checks: tuple[str, ...]


FAULTS: dict[str, Fault] = {
    "learning rate 0": Fault(lambda e: replace(e, learning_rate=1e-30), 2, ("loss_fell", "overfits", "beats_guess")),
    "learning rate 1000": Fault(
        lambda e: replace(e, learning_rate=1000.0), 2, ("loss_fell", "overfits", "beats_guess")
    ),
    "labels shuffled": Fault(
        lambda e: replace(e, y=shuffled(e.y, e.seed), y_val=shuffled(e.y_val, e.seed)), 2, ("beats_guess",)
    ),
    "inputs all zero": Fault(lambda e: replace(e, x=e.x * 0, x_val=e.x_val * 0), 1, ("inputs_vary",)),
    "inputs times a million": Fault(lambda e: replace(e, x=e.x * 1e6, x_val=e.x_val * 1e6), 2, ("input_ranges",)),
    "inputs 0..255": Fault(lambda e: replace(e, x=e.x * 255, x_val=e.x_val * 255), 2, ("input_ranges",)),
    "validation inputs 0..255": Fault(lambda e: replace(e, x_val=e.x_val * 255), 1, ("input_ranges",)),
    "one NaN": Fault(one_nan, 1, ("inputs_finite",)),
    "3 of 10 classes": Fault(few_classes, 2, ("classes_complete",)),
    "train = validation": Fault(
        lambda e: replace(e, x_val=e.x, y_val=e.y, rids_val=e.rids, groups_val=e.groups), 1, ("disjoint_rids",)
    ),
    "leaked Subject": Fault(leaked_group, 1, ("disjoint_groups",)),
    "label among inputs": Fault(label_among_inputs, 1, ("no_oracle",)),
    "one-hot label among inputs": Fault(one_hot_label_among_inputs, 1, ("no_oracle",)),
    "validation labels off by one": Fault(off_by_one, 2, ("beats_guess",)),
    "constant predictions": Fault(
        lambda e: replace(e, say=lambda predicted: np.full_like(predicted, predicted[0])),
        2,
        ("predictions_vary", "beats_guess"),
    ),
    "unknown term": Fault(unknown_term, 1, ("labels_known",)),
    "shapes differ": Fault(lambda e: replace(e, x_val=e.x_val[:, 1:]), 1, ("shapes",)),
}


def play(e: Experiment, tier: int = 2, kind: str = "mlp", folder: Path | None = None) -> Evidence:
    """Train on an experiment and return the evidence; a model that refuses its data leaves what it had shown."""
    ev = Evidence(tier, dry_run=tier == 1)
    ev.data(Records(e.x, e.y, e.rids, e.groups), Records(e.x_val, e.y_val, e.rids_val, e.groups_val), classes=e.classes)
    try:
        model = {"mlp": _network, "forest": _whole, "linear": _whole}[kind](ev, e, kind)
        predicted = e.say(model.predict(e.x_val))
    except ValueError:  # scikit-learn's word for NaN, and for columns that are not there
        return ev
    ev.predictions(e.y_val, predicted, rids=e.rids_val)
    if folder is not None:
        joblib.dump(model, folder / "model.joblib")
        ev.reload("model.joblib", lambda path: lambda x: e.say(joblib.load(path).predict(x)), e.x_val)
    return ev


def _network(ev: Evidence, e: Experiment, _kind: str) -> Any:
    def trial(rows: np.ndarray, epochs: int) -> tuple[list[float], np.ndarray]:
        model, losses = _new("mlp", e), []
        for _ in range(epochs):
            _step(model, e, rows)
            losses.append(model.loss_)
        return losses, e.say(model.predict(e.x[rows]))

    ev.trial(trial)
    model, order = _new("mlp", e), np.random.default_rng(e.seed)
    for _ in ev.epochs(e.epochs):
        rows = order.permutation(len(e.x))
        for batch in ev.batches(np.array_split(rows, max(1, len(rows) // e.batch_size))):
            _step(model, e, batch)
            ev.loss(model.loss_)
    return model


def _step(model: Any, e: Experiment, rows: np.ndarray) -> None:
    if e.classes is None:
        model.partial_fit(e.x[rows], e.y[rows])
    else:
        model.partial_fit(e.x[rows], e.y[rows], classes=np.unique([*e.classes, *e.y]))


def _whole(ev: Evidence, e: Experiment, kind: str) -> Any:
    def trial(rows: np.ndarray, _epochs: int) -> tuple[list[float], np.ndarray]:
        return [], e.say(_new(kind, e).fit(e.x[rows], e.y[rows]).predict(e.x[rows]))

    ev.trial(trial)
    return _new(kind, e).fit(e.x, e.y)


def _new(kind: str, e: Experiment) -> Any:
    if kind == "mlp":
        network = MLPRegressor if e.classes is None else MLPClassifier
        return network(hidden_layer_sizes=(64,), learning_rate_init=e.learning_rate, random_state=e.seed)
    if kind == "forest":
        forest = RandomForestRegressor if e.classes is None else RandomForestClassifier
        return forest(50, random_state=e.seed, max_features="sqrt")
    return LinearRegression() if e.classes is None else LogisticRegression(max_iter=500)
