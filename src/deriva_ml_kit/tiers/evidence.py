"""What a run shows of itself: its data, losses, predictions and timings, handed over by the code of the model.

In: calls from user code, which gets the evidence of its run by `evidence()`. Out: `Evidence.recorded`, which
`tiers.checks` judges and `tiers.estimate` extrapolates. Nothing is judged, copied or converted here, and no framework
is imported: arrays are whatever numpy can read, tensors with `detach()`, `cpu()` and `numpy()` included.

    ev = evidence()
    ev.data(Records(x, y, rids=rids, groups=subjects), Records(x_val, y_val, rids=rids_val), classes=terms)
    for epoch in ev.epochs(epochs):
        for batch in ev.batches(loader):
            ev.loss(step(model, batch))
    ev.predictions(y_val, model.predict(x_val))
    ev.trial(train)                                     # trains a new model on given rows
    ev.reload("model.joblib", load, x_val[:20])         # does the written file predict the same?

Outside a run `evidence()` gives one that only records, so that the same code works in a notebook or a test.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

DRY_RUN_BATCHES = 2
_PARTS = 4  # a batch of up to four sequences of one length is (inputs, targets, ...), not four records

Item = TypeVar("Item")
Trial = Callable[[np.ndarray, int], tuple[Sequence[float], Sequence[Any]]]
Load = Callable[[Path], Callable[[Any], Sequence[Any]]]


@dataclass(frozen=True)
class Records:
    """Records as the model receives them, after all preparation.

    Attributes:
        inputs: (n, ...) numbers, all records of one shape.
        targets: (n,) labels or numbers; floats mean regression. None where there is nothing to learn from.
        rids: (n,) RIDs, with which training and validation are shown to be disjoint.
        groups: (n,) what belongs together, such as the Subject; must not stand on both sides either.
    """

    inputs: Any
    targets: Any = None
    rids: Sequence[Any] | None = None
    groups: Sequence[Any] | None = None


@dataclass(frozen=True)
class Predicted:
    """What the model said about records: `truth` and `predicted` are (n,), `predicted` may be (n, classes) scores."""

    truth: Any
    predicted: Any
    rids: Sequence[Any] | None = None


@dataclass(frozen=True)
class Reload:
    """How to read the model's file back: `load` takes its path and returns a function from inputs to predictions."""

    file_name: str
    load: Load
    inputs: Any
    expected: Any = None


@dataclass(frozen=True)
class Batch:
    """Cost of one batch: records in it (None if that cannot be told), seconds, and the process's peak memory so far."""

    records: int | None
    seconds: float
    peak_bytes: int | None


@dataclass
class Recorded:
    """Everything that was handed over, as it was handed over."""

    train: Records | None = None
    validation: Records | None = None
    classes: Sequence[Any] | None = None
    losses: list[Any] = field(default_factory=list)
    predictions: list[Predicted] = field(default_factory=list)
    trial: Trial | None = None
    reload: Reload | None = None
    without: dict[str, str] = field(default_factory=dict)
    batches: list[Batch] = field(default_factory=list)
    epochs: int | None = None
    started: float = 0.0
    preparation: float | None = None  # seconds until the first batch was asked for
    evaluated: float | None = None  # seconds until the last predictions were recorded


class Evidence:
    """Takes what user code shows of a run.

    Args:
        tier: 1 for a dry run, 2 for the development dataset, 3 for the full one.
        max_batches: How many batches each loop over `batches` gets; 2 in a dry run if not given, else all.
        dry_run: Whether nothing is kept; loops are cut short.
        clock: Seconds, only their differences count.
    """

    def __init__(
        self,
        tier: int = 2,
        *,
        max_batches: int | None = None,
        dry_run: bool = False,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.tier = tier
        self.max_batches = DRY_RUN_BATCHES if dry_run and max_batches is None else max_batches
        self.dry_run = dry_run
        self.recorded = Recorded(started=clock())
        self._clock = clock

    def data(self, train: Records, validation: Records | None = None, *, classes: Sequence[Any] | None = None) -> None:
        """Show the records that the model learns from and those it is judged on.

        Args:
            train: What the model is fitted to.
            validation: What it is judged on; without it nothing can be said about leaks.
            classes: The vocabulary's terms, all of them. Integer targets that are not terms themselves are taken as
                positions in this list.
        """
        self.recorded.train, self.recorded.validation = train, validation
        self.recorded.classes = None if classes is None else list(classes)

    def epochs(self, count: int) -> range:
        """Return the epochs to run, to loop over: all of them, one in a dry run."""
        self.recorded.epochs = count
        return range(min(count, 1) if self.dry_run else count)

    def batches(self, iterable: Iterable[Item]) -> Iterator[Item]:
        """Pass batches on, at most `max_batches` of this loop, and measure time and memory of each."""
        if self.recorded.preparation is None:
            self.recorded.preparation = self._clock() - self.recorded.started
        source = iter(iterable)
        given = 0
        while self.max_batches is None or given < self.max_batches:
            begun = self._clock()
            try:
                batch = next(source)
            except StopIteration:
                return
            given += 1
            try:
                yield batch
            finally:  # a loop that is left early has paid for this batch as well
                self.recorded.batches.append(Batch(size_of(batch), self._clock() - begun, peak_memory()))

    def loss(self, value: Any) -> None:
        """Record the training loss of one batch or one epoch, in the order of training; always the same of both."""
        self.recorded.losses.append(value)

    def predictions(self, truth: Any, predicted: Any, *, rids: Sequence[Any] | None = None) -> None:
        """Record what the trained model says about validation records; may be called batch by batch.

        Args:
            truth: (n,) true targets; None if they are not known.
            predicted: (n,) predictions of the same kind as the targets, or (n, classes) scores in the order of
                `classes`.
            rids: (n,) RIDs of the records.
        """
        self.recorded.predictions.append(Predicted(truth, predicted, rids))
        self.recorded.evaluated = self._clock() - self.recorded.started

    def trial(self, train: Trial) -> None:
        """Hand over a function that trains a new model, made from the same seed each time, on a few records.

        It gets row numbers of the training records and a number of epochs, and returns the losses (one a batch or
        epoch, an empty list if there are none) and the predictions for those rows. It is called after the run, on at
        most 200 records, to see whether the model can learn 32 records by heart and whether a seed makes it repeatable.
        """
        self.recorded.trial = train

    def reload(self, file_name: str, predict: Load, inputs: Any, *, expected: Any = None) -> None:
        """Say how the model's file is read, so that the file can be shown to hold the model.

        Args:
            file_name: The output file's name as it was given to `out.file`.
            predict: Takes the file's path and returns a function from inputs to predictions.
            inputs: The first k inputs of those whose predictions were recorded, in the same order.
            expected: Their predictions, if `inputs` are others than those.
        """
        self.recorded.reload = Reload(file_name, predict, inputs, expected)

    def without(self, what: str, reason: str) -> None:
        """Say that something does not apply, and why: its checks are skipped, with this reason in the receipt.

        Args:
            what: One of `data` (nothing is learned from examples, so no check of data, training or predictions
                applies), `loss`, `trial`, `reload`, `validation`, `classes`, `groups`, `rids`, `targets`; `floor` (five
                records a class are not to be had) and `missing` (the model takes NaN as a missing value).
            reason: Such as "a random forest has no loss".

        Raises:
            ValueError: `what` is none of these, or the reason is empty.
        """
        if what not in OPTIONAL:
            raise ValueError(f"without({what!r}): one of {', '.join(OPTIONAL)}")
        if not reason.strip():
            raise ValueError(f"without({what!r}): say why it does not apply")
        self.recorded.without[what] = reason


OPTIONAL = ("data", "loss", "trial", "reload", "validation", "classes", "groups", "rids", "targets", "floor", "missing")

_current: ContextVar[Evidence | None] = ContextVar("evidence", default=None)


def evidence() -> Evidence:
    """Return the evidence of the current run; outside a run a new one that only records."""
    return _current.get() or Evidence()


@contextmanager
def recording(ev: Evidence) -> Iterator[Evidence]:
    """Make `ev` what `evidence()` returns within the block (and in threads that are given a copy of its context)."""
    token = _current.set(ev)
    try:
        yield ev
    finally:
        _current.reset(token)


def as_array(values: Any) -> np.ndarray:
    """Return values as a numpy array, tensors that live on a device or in a graph included.

    Raises:
        ValueError: They are no array: records of different shapes, or an object that numpy cannot look into.
    """
    for name in ("detach", "cpu", "numpy", "toarray"):
        if callable(convert := getattr(values, name, None)):
            values = convert()
    if isinstance(values, list | tuple) and any(callable(getattr(value, "detach", None)) for value in values):
        values = [as_array(value) for value in values]
    array = np.asarray(values)
    if array.ndim == 0:
        raise ValueError(f"{type(values).__name__} is not a sequence of records")
    return array


def size_of(batch: Any) -> int | None:
    """Return how many records a batch holds; in (inputs, targets, ...) and in a mapping, those of its first part."""
    if isinstance(batch, Mapping):
        batch = next(iter(batch.values()), None)
    try:
        if isinstance(batch, tuple | list) and len(batch) <= _PARTS:
            sizes = {len(part) for part in batch if not isinstance(part, str)}
            return sizes.pop() if len(sizes) == 1 else len(batch)
        return len(batch)
    except TypeError:
        return len(batch) if isinstance(batch, tuple | list) else None


def peak_memory() -> int | None:
    """Return the most memory in bytes that this process has held so far; None where the system does not tell."""
    try:
        import resource  # noqa: PLC0415  (not on Windows)
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
