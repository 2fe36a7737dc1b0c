"""Snapshot ids: a moment in microseconds since 1970 (UTC), written in base 32, as in `2PX-WS30-E58W`.

ERMrest writes 64 bits with 13 digits of 5 bits each, which leaves one padding bit at the right end.

Inside the service a snapshot time is an `int` of microseconds; PostgreSQL gets it as an aware `datetime`, which holds
exactly the same values.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from deriva_local.errors import BadRequest
from deriva_local.model import base32

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LATEST = (datetime(9999, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND


def encode(snap: int) -> str:
    """The snapshot id of a moment in µs since 1970."""
    return base32.encode(snap << 1)


def decode(text: str) -> int:
    """The moment, in µs since 1970, that a snapshot id names; `BadRequest` if it is none."""
    try:
        snap = base32.decode(text) >> 1
    except ValueError:
        raise BadRequest(f"{text!r} is not a snapshot id; one looks like 2PX-WS30-E58W.") from None
    if snap > _LATEST:
        raise BadRequest(f"The snapshot id {text!r} lies beyond the year 9999.")
    return snap


def to_datetime(snap: int) -> datetime:
    """µs since 1970 as a moment in UTC."""
    return _EPOCH + timedelta(microseconds=snap)


def from_datetime(moment: datetime) -> int:
    """An aware moment as µs since 1970."""
    return (moment - _EPOCH) // _MICROSECOND
