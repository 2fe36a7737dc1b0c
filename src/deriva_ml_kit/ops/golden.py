"""Golden records: inputs with the features and answers that a model made of them when it was trained.

Whoever uses the model later, with whatever libraries, must get the same: a server asks `verify` before it is ready, a
batch before it writes.

    with operation(...) as doing:                      # the training
        write_golden(doing.execution, model, raw, transform)

    verify(golden, model, transform).require()
"""

from __future__ import annotations

import importlib.metadata
import math
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from deriva_ml_kit.errors import KitError, UsageError
from deriva_ml_kit.ops.documents import Document
from deriva_ml_kit.ops.kinds import MODELS, AssetType

if TYPE_CHECKING:
    import pandas as pd

    from deriva_ml_kit.ops.serving.model import Model

FILE = "golden-records.json"
FEWEST, MOST = 50, 200
ATOL = 1e-6
# Whose versions can change what a model answers.
LIBRARIES = ("numpy", "scipy", "pandas", "scikit-learn", "joblib", "torch", "xgboost", "lightgbm", "onnxruntime")

Value = bool | int | float | str | None
# Raw records to features, as in training: the same function there and here.
Transform = Callable[["pd.DataFrame"], "pd.DataFrame"]


class GoldenRecord(BaseModel):
    """One input and what became of it.

    Attributes:
        inputs: Name to raw value.
        features: Name to value, as the model got them.
        prediction: Its label or number.
        scores: Class to probability, where the model has them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    inputs: dict[str, Value]
    features: dict[str, Value]
    prediction: str | float
    scores: dict[str, float] | None = None


class GoldenRecords(Document):
    """Some records of a training.

    Attributes:
        input_types: Column to pandas dtype of the raw records.
        feature_types: The same of the features; their order is the model's.
        versions: Library to version that made the answers, and Python's.
        records: 50 to 200 of them.
    """

    KIND: ClassVar[AssetType] = AssetType.GOLDEN_RECORDS

    input_types: dict[str, str]
    feature_types: dict[str, str]
    versions: dict[str, str]
    records: tuple[GoldenRecord, ...] = Field(min_length=FEWEST, max_length=MOST)

    @model_validator(mode="after")
    def _columns(self) -> GoldenRecords:
        for number, record in enumerate(self.records):
            if record.inputs.keys() != self.input_types.keys() or record.features.keys() != self.feature_types.keys():
                raise ValueError(f"record {number} has other columns than the types say")
        return self


@dataclass(frozen=True)
class Difference:
    """One value that was not reproduced.

    Attributes:
        record: Its number, from 0.
        column: A feature, `prediction`, or `score of <class>`.
        expected: As recorded.
        found: As it is now.
    """

    record: int
    column: str
    expected: Value
    found: Value

    def __str__(self) -> str:
        return f"record {self.record}, {self.column}: expected {self.expected!r}, found {self.found!r}"


@dataclass(frozen=True)
class Reproduction:
    """Whether golden records are reproduced.

    Attributes:
        records: How many were tried.
        differences: Everything that differs by more than the tolerance.
        versions: Library to its version then and now, where they differ; None where it is not installed.
        failure: What failed, where no comparison came about.
    """

    records: int
    differences: list[Difference] = field(default_factory=list)
    versions: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    failure: str | None = None

    @property
    def same(self) -> bool:
        """Whether everything is as recorded."""
        return not self.differences and self.failure is None

    def __str__(self) -> str:
        if self.same:
            head = f"{self.records} golden records are reproduced"
        elif self.failure:
            head = f"The golden records cannot be tried: {self.failure}"
        else:
            wrong = {difference.record for difference in self.differences}
            shown = [f"  {difference}" for difference in self.differences[:5]]
            more = len(self.differences) - len(shown)
            head = "\n".join(
                [
                    f"{len(wrong)} of {self.records} golden records are not reproduced:",
                    *shown,
                    *([f"  … and {more} more values"] if more else []),
                ]
            )
        changed = ", ".join(
            f"{name} {then or 'none'} -> {now or 'none'}" for name, (then, now) in self.versions.items()
        )
        return f"{head}\nLibraries since the training: {changed}" if changed else head

    def require(self) -> None:
        """Refuse a model that answers otherwise than when it was trained.

        Raises:
            KitError: It does.
        """
        if not self.same:
            raise KitError(
                str(self), remedy="Use the libraries of the training (its environment lock), or train and judge again."
            )


def golden_records(
    model: Model, raw: pd.DataFrame, transform: Transform | None = None, *, count: int = 100, seed: int = 0
) -> GoldenRecords:
    """Let a model answer some records, and keep what it says.

    Args:
        model: As trained.
        raw: Records as they come in later, so without labels; `count` of them are drawn, all where there are fewer.
        transform: Makes the features of them; where not given, the records are the features.
        count: 50 to 200.
        seed: Of the draw.

    Raises:
        UsageError: Too few or too many records.
    """
    if not FEWEST <= count <= MOST or len(raw) < FEWEST:
        raise UsageError(f"Golden records are {FEWEST} to {MOST}; asked for {count} of {len(raw)} rows.")
    needed = raw if transform else raw[list(model.columns)]
    drawn = needed.sample(min(count, len(raw)), random_state=seed).sort_index().reset_index(drop=True)
    # What is recorded must be what a reader of the record gets: the round trip comes before the model.
    inputs = _frame(values(drawn), _types(drawn))
    features = (transform(inputs.copy()) if transform else inputs)[list(model.columns)]
    kept = [
        GoldenRecord(inputs=given, features=made, prediction=answer, scores=scores)
        for given, made, (answer, scores) in zip(
            values(inputs), values(features), _answers(model, features), strict=True
        )
    ]
    return GoldenRecords(
        input_types=_types(inputs), feature_types=_types(features), versions=versions(), records=tuple(kept)
    )


def write_golden(
    execution: Any,
    model: Model,
    raw: pd.DataFrame,
    transform: Transform | None = None,
    *,
    count: int = 100,
    seed: int = 0,
) -> Path:
    """Keep golden records as an output of the training that made the model.

    Args:
        execution: The training, not committed yet.
        model, raw, transform, count, seed: See `golden_records`.

    Raises:
        UsageError: Too few or too many records.
        KitError: Answers depend on which records come together; nothing was written.
    """
    made = golden_records(model, raw, transform, count=count, seed=seed)
    verify(made, model, transform).require()
    path = Path(execution.asset_file_path(MODELS, FILE, asset_types=str(made.KIND)))
    path.write_text(made.text(), encoding="utf-8")
    return path


def verify(golden: GoldenRecords, model: Model, transform: Transform | None = None, atol: float = ATOL) -> Reproduction:
    """Compare what a model answers now with its golden records, each record by itself as a server gets it.

    Args:
        golden: As recorded in its training.
        model: As loaded now.
        transform: As it is now.
        atol: Largest difference of two numbers that are the same; with the same relative to those above 1.
    """
    changed = {
        name: (golden.versions.get(name), now.get(name))
        for now in [versions()]
        for name in sorted(golden.versions.keys() | now.keys())
        if golden.versions.get(name) != now.get(name)
    }
    differences: list[Difference] = []
    frame = _frame([dict(record.inputs) for record in golden.records], golden.input_types)
    for number, record in enumerate(golden.records):
        inputs = frame.iloc[[number]].reset_index(drop=True)
        try:
            features = (transform(inputs) if transform else inputs)[list(golden.feature_types)]
            ((answer, scores),) = _answers(model, features)
        except Exception as error:  # whatever a project's transform or a library raises: it is not reproduced
            failure = f"record {number}: {type(error).__name__}: {error}"
            return Reproduction(len(golden.records), differences, changed, failure)
        (made,) = values(features)
        pairs: list[tuple[str, Any, Any]] = [(name, record.features[name], made[name]) for name in record.features]
        pairs.append(("prediction", record.prediction, answer))
        then, now = record.scores or {}, scores or {}
        pairs += [(f"score of {name}", then.get(name), now.get(name)) for name in sorted(then.keys() | now.keys())]
        differences += [Difference(number, name, old, new) for name, old, new in pairs if not _same(old, new, atol)]
    return Reproduction(len(golden.records), differences, changed)


def versions() -> dict[str, str]:
    """Versions of Python and of the installed libraries that a model's answers may depend on."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _answers(model: Model, features: pd.DataFrame) -> list[tuple[str | float, dict[str, float] | None]]:
    labels = [plain(label) for label in model.predict(features)]
    scores = model.scores(features)
    rows: list[Any] = [None] * len(labels) if scores is None else scores.rename(columns=str).to_dict("records")
    return list(zip(labels, rows, strict=True))


def plain(label: Any) -> str | float:
    """A label as JSON has it: floats stay numbers, everything else is text."""
    return float(label) if isinstance(label, float | np.floating) else str(label)


def _types(frame: pd.DataFrame) -> dict[str, str]:
    return {str(name): str(kind) for name, kind in frame.dtypes.items()}


def values(frame: pd.DataFrame) -> list[dict[str, Value]]:
    """Rows as JSON has them; what is missing is None."""
    columns = {str(name): [_value(value) for value in frame[name].tolist()] for name in frame.columns}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def missing(value: Any) -> bool:
    """Whether a value of a frame is none: None, NaN, or pandas' own."""
    if isinstance(value, float):
        return value != value  # noqa: PLR0124  (NaN differs from itself)
    return value is None or type(value).__name__ in {"NAType", "NaTType"}


def _value(value: Any) -> Value:
    if missing(value):
        return None
    return value if isinstance(value, bool | int | float | str) else str(value)


def _frame(rows: list[dict[str, Value]], types: dict[str, str]) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415  (takes half a second)

    columns = {name: pd.Series([row[name] for row in rows], dtype=object) for name in types}
    return pd.DataFrame(columns).astype(types).copy()  # the copy has a block for each type, not for each column


def _same(expected: Value, found: Value, atol: float) -> bool:
    numbers = [value for value in (expected, found) if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) < 2:
        return expected == found
    return math.isclose(numbers[0], numbers[1], rel_tol=atol, abs_tol=atol)
