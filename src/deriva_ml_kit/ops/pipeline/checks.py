"""What is wrong with a frame: columns, types, ranges, nulls, uniqueness, allowed terms.

Pure and vectorised: a pass over each column for each check. Every failure comes back, with the column, the check, the
value and the RID of the row.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from deriva_ml_kit.errors import Fault, Faults, UsageError

if TYPE_CHECKING:
    import pandas as pd

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
        found += _rows("+".join(names), "unique", values, rids[twice], None)
    return found


def _column(name: str, values: pd.Series[Any], rule: ColumnRule, rids: pd.Series[Any]) -> Iterator[Failure]:
    missing = values.isna()
    share = float(missing.mean()) if len(values) else 0.0
    if rule.max_null_share is not None:
        if share > rule.max_null_share:
            yield Failure(column=name, check="null", value=f"{share:.4g}", limit=f"{rule.max_null_share:g}")
    elif not rule.null:
        yield from _rows(name, "null", values[missing], rids[missing], None)
    there = values[~missing]
    right = _typed(there, rule.type)
    yield from _rows(name, "type", there[~right], rids[there.index][~right], rule.type)
    there = there[right]
    ids = rids[there.index]
    if rule.min is not None or rule.max is not None:
        numbers = _numbers(there)
        for check, limit, bad in (
            ("min", rule.min, numbers < rule.min if rule.min is not None else None),
            ("max", rule.max, numbers > rule.max if rule.max is not None else None),
        ):
            if bad is not None:
                yield from _rows(name, check, there[bad], ids[bad], f"{limit:g}")
    if rule.allowed is not None:
        bad = ~there.isin(rule.allowed)
        yield from _rows(name, "allowed", there[bad], ids[bad], ", ".join(map(str, rule.allowed)))
    if rule.matches is not None:
        bad = ~there.astype(str).str.fullmatch(rule.matches).astype(bool)
        yield from _rows(name, "matches", there[bad], ids[bad], rule.matches)
    if rule.unique:
        bad = there.duplicated(keep=False)
        yield from _rows(name, "unique", there[bad], ids[bad], None)


def _typed(values: pd.Series[Any], kind: Kind | None) -> pd.Series[Any]:
    """Which values are of a kind; `inf` is no number, and a text that looks like one is none either."""
    import pandas as pd  # noqa: PLC0415
    from pandas.api.types import is_datetime64_any_dtype  # noqa: PLC0415

    if kind is None or values.empty or (kind == "time" and is_datetime64_any_dtype(values)):
        return pd.Series(True, index=values.index)
    if kind in ("number", "integer"):
        numbers = _numbers(values.where(_instances(values, (int, float)) & ~_instances(values, bool)))
        good = numbers.notna() & (numbers.abs() != math.inf)
        return good & (numbers % 1 == 0) if kind == "integer" else good
    if kind == "time":
        return pd.to_datetime(values.astype(str), errors="coerce", format="ISO8601", utc=True).notna()
    return _instances(values, bool if kind == "boolean" else str)


def _instances(values: pd.Series[Any], kind: type | tuple[type, ...]) -> pd.Series[Any]:
    """Which values are of a type; columns of one dtype are not looked at value by value."""
    import pandas as pd  # noqa: PLC0415

    if values.dtype != object:
        first = values.iloc[0]
        first = first.item() if hasattr(first, "item") else first
        return pd.Series(isinstance(first, kind), index=values.index)
    return values.map(lambda each: isinstance(each, kind)).astype(bool)


def _numbers(values: pd.Series[Any]) -> pd.Series[Any]:
    import pandas as pd  # noqa: PLC0415

    return pd.to_numeric(values, errors="coerce")


def _rows(
    column: str, check: str, values: pd.Series[Any], rids: pd.Series[Any], limit: str | None
) -> Iterator[Failure]:
    for value, rid in zip(values.tolist(), rids.tolist(), strict=True):
        shown = None if check == "null" else str(value)
        yield Failure(column=column, check=check, value=shown, limit=limit, rid=str(rid))


def counted(found: Iterable[Failure]) -> dict[str, int]:
    """How many failures each column and check has."""
    counts: dict[str, int] = {}
    for each in found:
        name = f"{each.column or 'rows'}: {each.check}"
        counts[name] = counts.get(name, 0) + 1
    return counts
