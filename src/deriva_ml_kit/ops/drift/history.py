"""Profiles of earlier batches, found by what their files are called: series, first and last day.

A series is what is comparable from batch to batch although models change: the name of a model, as a rule.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from deriva.core import urlquote

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.mainline.catalog.rows import table_name
from deriva_ml_kit.ops.documents import Stored, fetch
from deriva_ml_kit.ops.drift.documents import Baseline
from deriva_ml_kit.ops.kinds import MODELS

NAME = re.compile(r"batch-profile-(?P<series>.+)-(?P<first>[0-9]{8})-(?P<last>[0-9]{8})\.json")
SERIES = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
MARGIN = timedelta(days=7)


@dataclass(frozen=True)
class Earlier:
    """A profile of a batch.

    Attributes:
        rid: RID of its file.
        first: First day of the batch.
        last: Last day.
        created: When the catalog got it.
    """

    rid: str
    first: datetime
    last: datetime
    created: str


def file_name(series: str | None, first: datetime | None, last: datetime | None) -> str:
    """Name of a batch's profile; without series or times nobody can look for it, except by its RID.

    Raises:
        UsageError: A series of that name cannot stand in a file name.
    """
    if series is None or first is None or last is None:
        return "batch-profile.json"
    if not SERIES.fullmatch(series):
        raise UsageError(f"{series!r} is no name of a series: letters, digits, _ . and - are.")
    return f"batch-profile-{series}-{first.astimezone(UTC):%Y%m%d}-{last.astimezone(UTC):%Y%m%d}.json"


def earlier(ml: DerivaML, series: str) -> list[Earlier]:
    """The profiles of a series, the oldest first: one request."""
    pattern = f"^batch-profile-{re.escape(series)}-[0-9]{{8}}-[0-9]{{8}}[.]json$"
    path = f"/attribute/{table_name(ml.ml_schema, MODELS)}/Filename::regexp::{urlquote(pattern, '')}/RID,RCT,Filename"
    found = [
        Earlier(row["RID"], _day(parts["first"]), _day(parts["last"]), row["RCT"])
        for row in ml.catalog.get(path).json()
        if (parts := NAME.fullmatch(row["Filename"]))
    ]
    return sorted(found, key=lambda each: (each.first, each.last, each.created))


def a_season_before(known: Sequence[Earlier], first: datetime, last: datetime, days: float) -> Earlier | None:
    """The batch that lies nearest to one season before another one; None if none is within a week of it."""
    begin, end = first - timedelta(days=days), last - timedelta(days=days)
    near = [each for each in known if each.last >= begin - MARGIN and each.first <= end + MARGIN and each.last < first]
    middle = begin + (end - begin) / 2
    # Of a batch that was monitored twice, the later profile.
    return min(
        near,
        key=lambda each: (abs(each.first + (each.last - each.first) / 2 - middle), -_moment(each.created)),
        default=None,
    )


def just_before(known: Sequence[Earlier], first: datetime) -> Earlier | None:
    """The last batch that had ended when another one began."""
    return max((each for each in known if each.last < first), key=lambda each: (each.last, each.created), default=None)


def fetched(ml: DerivaML, found: Earlier | None) -> Stored[Baseline] | None:
    """The profile itself."""
    return fetch(ml, found.rid, Baseline) if found else None


def _day(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC)


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
