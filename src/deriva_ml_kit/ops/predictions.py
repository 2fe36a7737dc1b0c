"""What a model in service was asked and answered: one JSON line for each request.

Servers write it, batch predictions too; drift, delayed labels, rollouts and A/B tests read it.
"""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict


class Prediction(BaseModel):
    """One request and its answer.

    Attributes:
        request_id: Unique; labels that come later refer to it.
        time: When the request came.
        unit: What is assigned to an arm: a subject, a user; None where nothing is.
        arm: `production`, `canary`, `shadow`, `control`, `treatment`.
        model_rid: RID of the model's asset.
        features: Name to value, as the model got them.
        prediction: The answer; None where it failed.
        scores: Class to probability, where the model has them.
        latency_ms: Milliseconds that the model took.
        status: HTTP status of the answer; 200 for batches.
        error: What failed.
        unseen: Features whose value the training never had.
    """

    model_config = ConfigDict(extra="forbid")

    request_id: str
    time: AwareDatetime
    unit: str | None = None
    arm: str = "production"
    model_rid: str
    features: dict[str, Any]
    prediction: str | float | None = None
    scores: dict[str, float] | None = None
    latency_ms: float
    status: int = 200
    error: str | None = None
    unseen: tuple[str, ...] = ()
