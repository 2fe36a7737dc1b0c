"""Events from files and datasets: their times as moments in UTC, said where they are not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from deriva_ml_kit.errors import Fault, Faults, UsageError
from deriva_ml_kit.ops.features.historical import KEY
from deriva_ml_kit.ops.frames import Origin, read_frame

if TYPE_CHECKING:
    from deriva_ml_kit.mainline import DerivaML

SHOWN = 10


def read_events(
    source: str | Path, ml: DerivaML, *, feature_refs: Iterable[str], keys: Mapping[str, str], time: str
) -> tuple[pd.DataFrame, Origin]:
    """Read events: a file, a dataset version, an asset (see `frames.read_frame`).

    Args:
        source: Where they stand.
        ml: The catalog.
        feature_refs: What will be asked about them: keys of entities stay text.
        keys: Entity to the column of its keys.
        time: Column of their times; texts in it become moments.

    Raises:
        UsageError: There are no events, or no column of times.
        Faults: Texts that are no moment, with their lines.
    """
    entities = {reference.partition(":")[0] for reference in feature_refs}
    text = {KEY, "RID", *keys.values(), *entities, *(f"{entity}_id" for entity in entities)}
    batch = read_frame(source, ml, text=text)
    frame = batch.frame
    if time not in frame.columns:
        raise UsageError(
            f"{source} has no column {time}: it has {', '.join(map(str, frame.columns))}.", remedy="Name it by --time."
        )
    if not len(frame):
        raise UsageError(f"{source} has no rows.")
    kind = frame[time].dtype
    if isinstance(kind, pd.DatetimeTZDtype):
        frame = frame.assign(**{time: frame[time].dt.tz_convert("UTC")})
    elif not pd.api.types.is_datetime64_dtype(kind):  # a time without zone is refused by the join
        frame = frame.assign(**{time: _moments(frame[time], str(source), time)})
    return frame, batch.origin


def _moments(texts: pd.Series[Any], source: str, column: str) -> pd.Series[Any]:
    moments: list[Any] = []
    faults = []
    for line, text in enumerate(texts, start=2):
        if pd.isna(text):
            moments.append(pd.NaT)
            continue
        try:
            moment = datetime.fromisoformat(str(text))
            if moment.tzinfo is None:
                raise ValueError("it does not say its offset from UTC")
            moments.append(moment.astimezone(UTC))
        except ValueError as error:
            faults.append(Fault(f"is no moment: {error}", file=source, line=line, column=column, value=str(text)))
    if faults:
        remedy = "Write times as 2026-01-31T12:00:00+00:00."
        raise Faults(faults, message="The events have no times.", remedy=remedy, shown=SHOWN)
    return pd.Series(moments, index=texts.index, dtype="datetime64[us, UTC]")
