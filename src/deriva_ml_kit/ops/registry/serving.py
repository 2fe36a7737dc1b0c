"""Which model of a name is, or was, in service: what servers, drift monitors, gates and rollouts ask."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.ops.kinds import Stage
from deriva_ml_kit.ops.registry.events import known_state_of
from deriva_ml_kit.ops.registry.stages import Model


@dataclass(frozen=True)
class Serving:
    """A model in a stage.

    Attributes:
        name: Name that it was registered under.
        model_rid: RID of its asset.
        md5: Checksum of its file when it was registered; what is served must have it.
        version: Its number within the name.
        stage: The stage.
        since: Since when.
        sequence: Number of the step that brought it there; grows with each step of the name.
        execution_rid: The execution of that step.
        training_rid: The execution that the model is an output of, with its baseline, feature definitions and golden
            records; None where a model was registered without.
        forced: What was done with it although something was missing, and why.
    """

    name: str
    model_rid: str
    md5: str
    version: int
    stage: Stage
    since: datetime
    sequence: int
    execution_rid: str
    training_rid: str | None
    forced: tuple[str, ...] = ()


def serving(ml: DerivaML, name: str, *, stage: Stage = Stage.PRODUCTION, at: datetime | None = None) -> Serving | None:
    """The model of a name in a stage: one request.

    Args:
        ml: The catalog.
        name: Name of the model.
        stage: Which stage; of several models in it, the one that came last.
        at: As it was at that time, with a time zone; now where not given.

    Returns:
        None if none is, or was.

    Raises:
        UsageError: No model was ever registered under this name, or the catalog was not prepared.
        Undecidable: The history is damaged: rows were deleted.
    """
    model = known_state_of(ml, name, until=at).at(stage)
    return served(name, model) if model else None


def served(name: str, model: Model) -> Serving:
    """A model of a state, as others see it."""
    return Serving(
        name,
        model.rid,
        model.md5,
        model.version,
        model.stage,
        model.since.time,
        model.since.sequence,
        model.since.execution_rid,
        model.training_rid,
        model.forced,
    )
