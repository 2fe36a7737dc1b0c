"""The evidence of a run as the rules read it: arrays, class names as text, and `Unjudged` where there is nothing.

Every rule asks this module for what it needs. What was not handed over, or cannot be read, ends the rule there with
`insufficient` and what to hand over; what does not apply ends it with `skip` and why.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from deriva_ml_kit.tiers.checks.finding import Finding, Unjudged, insufficient, skip
from deriva_ml_kit.tiers.evidence import Evidence, Recorded, Records, as_array
from deriva_ml_kit.tiers.receipt import Status

Array = np.ndarray[Any, np.dtype[Any]]
Find = Callable[[str], Path]


class Task(StrEnum):
    """What the targets are."""

    CLASSES = "classes"
    NUMBERS = "numbers"
    OTHER = "targets of more than one value a record"
    NONE = "no targets"


@dataclass(frozen=True)
class Labels:
    """Class names: `codes` (n,) are positions in `names`, -1 where a record has no label."""

    names: tuple[str, ...]
    codes: Array

    def counts(self) -> dict[str, int]:
        """Return how many records each class has, classes without any included."""
        counts = np.bincount(self.codes[self.codes >= 0], minlength=len(self.names))
        return dict(zip(self.names, counts.tolist(), strict=True))


@dataclass(frozen=True)
class Part:
    """Training or validation records: `inputs` (n, ...) as they came, `flat` (n, columns) of numbers."""

    role: str
    inputs: Array
    targets: Array | None
    rids: tuple[str, ...] | None
    groups: tuple[str, ...] | None

    @property
    def count(self) -> int:
        """Number of records."""
        return len(self.inputs)

    @property
    def text(self) -> bool:
        """Whether the inputs are words, which are no matter of ranges."""
        if self.inputs.dtype.kind in "SU":
            return True
        return self.inputs.dtype == object and all(
            isinstance(value, str | bytes) for value in self.inputs.ravel()[:100]
        )

    @cached_property
    def flat(self) -> Array:
        """The inputs as one row of numbers a record."""
        if self.text:
            raise skip("The inputs are text, which has no range.")
        rows = self.inputs.reshape(self.count, -1) if self.count else self.inputs.reshape(0, 0)
        if rows.dtype.kind in "biuf":
            return rows
        try:
            return np.abs(rows) if rows.dtype.kind == "c" else rows.astype(float)
        except (TypeError, ValueError):
            raise insufficient(
                f"The {self.role} inputs are of type {rows.dtype}, not numbers.",
                "Hand over the inputs as the model receives them, after all preparation.",
                required=True,
            ) from None

    def sample(self, rows: int) -> Array:
        """Return up to `rows` records, evenly spread, as float."""
        step = max(1, math.ceil(self.count / rows))
        return np.asarray(self.flat[::step], dtype=float)


@dataclass(frozen=True)
class Predictions:
    """What was recorded as truth and prediction, joined over all calls."""

    truth: Array | None
    predicted: Array
    rids: tuple[str, ...] | None


class Material:
    """Reads evidence; see the module's description.

    Args:
        ev: The evidence of a run.
        baseline: The profile that tier 1 recorded.
        find: Gives the path of an output file by its name, for the model to be read back from.
    """

    def __init__(self, ev: Evidence, baseline: Mapping[str, Any] | None, find: Find | None) -> None:
        self.tier = ev.tier
        self.baseline = baseline
        self.find = find
        self.recorded: Recorded = ev.recorded
        self._labels: dict[str, Labels] = {}

    def unless_without(self, *names: str) -> None:
        """Skip the rule if the code said that one of these does not apply."""
        for name in names:
            if reason := self.recorded.without.get(name):
                raise skip(reason)

    @cached_property
    def train(self) -> Part:
        """Training records, one at least."""
        if self.recorded.train is None:
            raise insufficient(
                "No data was handed over.",
                "Call evidence().data(Records(inputs, targets, rids=…), …), "
                'or say evidence().without("data", "why") where nothing is learned from examples.',
            )
        part = self._read("training", self.recorded.train)
        if part.count == 0:
            raise insufficient("There is no training record.", "Look at the dataset and at the code that loads it.")
        return part

    @cached_property
    def validation(self) -> Part | None:
        """Validation records; None if they do not apply."""
        if self.recorded.validation is None or "validation" in self.recorded.without:
            return None
        part = self._read("validation", self.recorded.validation)
        if part.count == 0:
            raise insufficient("There is no validation record.", "Look at how the records are split.")
        return part

    def _read(self, role: str, records: Records) -> Part:
        part = _part(role, records)
        targets = part.targets
        if targets is not None and targets.ndim == 2 and np.isin(targets, (0, 1)).all() and (targets.sum(1) == 1).all():
            return replace(part, targets=_chosen(targets, self.classes))  # one column a class
        return part

    @property
    def parts(self) -> list[Part]:
        """Training records, and validation records where there are some."""
        return [self.train, *([self.validation] if self.validation else [])]

    @cached_property
    def task(self) -> Task:
        """What there is to learn."""
        targets = self.train.targets
        if targets is None:
            return Task.NONE
        if targets.ndim > 1:
            return Task.OTHER
        return Task.NUMBERS if targets.dtype.kind == "f" and self.classes is None else Task.CLASSES

    @cached_property
    def classes(self) -> tuple[str, ...] | None:
        """The vocabulary's terms as text."""
        given = self.recorded.classes
        return None if given is None else tuple(dict.fromkeys(str(_name(value)) for value in given))

    def need_targets(self) -> None:
        """Go on if there are targets; without them only a program that trains nothing is in order."""
        if self.task is Task.NONE:
            self.unless_without("targets")
            raise insufficient(
                "The training records have no targets.",
                'Hand over Records(inputs, targets, …), or say evidence().without("targets", "why").',
            )

    def need_classes(self) -> None:
        """Go on if the targets are classes."""
        self.need_targets()
        if self.task is not Task.CLASSES:
            raise skip(f"The targets are no classes but {self.task}.")

    def labels(self, part: Part) -> Labels:
        """Return the part's classes; positions in the vocabulary are turned into its terms."""
        if part.targets is None:
            raise insufficient(f"The {part.role} records have no targets.", "Hand over Records(inputs, targets, …).")
        if part.role not in self._labels:
            self._labels[part.role] = encode(part.targets, self.classes)
        return self._labels[part.role]

    def chosen(self, predicted: Array) -> Array:
        """Return predictions, the best class's name where they are scores of all classes."""
        several = self.recorded.train is not None and self.task is Task.OTHER
        return predicted if several else _chosen(_squeezed(predicted), self.classes)

    @cached_property
    def predictions(self) -> Predictions:
        """Truth and predictions, one at least and of one length."""
        remedy = (
            "Call evidence().predictions(truth, predicted) with what the trained model says about validation records."
        )
        if not self.recorded.predictions:
            if self.recorded.train is not None and self.task is Task.NONE:
                self.unless_without("targets")
            self.unless_without("validation")
            raise insufficient("No predictions were handed over.", remedy)
        calls = self.recorded.predictions
        predicted = _joined("predictions", [call.predicted for call in calls])
        truths = [call.truth for call in calls]
        truth = None if any(value is None for value in truths) else _joined("truth", truths)
        if len(predicted) == 0:
            raise insufficient("The predictions are empty.", remedy)
        if truth is not None and len(truth) != len(predicted):
            raise Unjudged(
                Finding(
                    Status.FAIL,
                    {"truth": len(truth), "predictions": len(predicted)},
                    "as many",
                    "There are not as many predictions as true targets.",
                    "Hand over truth and predictions of the same records, in the same order.",
                )
            )
        rids = [call.rids for call in calls]
        known = (
            None
            if any(value is None for value in rids)
            else tuple(str(r) for part in rids if part is not None for r in part)
        )
        return Predictions(truth, self.chosen(predicted), known)

    @cached_property
    def outcome(self) -> tuple[Labels, Labels]:
        """True and predicted classes, under the same names."""
        self.need_classes()
        found = self.predictions
        if found.truth is None:
            raise insufficient(
                "The true targets of the predictions were not handed over.", "Call predictions(truth, …)."
            )
        truth, predicted = encode(self.chosen(found.truth), self.classes), encode(found.predicted, self.classes)
        names = tuple(dict.fromkeys([*truth.names, *predicted.names]))
        return Labels(names, truth.codes), Labels(names, _recoded(predicted, names))


def encode(values: Array, classes: Sequence[str] | None = None) -> Labels:
    """Return labels as names and codes; the vocabulary's names come first, in its order.

    Integers that are no terms are positions in the vocabulary: frameworks number the classes.
    """
    unique, codes = _unique(values.ravel() if values.ndim == 1 else _rows(values))
    names = [_name(value) for value in unique]
    known = list(classes or ())
    if known and values.dtype.kind in "iu" and not set(names) & set(known):
        names = [known[int(n)] if n is not None and 0 <= int(n) < len(known) else n for n in names]
    order = {name: position for position, name in enumerate(known)}
    for name in sorted(name for name in names if name is not None and name not in order):
        order[name] = len(order)
    table = np.array([-1 if name is None else order[name] for name in names], dtype=int)
    return Labels(tuple(order), table[codes] if len(codes) else np.zeros(0, dtype=int))


def _part(role: str, records: Records) -> Part:
    inputs = _array(f"{role} inputs", records.inputs)
    targets = None if records.targets is None else _squeezed(_array(f"{role} targets", records.targets))
    lengths = {"inputs": len(inputs)}
    for name, values in (("targets", targets), ("rids", records.rids), ("groups", records.groups)):
        if values is not None:
            lengths[name] = len(values)
    if len(set(lengths.values())) > 1:
        raise Unjudged(
            Finding(
                Status.FAIL,
                lengths,
                "as many of each",
                f"The {role} records are not as many everywhere.",
                "Hand over inputs, targets, rids and groups of the same records, in the same order.",
            )
        )
    return Part(role, inputs, targets, _texts(records.rids), _texts(records.groups))


def _array(what: str, values: Any) -> Array:
    try:
        return as_array(values)
    except Exception as error:  # any library may stand behind the object
        raise Unjudged(
            Finding(
                Status.FAIL,
                type(values).__name__,
                "an array",
                f"The {what} cannot be read as an array: {error}",
                "Bring all records to one shape, as the model receives them, and hand over arrays.",
            )
        ) from None


def _joined(what: str, values: Sequence[Any]) -> Array:
    arrays = [_array(what, value) for value in values]
    try:
        return _squeezed(np.concatenate(arrays)) if len(arrays) > 1 else _squeezed(arrays[0])
    except ValueError as error:
        raise insufficient(f"The {what} differ in shape from call to call: {error}", "Record them alike.") from None


def _squeezed(values: Array) -> Array:
    """(n, 1) is (n,)."""
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values


def _chosen(predicted: Array, classes: Sequence[str] | None) -> Array:
    """Turn scores of one column a class into the best class's position or name; NaN has none."""
    if predicted.ndim != 2 or predicted.dtype.kind not in "fiub" or not classes or predicted.shape[1] != len(classes):
        return predicted
    names = np.array([*classes, None], dtype=object)
    bad = ~np.isfinite(predicted).all(axis=1)
    return names[np.where(bad, len(classes), np.where(np.isfinite(predicted), predicted, -np.inf).argmax(axis=1))]


def _texts(values: Sequence[Any] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(map(str, np.asarray(values, dtype=object).tolist()))


def _rows(values: Array) -> Array:
    """Targets of several values, each row as one text."""
    return np.array([" ".join(map(str, row.ravel().tolist())) for row in values], dtype=object)


def _unique(values: Array) -> tuple[list[Any], Array]:
    if values.dtype != object:
        unique, codes = np.unique(values, return_inverse=True)
        return unique.tolist(), codes
    position: dict[str | None, int] = {}
    codes = np.array([position.setdefault(_name(value), len(position)) for value in values.tolist()], dtype=int)
    return list(position), codes


def _name(value: Any) -> str | None:
    """A label as text: 3, 3.0 and "3" are the same term; None and NaN are no label."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _recoded(labels: Labels, names: Sequence[str]) -> Array:
    if not labels.names:
        return labels.codes
    position = {name: code for code, name in enumerate(names)}
    table = np.array([position[name] for name in labels.names] + [-1])
    return table[labels.codes]
