"""One of several values: what a selector chooses, without any catalog.

A selector takes the records of one target, and gives one of them, or None if the target is to have no value. Which
record it chooses never depends on their order: where the time of two is the same, their execution decides, then their
content.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, TypeVar

from deriva_ml_kit.mainline.errors import DerivaMLValidationError

Record = TypeVar("Record", bound=Any)
Selector = Callable[[list[Any]], Any | None]

_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


def reduce_with_selector(
    records: Iterable[Record],
    target_col: str,
    selector: Callable[[list[Record]], Record | None],
    qualifier_cols: Iterable[str] = (),
) -> Iterator[Record]:
    """Choose one record for each target.

    Args:
        records: Read once; those without a target are left out.
        target_col: Field that holds the RID of the target.
        selector: Gets the records of one target, in the order in which they came; None drops the target.
        qualifier_cols: Further fields that tell values of one target apart, such as the side of an image: one record
            is chosen for each combination.
    """
    fields = (target_col, *qualifier_cols)
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        key = tuple(getattr(record, field, None) for field in fields)
        if key[0] is not None:
            groups.setdefault(key, []).append(record)
    for group in groups.values():
        chosen = selector(group)
        if chosen is not None:
            yield chosen


def newest(records: Collection[Record]) -> Record:
    """The record that was created last; one without a time counts as older than all."""
    return _extreme(records, max)


def first(records: Collection[Record]) -> Record:
    """The record that was created first; one without a time counts as older than all."""
    return _extreme(records, min)


def newest_of(executions: Collection[str]) -> Selector:
    """The newest value that one of these executions has given."""

    def select(records: list[Any]) -> Any | None:
        matching = [record for record in records if record.Execution in executions]
        return newest(matching) if matching else None

    return select


def select_as_of(time: datetime | str) -> Selector:
    """The newest value that existed at a moment; one without a time might be later, and is left out.

    Raises:
        DerivaMLValidationError: The moment is no time, or lacks its offset from UTC.
    """
    limit = _limit(time)

    def select(records: list[Any]) -> Any | None:
        existing = [record for record in records if record.RCT and moment(record) <= limit]
        return newest(existing) if existing else None

    return select


def most_frequent(records: list[Any], column: str) -> Any:
    """The newest record with the value that most records have; of values that are equally frequent, any."""
    counts = Counter(_countable(getattr(record, column)) for record in records)
    top = max(counts.values())
    return newest([record for record in records if counts[_countable(getattr(record, column))] == top])


def moment(record: Any) -> datetime:
    """When a record was created; a time without offset is UTC.

    Raises:
        DerivaMLValidationError: Its RCT is no time.
    """
    if not record.RCT:
        return _BEFORE_ALL
    try:
        time = datetime.fromisoformat(record.RCT)
    except ValueError as error:
        raise DerivaMLValidationError(f"RCT {record.RCT!r} of a feature value is no ISO 8601 time.") from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _extreme(records: Collection[Record], choose: Callable[..., Any]) -> Record:
    time = choose(moment(record) for record in records)
    tied = [record for record in records if moment(record) == time]
    # Few values share their time to the microsecond, so this is rarely reached with more than one.
    if len(tied) > 1:
        tied = [choose(tied, key=lambda record: (record.Execution or "", record.model_dump_json()))]
    return tied[0]


def _limit(time: datetime | str) -> datetime:
    try:
        limit = datetime.fromisoformat(time) if isinstance(time, str) else time
    except ValueError as error:
        raise DerivaMLValidationError(
            f"{time!r} is no ISO 8601 time.", remedy="Write it as 2026-01-31T12:00:00+00:00."
        ) from error
    if limit.tzinfo is None:
        raise DerivaMLValidationError(
            f"{time!s} does not say its offset from UTC, so it is no moment.",
            remedy=f"Write {limit.isoformat()}+00:00 if UTC is meant.",
        )
    return limit


def _countable(value: Any) -> Hashable:
    return json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else value
