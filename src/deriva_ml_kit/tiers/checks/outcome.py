"""Rules about predictions: finite, known terms, varying, better than the simplest guess; and about the model's file."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from deriva_ml_kit.tiers.checks.finding import Finding, insufficient, judged, listed, skip
from deriva_ml_kit.tiers.checks.labels import NO_VOCABULARY, outside
from deriva_ml_kit.tiers.checks.material import Array, Material, Task, encode
from deriva_ml_kit.tiers.checks.tails import at_least, at_most, overlap_at_least
from deriva_ml_kit.tiers.evidence import as_array

CHANCE = 0.01
MISSED = 0.05
LOPSIDED = 0.7
FEWEST = 8
USEFUL = 0.3
TOLERANCE = 1e-3


def finite(material: Material) -> Finding:
    """Every record got a prediction, and no number among them is NaN or infinite."""
    material.predictions  # noqa: B018  (says what is missing)
    bad, count = 0, 0
    for call in material.recorded.predictions:
        values = as_array(call.predicted)
        count += len(values)
        if values.dtype.kind in "fc":
            bad += int((~np.isfinite(values.reshape(len(values), -1))).any(axis=1).sum()) if len(values) else 0
        elif values.dtype == object:
            bad += int((encode(values).codes < 0).sum())
    return judged(
        bad == 0,
        {"predictions": count, "bad": bad},
        {"bad": 0},
        remedy="Look at the loss and the inputs: too high a learning rate, or inputs not normalised, end in NaN.",
    )


def known_terms(material: Material) -> Finding:
    """What is predicted are terms of the vocabulary, so that it can be stored as feature values."""
    material.need_classes()
    predicted = encode(material.predictions.predicted, material.classes)
    if material.classes is None:
        material.unless_without("classes")
        raise insufficient(*NO_VOCABULARY)
    unknown = [name for name, count in outside(predicted, material.classes).items() if count]
    absent = int((predicted.codes < 0).sum())
    return judged(
        not unknown and not absent,
        {"unknown": unknown[:5], "none": absent},
        "terms of the vocabulary only",
        detail=f"No term: {listed(unknown)}." if unknown else None,
        remedy="Turn the model's output into the names of terms before it is recorded and stored.",
    )


def vary(material: Material) -> Finding:
    """The model does not say the same of everything."""
    material.need_targets()
    found = material.predictions
    count = len(found.predicted)
    if count < 2:
        raise insufficient("One prediction cannot show whether predictions vary.", "Predict more validation records.")
    remedy = (
        "The model has learnt one answer: look at the learning rate (too high or zero), at inputs that are all the "
        "same, and at the balance of the classes."
    )
    if material.task is Task.CLASSES:
        predicted = encode(found.predicted, material.classes)
        counts = {name: number for name, number in predicted.counts().items() if number}
        truth = None if found.truth is None else encode(material.chosen(found.truth), material.classes)
        if truth is not None and len(set(truth.codes.tolist())) < 2:
            raise insufficient("All validation records are of one class.", "Draw validation records of every class.")
        return judged(len(counts) > 1, {"different": len(counts)}, {"different": "2 at least"}, remedy=remedy)
    spread = _spread(_numbers(found.predicted))
    scale = 0.0 if found.truth is None else _spread(_numbers(found.truth))
    return judged(
        spread > 0.001 * scale and spread > 0, {"spread": spread}, {"spread above": 0.001 * scale}, remedy=remedy
    )


def beats_guess(material: Material) -> Finding:
    """Predictions are right more often than the commonest class is, or explain some of the variance."""
    material.need_targets()
    if material.task is Task.OTHER:
        raise skip(f"Judged for single targets only, not for {material.task}.")
    return _beats_mean(material) if material.task is Task.NUMBERS else _beats_majority(material)


OUT_OF_STEP = (
    "Labels and inputs may be out of step: look at a few validation records beside their labels, and at every place "
    "where one of the two is shuffled, sorted or filtered. Else the model has not learnt: see the checks of the loss."
)
MORE = "Hand over predictions of more validation records, best of every class."


def _beats_majority(material: Material) -> Finding:
    """An exact binomial test; with few records it may be open, which is not the same as failed.

    Failed means that a useful model, half way between the guess and perfection, would have done better. Where one class
    is nearly everything, hardly any model is right more often than that class is; there it is enough to tell that class
    from the others.
    """
    truth, predicted = material.outcome
    usable = truth.codes >= 0
    count = int(usable.sum())
    if count == 0:
        raise insufficient("No validation record has a label.", MORE)
    right = int((truth.codes == predicted.codes)[usable].sum())
    majority = max(truth.counts().values()) / count
    chance = at_least(right, count, majority)
    value = {"right": right, "of": count, "share": right / count, "majority": majority, "p": chance}
    if chance < CHANCE:
        return judged(True, value, {"p below": CHANCE}, remedy="")
    if LOPSIDED < majority < 1:
        most = int(np.bincount(truth.codes[usable]).argmax())
        rare, alarm = truth.codes[usable] != most, predicted.codes[usable] != most
        told = overlap_at_least(int((rare & alarm).sum()), count, int(rare.sum()), int(alarm.sum()))
        value["p of telling the rest"] = told
        if told < CHANCE:
            return judged(True, value, {"p below": CHANCE}, remedy="")
    if majority < 1 and at_most(right, count, (1 + majority) / 2) < MISSED:
        return judged(False, value, {"p below": CHANCE}, remedy=OUT_OF_STEP)
    raise insufficient(
        f"{right} of {count} right, where the commonest class makes {majority:.0%}: too few to tell.", MORE, value=value
    )


def _beats_mean(material: Material) -> Finding:
    """Predictions explain some of the variance, and go with the truth more than by chance; open if either is unclear.

    Failed means squared errors surely no smaller than those of the mean, or a correlation surely below that of a useful
    model. (Fisher's transformation of the correlation is normal with standard deviation 1 / √(n - 3).)
    """
    found = material.predictions
    if found.truth is None:
        raise insufficient("The true targets of the predictions were not handed over.", "Call predictions(truth, …).")
    truth, predicted = _numbers(found.truth), _numbers(found.predicted)
    if truth.shape != predicted.shape:
        shown = {"truth": truth.shape, "predictions": predicted.shape}
        return judged(False, shown, "one shape", remedy="Predict one number a record.")
    usable = np.isfinite(truth)
    truth, predicted = truth[usable], predicted[usable]
    if len(truth) < FEWEST or float(truth.std()) == 0:
        raise insufficient(f"Fewer than {FEWEST} validation targets, or all the same.", MORE)
    gain = ((truth - truth.mean()) ** 2 - (truth - predicted) ** 2) / truth.var()
    explained, error = float(gain.mean()), float(gain.std(ddof=1)) / math.sqrt(len(gain))
    related = _correlation(truth, predicted)
    strength, unit = math.atanh(min(related, 1 - 1e-12)), 1 / math.sqrt(len(gain) - 3)
    chance = 0.5 * math.erfc(strength / unit / math.sqrt(2))
    value = {"variance explained": explained, "correlation": related, "p": chance, "of": len(gain)}
    limit = {"variance explained above": 0, "p below": CHANCE}
    if explained > 0 and chance < CHANCE:
        return judged(True, value, limit, remedy="")
    if not explained + 1.64 * error > 0 or math.tanh(strength + 1.64 * unit) < USEFUL:  # the first of NaN as well
        return judged(False, value, limit, remedy=OUT_OF_STEP)
    raise insufficient(f"{len(gain)} validation records are too few to tell.", MORE, value=value)


def _spread(values: Array) -> float:
    found = values[np.isfinite(values)]
    return float(found.std()) if found.size else 0.0


def _correlation(truth: Array, predicted: Array) -> float:
    """Return Pearson's correlation, 0 where predictions do not vary or are no numbers."""
    if not np.isfinite(predicted).all() or float(predicted.std()) == 0:
        return 0.0
    return float(np.clip(np.corrcoef(truth, predicted)[0, 1], -1 + 1e-12, 1))


def reload(material: Material) -> Finding:
    """The model's file, read back, predicts what the model predicted."""
    asked = material.recorded.reload
    if asked is None:
        material.unless_without("reload")
        raise insufficient(
            "Nothing says how the model's file is read.",
            'Call evidence().reload("model file", load, inputs) or say evidence().without("reload", "why").',
        )
    if material.find is None:
        raise insufficient("The written files are not at hand.", "Judge the run where it wrote its files.")
    remedy = "Write the whole model with everything that its predictions need, and read it back in a fresh process."
    try:
        again = as_array(asked.load(material.find(asked.file_name))(asked.inputs))
    except Exception as error:
        return judged(
            False,
            f"{type(error).__name__}: {error}",
            "predictions",
            detail=f"{asked.file_name} cannot be used.",
            remedy=remedy,
        )
    count = len(again)
    if count == 0:
        raise insufficient("The reloaded model was given nothing to predict.", "Hand over some inputs.")
    before = as_array(asked.expected) if asked.expected is not None else _first(material, count)
    if len(before) < count:
        raise insufficient(
            f"The reloaded model predicted {count} records, and only {len(before)} predictions are known.",
            "Hand over inputs of records whose predictions were recorded, or `expected`.",
        )
    same = _same(before[:count], again, material)
    return judged(same == count, {"same": same, "of": count}, {"same": count}, remedy=remedy)


def _first(material: Material, count: int) -> Array:
    if not material.recorded.predictions:
        raise insufficient("No predictions were recorded to compare with.", "Call evidence().predictions(…) before.")
    calls = [as_array(call.predicted) for call in material.recorded.predictions]
    return np.concatenate(calls)[:count] if len(calls) > 1 else calls[0][:count]


def _same(before: Array, again: Array, material: Material) -> int:
    """Count records with the same prediction: numbers within rounding, classes by name."""
    if before.shape == again.shape and before.dtype.kind == "f" and again.dtype.kind == "f":
        close = np.isclose(
            before, again, rtol=TOLERANCE, atol=TOLERANCE * float(np.abs(before).max(initial=0)), equal_nan=True
        )
        return int(close.reshape(len(close), -1).all(axis=1).sum())
    names = [_named(values, material) for values in (before, again)]
    return sum(one == other for one, other in zip(*names, strict=True))


def _named(values: Array, material: Material) -> list[Any]:
    labels = encode(material.chosen(values), material.classes)
    return [labels.names[code] if code >= 0 else None for code in labels.codes.tolist()]


def _numbers(values: Array) -> Array:
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise insufficient(
            f"The predictions or their truth are of type {values.dtype}, where the targets are numbers.",
            "Record numbers, or hand over `classes` if the targets are classes.",
        ) from None
