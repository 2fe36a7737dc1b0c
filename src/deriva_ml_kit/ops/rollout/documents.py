"""The plan of a rollout, fixed before its start, and the evidence of each step."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from deriva_ml_kit.numerics.rollout import Check, Move, Rules, Window
from deriva_ml_kit.ops.documents import Document
from deriva_ml_kit.ops.kinds import AssetType


class RolloutPlan(Document):
    """Who replaces whom, by which rules.

    Attributes:
        name: Name that the models are registered under.
        candidate_rid, candidate_md5: The model that is to serve.
        control_rid, control_md5: The one that served when the rollout began, and is compared with.
        salt: By which units get their arm.
        rules: Stages and triggers.
        reason: Why it is rolled out.
    """

    KIND: ClassVar[AssetType] = AssetType.ROLLOUT_PLAN

    name: str
    candidate_rid: str
    candidate_md5: str
    control_rid: str
    control_md5: str
    salt: str
    rules: Rules
    reason: str


class LogFile(BaseModel):
    """A log that was read.

    Attributes:
        name: Name of the file, or RID of the asset.
        sha256: Of its content, hexadecimal.
        rows: Its requests.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    sha256: str
    rows: int


class RolloutEvidence(Document):
    """A step, and what it was decided on; from plan and windows anybody can decide it again.

    Attributes:
        plan_rid: Asset of the plan.
        plan_digest: SHA-256 of the plan's content.
        sequence: Number of the step, from 1.
        time: When it was decided.
        stage: Number of the stage before, from 0.
        move: What was done.
        by: The person who did it; None where the rules did.
        reason: In words.
        hours: Since the stage began, or was resumed.
        held: Whether the rollout held before.
        checks: What was looked at.
        windows: Counts of the whole rollout.
        logs: What they were counted from, in this step.
    """

    KIND: ClassVar[AssetType] = AssetType.ROLLOUT_EVIDENCE

    plan_rid: str
    plan_digest: str
    sequence: int
    time: datetime
    stage: int
    move: Move
    by: str | None
    reason: str
    hours: float
    held: bool
    checks: tuple[Check, ...] = ()
    windows: tuple[Window, ...] = ()
    logs: tuple[LogFile, ...] = ()
