"""Rules about learning: losses, whether a new model learns a few records by heart, whether a seed repeats a run."""

from __future__ import annotations

import math
import time
from itertools import pairwise
from typing import Any

import numpy as np

from deriva_ml_kit.tiers.checks.finding import Finding, Unjudged, insufficient, judged
from deriva_ml_kit.tiers.checks.material import Array, Material, Task, encode
from deriva_ml_kit.tiers.evidence import Trial, as_array
from deriva_ml_kit.tiers.receipt import Status

FALL = 0.2
SHORT = 30
BATCH = 32
LEARNT = 0.95
EPOCHS = (30, 300, 2000)
SECONDS = 60.0
PROBE = 200
SAME = 1e-4  # sums on a GPU differ in the last digits

NO_LOSS = (
    "No loss was recorded.",
    'Call evidence().loss(value) for each batch, or say evidence().without("loss", "why") of a model that has none.',
)
NO_TRIAL = (
    "No trial was handed over.",
    "Call evidence().trial(train), where train(rows, epochs) fits a new model to those rows, "
    'or say evidence().without("trial", "why").',
)


def loss_finite(material: Material) -> Finding:
    """No loss is NaN or infinite."""
    losses = _losses(material)
    bad = np.flatnonzero(~np.isfinite(losses))
    return judged(
        len(bad) == 0,
        {"losses": len(losses), "bad": len(bad), "first bad": int(bad[0]) + 1 if len(bad) else None},
        {"bad": 0},
        remedy="Look at the inputs first (finite? normalised?), then lower the learning rate or clip gradients.",
    )


def loss_fell(material: Material) -> Finding:
    """The loss at the end of training lies a fifth below the loss at its start."""
    losses = _losses(material)
    if len(losses) < 2:
        raise insufficient("One loss cannot fall.", "Record the loss of every batch or epoch.")
    tenth = max(1, len(losses) // 10)
    first, last = float(losses[:tenth].mean()), float(losses[-tenth:].mean())
    fall = (first - last) / abs(first) if first else 0.0
    value = {"first": first, "last": last, "fell by": fall}
    if 0 < fall < FALL and len(losses) <= SHORT and _falls(losses):
        raise insufficient(
            f"The loss falls, by {fall:.0%} so far; {len(losses)} losses are too short a training to tell more.",
            "Train for more epochs, or on smaller batches.",
            value=value,
        )
    return judged(
        bool(fall >= FALL),  # false of NaN
        value,
        {"fell by": FALL},
        detail="The mean of the first tenth of all losses against the mean of the last tenth.",
        remedy="The model does not learn, or has hardly begun: look at the learning rate (zero, far too high, far too "
        "low), at frozen parameters, and train for more epochs.",
    )


def overfits(material: Material) -> Finding:
    """A new model learns one small batch by heart, as any model that is trained rightly can."""
    train = _trial(material)
    rows = _batch(material)
    best, epochs, further, steps = 0.0, 0, 0, False
    begun = time.perf_counter()
    for epochs, further in pairwise([*EPOCHS, 0]):
        last = time.perf_counter()
        losses, predicted = _run(train, rows, epochs)
        best, steps = max(best, _learnt(material, rows, predicted)), len(losses) > 0
        now = time.perf_counter()
        too_long = now - begun + (now - last) * further / epochs > SECONDS
        if best >= LEARNT or not steps or too_long:  # without steps of training epochs mean nothing
            break
    value = {"learnt": best, "records": len(rows), "epochs": epochs}
    if best < LEARNT and not steps:
        raise insufficient(
            f"{best:.0%} learnt, by a model without steps of training: forests and the like need not learn by heart.",
            "Let the trial return losses if the model has any.",
            value=value,
        )
    if best < LEARNT and further:
        raise insufficient(
            f"{best:.0%} learnt in {epochs} epochs, and more would take more than {SECONDS:.0f} s.",
            "Make the trial cheaper: a smaller model, or no validation within it.",
            value=value,
        )
    return judged(
        best >= LEARNT,
        value,
        {"learnt": LEARNT},
        remedy="A model that cannot learn a few records by heart has a fault in its training: look at the learning "
        "rate, at the order of labels and inputs, at the last layer and the loss. Strong regularisation, dropout or "
        "augmentation hinder it too: leave them out of the trial.",
    )


def repeatable(material: Material) -> Finding:
    """The same seed gives the same first epoch."""
    train = _trial(material)
    count = material.train.count
    rows = np.arange(0, count, math.ceil(count / PROBE))
    (first, one), (second, other) = _run(train, rows, 1), _run(train, rows, 1)
    remedy = (
        "Set every source of randomness from the seed of the configuration: the model's start, the order of records, "
        "dropout, augmentation, workers."
    )
    if len(first) or len(second):
        alike = len(first) == len(second)
        same = alike and bool(np.allclose(first, second, rtol=SAME, atol=1e-12))  # NaN is never the same
        value = {"first": _short(first), "second": _short(second)}
        return judged(same, value, "the same losses", remedy=remedy)
    share = _agree(one, other)
    if share == 1 and _learnt(material, rows, one) == 1:
        raise insufficient(
            "Both trials predict all their records rightly, which two different models would do as well.",
            "Let the trial return losses as well.",
            required=False,
        )
    return judged(share == 1, {"same predictions": share}, {"same predictions": 1}, remedy=remedy)


def _losses(material: Material) -> Array:
    values = material.recorded.losses
    if not values:
        material.unless_without("loss")
        raise insufficient(*NO_LOSS)
    return np.array([_number(value) for value in values])


def _number(value: Any) -> float:
    """A loss as number; what is none counts as NaN."""
    try:
        return float(as_array([value]).ravel()[0] if not hasattr(value, "__float__") else value)
    except (TypeError, ValueError, IndexError, RuntimeError):
        return math.nan


def _falls(losses: Array) -> bool:
    """Whether a short row of losses falls other than by chance (Fisher's transformation of the correlation)."""
    steps = np.arange(len(losses))
    if len(losses) <= 5:
        return bool((np.diff(losses) < 0).all())
    related = float(np.clip(np.corrcoef(steps, losses)[0, 1], -1 + 1e-12, 1 - 1e-12))
    return math.atanh(related) * math.sqrt(len(losses) - 3) < -2.33


def _trial(material: Material) -> Trial:
    if material.recorded.trial is None:
        material.unless_without("trial")
        raise insufficient(*NO_TRIAL)
    material.need_targets()
    return material.recorded.trial


def _run(train: Trial, rows: Array, epochs: int) -> tuple[Array, Array]:
    try:
        losses, predicted = train(rows.copy(), epochs)
        values, found = np.array([_number(loss) for loss in losses]), as_array(predicted)
    except Exception as error:
        text = f"The trial of {len(rows)} records and {epochs} epochs ended in {type(error).__name__}: {error}"
        raise Unjudged(
            Finding(Status.FAIL, None, None, text, "train(rows, epochs) returns (losses, predictions of those rows).")
        ) from error
    if len(found) != len(rows):
        text = f"The trial was given {len(rows)} rows and returned {len(found)} predictions."
        raise Unjudged(
            Finding(Status.FAIL, len(found), len(rows), text, "Return one prediction for each row, in their order.")
        )
    return values, found


def _batch(material: Material) -> Array:
    """Choose 32 different records, classes in turn.

    No more than a linear model could learn by heart, which is one more than there are inputs.
    """
    train = material.train
    size = BATCH if train.text else min(BATCH, max(5, train.flat.shape[1] + 1))
    order = np.random.default_rng(0).permutation(train.count)
    if not train.text:
        seen: set[bytes] = set()
        order = np.array([row for row in order[: 50 * BATCH] if not _seen(train.flat[row].tobytes(), seen)], dtype=int)
    if material.task is Task.CLASSES:
        codes = material.labels(train).codes
        order = order[codes[order] >= 0]
        turn = np.zeros(len(order), dtype=int)
        for code in np.unique(codes[order]):
            mine = codes[order] == code
            turn[mine] = np.arange(mine.sum())
        order = order[np.argsort(turn, kind="stable")]
        if len(np.unique(codes[order[:size]])) < 2:
            raise insufficient("The training records are of one class.", "Draw training records of every class.")
    rows = np.sort(order[:size])
    if len(rows) < 5:
        raise insufficient(f"Only {len(rows)} different training records.", "Hand over more training records.")
    if material.task is Task.NUMBERS and not np.ptp(np.asarray(train.targets, dtype=float)[rows]) > 0:
        raise insufficient("All targets are the same.", "Look at the code that loads the targets.")
    return rows


def _seen(key: bytes, seen: set[bytes]) -> bool:
    known = key in seen
    seen.add(key)
    return known


def _learnt(material: Material, rows: Array, predicted: Array) -> float:
    """Return the share of records predicted rightly, or of the variance explained."""
    targets = material.train.targets
    if targets is None:
        return 0.0
    truth = targets[rows]
    if material.task is Task.CLASSES:
        true, said = (_texts(encode(v, material.classes)) for v in (truth, material.chosen(predicted)))
        return sum(a == b and a is not None for a, b in zip(true, said, strict=True)) / len(rows)
    if truth.dtype.kind != "f":
        return float((truth == predicted).mean()) if truth.shape == predicted.shape else 0.0
    try:
        wrong = np.asarray(predicted, dtype=float).reshape(truth.shape) - np.asarray(truth, dtype=float)
    except (TypeError, ValueError):
        return 0.0
    spread = np.asarray(truth, dtype=float).var()
    explained = 1.0 - float((wrong**2).mean() / spread) if spread > 0 else 0.0
    return max(0.0, explained) if math.isfinite(explained) else 0.0


def _texts(labels: Any) -> list[str | None]:
    return [labels.names[code] if code >= 0 else None for code in labels.codes.tolist()]


def _agree(one: Array, other: Array) -> float:
    if one.shape != other.shape:
        return 0.0
    if one.dtype.kind == "f" and other.dtype.kind == "f":
        return float(np.isclose(one, other, rtol=SAME, atol=1e-12).mean())
    return float((one == other).mean())


def _short(losses: Array) -> list[float]:
    return [float(loss) for loss in losses[:3]]
