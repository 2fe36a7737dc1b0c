"""Rules about inputs: finite, varying, of one shape, in the range that tier 1 saw, and without the answer in them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from deriva_ml_kit.tiers.checks.finding import Finding, insufficient, judged, listed, skip
from deriva_ml_kit.tiers.checks.material import Array, Material, Part, Task
from deriva_ml_kit.tiers.checks.profile import family, inputs_profile

BLANK_SHARE = 0.1
BLANK_COLUMNS = 32  # a patient without any of a few symptoms is no blank image
RANGE_FACTOR = 10.0
COLUMN_RECORDS = 20
ORACLE_ROWS = 5000
ORACLE_COLUMNS = 10_000
ORACLE_MISTAKES = 0.01
ORACLE_SPREADS = 20.0
ORACLE_CORRELATION = 0.999
_BLOCK = 4_000_000


def shapes(material: Material) -> Finding:
    """Training and validation records, and those that tier 1 saw, have one shape and type."""
    found = {part.role: {"shape": list(part.inputs.shape[1:]), "dtype": family(part.inputs)} for part in material.parts}
    if (known := _known(material.baseline)) and "shape" in known:
        found["tier 1"] = {"shape": list(known["shape"]), "dtype": str(known.get("family", ""))}
    first = next(iter(found.values()))
    exact = {part.role: f"{part.count} × {part.inputs.shape[1:]} {part.inputs.dtype}" for part in material.parts}
    return judged(
        all(other == first for other in found.values()),
        found,
        "all alike",
        detail="; ".join(f"{role} {text}" for role, text in exact.items()),
        remedy="Prepare training and validation records by the same code; if the preparation changed, begin at tier 1.",
    )


def finite(material: Material) -> Finding:
    """No input, and no target that is a number, is NaN or infinite."""
    allowed = material.recorded.without.get("missing")
    bad: dict[str, int] = {}
    shown: list[str] = []
    for part in material.parts:
        rows = _faulty_rows(part.flat, missing_allowed=bool(allowed))
        bad[f"{part.role} inputs"] = len(rows)
        shown += _names(part, rows)
        if material.task is Task.NUMBERS and part.targets is not None and part.targets.dtype.kind == "f":
            rows = np.flatnonzero(~np.isfinite(part.targets))
            bad[f"{part.role} targets"] = len(rows)
            shown += _names(part, rows)
    if material.train.flat.size == 0:
        raise insufficient("The training records hold no numbers.", "Look at the code that loads them.")
    return judged(
        not any(bad.values()),
        {"records": bad, "which": shown[:5]},
        "none with NaN or infinity" if not allowed else f"none with infinity; NaN is allowed: {allowed}",
        detail=f"Records with NaN or infinity: {listed(shown)}." if shown else None,
        remedy="Find where they come from (a division by zero, an empty field read as number); leave such records out "
        'or fill them in, or say evidence().without("missing", "why") if the model takes missing values.',
    )


def vary(material: Material) -> Finding:
    """Records differ from each other and are not blank."""
    train = material.train
    if train.count < 2:
        raise insufficient("One record cannot show whether inputs vary.", "Hand over more training records.")
    if train.text:
        different = len(np.unique(train.inputs.astype(str)))
        return judged(different > 1, {"different": different}, "2 at least", remedy="Look at the code that loads them.")
    wanted = 2 if material.task is not Task.CLASSES else max(2, len(set(material.labels(train).codes.tolist())))
    values: dict[str, Any] = {"different": _different(train.flat, wanted), "constant columns": _constant(train.flat)}
    good = values["different"] >= min(wanted, train.count)
    for part in material.parts if train.flat.shape[1] >= BLANK_COLUMNS else []:
        values[f"blank in {part.role}"] = blank = _blank(part.flat)
        good &= blank <= BLANK_SHARE * part.count
    columns = train.flat.shape[1]
    good &= values["constant columns"] < columns
    values["different"] = f"{wanted} or more" if values["different"] >= wanted else values["different"]
    return judged(
        good,
        values,
        {
            "different": f"{wanted} at least",
            "constant columns": f"fewer than {columns}",
            "blank": f"{BLANK_SHARE:.0%} at most",
        },
        detail="Blank means that all values of a record are zero or missing.",
        remedy="Look at a few records: files that are not found or not decoded often become zeros, and a loader that "
        "forgets its index gives the same record again and again.",
    )


def ranges(material: Material) -> Finding:
    """Inputs lie where tier 1 saw them; validation inputs lie where training inputs lie."""
    _ = material.train.flat  # text has no ranges
    known = _known(material.baseline)
    if (known is None and material.tier > 1) or (known is not None and "p95" not in known):
        raise insufficient(
            "There is no record of the ranges that tier 1 saw.", "Do a dry run first, which records them."
        )
    pairs: list[tuple[Part, Mapping[str, Any]]] = []
    if known is None:
        if material.validation is None:
            raise skip("Tier 1 records the ranges; there is nothing to compare them with yet.")
        pairs.append((material.validation, inputs_profile(material.train)))
    else:
        pairs += [(part, known) for part in material.parts]
    against = "tier 1" if known is not None else "training"
    found = [f"{part.role} {fault}" for part, seen in pairs for fault in _out_of_range(inputs_profile(part), seen)]
    now = inputs_profile(pairs[0][0])
    value = {key: now.get(key) for key in ("minimum", "maximum", "median", "p5", "p95")}
    return judged(
        not found,
        value,
        {"against": against, **{key: pairs[0][1].get(key) for key in value}, "factor": RANGE_FACTOR},
        detail=f"{listed(found)}." if found else None,
        remedy="Inputs are scaled differently than before: normalise them the same way everywhere (divide pixels by "
        "255, use the means and spreads of the training records). If the change is meant, begin at tier 1 again.",
    )


def oracle(material: Material) -> Finding:
    """No single input column tells the target by itself."""
    material.need_targets()
    train = material.train
    if material.task is Task.OTHER:
        raise skip(f"Judged for single targets only, not for {material.task}.")
    columns = train.flat.shape[1]
    if columns < 2:
        raise skip("There is only one input column, which has to tell the target.")
    most = min(ORACLE_ROWS, max(200, _BLOCK // columns))
    rows = train.sample(most)
    step = max(1, math.ceil(train.count / most))
    rows = np.where(np.isfinite(rows), rows, 0)  # they may be the work's own
    remedy = (
        "A column of the inputs gives the answer away. Take labels, and what was derived from them, out of the inputs."
    )
    if material.task is Task.NUMBERS:
        targets = np.asarray(train.targets, dtype=float)[::step]
        usable = np.isfinite(targets)
        if usable.sum() < 10:
            raise insufficient("Ten records are needed to tell.", "Hand over more training records.", required=False)
        strength = np.abs(_correlation(rows[usable], targets[usable]))
        best = int(strength.argmax())
        return judged(
            float(strength[best]) < ORACLE_CORRELATION,
            {"column": best, "correlation": strength[best]},
            ORACLE_CORRELATION,
            remedy=remedy,
        )
    labels = material.labels(train)
    usable = labels.codes[::step] >= 0
    _, codes = np.unique(labels.codes[::step][usable], return_inverse=True)
    if not _enough(codes, columns):
        raise insufficient(
            "There are too few records, or only one class, to tell an answer among the inputs from chance.",
            "Hand over more training records.",
            required=False,
        )
    found = _isolating(rows[usable], codes)
    mistakes = _mistakes(rows[usable][:, :ORACLE_COLUMNS], codes)
    best = int(mistakes.argmin())
    if not found and mistakes[best] <= ORACLE_MISTAKES:
        found = [best]
    return judged(
        not found,
        {"columns": found[:20], "best column": best, "mistakes": mistakes[best]},
        {"mistakes": f"more than {ORACLE_MISTAKES:.0%} by any one column"},
        detail=f"Column {listed(found)} of the inputs tells the class by itself." if found else None,
        remedy=remedy,
    )


def _known(baseline: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    inputs = (baseline or {}).get("inputs")
    return inputs if isinstance(inputs, Mapping) else None


def _faulty_rows(rows: Array, *, missing_allowed: bool) -> Array:
    if rows.dtype.kind != "f":
        return np.zeros(0, dtype=int)
    step = max(1, _BLOCK // max(1, rows.shape[1]))
    test = np.isinf if missing_allowed else lambda block: ~np.isfinite(block)
    found = [np.flatnonzero(test(rows[at : at + step]).any(axis=1)) + at for at in range(0, len(rows), step)]
    return np.concatenate(found) if found else np.zeros(0, dtype=int)


def _names(part: Part, rows: Array) -> list[str]:
    return [part.rids[row] if part.rids else f"{part.role} record {row}" for row in rows[:5].tolist()]


def _different(rows: Array, wanted: int) -> int:
    """Count different records, up to `wanted`."""
    seen: set[bytes] = set()
    for row in rows:
        seen.add(row.tobytes())
        if len(seen) >= wanted:
            break
    return len(seen)


def _constant(rows: Array) -> int:
    step = max(1, _BLOCK // max(1, rows.shape[1]))
    same = np.ones(rows.shape[1], dtype=bool)
    for at in range(0, len(rows), step):
        same &= ((rows[at : at + step] == rows[0]) | ~np.isfinite(rows[at : at + step])).all(axis=0)
        if not same.any():
            break
    return int(same.sum())


def _blank(rows: Array) -> int:
    step = max(1, _BLOCK // max(1, rows.shape[1]))
    blocks = (rows[at : at + step] for at in range(0, len(rows), step))
    return sum(int(((block == 0) | ~np.isfinite(block)).all(axis=1).sum()) for block in blocks)


def _out_of_range(now: Mapping[str, Any], seen: Mapping[str, Any]) -> list[str]:
    """Compare two profiles: overall, then column by column where enough records tell about columns."""
    faults = [f"inputs as a whole: {fault}" for fault in [*_differ(now, seen), *_exceed(now, seen)]]
    ours, theirs = now.get("columns"), seen.get("columns")
    if (
        not (ours and theirs and len(ours) == len(theirs))
        or min(now["records"], seen.get("records", 0)) < COLUMN_RECORDS
    ):
        return faults
    for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        if _continuous(one) and _continuous(other):
            faults += [f"column {number}: {fault}" for fault in _differ(one, other)]
    return faults


def _differ(now: Mapping[str, Any], seen: Mapping[str, Any]) -> list[str]:
    """Compare medians, and widths from the 5th to the 95th percentile."""
    try:
        width, before = now["p95"] - now["p5"], seen["p95"] - seen["p5"]
        shift = abs(now["median"] - seen["median"])
    except (KeyError, TypeError):
        return []
    faults = []
    if width > 0 and before > 0 and not 1 / RANGE_FACTOR <= width / before <= RANGE_FACTOR:
        faults.append(f"values spread over {width:.4g}, not over about {before:.4g}")
    if before > 0 and shift > RANGE_FACTOR * before:
        faults.append(f"the median is off by {shift:.4g}, where values spread over {before:.4g}")
    return faults


def _exceed(now: Mapping[str, Any], seen: Mapping[str, Any]) -> list[str]:
    """Compare extremes, which tell of inputs that are mostly zero; they vary more, so more is allowed."""
    try:
        reach, limit = (max(abs(one["minimum"]), abs(one["maximum"])) for one in (now, seen))
    except (KeyError, TypeError):
        return []
    excess = limit > 0 and reach > RANGE_FACTOR**2 * limit
    return [f"values reach {reach:.4g}, not about {limit:.4g}"] if excess else []


def _continuous(column: Mapping[str, Any]) -> bool:
    """Whether a column's percentiles are to be relied on; not if most values are the same, as at an image's rim."""
    try:
        return bool(column["p5"] < column["median"] < column["p95"])
    except (KeyError, TypeError):
        return False


def _correlation(rows: Array, targets: Array) -> Array:
    x = rows - rows.mean(axis=0)
    y = targets - targets.mean()
    size = np.sqrt((x**2).sum(axis=0) * (y**2).sum())
    found: Array = np.divide(y @ x, size, out=np.zeros(rows.shape[1]), where=size > 0)
    return found


def _enough(codes: Array, columns: int) -> bool:
    """Whether chance alone would hardly (1 in 1000) put the classes in order along any one column.

    Of all orders of the records, those in which every class stands together are classes! · Π size! of records!.
    """
    sizes = np.bincount(codes)
    if len(sizes) < 2:
        return False
    log_ways = math.lgamma(len(codes) + 1) - sum(math.lgamma(size + 1) for size in sizes) - math.lgamma(len(sizes) + 1)
    return log_ways >= math.log(columns) + math.log(1000)


def _isolating(rows: Array, codes: Array) -> list[int]:
    """Return the columns that hold the label, as a number or one column a class.

    None are returned unless every class has its column. Such a column hardly varies within the classes: the distance of
    a class from the next is many times the spread. The petals of Iris setosa are apart from those of other species by 7
    spreads, a label among the inputs by any number.
    """
    member = np.eye(codes.max() + 1)[codes]
    step = max(1, _BLOCK // max(member.shape))
    found: dict[int, int] = {}
    for at in range(0, rows.shape[1], step):
        apart = _apart(rows[:, at : at + step], member)
        for label in np.flatnonzero(apart.any(axis=1)).tolist():
            found.setdefault(label, at + int(apart[label].argmax()))
    return sorted(set(found.values())) if len(found) == member.shape[1] else []


def _apart(rows: Array, member: Array) -> Array:
    """Say of each class and column (classes, columns) whether the class stands far from its nearest neighbour."""
    spread = rows.std(axis=0)
    unit = np.divide(rows - rows.mean(axis=0), spread, out=np.zeros_like(rows), where=spread > 0)
    sizes = member.sum(axis=0)[:, None]
    means = member.T @ unit / sizes
    within = np.sqrt(np.maximum((unit**2).mean(axis=0) - (sizes * means**2).sum(axis=0) / len(rows), 0))
    order = means.argsort(axis=0)
    gaps = np.diff(np.take_along_axis(means, order, axis=0), axis=0)
    edge = np.full((1, rows.shape[1]), np.inf)
    distance = np.empty_like(means)
    np.put_along_axis(distance, order, np.minimum(np.vstack([edge, gaps]), np.vstack([gaps, edge])), axis=0)
    far: Array = (distance > 1e-6) & (distance > ORACLE_SPREADS * within)
    return far


def _mistakes(rows: Array, codes: Array) -> Array:
    """Return, for each column, the share of records that it puts in the wrong class.

    The classes have to stand in order along the column, each in one piece. With two or three classes that happens in
    healthy data as well (one measurement that grows with the species), so there the column also has to be a code: no
    more different values than classes.
    """
    classes = int(codes.max()) + 1
    shares = np.ones(rows.shape[1])
    for column in range(rows.shape[1]):
        values, place = np.unique(rows[:, column], return_inverse=True)
        if len(values) < classes or (classes < 4 and len(values) > classes):
            continue
        counts = np.zeros((len(values), classes), dtype=int)
        np.add.at(counts, (place, codes), 1)
        winners = counts.argmax(axis=1)
        mixed = len(codes) - int(counts.max(axis=1).sum())
        breaks = int(np.count_nonzero(np.diff(winners))) - (classes - 1)
        shares[column] = (mixed + max(0, breaks)) / len(codes)
    return shares
