"""What became of a pipeline and its stages."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from deriva_ml_kit.errors import KitError
from deriva_ml_kit.ops.documents import Document
from deriva_ml_kit.ops.kinds import AssetType
from deriva_ml_kit.ops.pipeline.records import StageRecord


class State(StrEnum):
    """What became of a stage."""

    RAN = "ran"
    REUSED = "reused"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    TO_RUN = "to run"
    OPEN = "open"


class StageResult(BaseModel):
    """What became of a stage.

    Attributes:
        stage: Its name.
        state: Whether it ran.
        why: Why it had to run, or of what it failed.
        executions: RIDs of its executions.
        seconds: How long it took; of one that was reused, how long that took which was saved.
        exit_code: How its command ended.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    stage: str
    state: State
    why: str = ""
    executions: tuple[str, ...] = ()
    seconds: float = 0.0
    exit_code: int = 0


class PipelineRecord(Document):
    """What a pipeline did.

    Attributes:
        pipeline: Its name.
        commit: What was checked out when it began.
        parameters: Values of its parameters.
        stages: What became of each stage.
    """

    KIND: ClassVar[AssetType] = AssetType.PIPELINE_RECORD

    pipeline: str
    commit: str
    parameters: dict[str, bool | int | float | str]
    stages: tuple[StageResult, ...]


class StageFailed(KitError):
    """A stage did not do what it is for."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass
class Played:
    """A pipeline that was played.

    Attributes:
        execution: RID of the parent; None where nothing ran.
        results: What became of each stage, as far as it came.
        left: Stage to what it left.
    """

    execution: str | None = None
    results: list[StageResult] = field(default_factory=list)
    left: dict[str, StageRecord] = field(default_factory=dict)

    @property
    def failed(self) -> StageResult | None:
        """The stage that failed."""
        return next((each for each in self.results if each.state is State.FAILED), None)


def reused(record: StageRecord) -> StageResult:
    """A stage that need not run."""
    return StageResult(stage=record.stage, state=State.REUSED, executions=record.executions, seconds=record.seconds)
