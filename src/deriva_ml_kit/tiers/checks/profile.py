"""The ranges, shapes and counts of a run, as its receipt keeps them and a later tier compares with them."""

from __future__ import annotations

from typing import Any

import numpy as np

from deriva_ml_kit.tiers.checks.finding import plain
from deriva_ml_kit.tiers.checks.material import Array, Material, Part, Task
from deriva_ml_kit.tiers.evidence import Evidence

COLUMNS = 256
NUMBERS = ("minimum", "p5", "median", "p95", "maximum")
_ROWS = 2000
_MOST = 4_000_000  # values of a sample; of wide records, such as images, fewer are taken
_WHOLE = 200_000  # values that the percentiles of all inputs are taken from


def profile(ev: Evidence) -> dict[str, Any]:
    """Return what tier 1 keeps of the training records; JSON, of bounded size.

    `inputs` holds records, shape, dtype and, of numbers, minimum, maximum, median and the 5th and 95th percentile
    (p5, p95) of all values and of each column (up to 256 columns); `targets` the counts of classes or the same
    numbers. Either is None where nothing was handed over that can be read.
    """
    material = Material(ev, None, None)
    return {"schema_version": 1, "inputs": _of(material, _inputs), "targets": _of(material, _targets)}


def inputs_profile(part: Part) -> dict[str, Any]:
    """Return the profile of one part's inputs; see `profile`."""
    known: dict[str, Any] = {
        "records": part.count,
        "shape": list(part.inputs.shape[1:]),
        "dtype": str(part.inputs.dtype),
        "family": family(part.inputs),
    }
    if part.text or part.flat.size == 0:
        return known
    sample = part.sample(min(_ROWS, max(200, _MOST // max(1, part.flat.shape[1]))))
    known |= {"zeros": plain(float((sample == 0).mean())), **_range(sample[:: max(1, sample.size // _WHOLE)])}
    low, high = _extremes(part.flat)
    known |= {"minimum": plain(low), "maximum": plain(high)}
    if sample.shape[1] <= COLUMNS:
        known["columns"] = _columns(sample)
    return known


def family(values: Array) -> str:
    """Return what counts as the type: integers and floats differ (0..255 and 0..1), 32 and 64 bits do not."""
    return {"b": "integer", "i": "integer", "u": "integer", "f": "float"}.get(values.dtype.kind, "other")


def _of(material: Material, make: Any) -> dict[str, Any] | None:
    try:
        return dict(make(material))
    except Exception:  # nothing there, or an object of any library; the checks tell of it
        return None


def _inputs(material: Material) -> dict[str, Any]:
    return inputs_profile(material.train)


def _targets(material: Material) -> dict[str, Any]:
    train = material.train
    material.need_targets()
    if material.task is Task.CLASSES:
        return {"classes": material.labels(train).counts()}
    if material.task is Task.NUMBERS:
        return _range(np.asarray(train.targets, dtype=float)[:, None])
    return {"shape": [] if train.targets is None else list(train.targets.shape[1:])}


def _range(values: Array) -> dict[str, Any]:
    found = values[np.isfinite(values)]
    if found.size == 0:
        return {}
    low, middle, high = np.percentile(found, [5, 50, 95])
    return {
        name: plain(value) for name, value in zip(NUMBERS, (found.min(), low, middle, high, found.max()), strict=True)
    }


def _extremes(rows: Array) -> tuple[float, float]:
    """Smallest and largest finite value, in one pass where all are finite."""
    low, high = float(rows.min()), float(rows.max())
    if np.isfinite(low) and np.isfinite(high):
        return low, high
    found = rows[np.isfinite(rows)]
    return (float(found.min()), float(found.max())) if found.size else (low, high)


def _columns(sample: Array) -> list[dict[str, Any]]:
    if np.isfinite(sample).all():
        by_column = np.percentile(sample, [0, 5, 50, 95, 100], axis=0).T.tolist()
        return [dict(zip(NUMBERS, plain(values), strict=True)) for values in by_column]
    return [_range(sample[:, [column]]) for column in range(sample.shape[1])]
