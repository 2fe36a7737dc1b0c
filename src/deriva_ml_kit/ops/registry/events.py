"""Steps of models in the catalog: rows of the feature `Model_Stage`, read by name and added, never changed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import requests
from deriva.core import urlquote

from deriva_ml_kit.errors import KitError, UsageError
from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.mainline.catalog.rows import Row, insert_path, table_name
from deriva_ml_kit.mainline.catalog.single import refuse_snapshot
from deriva_ml_kit.nearest import nearest
from deriva_ml_kit.ops.kinds import MODELS, STAGES, Stage
from deriva_ml_kit.ops.registry.stages import Event, State, Step, fold
from deriva_ml_kit.ops.setup import KEY

ATTEMPTS = 100  # each is lost to somebody who got on
PAUSE_SECONDS = 0.02

Decide = Callable[[State], Sequence[Step]]


class Overtaken(KitError):
    """Somebody else has moved a model of the name meanwhile, and what was decided does not fit any more.

    Attributes:
        events: What they did.
    """

    def __init__(self, why: str, events: Sequence[Event], remedy: str | None) -> None:
        super().__init__(f"{why}\nMeanwhile: {'; '.join(map(told, events))}.", remedy=remedy)
        self.events = list(events)

    def as_json(self) -> dict[str, object]:
        """With `meanwhile`: the steps of the others."""
        return {**super().as_json(), "meanwhile": [as_json(event) for event in self.events]}


def state_of(ml: DerivaML, name: str, *, until: datetime | None = None) -> State:
    """What is known of a name: one request.

    Raises:
        UsageError: The catalog was not prepared.
        Undecidable: The history is damaged.
    """
    rows = ml.catalog.get(f"/entity/{_path(ml)}/Model_Name={urlquote(name, '')}@sort(Sequence,RID)").json()
    return fold(name, map(_event, rows), until)


def known_state_of(ml: DerivaML, name: str, *, until: datetime | None = None) -> State:
    """The same, of a name that there must be.

    Raises:
        UsageError: No model was ever registered under this name; says which names there are.
    """
    state = state_of(ml, name, until=until)
    if not state.events and name not in (there := names(ml)):
        close = nearest(name, there) or there[:12]
        raise UsageError(
            f"No model is registered under the name {name!r}; there are: {', '.join(close) or 'none'}.",
            remedy=None if there else "Register one: uv run deriva-ml-ops register-model --help",
        )
    return state


def names(ml: DerivaML) -> list[str]:
    """All names of models."""
    return sorted(row["Model_Name"] for row in ml.catalog.get(f"/attributegroup/{_path(ml)}/Model_Name").json())


def states(ml: DerivaML, *, until: datetime | None = None) -> list[State]:
    """What is known of all names: one request.

    Raises:
        Undecidable: A history is damaged.
    """
    by_name: dict[str, list[Event]] = {}
    for event in map(_event, ml.catalog.get(f"/entity/{_path(ml)}").json()):
        by_name.setdefault(event.name, []).append(event)
    return [fold(name, by_name[name], until) for name in sorted(by_name)]


def move(ml: DerivaML, name: str, execution_rid: str, decide: Decide, *, first: State | None = None) -> State:
    """Take steps: read what is, decide, add the rows in one request; again where somebody was quicker.

    Two requests where nobody is in the way, or one.

    Args:
        ml: The catalog.
        name: Name of the model.
        execution_rid: In which execution this happens.
        decide: Gives the steps, or refuses by an error; asked again about what is then.
        first: What is known already, to save the first request; that it is old does no harm.

    Returns:
        What is afterwards.

    Raises:
        Overtaken: Somebody else moved a model, and now the steps are refused.
        KitError: What `decide` raises at first, or the catalog refuses the rows.
    """
    refuse_snapshot(ml)
    first = state = first or state_of(ml, name)
    for attempt in range(ATTEMPTS):
        try:
            steps = decide(state)
        except KitError as refused:
            if attempt == 0:
                raise
            raise Overtaken(refused.message, state.events[len(first.events) :], refused.remedy) from refused
        try:
            return _added(ml, state, steps, execution_rid)
        except requests.HTTPError as error:
            if error.response.status_code != 409:
                raise
            now = state_of(ml, name)
            if now.last == state.last:
                raise  # it is not the number that they refuse
            state = now
        time.sleep(random.uniform(0, PAUSE_SECONDS * min(attempt + 1, 10)))
    raise KitError(f"{ATTEMPTS} attempts to move model {name!r} were overtaken.", remedy="Try again.")


def _added(ml: DerivaML, state: State, steps: Sequence[Step], execution_rid: str) -> State:
    rows = [_row(state, number, step, execution_rid) for number, step in enumerate(steps, state.last + 1)]
    table = _table(ml)
    try:
        stored = ml.catalog.post(insert_path(table.schema.name, table.name), json=rows).json()
    except (requests.ConnectionError, requests.Timeout):
        # The answer was lost. Rows of ours that are there are ours alone.
        now = state_of(ml, state.name)
        if any(event.execution_rid == execution_rid and event.sequence == state.last + 1 for event in now.events):
            return now
        raise
    if not any({column.name for column in key.unique_columns} == set(KEY) for key in table.keys):
        now = state_of(ml, state.name)
        if not any(event.execution_rid == execution_rid for event in now.events):
            raise Overtaken(
                f"Model {state.name!r} was not moved.", now.events[len(state.events) :], "Look again, and decide anew."
            )
        return now
    return fold(state.name, [*state.events, *map(_event, stored)])


def _row(state: State, number: int, step: Step, execution_rid: str) -> Row:
    return {
        "Execution": execution_rid,
        MODELS: step.model_rid,
        "Feature_Name": STAGES,
        STAGES: str(step.stage),
        "Model_Name": state.name,
        "Sequence": number,
        "MD5": step.md5,
        "Training": step.training_rid,
        "Reason": step.reason,
        "Approved_By": step.approved_by,
        "Forced": step.forced,
        "Evidence": step.evidence,
    }


def _event(row: Row) -> Event:
    step = Step(
        row[MODELS],
        row["MD5"],
        Stage(row[STAGES]),
        row["Reason"],
        training_rid=row["Training"],
        approved_by=row["Approved_By"],
        forced=row["Forced"],
        evidence=row["Evidence"],
    )
    when = datetime.fromisoformat(row["RCT"])
    return Event(row["Model_Name"], row["Sequence"], step, row["Execution"], when, row["RCB"])


def told(event: Event) -> str:
    """A step as a sentence."""
    return (
        f"step {event.sequence}: execution {event.execution_rid} moved {event.step.model_rid} to {event.step.stage} "
        f"at {event.time.isoformat(timespec='seconds')}"
    )


def as_json(event: Event) -> dict[str, object]:
    """A step as programs read it."""
    step = event.step
    found = {
        "sequence": event.sequence,
        "time": event.time.isoformat(),
        "model_rid": step.model_rid,
        "md5": step.md5,
        "stage": str(step.stage),
        "training_rid": step.training_rid,
        "reason": step.reason,
        "approved_by": step.approved_by,
        "forced": step.forced,
        "evidence": step.evidence,
        "execution_rid": event.execution_rid,
        "by": event.by,
    }
    return {name: value for name, value in found.items() if value is not None}


def _table(ml: DerivaML) -> Any:
    for feature in ml.model.find_features(MODELS):
        if feature.feature_name == STAGES:
            return feature.feature_table
    raise UsageError(
        f"Catalog {ml.catalog_id} on {ml.host_name} keeps no stages of models.",
        remedy="Prepare it once: uv run deriva-ml-ops setup",
    )


def _path(ml: DerivaML) -> str:
    table = _table(ml)
    return table_name(table.schema.name, table.name)
