"""Predictions for a dataset version: the way for all work that nobody waits for.

Execution of type Prediction; inputs are the dataset and the model, outputs a file of predictions, a prediction log as
servers write it, and, where asked for, values of a feature. The model's golden records are tried before anything is
written. Rows go through the same code as requests to a server.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.errors import Fault, Faults, KitError, UsageError
from deriva_ml_kit.features.catalog import read_shape
from deriva_ml_kit.features.schema import Kind
from deriva_ml_kit.mainline import DerivaML, Workflow
from deriva_ml_kit.ops.frames import read_frame
from deriva_ml_kit.ops.golden import Transform, missing, values
from deriva_ml_kit.ops.kinds import AssetType, WorkflowType
from deriva_ml_kit.ops.operation import operation
from deriva_ml_kit.ops.predictions import Prediction
from deriva_ml_kit.ops.serving.answering import Answer, Answerer
from deriva_ml_kit.ops.serving.bundle import Bundle, Loaded, load_bundle
from deriva_ml_kit.ops.serving.model import Load
from deriva_ml_kit.runner.outputs import Outputs

if TYPE_CHECKING:
    import pandas as pd

PROGRAM = ("Predict", WorkflowType.PREDICTION, __name__)
PREDICTIONS, LOG = "predictions.csv", "predictions.jsonl"
ROWS = 10_000  # of one call of the model


@dataclass(frozen=True)
class Into:
    """The feature that predictions become values of.

    Attributes:
        feature: Its name; it is one of the dataset's table.
        column: Takes the prediction; may be left out where there is one that can.
        confidence: Takes the highest score.
    """

    feature: str
    column: str | None = None
    confidence: str | None = None


@dataclass(frozen=True)
class Predicted:
    """What came of it.

    Attributes:
        execution_rid: The execution; None in a dry run.
        rids: File name to RID of the outputs.
        rows: Rows of the dataset.
        failed: Rows that the model could not answer, each named in the file.
        unseen: Rows with a value that the training never had.
        values: Feature values written.
        counts: Label to rows; nothing for a model of numbers.
    """

    execution_rid: str | None
    rids: dict[str, str]
    rows: int
    failed: int
    unseen: int
    values: int
    counts: dict[str, int]


def predict_dataset(
    ml: DerivaML,
    bundle: Bundle,
    dataset: str,
    *,
    table: str | Sequence[str] | None = None,
    workflow: Workflow | None = None,
    load: Load | None = None,
    transform: Transform | None = None,
    unit: str | None = None,
    into: Into | None = None,
    dry_run: bool = False,
) -> Predicted:
    """Let a model answer the rows of a dataset version.

    Args:
        ml: The catalog.
        bundle: The model, from `fetch_bundle`.
        dataset: `RID@VERSION`.
        table: Element table, where there are several; or several tables, side by side.
        workflow: Of a script; this module where not given.
        load: Reads the model's file.
        transform: Makes features of the rows, as in the training.
        unit: Column that names whom a row is about, for the log.
        into: Feature that the predictions become values of.
        dry_run: Do everything but write.

    Raises:
        KitError: The model does not answer as in its training.
        Faults: The rows lack columns that the model needs, or hold what it does not take.
        UsageError: It is no dataset, its tables give a record several rows, or the feature cannot take predictions.
    """
    answerer = _answerer(load_bundle(bundle, load=load, transform=transform))
    batch = read_frame(dataset, ml, table=table)
    if batch.origin.kind != "dataset":
        raise UsageError(f"{dataset} is no dataset in the catalog.", remedy="Name one as RID@VERSION.")
    prefix = f"{batch.origin.tables[0]}." if len(batch.origin.tables) > 1 else ""
    frame, key = batch.frame, f"{prefix}RID"
    rows = _rows(frame, answerer, unit, key)
    target = _Target(ml, batch.origin.tables[0], into, answerer.model.classes) if into else None
    rid = bundle.manifest.model_rid
    what = f"Predictions of model {rid} for {batch.origin.name}"
    program = None if workflow else PROGRAM
    with operation(
        ml, what, workflow=workflow, program=program, datasets=[batch.origin.name], assets=[rid], dry_run=dry_run
    ) as doing:
        now = datetime.now(UTC)
        answers = [
            answer for start in range(0, len(rows), ROWS) for answer in answerer.answer(rows[start : start + ROWS])
        ]
        rids = frame[key].tolist()
        units = [None if missing(each) else str(each) for each in frame[unit]] if unit else [None] * len(rids)
        _write(doing.file(PREDICTIONS, AssetType.PREDICTION_FILE), rids, answers)
        with doing.file(LOG, AssetType.PREDICTION_LOG).open("w", encoding="utf-8") as log:
            for record, whom, answer in zip(rids, units, answers, strict=True):
                line = Prediction(
                    request_id=f"{doing.rid}:{record}",
                    time=now,
                    unit=whom,
                    model_rid=rid,
                    features=answer.features,
                    prediction=answer.prediction,
                    scores=answer.scores,
                    latency_ms=answer.latency_ms,
                    status=200 if answer.error is None else 500,
                    error=answer.error,
                    unseen=answer.unseen,
                )
                log.write(f"{line.model_dump_json()}\n")
        written = target.write(Outputs(ml, doing.execution), rids, answers) if target else 0
    labels = [answer.prediction for answer in answers if isinstance(answer.prediction, str)]
    return Predicted(
        None if dry_run else doing.rid,
        doing.rids,
        len(answers),
        sum(answer.error is not None for answer in answers),
        sum(bool(answer.unseen) for answer in answers),
        written,
        {label: labels.count(label) for label in sorted(set(labels))},
    )


def _answerer(loaded: Loaded) -> Answerer:
    if loaded.faults or loaded.answerer is None:
        raise KitError("The model must not be used: " + "\n".join(loaded.faults))
    return loaded.answerer


def _rows(frame: pd.DataFrame, answerer: Answerer, unit: str | None, key: str) -> list[tuple[Any, ...]]:
    """The rows as requests would bring them.

    Raises:
        Faults: Columns are missing, or hold what their type does not take.
        UsageError: There are no rows, or several of a record.
    """
    needed = [*answerer.types, key, *([unit] if unit else [])]
    faults = [Fault("is not among the columns", column=name) for name in needed if name not in frame.columns]
    if not faults and not len(frame):
        raise UsageError("The dataset has no such rows.")
    if not faults and (twice := frame[key][frame[key].duplicated()].unique().tolist()):
        raise UsageError(
            f"{len(twice)} records have several rows each, {twice[0]} among them: the tables do not fit each other.",
            remedy="Name only tables of which each record has one row.",
        )
    if not faults:
        for name, dtype in answerer.types.items():
            try:
                frame = frame.astype({name: dtype})
            except (TypeError, ValueError) as error:
                faults.append(Fault(f"does not hold {dtype}: {error}", column=name))
    if faults:
        raise Faults(faults, message=f"The model has {len(answerer.types)} inputs that the rows do not all give.")
    return [tuple(row.values()) for row in values(frame[list(answerer.types)])]


def _write(file: Path, rids: Sequence[str], answers: Sequence[Answer]) -> None:
    """A line for each row: RID, prediction, a score for each class, what failed, what was never seen."""
    classes = sorted({name for answer in answers for name in answer.scores or ()})
    with file.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(["RID", "prediction", *(f"scores.{name}" for name in classes), "error", "unseen"])
        for rid, answer in zip(rids, answers, strict=True):
            scores = answer.scores or {}
            shares = [scores.get(name) for name in classes]
            writer.writerow([rid, answer.prediction, *shares, answer.error, " ".join(answer.unseen)])


class _Target:
    """A feature that takes predictions.

    Raises:
        UsageError: There is no such feature, no column that could take them, or no term for some class.
    """

    def __init__(self, ml: DerivaML, table: str, into: Into, classes: Sequence[Any] | None) -> None:
        shape = read_shape(ml, table, into.feature)
        columns = {each.name: each for each in shape.columns}
        wanted = {Kind.FLOAT} if classes is None else {Kind.TERM, Kind.TEXT}
        able = [name for name, each in columns.items() if each.kind in wanted and name != into.confidence]
        terms = [name for name in able if columns[name].kind is Kind.TERM]
        named = [into.column] if into.column else terms if len(terms) == 1 else able
        if len(named) != 1 or named[0] not in able:
            raise UsageError(
                f"Which column of the feature {into.feature} of {table} takes predictions? Not {into.column}."
                if into.column
                else f"Feature {into.feature} of {table} has {len(able)} columns that could take predictions.",
                remedy=f"Name one of: {', '.join(able) or 'none'}.",
            )
        number = columns.get(into.confidence or "")
        if into.confidence and (classes is None or number is None or number.kind is not Kind.FLOAT):
            raise UsageError(f"Feature {into.feature} of {table} has no column {into.confidence} that takes a score.")
        column = columns[str(named[0])]
        if column.kind is Kind.TERM:
            known = shape.vocabularies[column.refers_to].names
            if unknown := [str(each) for each in classes or () if str(each) not in known]:
                raise UsageError(
                    f"Vocabulary {column.refers_to} has no term for {', '.join(unknown)}.",
                    remedy="Add the terms first.",
                )
        self._table, self._column, self._confidence = table, column.name, into.confidence
        self._record = ml.feature_record_class(table, into.feature)

    def write(self, outputs: Outputs, rids: Sequence[str], answers: Sequence[Answer]) -> int:
        """Stage a value for each row that was answered."""
        return outputs.features(
            self._record(**{self._table: rid, self._column: answer.prediction, **self._score(answer)})
            for rid, answer in zip(rids, answers, strict=True)
            if answer.error is None
        )

    def _score(self, answer: Answer) -> dict[str, float]:
        return {self._confidence: max(answer.scores.values())} if self._confidence and answer.scores else {}
