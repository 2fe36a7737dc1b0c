"""The life of models: which steps there are, and what follows from the steps that were taken. Knows no catalog.

Models of one name replace each other. A step moves one of them to a stage and has the next number of the name; what is
moved together, such as an old and a new model in production, has consecutive numbers and one execution. The state of a
name is what its steps, in their order, lead to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from deriva_ml_kit.errors import Undecidable
from deriva_ml_kit.ops.kinds import Stage

# From a stage, where a model may go. What is in production only leaves it for another model, or is retired.
NEXT: Mapping[Stage | None, tuple[Stage, ...]] = {
    None: (Stage.CANDIDATE,),
    Stage.CANDIDATE: (Stage.STAGING, Stage.REJECTED),
    Stage.STAGING: (Stage.SHADOW, Stage.CANARY, Stage.PRODUCTION, Stage.REJECTED),
    Stage.SHADOW: (Stage.CANARY, Stage.PRODUCTION, Stage.STAGING, Stage.REJECTED),
    Stage.CANARY: (Stage.PRODUCTION, Stage.STAGING, Stage.REJECTED),
    Stage.PRODUCTION: (Stage.ARCHIVED,),
    Stage.ARCHIVED: (Stage.PRODUCTION, Stage.REJECTED),
    Stage.REJECTED: (),
}
# One model of a name at most: a second one in production archives the first, a second canary is refused.
SOLE = (Stage.PRODUCTION, Stage.CANARY)


@dataclass(frozen=True)
class Step:
    """A step to be taken.

    Attributes:
        model_rid: RID of the model's asset.
        md5: Checksum of its file, hexadecimal.
        stage: Where it goes.
        reason: Why.
        training_rid: The execution that the model is an output of, with its baseline and the like; None if unknown.
        approved_by: The person who approved it.
        forced: What was missing, and why it was done nevertheless.
        evidence: RID of the asset that it was decided on.
    """

    model_rid: str
    md5: str
    stage: Stage
    reason: str
    training_rid: str | None = None
    approved_by: str | None = None
    forced: str | None = None
    evidence: str | None = None


@dataclass(frozen=True)
class Event:
    """A step that was taken.

    Attributes:
        name: Name that the models replace each other under.
        sequence: Its number, from 1.
        step: What was done.
        execution_rid: In which execution.
        time: When the catalog got it.
        by: Who: id of the user, as the catalog has it.
    """

    name: str
    sequence: int
    step: Step
    execution_rid: str
    time: datetime
    by: str | None


@dataclass(frozen=True)
class Model:
    """A registered model.

    Attributes:
        rid: RID of its asset.
        md5: Checksum of its file when it was registered.
        version: Its number within the name, from 1, in the order of registration.
        training_rid: The execution that it is an output of, with its baseline and the like; None if unknown.
        stage: Where it is.
        since: The step that brought it there.
        forced: What was ever done with it although something was missing.
    """

    rid: str
    md5: str
    version: int
    training_rid: str | None
    stage: Stage
    since: Event
    forced: tuple[str, ...] = ()


@dataclass(frozen=True)
class State:
    """What the steps of a name lead to.

    Attributes:
        name: The name.
        models: By RID, in the order of registration.
        events: The steps that count.
        served: RIDs of those in production one after another; one that was rolled back is not among them any more.
    """

    name: str
    models: Mapping[str, Model] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    served: tuple[str, ...] = ()

    @property
    def last(self) -> int:
        """Number of the last step; 0 where there is none."""
        return self.events[-1].sequence if self.events else 0

    def at(self, stage: Stage) -> Model | None:
        """The model in a stage, the latest one where there are several."""
        there = [model for model in self.models.values() if model.stage is stage]
        return max(there, key=lambda model: model.since.sequence, default=None)

    def previous(self) -> Model | None:
        """What a rollback restores: the last one that was in production before, and may be again."""
        for rid in reversed(self.served[:-1] if self.at(Stage.PRODUCTION) else self.served):
            if self.models[rid].stage is Stage.ARCHIVED:
                return self.models[rid]
        return None


def fold(name: str, events: Iterable[Event], until: datetime | None = None) -> State:
    """What the steps of a name lead to.

    Where the catalog has no key that keeps two executions from taking the same number, the one that it got first
    counts, and the others' steps do not.

    Args:
        name: The name.
        events: All its steps, in any order.
        until: Only what the catalog had at that time.

    Raises:
        Undecidable: Steps are missing: somebody deleted rows.
    """
    moved: dict[tuple[str, datetime], list[Event]] = {}
    for event in sorted(events, key=lambda each: each.sequence):
        if until is None or event.time <= until:
            moved.setdefault((event.execution_rid, event.time), []).append(event)
    state = State(name)
    for together in sorted(moved.values(), key=lambda each: (each[0].sequence, each[0].time)):
        if (number := together[0].sequence) <= state.last:
            continue  # overtaken
        if [each.sequence for each in together] != list(range(state.last + 1, state.last + 1 + len(together))):
            raise Undecidable(
                f"The history of model {name!r} is damaged: after step {state.last} comes {number}, "
                f"of execution {together[0].execution_rid}. Somebody has deleted or changed rows.",
                remedy="The catalog keeps what was: read the table at an earlier snapshot and restore the rows.",
            )
        for event in together:
            state = _after(state, event)
    return state


def _after(state: State, event: Event) -> State:
    step = event.step
    before = state.models.get(step.model_rid)
    if before is None:
        model = Model(step.model_rid, step.md5, len(state.models) + 1, step.training_rid, step.stage, event)
    else:
        model = replace(before, stage=step.stage, since=event)
    if step.forced:
        model = replace(model, forced=(*model.forced, step.forced))
    served = state.served
    if step.stage is Stage.PRODUCTION:
        restored = before is not None and before.stage is Stage.ARCHIVED and step.model_rid in served
        kept = served[: served.index(step.model_rid)] if restored else served
        served = (*kept, step.model_rid)
    return State(state.name, {**state.models, step.model_rid: model}, (*state.events, event), served)
