"""`GateCriteria`, stated before a training, and `GateReport`, what a gate found."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from deriva_ml_kit.numerics.paired.metrics import METRICS, Direction
from deriva_ml_kit.ops.documents import Document
from deriva_ml_kit.ops.kinds import AssetType

Finite = Annotated[float, Field(allow_inf_nan=False)]


class Requirement(BaseModel):
    """What a metric has to be.

    Attributes:
        metric: Name, one of `numerics.paired.metrics.METRICS`.
        direction: Whether higher or lower is better; said, so that nobody has to guess.
        minimum: What it must reach where higher is better.
        maximum: What it may reach where lower is better.
        min_gain: What it must gain over the incumbent (without one, over the baseline), in units of the metric and
            positive for the better; below 0 it is what may be lost; None where it is not compared with an incumbent.

    The bounds of the confidence intervals have to meet these, not the values.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: str
    direction: Direction
    minimum: Finite | None = None
    maximum: Finite | None = None
    min_gain: Finite | None = None

    @field_validator("metric")
    @classmethod
    def _known(cls, metric: str) -> str:
        if metric not in METRICS:
            raise ValueError(f"unknown metric; there are {', '.join(METRICS)}")
        return metric

    @model_validator(mode="after")
    def _consistent(self) -> Requirement:
        known = METRICS[self.metric].direction
        if self.direction is not known:
            raise ValueError(f"of {self.metric}, {known} values are better")
        wrong = "maximum" if self.direction is Direction.HIGHER else "minimum"
        if getattr(self, wrong) is not None:
            raise ValueError(f"{self.metric} is better when {self.direction}, so a {wrong} makes no sense")
        if self.limit is None and self.min_gain is None:
            raise ValueError(f"nothing is required of {self.metric}: give a minimum or maximum, or min_gain")
        return self

    @property
    def limit(self) -> float | None:
        """The minimum or maximum."""
        return self.minimum if self.direction is Direction.HIGHER else self.maximum


class GateCriteria(Document):
    """What a candidate has to reach. All of it: so each requirement is tested at `alpha`, and none needs correction.

    Attributes:
        dataset: Test dataset, `RID@VERSION`.
        table: Table of its records.
        label: Column or feature that holds the truth.
        cluster: Column or table that says which records belong together.
        alpha: One-sided error of each test: how often a candidate that is no better passes.
        requirements: The first one is what the model is for, the others are guardrails.
        max_bytes: Largest size of the model's file.
        max_latency_ms: Largest 95 % quantile of the time for a single record.
        reason: Why these, for people.
    """

    KIND: ClassVar[AssetType] = AssetType.GATE_CRITERIA

    dataset: str
    table: str
    label: str
    cluster: str | None = None
    alpha: float = Field(default=0.05, gt=0, le=0.2)
    requirements: tuple[Requirement, ...] = Field(min_length=1)
    max_bytes: int | None = Field(default=None, gt=0)
    max_latency_ms: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    reason: str = ""

    @model_validator(mode="after")
    def _of_one_task(self) -> GateCriteria:
        names = [each.metric for each in self.requirements]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"several requirements of {', '.join(twice)}")
        if len({METRICS[name].task for name in names}) > 1:
            raise ValueError(f"{', '.join(names)} are not all of classifications, or of regressions")
        if self.requirements[0].min_gain is None:
            raise ValueError(f"{names[0]}, the first requirement, needs min_gain: what it must gain over the incumbent")
        return self


class Status(StrEnum):
    """Of a check. A note decides nothing."""

    PASS = "pass"
    FAIL = "fail"
    UNDECIDED = "cannot decide"
    NOTE = "note"


class Check(BaseModel):
    """One thing that a gate looked at.

    Attributes:
        id: Such as `gain.accuracy`.
        status: What came of it.
        what: What was found, in words.
        value: What was compared, where it is a number.
        limit: With what.
        evidence: RIDs that show it.
        remedy: What to do about it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")

    id: str
    status: Status
    what: str
    value: float | None = None
    limit: float | None = None
    evidence: tuple[str, ...] = ()
    remedy: str | None = None

    def agrees(self, other: Check) -> bool:
        """Whether another gate found the same, but for rounding."""
        near = _near(self.value, other.value) and _near(self.limit, other.limit)
        return near and (self.id, self.status, self.evidence) == (other.id, other.status, other.evidence)


def _near(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return (math.isnan(one) and math.isnan(other)) or math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)


class GateReport(Document):
    """What a gate found.

    Attributes:
        verdict: `fail` where a check failed; `cannot decide` where one could not be made; else `pass`.
        candidate_rid: Asset of the model.
        candidate_md5: Checksum of its file.
        incumbent_rid: Model that it was compared with; None where there was none.
        criteria_rid: Asset of the criteria.
        criteria_digest: SHA-256 of their content.
        dataset: `RID@VERSION` of the comparison.
        evaluation_rid: Report of the candidate's evaluation; None where there is none.
        incumbent_evaluation_rid: Of the incumbent's.
        resamples: Draws of the tests.
        seed: Of the draws.
        checks: All of them.
    """

    KIND: ClassVar[AssetType] = AssetType.GATE_REPORT

    verdict: Literal["pass", "fail", "cannot decide"]
    candidate_rid: str
    candidate_md5: str
    incumbent_rid: str | None
    criteria_rid: str
    criteria_digest: str
    dataset: str
    evaluation_rid: str | None
    incumbent_evaluation_rid: str | None
    resamples: int
    seed: int
    checks: tuple[Check, ...]

    @property
    def exit_code(self) -> int:
        """0 pass, 1 fail, 2 cannot decide."""
        return {"pass": 0, "fail": 1, "cannot decide": 2}[self.verdict]
