"""What is wrong with a frame: columns, types, ranges, nulls, uniqueness, allowed terms.

Pure and vectorised: a pass over each column for each check. Every failure comes back, with the column, the check, the
value and the RID of the row.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from deriva_ml_kit.errors import Fault, Faults, UsageError

if TYPE_CHECKING:
    import pandas as pd

Mask = NDArray[np.bool_]  # (n,) a row each
Kind = Literal["number", "integer", "text", "boolean", "time"]


class ColumnRule(BaseModel):
    """What a column must be.

    Attributes:
        type: What its values are.
        required: Whether it must be there.
        null: Whether values may be missing.
        max_null_share: Share of missing values that is allowed.
        min: Least value.
        max: Largest value.
        allowed: The only values.
        matches: Regular expression that a text matches as a whole.
        unique: Whether no value may be there twice.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Kind | None = None
    required: bool = True
    null: bool = False
    max_null_share: float | None = Field(default=None, ge=0, le=1)
    min: float | None = None
    max: float | None = None
    allowed: tuple[str | int | float | bool, ...] | None = None
    matches: str | None = None
    unique: bool = False

    @model_validator(mode="after")
    def _fits(self) -> ColumnRule:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is larger than max {self.max}")
        if (self.min is not None or self.max is not None) and self.type not in (None, "number", "integer"):
            raise ValueError(f"min and max are for numbers, not for {self.type}")
        return self


class DataRules(BaseModel):
    """What a frame must be.

    Attributes:
        columns: Column to its rule.
        min_rows: Least number of rows.
        other_columns: Whether columns without a rule may be there.
        unique_together: Columns whose values together are there once.
        id: Column that names a row; RID where there is one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    columns: dict[str, ColumnRule]
    min_rows: int = Field(default=1, ge=0)
    other_columns: bool = True
    unique_together: tuple[tuple[str, ...], ...] = ()
    id: str = "RID"


class Failure(BaseModel):
    """One thing that is wrong.

    Attributes:
        column: The column; several are joined by `+`; None where it is the frame as a whole.
        check: Which check: `present`, `type`, `null`, `min`, `max`, `allowed`, `matches`, `unique`, `rows`, `other`.
        value: What was found.
        limit: What is allowed.
        rid: RID of the row; its number where the frame has no such column; None where it is no row.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: str | None
    check: str
    value: str | None = None
    limit: str | None = None
    rid: str | None = None


def read_rules(file: Path) -> DataRules:
    """Read rules from TOML.

    Raises:
        Faults: Everything that is wrong with them.
        UsageError: The file is not there, or no TOML.
    """
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
    try:
        return DataRules.model_validate(document)
    except ValidationError as error:
        raise Faults(
            [
                Fault(
                    each["msg"], file=str(file), column=".".join(map(str, each["loc"])), value=str(each["input"])[:80]
                )
                for each in error.errors()
            ],
            message=f"{file} holds no rules.",
        ) from error


def failures(frame: pd.DataFrame, rules: DataRules) -> list[Failure]:
    """Everything that is wrong with a frame, column by column.

    Args:
        frame: (n, c) rows.
        rules: What they must be.
    """
    found: list[Failure] = []
    if len(frame) < rules.min_rows:
        found.append(Failure(column=None, check="rows", value=str(len(frame)), limit=str(rules.min_rows)))
    if not rules.other_columns:
        found += [
            Failure(column=str(name), check="other")
            for name in frame.columns
            if name not in rules.columns and name != rules.id
        ]
    rids = frame[rules.id] if rules.id in frame else frame.index.to_series()
    for name, rule in rules.columns.items():
        if name not in frame:
            if rule.required:
                found.append(Failure(column=name, check="present"))
            continue
        found += _column(name, frame[name], rule, rids)
    for names in rules.unique_together:
        if not set(names) <= set(frame.columns):
            found.append(Failure(column="+".join(names), check="present"))
            continue
        twice = frame.duplicated(list(names), keep=False)
        values = frame.loc[twice, list(names)].astype(str).agg("+".join, axis=1)
        found += _rows("+".join(names), "unique", values, np.ones(len(values), bool), rids[twice])
    return found


def _column(name: str, values: pd.Series[Any], rule: ColumnRule, rids: pd.Series[Any]) -> Iterator[Failure]:
    missing = values.isna().to_numpy()
    share = float(missing.mean()) if len(values) else 0.0
    if rule.max_null_share is not None:
        if share > rule.max_null_share:
            yield Failure(column=name, check="null", value=f"{share:.4g}", limit=f"{rule.max_null_share:g}")
    elif not rule.null:
        yield from _rows(name, "null", values, missing, rids)
    right = ~missing & _typed(values, rule.type)
    yield from _rows(name, "type", values, ~missing & ~right, rids, limit=rule.type)
    if rule.min is not None:
        yield from _rows(name, "min", values, right & (_numbers(values) < rule.min), rids, limit=f"{rule.min:g}")
    if rule.max is not None:
        yield from _rows(name, "max", values, right & (_numbers(values) > rule.max), rids, limit=f"{rule.max:g}")
    if rule.allowed is not None:
        bad = right & ~values.isin(rule.allowed).to_numpy()
        yield from _rows(name, "allowed", values, bad, rids, limit=", ".join(map(str, rule.allowed)))
    if rule.matches is not None:
        bad = right & ~values.astype(str).str.fullmatch(rule.matches).to_numpy(dtype=bool)
        yield from _rows(name, "matches", values, bad, rids, limit=rule.matches)
    if rule.unique:
        yield from _rows(name, "unique", values, right & values.duplicated(keep=False).to_numpy(), rids)


def _typed(values: pd.Series[Any], kind: Kind | None) -> Mask:
    """Which values are of a kind; `inf` is no number, and a text that looks like one is none either."""
    import pandas as pd  # noqa: PLC0415
    from pandas.api.types import is_datetime64_any_dtype  # noqa: PLC0415

    if kind is None or values.empty or (kind == "time" and is_datetime64_any_dtype(values)):
        return np.ones(len(values), bool)
    if kind in ("number", "integer"):
        numbers = _numbers(values)
        good = _instances(values, (int, float)) & ~_instances(values, bool) & np.isfinite(numbers)
        return good & (numbers == np.floor(numbers)) if kind == "integer" else good
    if kind == "time":
        return pd.to_datetime(values.astype(str), errors="coerce", format="ISO8601", utc=True).notna().to_numpy()
    return _instances(values, bool if kind == "boolean" else str)


def _instances(values: pd.Series[Any], kind: type | tuple[type, ...]) -> Mask:
    """Which values are of a type; columns of one dtype are not looked at value by value."""
    if values.dtype != object:
        first = values.dropna().head(1).tolist()
        return np.full(len(values), bool(first) and isinstance(first[0], kind))
    return np.fromiter((isinstance(each, kind) for each in values), bool, len(values))


def _numbers(values: pd.Series[Any]) -> NDArray[np.float64]:
    """(n,) numbers; NaN where a value is none."""
    import pandas as pd  # noqa: PLC0415

    return pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan)


def _rows(
    column: str, check: str, values: pd.Series[Any], bad: Mask, rids: pd.Series[Any], *, limit: str | None = None
) -> Iterator[Failure]:
    """A failure for each row that is bad."""
    for row in np.flatnonzero(bad):
        shown = None if check == "null" else str(values.iloc[row])
        yield Failure(column=column, check=check, value=shown, limit=limit, rid=str(rids.iloc[row]))


def counted(found: Iterable[Failure]) -> dict[str, int]:
    """How many failures each column and check has."""
    counts: dict[str, int] = {}
    for each in found:
        name = f"{each.column or 'rows'}: {each.check}"
        counts[name] = counts.get(name, 0) + 1
    return counts
