"""Rows in, answers out: one call of the model for as many requests as wait for it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.ops.golden import Transform, plain, values

if TYPE_CHECKING:
    import pandas as pd

    from deriva_ml_kit.ops.serving.model import Model
    from deriva_ml_kit.ops.serving.schema import Seen


@dataclass(frozen=True)
class Answer:
    """What a model says about one row.

    Attributes:
        prediction: A label or a number; None where the model failed.
        scores: Class to probability, where the model has them.
        latency_ms: Milliseconds of the call that the row was part of.
        features: Name to value, as the model got them; as they came in, where the transform failed.
        unseen: Features whose value the training never had; the answer is a guess.
        error: What failed.
    """

    prediction: str | float | None
    scores: dict[str, float] | None
    latency_ms: float
    features: dict[str, Any]
    unseen: tuple[str, ...] = ()
    error: str | None = None


class Answerer:
    """A model with its transform.

    Args:
        model: The model.
        types: Raw column to pandas dtype, in the order of the rows.
        transform: Makes features of raw records; where not given, they are the features.
        seen: Feature to what the training saw.
    """

    def __init__(
        self,
        model: Model,
        types: Mapping[str, str],
        transform: Transform | None = None,
        seen: Mapping[str, Seen] | None = None,
    ) -> None:
        self.model = model
        self.types = dict(types)
        self.transform = transform
        self._seen = dict(seen or {})

    def given(self, names: Iterable[str]) -> Answerer:
        """The same for rows that come in another order of columns."""
        return Answerer(self.model, {name: self.types[name] for name in names}, self.transform, self._seen)

    def answer(self, rows: Sequence[Sequence[Any]]) -> list[Answer]:
        """Answer rows; those that make the model fail fail alone."""
        began = time.perf_counter()
        features = [dict(zip(self.types, row, strict=True)) for row in rows]
        try:
            made = frame(rows, self.types)
            if self.transform:
                made = self.transform(made)[list(self.model.columns)]
                features = values(made)
            labels = [plain(label) for label in self.model.predict(made)]
            scores = self.model.scores(made)
        except Exception as error:  # a project's transform, a library: whatever it is, the other rows are answered
            if len(rows) > 1:
                half = len(rows) // 2
                return self.answer(rows[:half]) + self.answer(rows[half:])
            return [self._failed(features[0], _since(began), f"{type(error).__name__}: {error}"[:500])]
        taken = _since(began)
        names = [] if scores is None else [str(name) for name in scores.columns]
        shares: list[Any] = [None] * len(rows) if scores is None else scores.to_numpy().tolist()
        return [
            self._checked(label, share, names, taken, row)
            for label, share, row in zip(labels, shares, features, strict=True)
        ]

    def _checked(
        self, label: str | float, share: list[float] | None, names: list[str], taken: float, row: dict[str, Any]
    ) -> Answer:
        numbers = [*(share or []), *([label] if isinstance(label, float) else [])]
        if not all(map(math.isfinite, numbers)):
            return self._failed(row, taken, "the model gave no finite number")
        return Answer(label, dict(zip(names, share, strict=True)) if share else None, taken, row, self._unseen(row))

    def _failed(self, row: dict[str, Any], taken: float, why: str) -> Answer:
        return Answer(None, None, taken, row, self._unseen(row), why)

    def _unseen(self, row: dict[str, Any]) -> tuple[str, ...]:
        return tuple(name for name, seen in self._seen.items() if name in row and not seen.holds(row[name]))


def _since(began: float) -> float:
    return (time.perf_counter() - began) * 1000


def frame(rows: Sequence[Sequence[Any]], types: Mapping[str, str]) -> pd.DataFrame:
    """Rows as a frame of these types; None is a missing value."""
    import numpy as np  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415  (takes half a second)

    if set(types.values()) == {"float64"}:  # thirty times as fast, and what most models take
        return pd.DataFrame(np.array(rows, dtype=np.float64), columns=list(types))
    columns = zip(*rows, strict=True)
    made = {name: pd.Series(list(held), dtype=object) for name, held in zip(types, columns, strict=True)}
    return pd.DataFrame(made).astype(dict(types))
