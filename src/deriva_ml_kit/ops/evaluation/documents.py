"""`EvaluationReport`: how a model did on a version of a dataset."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from deriva_ml_kit.ops.documents import Document
from deriva_ml_kit.ops.kinds import AssetType

Task = Literal["classification", "regression"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


class MetricValue(_Part):
    """A metric with its interval.

    Attributes:
        value: On all records; NaN where it is not defined, such as without scores.
        lower: Lower end of the interval.
        upper: Upper end.
        baseline: The same metric of the best constant answer: the majority, the mean.
    """

    value: float
    lower: float
    upper: float
    baseline: float


class Look(_Part):
    """An earlier evaluation on the same dataset, in any version.

    Attributes:
        execution_rid: The execution; one that failed has looked, too.
        report_rid: Its report, if it has one.
        model_rid: Its model, if the catalog knows.
        relation: `model` for the same model, `family` for one trained by the same workflow, or `other`.
    """

    execution_rid: str
    report_rid: str | None
    model_rid: str | None
    relation: Literal["model", "family", "other"]


class Latency(_Part):
    """Milliseconds that predictions for single records took, on the machine of the evaluation."""

    records: int
    median_ms: float
    p95_ms: float


class EvaluationReport(Document):
    """How a model did.

    Attributes:
        model_rid: Asset of the model.
        model_md5: Checksum of its file.
        training_rid: Execution that made it.
        dataset: `RID@VERSION`.
        snapshot: Snapshot of the catalog that this version is read from.
        table: Table of the records.
        label: Column or feature that holds the truth.
        cluster: Column or table that says which records belong together; None where each stands alone.
        task: Kind of answers.
        classes: Classes in their order, of classifications.
        records: Number of records.
        groups: Number of groups; of records where there are no groups.
        confidence: Of the intervals.
        metrics: By name.
        features_md5: Checksum of the file of its feature definitions, where its training made one.
        looks: Earlier evaluations on this dataset, oldest first.
        latency: None where no record could be predicted alone.
        predictions: Name of the file with the predictions, an output of the same execution.
    """

    KIND: ClassVar[AssetType] = AssetType.EVALUATION_REPORT

    model_rid: str
    model_md5: str
    training_rid: str | None
    dataset: str
    snapshot: str
    table: str
    label: str
    cluster: str | None
    task: Task
    classes: tuple[str, ...]
    records: int
    groups: int
    confidence: float
    metrics: dict[str, MetricValue]
    features_md5: str | None
    looks: tuple[Look, ...]
    latency: Latency | None
    predictions: str

    @property
    def repeated(self) -> tuple[Look, ...]:
        """Earlier looks by the same model, or by its family."""
        return tuple(look for look in self.looks if look.relation != "other")
