"""What tiers 2 and 3 will cost, extrapolated from the batches of a dry run.

In: the evidence of a run, how many records which tier has, and sizes in bytes. Out: an `Estimate` of ranges, with the
assumptions they rest on. A range is meant to hold the true cost, not to look precise: two batches say little.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deriva_ml_kit.tiers.evidence import Batch, Evidence, Records, as_array

DEVELOPMENT = 200  # records of a development dataset, at most
FEW = 5
LOOSE, TIGHT = 2.0, 1.3  # how far off seconds per batch may be, known from few batches or from many


@dataclass(frozen=True)
class Range:
    """From `low` to `high`."""

    low: float
    high: float


@dataclass(frozen=True)
class Cost:
    """What one tier needs: seconds, bytes of memory, of disk and to upload; None where nothing was measured."""

    tier: int
    records: int
    seconds: Range | None
    memory: Range | None
    disk: Range | None
    upload: Range | None


@dataclass(frozen=True)
class Estimate:
    """The cost of each tier, and what was assumed."""

    tiers: tuple[Cost, ...]
    seconds_per_batch: float | None
    warm_up: float | None
    batch_size: int | None
    assumptions: tuple[str, ...]

    def table(self) -> str:
        """Return it as text for people: one line a tier, then the assumptions."""
        head = ("", "records", "time", "memory", "disk", "upload")
        rows = [
            (
                f"tier {cost.tier}",
                f"{cost.records:,}",
                _shown(cost.seconds, _duration),
                *(_shown(size, _size) for size in (cost.memory, cost.disk, cost.upload)),
            )
            for cost in self.tiers
        ]
        widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
        lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in [head, *rows]]
        return "\n".join([*(line.rstrip() for line in lines), *(f"- {text}" for text in self.assumptions)])


@dataclass(frozen=True)
class _Pace:
    """Seconds: of the first batch, of a later one, of preparation and evaluation; and how far off they may be."""

    batch: Range | None
    warm_up: float
    batch_size: int | None
    preparation: float
    evaluation: float
    whole: float | None


def estimate(
    ev: Evidence,
    *,
    records: Mapping[str, int],
    epochs: int | None,
    bag_bytes: int | None,
    output_bytes: int | None,
) -> Estimate:
    """Extrapolate from a run to tiers 2 and 3.

    Args:
        ev: The evidence of the run.
        records: How many records this run has, as `this`; of `tier 2` and `tier 3` where they are known. Else tier 2
            has at most 200, and tier 3 as many as this run.
        epochs: How often all training records are seen; once if not given.
        bag_bytes: Size of the downloaded datasets of this run.
        output_bytes: Size of what this run wrote.
    """
    shown = _shown_records(ev)
    this = records.get("this") or sum(shown) or 1
    sizes = {2: records.get("tier 2") or min(DEVELOPMENT, this), 3: records.get("tier 3") or this}
    pace = _pace(ev)
    data_bytes = _data_bytes(ev)
    peak = max((batch.peak_bytes for batch in ev.recorded.batches if batch.peak_bytes), default=None)
    costs = []
    for tier, count in sizes.items():
        ratio = count / this
        costs.append(
            Cost(
                tier,
                count,
                _seconds(pace, ratio, shown[0] or this, epochs or 1),
                _memory(peak, data_bytes, ratio),
                None if bag_bytes is None else _scaled(bag_bytes, ratio, plus=output_bytes or 0),
                None if output_bytes is None else _scaled(output_bytes, ratio, fixed=True),
            )
        )
    return Estimate(
        tuple(costs),
        None if pace.batch is None else _digits(math.sqrt(pace.batch.low * pace.batch.high)),
        _digits(pace.warm_up) if pace.batch else None,
        pace.batch_size,
        tuple(_assumptions(ev, pace, records, epochs, disk=bag_bytes is not None, memory=peak is not None)),
    )


def _shown_records(ev: Evidence) -> tuple[int, int]:
    """Number of training and of validation records that were handed over."""
    return tuple(_length(part) for part in (ev.recorded.train, ev.recorded.validation))  # type: ignore[return-value]


def _length(part: Records | None) -> int:
    try:
        return 0 if part is None else len(part.inputs)
    except TypeError:
        return 0


def _data_bytes(ev: Evidence) -> int:
    total = 0
    for part in (ev.recorded.train, ev.recorded.validation):
        try:
            total += 0 if part is None else as_array(part.inputs).nbytes
        except Exception:  # the checks say what is wrong with it
            continue
    return total


def _pace(ev: Evidence) -> _Pace:
    seen = ev.recorded
    whole = seen.evaluated
    if not seen.batches:
        return _Pace(None, 0.0, None, 0.0, 0.0, whole)
    sizes = [batch.records for batch in seen.batches if batch.records]
    steady = [batch.seconds for batch in _full(seen.batches[1:] or seen.batches)]
    loose = LOOSE if len(steady) < FEW else TIGHT
    middle = sorted(steady)[len(steady) // 2]
    preparation = seen.preparation or 0.0
    training = sum(batch.seconds for batch in seen.batches)
    return _Pace(
        Range(middle / loose, middle * loose),
        max(0.0, seen.batches[0].seconds - middle),
        max(sizes, default=None),
        preparation,
        0.0 if whole is None else max(0.0, whole - preparation - training),
        whole,
    )


def _full(batches: Sequence[Batch]) -> list[Batch]:
    """Batches of the full size: the last one of an epoch is often smaller."""
    most = max(batch.records or 0 for batch in batches)
    return [batch for batch in batches if (batch.records or 0) == most]


def _seconds(pace: _Pace, ratio: float, train: int, epochs: int) -> Range | None:
    """Preparation and evaluation take as long as now or grow with the records; batches grow in number."""
    if pace.batch is None:
        return None if pace.whole is None else _range(pace.whole * min(ratio, 1), pace.whole * max(ratio, 1) * LOOSE)
    around = pace.preparation + pace.evaluation
    steps = epochs * math.ceil(max(1.0, train * ratio) / (pace.batch_size or 1))
    return _range(
        around * min(ratio, 1) + steps * pace.batch.low,
        around * max(ratio, 1) + pace.warm_up + steps * pace.batch.high,
    )


def _memory(peak: int | None, data: int, ratio: float) -> Range | None:
    """More records add their own size at least, and copies of it; fewer need no less for sure."""
    if peak is None:
        return None
    growth = data * (ratio - 1)
    return _range(max(peak + growth, peak / 4), peak + 3 * max(growth, 0))


def _scaled(size: int, ratio: float, *, plus: int = 0, fixed: bool = False) -> Range:
    """A size that grows with the records; with `fixed`, maybe not at all (a model is as large whatever it learnt)."""
    scaled = size * ratio
    return _range(min(size, scaled) if fixed else scaled * 0.8, (max(size, scaled) if fixed else scaled * 1.25) + plus)


def _assumptions(
    ev: Evidence, pace: _Pace, records: Mapping[str, int], epochs: int | None, *, disk: bool, memory: bool
) -> list[str]:
    told = []
    if pace.batch is None:
        told.append("No batch was measured (evidence().batches(…)): time is that of this run, scaled by records.")
    else:
        size = f" of {pace.batch_size} records" if pace.batch_size else " (their size could not be told)"
        told.append(
            f"{len(ev.recorded.batches)} batches{size} were measured; the first one's start-up is counted once."
        )
        told.append(
            f"{epochs} epochs." if epochs else "One epoch: the code does not say how many (evidence().epochs(n))."
        )
        told.append("Preparation and evaluation take as long as now at least, and grow with the records at most.")
    if not records.get("tier 2"):
        told.append(f"Tier 2 has {DEVELOPMENT} records, or as many as this run if these are fewer.")
    if not records.get("tier 3"):
        told.append("Tier 3 has as many records as this run.")
    if not disk:
        told.append("The size of the datasets is not known, so neither is the disk space.")
    if not memory:
        told.append("Memory was not measured.")
    else:
        told.append("Memory is the main memory of this process; that of GPUs and of worker processes comes on top.")
    return told


def _range(low: float, high: float) -> Range:
    return Range(_digits(low), _digits(high))


def _digits(value: float) -> float:
    """Two digits: more would pretend."""
    return float(f"{value:.2g}")


def _shown(span: Range | None, unit: Any) -> str:
    if span is None:
        return "not known"
    low, high = unit(span.low), unit(span.high)
    return low if low == high else f"{low} – {high}"


def _duration(seconds: float) -> str:
    for name, length in (("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.2g} {name}"
    return f"{seconds:.2g} s"


def _size(count: float) -> str:
    for name, length in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= length:
            return f"{count / length:.3g} {name}"
    return f"{count:.0f} B"
