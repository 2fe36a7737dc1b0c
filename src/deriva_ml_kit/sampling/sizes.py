"""Sizes of training, testing and validation parts, given as shares or as counts."""

from __future__ import annotations

from deriva_ml_kit.errors import Fault
from deriva_ml_kit.sampling.faults import CannotSample

TRAINING, TESTING, VALIDATION = "Training", "Testing", "Validation"


def part_sizes(
    total: int, test_size: float, train_size: float | None = None, val_size: float | None = None
) -> dict[str, int]:
    """Turn shares into counts, by main line's rules.

    Args:
        total: How many records there are.
        test_size: A share between 0 and 1 as a float, or a count from 1 up.
        train_size: The same; what the others leave when not given.
        val_size: The same; no validation part when not given.

    Returns:
        ``Training``, ``Testing`` and, if asked for, ``Validation``, with their counts; they need not use every record.

    Raises:
        CannotSample: Every size that is none, and parts that are empty or need more records than there are.
    """
    asked = {
        TESTING: ("test_size", test_size),
        TRAINING: ("train_size", train_size),
        VALIDATION: ("val_size", val_size),
    }
    faults = [
        Fault(f"{name} must be a share between 0 and 1 or a count from 1 up, not {size!r}")
        for name, size in asked.values()
        if size is not None and not _is_size(size)
    ]
    if faults:
        raise CannotSample(faults)
    counts = {part: count_of(total, size) for part, (_, size) in asked.items() if size is not None}
    if sum(counts.values()) > total:
        needed = " + ".join(f"{part} {count}" for part, count in counts.items())
        raise CannotSample([Fault(f"{needed} is more than the {total} records there are")])
    counts.setdefault(TRAINING, total - sum(counts.values()))
    faults = [
        Fault(f"the part {part} gets none of {total} records", remedy="each needs one at least: give other sizes")
        for part, count in counts.items()
        if count < 1
    ]
    if faults:
        raise CannotSample(faults)
    return {part: counts[part] for part in (TRAINING, TESTING, VALIDATION) if part in counts}


def count_of(total: int, size: float) -> int:
    """Return a size as a count."""
    return round(total * size) if isinstance(size, float) and size < 1 else int(size)


def _is_size(size: object) -> bool:
    if isinstance(size, bool) or not isinstance(size, int | float):
        return False
    return 0 < size < 1 if isinstance(size, float) and size < 1 else size >= 1
