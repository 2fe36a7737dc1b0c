"""Which state of the catalog is meant: a time, a dataset version, or now; always one that can be read again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from deriva.core.ermrest_model import epoch_microseconds_to_snaptime, snaptime_to_epoch_microseconds

from deriva_ml_kit.errors import UsageError

if TYPE_CHECKING:
    from deriva_ml_kit.mainline import DerivaML

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_PIN = re.compile(r"([0-9A-Z]{1,4}(?:-[0-9A-Z]{4})*)@(\d+\.\d+\.\d+)")
FORMS = "a time such as 2026-01-31T12:00:00+00:00, or RID@VERSION of a dataset"


@dataclass(frozen=True)
class Moment:
    """A state of the catalog.

    Attributes:
        ml: The catalog as it was, read-only.
        snapshot: Catalog and snapshot, such as `1@2TA-…`.
        time: When that was.
        complete: Up to when nothing can have changed in it: rows that come later are known later than that.
        pin: `RID@VERSION` of the dataset whose version named it.
    """

    ml: DerivaML
    snapshot: str
    time: datetime
    complete: datetime
    pin: str | None = None


def moment(ml: DerivaML, as_of: datetime | str | None = None) -> Moment:
    """The catalog as it was.

    Args:
        ml: The catalog, or a snapshot of it, which then is the one.
        as_of: A time with its offset from UTC; the same as ISO 8601; `RID@VERSION` of a dataset; or now.

    Raises:
        UsageError: It is none of these, has no offset, or lies in the future; there is no such version.
    """
    catalog, _, pinned = str(ml.catalog_id).partition("@")
    if pinned:
        if as_of is not None:
            raise UsageError(f"This is the catalog as of {pinned} already.", remedy="Leave as_of out.")
        return Moment(ml, f"{catalog}@{pinned}", _time(pinned), _time(pinned))
    if isinstance(as_of, str) and (found := _PIN.fullmatch(as_of)):
        from deriva_ml_kit.datasets.versions import released_version  # noqa: PLC0415  (takes seconds)

        _, snaptime = released_version(ml, found[1], found[2])
        snapshot, time = f"{catalog}@{snaptime}", _time(snaptime)
        return Moment(ml.catalog_snapshot(snapshot), snapshot, time, time, as_of)
    asked = datetime.now(UTC)
    given = _parsed(as_of) if as_of is not None else None
    snaptime = str(ml.catalog.get("/").json()["snaptime"])
    newest = _time(snaptime)
    if given is not None and given > max(asked, newest):  # the host's clock may be ahead of ours
        raise UsageError(f"{given.isoformat()} is still to come: nobody could read that state again.")
    if given is not None and given < newest:  # otherwise nothing has changed since the newest
        snaptime = epoch_microseconds_to_snaptime((given - _EPOCH) // _MICROSECOND)
    snapshot = f"{catalog}@{snaptime}"
    return Moment(ml.catalog_snapshot(snapshot), snapshot, given or newest, given or max(asked, newest))


def _time(snaptime: str) -> datetime:
    return _EPOCH + int(snaptime_to_epoch_microseconds(snaptime)) * _MICROSECOND


def _parsed(as_of: datetime | str) -> datetime:
    try:
        time = datetime.fromisoformat(as_of) if isinstance(as_of, str) else as_of
    except ValueError as error:
        raise UsageError(f"{as_of!r} is no moment.", remedy=f"Give {FORMS}.") from error
    if time.tzinfo is None:
        raise UsageError(f"{as_of} does not say its offset from UTC.", remedy=f"Write {time.isoformat()}+00:00.")
    return time.astimezone(UTC)
