"""Two runs compared: what is equal, what differs within a tolerance, what differs.

Pure: numbers, files and frames in, findings out. Metrics and predictions decide; other files are told of, since a model
file may hold the same model in other bytes. Where a run has neither, its files decide.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 3


class Likeness(StrEnum):
    """How alike two things are."""

    EQUAL = "equal"
    WITHIN = "within tolerance"
    DIFFERS = "differs"
    MISSING = "missing in the new run"
    NEW = "new"


class Finding(BaseModel):
    """One thing of both runs.

    Attributes:
        kind: `metric`, `predictions`, `feature values`, `file`, `status`.
        name: Its name.
        likeness: How alike the two are.
        first: What the first run has.
        again: What the new one has.
        detail: Where they differ.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    name: str
    likeness: Likeness
    first: str | None = None
    again: str | None = None
    detail: str | None = None


def reproduced(findings: Collection[Finding], *, exact: bool = False) -> bool:
    """Whether the second run is the first one again.

    Args:
        findings: All that was compared.
        exact: Whether every byte of every file must be the same.
    """
    judged = [each for each in findings if exact or each.kind != "file"]
    if not any(each.kind in ("metric", "predictions", "feature values") for each in judged):
        judged = list(findings)
    allowed = {Likeness.EQUAL} if exact else {Likeness.EQUAL, Likeness.WITHIN}
    return bool(judged) and all(each.likeness in allowed for each in judged)


def metrics(
    first: Mapping[str, float], again: Mapping[str, float], tolerance: float, ignored: Collection[str] = ()
) -> Iterator[Finding]:
    """Compare numbers by name.

    Args:
        first: Of the first run.
        again: Of the new one.
        tolerance: Relative to the larger one, and absolute near zero.
        ignored: Names that are expected to differ, such as durations.
    """
    for name in sorted((first.keys() | again.keys()) - set(ignored)):
        one, two = first.get(name), again.get(name)
        texts = {"first": None if one is None else repr(one), "again": None if two is None else repr(two)}
        yield Finding(kind="metric", name=name, likeness=_numbers(one, two, tolerance), **texts)


def files(
    first: Mapping[str, tuple[str, Path]],
    again: Mapping[str, tuple[str, Path]],
    tolerance: float,
    predictions: Collection[str] = (),
) -> Iterator[Finding]:
    """Compare files by name.

    Args:
        first: Name to MD5 and file of the first run.
        again: Of the new one.
        tolerance: As for `metrics`.
        predictions: Names of those that hold predictions.
    """
    for name in sorted(first.keys() | again.keys()):
        kind = "predictions" if name in predictions else "file"
        one, two = first.get(name), again.get(name)
        if one is None or two is None:
            yield Finding(kind=kind, name=name, likeness=Likeness.MISSING if one else Likeness.NEW)
            continue
        likeness, detail = (Likeness.EQUAL, None) if one[0] == two[0] else _contents(one[1], two[1], tolerance)
        yield Finding(kind=kind, name=name, likeness=likeness, first=one[0], again=two[0], detail=detail)


def tables(first: pd.DataFrame, again: pd.DataFrame, tolerance: float) -> tuple[Likeness, str | None]:
    """Compare frames; rows are brought together by the first column where its values are unique.

    Returns:
        How alike they are, and in which columns they differ.
    """
    if list(first.columns) != list(again.columns):
        return (
            Likeness.DIFFERS,
            f"columns {', '.join(map(str, first.columns))} and {', '.join(map(str, again.columns))}",
        )
    if len(first) != len(again):
        return Likeness.DIFFERS, f"{len(first)} and {len(again)} rows"
    if len(first.columns) == 0 or first.empty:
        return Likeness.EQUAL, None
    key = first.columns[0]
    if first[key].is_unique and set(first[key]) == set(again[key]):
        first, again = first.set_index(key), again.set_index(key).loc[first[key]]
    likeness, told = Likeness.EQUAL, []
    for column in first.columns:
        found, count = _columns(first[column], again[column], tolerance)
        likeness = max(likeness, found, key=(Likeness.EQUAL, Likeness.WITHIN, Likeness.DIFFERS).index)
        if count:
            told.append(f"{column}: {count} of {len(first)} rows")
    return likeness, "; ".join(told) or None


def _columns(one: pd.Series[Any], two: pd.Series[Any], tolerance: float) -> tuple[Likeness, int]:
    """How alike two columns are, and how many rows differ at all."""
    import numpy as np  # noqa: PLC0415
    from pandas.api.types import is_bool_dtype, is_numeric_dtype  # noqa: PLC0415

    a, b = one.to_numpy(), two.to_numpy()
    same = (a == b) | (one.isna().to_numpy() & two.isna().to_numpy())
    count = int((~same).sum())
    if not count:
        return Likeness.EQUAL, 0
    if not (is_numeric_dtype(one) and is_numeric_dtype(two)) or is_bool_dtype(one) or is_bool_dtype(two):
        return Likeness.DIFFERS, count
    near = np.isclose(a.astype(float), b.astype(float), rtol=tolerance, atol=tolerance, equal_nan=True)
    return (Likeness.WITHIN if near.all() else Likeness.DIFFERS), count


def _contents(one: Path, two: Path, tolerance: float) -> tuple[Likeness, str | None]:
    """Compare what files of other bytes hold, where it can be read."""
    suffix = one.suffix.lower()
    try:
        if suffix in (".csv", ".tsv"):
            import pandas as pd  # noqa: PLC0415

            separator = "\t" if suffix == ".tsv" else ","
            return tables(pd.read_csv(one, sep=separator), pd.read_csv(two, sep=separator), tolerance)
        if suffix in (".json", ".jsonl"):
            return _values(_read(one), _read(two), tolerance)
    except (ValueError, OSError) as error:
        return Likeness.DIFFERS, f"cannot be read: {error}"
    return Likeness.DIFFERS, "in its bytes"


def _read(file: Path) -> Any:
    text = file.read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines() if line] if file.suffix == ".jsonl" else json.loads(text)


def _values(one: Any, two: Any, tolerance: float) -> tuple[Likeness, str | None]:
    a, b = dict(_leaves(one)), dict(_leaves(two))
    found = {name: _alike(a.get(name), b.get(name), tolerance) for name in (a | b)}
    if apart := [name for name, each in found.items() if each is Likeness.DIFFERS]:
        more = f" and {len(apart) - SHOWN} more" if len(apart) > SHOWN else ""
        return Likeness.DIFFERS, f"in {', '.join(apart[:SHOWN])}{more}"
    return (Likeness.WITHIN if Likeness.WITHIN in found.values() else Likeness.EQUAL), None


def _alike(one: Any, two: Any, tolerance: float) -> Likeness:
    if _is_number(one) and _is_number(two):
        return _numbers(one, two, tolerance)
    return Likeness.EQUAL if one == two else Likeness.DIFFERS


def _numbers(one: float | None, two: float | None, tolerance: float) -> Likeness:
    if one is None or two is None:
        return Likeness.MISSING if two is None else Likeness.NEW
    if one == two or (math.isnan(one) and math.isnan(two)):
        return Likeness.EQUAL
    return Likeness.WITHIN if math.isclose(one, two, rel_tol=tolerance, abs_tol=tolerance) else Likeness.DIFFERS


def _leaves(value: Any, place: str = "") -> Iterable[tuple[str, Any]]:
    if isinstance(value, Mapping | list) and value:
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, item in items:
            yield from _leaves(item, f"{place}.{key}" if place else str(key))
    else:
        yield place, value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
