"""Models from stage to stage: what a step needs, promotion, and the way back.

To Staging needs a registration without gaps and a passed gate; a canary needs one against what is in production now;
production needs that gate and the approval of a person. A rollback needs none of it: what it restores has had it all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deriva_ml_kit.errors import KitError, UsageError
from deriva_ml_kit.mainline import Asset, DerivaML
from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.ops.gate.passing import passing_gate
from deriva_ml_kit.ops.kinds import MODELS, Stage, WorkflowType
from deriva_ml_kit.ops.operation import operation
from deriva_ml_kit.ops.registry.events import Overtaken, known_state_of, move
from deriva_ml_kit.ops.registry.files import StoredFiles
from deriva_ml_kit.ops.registry.links import links_of
from deriva_ml_kit.ops.registry.registration import Incomplete, forced_text
from deriva_ml_kit.ops.registry.serving import Serving, served
from deriva_ml_kit.ops.registry.stages import NEXT, SOLE, Model, State, Step

PROMOTION = ("Promote a model", WorkflowType.PROMOTION, __name__)
ROLLBACK = ("Roll a model back", WorkflowType.PROMOTION, __name__)
GATED = (Stage.CANARY, Stage.PRODUCTION)
# The file must be there, and be what was registered.
ANSWERS = (Stage.SHADOW, Stage.CANARY, Stage.PRODUCTION)


class NotAllowed(UsageError):
    """The model cannot take this step, as things are."""


@dataclass(frozen=True)
class Moved:
    """What came of a step.

    Attributes:
        model: The model, where it is now.
        replaced: What it took the place of; None where there was nothing.
        reason: Why.
        evidence: RID of the file that it was decided on.
        approved_by: The person who approved it.
    """

    model: Serving
    replaced: Serving | None
    reason: str
    evidence: str | None = None
    approved_by: str | None = None


@dataclass(frozen=True)
class Plan:
    """A step that may be taken, as things were.

    Attributes:
        state: How things were.
        rid: RID of the model.
        decide: Gives the steps of a state, or refuses.
        assets: What it refers to: inputs of its execution.
    """

    state: State
    rid: str
    decide: Callable[[State], list[Step]]
    assets: tuple[Asset, ...]


def planned(
    ml: DerivaML,
    name: str,
    model_rid: str,
    to: Stage,
    *,
    reason: str,
    approved_by: str | None = None,
    force: str | None = None,
    evidence: str | None = None,
) -> Plan:
    """A step of a model, after it was found that nothing stands against it; nothing is written.

    Args:
        ml: The catalog.
        name: Name of the model.
        model_rid: RID of its asset.
        to: Where it goes.
        reason: Why.
        approved_by: The person who approved it; needed for production.
        force: Why a registration with gaps is accepted; no gate and no approval is ever left out.
        evidence: RID of the file that it was decided on, besides the gate.

    Raises:
        NotAllowed: The model cannot go there, or what that needs is missing.
        Incomplete: It was registered with gaps, and they are still there.
        UsageError: No such name.
    """
    state = known_state_of(ml, name)
    model = _model(state, model_rid)
    _refuse_way(state, model, to)
    if not reason.strip():
        raise NotAllowed(f"Moving a model to {to} needs a reason.", remedy='Give it: --reason "why"')
    if to is Stage.PRODUCTION and not approved_by:
        raise NotAllowed(
            f"{model_rid} goes into production only when a person approves it.",
            remedy='Let that person type it: --approve "NAME: why"',
        )
    forced = None
    if model.stage is Stage.CANDIDATE and to is Stage.STAGING and model.forced:
        links = links_of(ml, model_rid)
        if links.missing and not (force and force.strip()):
            raise Incomplete(links, f"cannot go to {to}")
        forced = forced_text(links, force)
    assets = []
    if to in ANSWERS:
        assets.append(_unchanged(ml, model))
    incumbent = state.at(Stage.PRODUCTION)
    gated = to in GATED or (model.stage is Stage.CANDIDATE and to is Stage.STAGING)
    if gated:
        gate = passing_gate(ml, model_rid, incumbent.rid if incumbent else None)
        if gate is None:
            against = (
                f"{incumbent.rid}, which is in production" if incumbent else "the baseline (nothing is in service)"
            )
            raise NotAllowed(
                f"{model_rid} has not passed a gate against {against}; or a later gate failed.",
                remedy=f"Judge it: uv run deriva-ml-ops gate --model {model_rid} --production {name}",
            )
        evidence = evidence or gate.rid
        assets.append(Asset(ml, gate.rid, MODELS))

    def decide(now: State) -> list[Step]:
        current = _model(now, model_rid)
        _refuse_way(now, current, to)
        there = now.at(Stage.PRODUCTION)
        if gated and (there.rid if there else None) != (incumbent.rid if incumbent else None):
            raise NotAllowed(
                f"{model_rid} passed its gate against {incumbent.rid if incumbent else 'the baseline'}, and now "
                f"{there.rid if there else 'nothing'} is in production.",
                remedy=f"Judge it again: uv run deriva-ml-ops gate --model {model_rid} --production {name}",
            )
        step = Step(model_rid, current.md5, to, reason, current.training_rid, approved_by, forced, evidence)
        return [*_archived(there if to is Stage.PRODUCTION else None, f"replaced by {model_rid}: {reason}"), step]

    return Plan(state, model_rid, decide, tuple(assets))


def advance(ml: DerivaML, plan: Plan, execution_rid: str) -> Moved:
    """Take a planned step in an execution of one's own: two requests with that for the plan's state.

    Raises:
        Overtaken: Somebody else has moved a model of the name, and the evidence does not fit any more.
    """
    after = move(ml, plan.state.name, execution_rid, plan.decide, first=plan.state)
    return _moved(after, plan.rid, execution_rid)


def promote(
    ml: DerivaML,
    name: str,
    model_rid: str,
    to: Stage,
    *,
    reason: str,
    approved_by: str | None = None,
    force: str | None = None,
    dry_run: bool = False,
) -> Moved | None:
    """Move a model in an execution; see `planned` for what that needs.

    Returns:
        What came of it; None in a dry run.

    Raises:
        NotAllowed, Incomplete, UsageError: As `planned`.
        Overtaken: Somebody else was quicker; the execution is Failed, and says so.
    """
    plan = planned(ml, name, model_rid, to, reason=reason, approved_by=approved_by, force=force)
    if dry_run:
        return None
    approved = f", approved by {approved_by}" if approved_by else ""
    with operation(ml, f"Move {model_rid} ({name}) to {to}{approved}: {reason}", program=PROMOTION) as doing:
        doing.uses(*plan.assets)
        return advance(ml, plan, doing.rid)


def rollback(ml: DerivaML, name: str, *, reason: str, to: str | None = None, dry_run: bool = False) -> Moved | Serving:
    """Put the model that was in production before back there, and archive what is there now.

    After a rollback, the next one goes further back, not forth.

    Args:
        ml: The catalog.
        name: Name of the model.
        reason: Why.
        to: RID of the model to restore; the one before the current one where not given.
        dry_run: Look only.

    Returns:
        What came of it; in a dry run, the model that would be restored, as it is.

    Raises:
        NotAllowed: There is nothing to go back to, or that model was never in production.
        UsageError: No such name.
        Overtaken: Somebody else has changed what is in production.
    """
    if not reason.strip():
        raise NotAllowed("A rollback needs a reason.", remedy='Give it: --reason "why"')
    state = known_state_of(ml, name)
    bad = state.at(Stage.PRODUCTION)
    target = _restorable(state, to)
    asset = _unchanged(ml, target)
    if dry_run:
        return served(name, target)

    def decide(now: State) -> list[Step]:
        there = now.at(Stage.PRODUCTION)
        if (there.rid if there else None) != (bad.rid if bad else None):
            raise NotAllowed(
                f"What was to be rolled back is no longer in production: {there.rid if there else 'nothing'} is."
            )
        good = _restorable(now, target.rid)
        step = Step(good.rid, good.md5, Stage.PRODUCTION, f"rollback: {reason}", good.training_rid)
        return [*_archived(there, f"rolled back: {reason}"), step]

    with operation(ml, f"Roll {name} back to {target.rid}: {reason}", program=ROLLBACK) as doing:
        doing.uses(asset)
        after = move(ml, name, doing.rid, decide, first=state)
    return _moved(after, target.rid, doing.rid)


def approval(text: str) -> str:
    """An approval as it is typed, `NAME: why`, checked.

    Raises:
        UsageError: Name or reason is missing.
    """
    name, colon, why = (part.strip() for part in text.partition(":"))
    if not (name and colon and why):
        raise UsageError(f"{text!r} is no approval.", remedy='Write who approves and why: --approve "NAME: why"')
    return f"{name}: {why}"


def _model(state: State, rid: str) -> Model:
    if rid in state.models:
        return state.models[rid]
    known = ", ".join(f"{each.rid} ({each.stage})" for each in state.models.values())
    raise NotAllowed(
        f"{rid} is not registered as {state.name!r}; there are: {known}.",
        remedy=f"Register it: uv run deriva-ml-ops register-model --name {state.name} --model {rid}",
    )


def _refuse_way(state: State, model: Model, to: Stage) -> None:
    """Refuse a step for which the stages do not provide."""
    if model.stage is to:
        raise NotAllowed(f"{model.rid} is in {to} already, since {model.since.time.isoformat(timespec='seconds')}.")
    if to not in NEXT[model.stage] or (model.stage is Stage.ARCHIVED and to is Stage.PRODUCTION):
        ways = ", ".join(NEXT[model.stage]) or "nowhere"
        remedy = (
            f"Restore it: uv run deriva-ml-ops rollback --name {state.name} --to {model.rid} --reason …"
            if model.stage is Stage.ARCHIVED
            else None
        )
        raise NotAllowed(
            f"{model.rid} is in {model.stage}, from which it cannot go to {to}, but {ways}.", remedy=remedy
        )
    there = state.at(to)
    if to in SOLE and to is not Stage.PRODUCTION and there:
        raise NotAllowed(
            f"{there.rid} is in {to} already, and there is one at a time.",
            remedy=f"End that first: uv run deriva-ml-ops promote --name {state.name} --model {there.rid} --to Staging",
        )


def _restorable(state: State, rid: str | None) -> Model:
    if rid is None:
        if (found := state.previous()) is None:
            raise NotAllowed(f"No earlier model of {state.name!r} was in production: there is nothing to go back to.")
        return found
    model = _model(state, rid)
    if model.stage is Stage.ARCHIVED:
        return model
    was = any(event.step.model_rid == rid and event.step.stage is Stage.PRODUCTION for event in state.events)
    why = "it was in production" if was else "it was never in production"
    raise NotAllowed(f"{rid} cannot be restored: it is in {model.stage}, {why}.")


def _unchanged(ml: DerivaML, model: Model) -> Asset:
    """The asset of a model, whose file is the one that was registered.

    Raises:
        KitError: It is not.
    """
    rows = list(rows_with(ml.catalog, ml.ml_schema, MODELS, "RID", [model.rid]))
    if not rows:
        raise KitError(f"Model {model.rid} is gone from the catalog.")
    row = rows[0]
    asset = Asset(ml, model.rid, MODELS, row["Filename"] or "", row["URL"] or "", row["Length"], row["MD5"] or "")
    fault = StoredFiles(ml).fault_of(asset)
    if fault is None and asset.md5 != model.md5:
        fault = f"the catalog says MD5 {asset.md5} now, and {model.md5} when it was registered"
    if fault:
        raise KitError(f"The file of model {model.rid} ({asset.filename}) is not what was registered: {fault}.")
    return asset


def _archived(model: Model | None, reason: str) -> list[Step]:
    return [Step(model.rid, model.md5, Stage.ARCHIVED, reason, model.training_rid)] if model else []


def _moved(after: State, rid: str, execution_rid: str) -> Moved:
    mine = [event for event in after.events if event.execution_rid == execution_rid]
    step = mine[-1].step
    replaced = after.models[mine[0].step.model_rid] if len(mine) > 1 else None
    return Moved(
        served(after.name, after.models[rid]),
        served(after.name, replaced) if replaced else None,
        step.reason,
        step.evidence,
        step.approved_by,
    )


__all__ = ["Moved", "NotAllowed", "Overtaken", "Plan", "advance", "approval", "planned", "promote", "rollback"]
