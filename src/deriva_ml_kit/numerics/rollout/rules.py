"""What a rollout does and when it goes back, fixed before it starts."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
Hours = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class StageRules(BaseModel):
    """One stage.

    Attributes:
        share: Part of the units that the candidate answers; 0 is shadow: it sees everything and answers nobody.
        minimum_requests: Requests of the candidate, and of the control, without which the stage does not end.
        minimum_hours: Time without which it does not end.
        maximum_hours: Time after which a stage that could not end holds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    share: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
    minimum_requests: Annotated[int, Field(ge=1)] = 500
    minimum_hours: Hours = 1.0
    maximum_hours: Hours = 72.0

    @model_validator(mode="after")
    def _hours(self) -> Self:
        if self.maximum_hours <= self.minimum_hours:
            raise ValueError(
                f"maximum_hours {self.maximum_hours:g} must be more than minimum_hours {self.minimum_hours:g}"
            )
        return self

    @property
    def name(self) -> str:
        """`shadow`, or the share."""
        return f"{self.share:.0%}" if self.share else "shadow"


STAGES = tuple(StageRules(share=share) for share in (0.0, 0.05, 0.25, 0.5))


class Rules(BaseModel):
    """Stages and triggers. After the last stage the candidate answers everybody.

    Attributes:
        max_error_share: Share of failed requests that the candidate must not exceed: a trigger.
        slow_ms: Milliseconds above which a request is slow.
        slow_share: Share of slow requests that it must not exceed: 0.01 makes slow_ms the limit of the p99. A trigger.
        error_ratio: How many times the control's odds of failure are to be found soonest. A trigger.
        outcome_ratio: The same for outcomes that failed (a business metric), where outcomes are given; a trigger.
        minimum_agreement: Share of the shadow's answers that must equal production's; no condition where not given.
        alpha: Probability that a candidate that is not worse is rolled back, over the whole rollout and all triggers.
        window_minutes: Length of the windows in which the arms are compared.
        settle_seconds: After a stage begins, what is not counted: servers take a moment to learn of it.
        stages: In their order, with growing shares.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_error_share: Share
    slow_ms: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    slow_share: Share = 0.01
    error_ratio: Annotated[float, Field(gt=1, allow_inf_nan=False)] = 2.0
    outcome_ratio: Annotated[float, Field(gt=1, allow_inf_nan=False)] | None = None
    minimum_agreement: Annotated[float, Field(ge=0, le=1)] | None = None
    alpha: Share = 0.01
    window_minutes: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 60.0
    settle_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 60.0
    stages: tuple[StageRules, ...] = STAGES

    @model_validator(mode="after")
    def _together(self) -> Self:
        shares = [stage.share for stage in self.stages]
        if not any(shares):
            raise ValueError("a rollout needs a stage in which the candidate answers somebody")
        if any(later <= earlier for earlier, later in pairwise(shares)):
            raise ValueError(f"the shares of the stages must grow: {shares}")
        if self.minimum_agreement is not None and shares[0]:
            raise ValueError("minimum_agreement is judged in shadow, and the first stage is none")
        return self
