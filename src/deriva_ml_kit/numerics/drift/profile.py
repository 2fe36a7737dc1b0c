"""The baseline: distributions of a model's training data, frozen in a file of less than 2 MB.

baseline = profile(train, predictions=labels, scores=probabilities, clusters="Subject", times="Acquired",
                   seasonal={"Temperature": 365})
text = baseline.model_dump_json()
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.numerics.drift import cells
from deriva_ml_kit.numerics.drift.batch import Batch, Role, Rows, batch, threaded
from deriva_ml_kit.numerics.drift.clusters import covariance
from deriva_ml_kit.numerics.drift.columns import NUMERIC, Kind, Levels, Numbers, kind_of, read_levels, read_numbers
from deriva_ml_kit.numerics.drift.ecdf import Ecdf, pack, unpack
from deriva_ml_kit.numerics.drift.statistics import Counts, Floats

YEAR = 365.0


class Record(BaseModel):
    """What is written as JSON; infinity does not occur, unknown numbers are null."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


class Origin(Record):
    """Where the data of a baseline came from; filled by who reads them."""

    dataset_rid: str | None = None
    dataset_version: str | None = None
    snapshot: str | None = None
    execution_rid: str | None = None
    file: str | None = None
    sha256: str | None = None


class ColumnProfile(Record):
    """One column of the baseline.

    Attributes:
        name: Its name.
        role: Feature, prediction or score.
        kind: What it holds.
        dtype: pandas' name of its type.
        rows: All rows; the cells below sum up to it.
        minimum: Least finite value of a numeric column.
        maximum: Largest finite value.
        mean: Of finite values; None if their sum is too large for a number.
        sd: Standard deviation of finite values.
        levels: Cells of a categorical or boolean column, most frequent first.
        values: Cells of a numeric column with few values.
        edges: Inner edges of the intervals of any other numeric column; None for one with `values` or `levels`.
        counts: Rows per level, value or interval.
        other: Rows of levels beyond the bounded number.
        nulls: Rows without value.
        negative_infinite: Rows with -inf.
        positive_infinite: Rows with +inf.
        ecdf: Frozen distribution of a numeric column that has values.
        covariance: Covariance of the shares of all cells over clusters, packed (see `Ecdf`), if rows are grouped.
        period: Days of its season, if it was declared to have one.
    """

    name: str
    role: Role
    kind: Kind
    dtype: str
    rows: int
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    sd: float | None = None
    levels: tuple[str, ...] = ()
    values: tuple[float, ...] = ()
    edges: tuple[float, ...] | None = None
    counts: tuple[int, ...] = ()
    other: int = 0
    nulls: int = 0
    negative_infinite: int = 0
    positive_infinite: int = 0
    ecdf: Ecdf | None = None
    covariance: str | None = None
    period: float | None = None

    @property
    def nullable(self) -> bool:
        """Whether some row had no value."""
        return self.nulls > 0

    @property
    def constant(self) -> bool:
        """Whether all rows fell into one cell that stands for one value, null included."""
        held = np.flatnonzero(self.cell_counts())
        return len(held) == 1 and held[0] != len(self.counts) and (self.edges is None or held[0] > len(self.counts))

    def labels(self) -> list[str]:
        """Names of all cells, the special ones last."""
        if self.kind not in NUMERIC:
            main = list(self.levels)
        elif self.edges is None:
            main = [f"{value:.12g}" for value in self.values]
        else:
            main = cells.interval_labels(self.edges)
        return [*main, *cells.SPECIAL]

    def cell_counts(self) -> Counts:
        """Rows of all cells."""
        special = (self.other, self.nulls, self.negative_infinite, self.positive_infinite)
        return np.array([*self.counts, *special], dtype=np.int64)

    def count(self, read: Numbers | Levels) -> Counts:
        """Rows of another batch in the same cells."""
        if isinstance(read, Levels):
            return cells.count_levels(read, self.levels)
        return cells.count_numbers(read, *self._numeric_cells())

    def covariance_of(self, read: Numbers | Levels, clusters: Any) -> Floats:
        """Covariance of the shares of these cells over the clusters of a batch."""
        if isinstance(read, Levels):
            each = cells.cell_of_levels(read, self.levels)
        else:
            each = cells.cell_of_numbers(read, *self._numeric_cells())
        return covariance(each, len(self.counts) + len(cells.SPECIAL), clusters)

    def frozen_covariance(self) -> Floats | None:
        """The covariance of its own shares over clusters."""
        if self.covariance is None:
            return None
        size = len(self.counts) + len(cells.SPECIAL)
        matrix: Floats = unpack(self.covariance, float).reshape(size, size)
        return matrix

    def _numeric_cells(self) -> tuple[Floats, Floats | None]:
        edges = None if self.edges is None else np.array(self.edges, dtype=np.float64)
        return np.array(self.values, dtype=np.float64), edges


class BaselineProfile(Record):
    """What later batches are compared with.

    Attributes:
        rows: Rows of the training data.
        bins: Intervals of a continuous column.
        columns: Features, then prediction and scores.
        skipped: Columns without a distribution worth monitoring, each with the reason.
        clusters: How many clusters the rows are in, if they are grouped.
        first: Time of the first row, UTC, if times are known.
        last: Time of the last row.
        origin: Where the data came from.
    """

    rows: int
    bins: int
    columns: tuple[ColumnProfile, ...]
    skipped: dict[str, str]
    clusters: int | None = None
    first: datetime | None = None
    last: datetime | None = None
    origin: Origin = Origin()

    @property
    def features(self) -> tuple[ColumnProfile, ...]:
        """The columns that a model is given."""
        return tuple(column for column in self.columns if column.role == "feature")

    @property
    def days(self) -> float | None:
        """Days from the first row to the last."""
        return None if self.first is None or self.last is None else (self.last - self.first).total_seconds() / 86400

    @cached_property
    def by_name(self) -> Mapping[tuple[Role, str], ColumnProfile]:
        """Columns by role and name."""
        return {(column.role, column.name): column for column in self.columns}


def profile(
    frame: pd.DataFrame,
    *,
    predictions: Rows = None,
    scores: Any = None,
    clusters: Rows = None,
    times: Rows = None,
    columns: Sequence[str] | None = None,
    bins: int = 10,
    levels: int = 50,
    seasonal: Mapping[str, float] | Sequence[str] = (),
    origin: Origin | None = None,
    workers: int | None = None,
) -> BaselineProfile:
    """Freeze the distributions of training data.

    Args:
        frame: Features, a row a record.
        predictions: What the model predicted for them: values, or the name of a column that is then no feature.
        scores: Its probabilities: values, a frame with a column for each class, or names of columns.
        clusters: What rows have in common, such as the subject: values, or the name of a column. Later batches must
            name theirs.
        times: When each row came to be: values, or the name of a column.
        columns: Features to monitor; all by default.
        bins: Intervals of a continuous column, 2 to 100.
        levels: Levels of a categorical column that get a cell each; the most frequent ones.
        seasonal: Columns that differ over the year: names, or names with the days of their period. Needs times.
        origin: Where the data came from.
        workers: Threads; as many as processors by default.

    Raises:
        UsageError: No rows, or arguments that do not fit the frame.
    """
    if not 2 <= bins <= 100:
        raise UsageError(f"bins is {bins}; it must be from 2 to 100.")
    if levels < 1:
        raise UsageError(f"levels is {levels}; it must be at least 1.")
    if not len(frame):
        raise UsageError("The training data have no rows; there is nothing to compare later batches with.")
    data = batch(frame, predictions=predictions, scores=scores, clusters=clusters, times=times, columns=columns)
    periods = dict(seasonal) if isinstance(seasonal, Mapping) else dict.fromkeys(seasonal, YEAR)
    _check_seasons(periods, data)

    def one(item: tuple[tuple[Role, str], pd.Series[Any]]) -> ColumnProfile | str:
        key, values = item
        period = periods.get(key[1]) if key[0] == "feature" else None
        return _column(key, values, bins=bins, levels=levels, clusters=data.clusters, period=period)

    found = dict(zip(data.columns, threaded(one, list(data.columns.items()), workers), strict=True))
    first, last = (None, None) if data.times is None else (data.times.min(), data.times.max())
    return BaselineProfile(
        rows=data.rows,
        bins=bins,
        columns=tuple(made for made in found.values() if isinstance(made, ColumnProfile)),
        skipped={name: made for (_, name), made in found.items() if isinstance(made, str)},
        clusters=data.cluster_count,
        first=first,
        last=last,
        origin=origin or Origin(),
    )


def _column(
    key: tuple[Role, str], values: pd.Series[Any], *, bins: int, levels: int, clusters: Any, period: float | None
) -> ColumnProfile | str:
    """One column, or why it is skipped."""
    role, name = key
    kind = kind_of(values)
    if kind is None:
        return f"values of type {values.dtype} have no distribution that batches share"
    about: dict[str, Any] = {
        "name": name,
        "role": role,
        "dtype": str(values.dtype),
        "rows": len(values),
        "period": period,
    }
    known: Kind = "numeric" if kind == "empty" else kind
    read: Numbers | Levels
    if known in NUMERIC:
        read = read_numbers(values)
        made = ColumnProfile(kind=known, **about, **_numeric(read, bins))
    else:
        read = read_levels(values)
        ranked = sorted(read.counts.items(), key=lambda item: (-item[1], item[0]))
        if kind == "categorical" and role == "feature" and len(ranked) == read.rows - read.nulls > levels:
            return "every value differs, as identifiers do"
        kept = ("False", "True") if kind == "boolean" else tuple(level for level, _ in ranked[:levels])
        counted = cells.count_levels(read, kept)
        made = ColumnProfile(
            kind=known,
            **about,
            levels=kept,
            counts=tuple(counted[:-4].tolist()),
            other=int(counted[-4]),
            nulls=read.nulls,
        )
    if clusters is not None:
        made = made.model_copy(update={"covariance": pack(made.covariance_of(read, clusters))})
    return made


def _numeric(read: Numbers, bins: int) -> dict[str, Any]:
    """Fields of a numeric column."""
    ordered = read.ordered
    values = cells.few_values(ordered)
    edges = cells.interval_edges(ordered, bins) if values is None else None
    counted = cells.count_numbers(read, np.array([]) if values is None else values, edges)
    found: dict[str, Any] = {
        "values": () if values is None else tuple(values.tolist()),
        "edges": None if edges is None else tuple(edges.tolist()),
        "counts": tuple(counted[:-4].tolist()),
        "nulls": read.nulls,
        "negative_infinite": read.negative_infinite,
        "positive_infinite": read.positive_infinite,
    }
    if len(ordered):
        with np.errstate(over="ignore", invalid="ignore"):
            mean, sd = float(ordered.mean()), float(ordered.std())
        found |= {
            "minimum": float(ordered[0]),
            "maximum": float(ordered[-1]),
            "mean": mean if np.isfinite(mean) else None,
            "sd": sd if np.isfinite(sd) else None,
            "ecdf": Ecdf.of(ordered),
        }
    return found


def _check_seasons(periods: Mapping[str, float], data: Batch) -> None:
    features = [name for role, name in data.columns if role == "feature"]
    if unknown := [name for name in periods if name not in features]:
        raise UsageError(f"There is no column {unknown[0]!r} that could be seasonal.")
    if wrong := {name: days for name, days in periods.items() if not days > 0}:
        name, days = next(iter(wrong.items()))
        raise UsageError(f"The season of {name!r} has {days} days; it must be more than 0.")
    if periods and data.times is None:
        raise UsageError("Seasonal columns need times, which say how much of a season the training data span.")
