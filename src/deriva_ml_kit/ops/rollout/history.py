"""Where a rollout stands: what its plan and the evidence of its steps lead to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from deriva_ml_kit.errors import KitError, UsageError
from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.numerics.rollout import Move, Rules, Window, decide
from deriva_ml_kit.ops.documents import Stored, fetch
from deriva_ml_kit.ops.kinds import MODELS, AssetType
from deriva_ml_kit.ops.rollout.documents import RolloutEvidence, RolloutPlan
from deriva_ml_kit.ops.serving.split import Split

CLOSE = 1e-9  # that computed values may differ on another machine


@dataclass(frozen=True)
class Standing:
    """Where a rollout stands.

    Attributes:
        plan: The plan, as the catalog has it.
        stage: Number of the stage, from 0; the number of stages where the candidate has taken over.
        since: When the stage began, or was resumed.
        until: Up to when logs were counted.
        held: Whether it holds until a person resumes it.
        ended: `done`, `rolled back`, or None.
        windows: What was counted.
        steps: The evidence of each step, in order.
    """

    plan: Stored[RolloutPlan]
    stage: int
    since: datetime
    until: datetime
    held: bool = False
    ended: str | None = None
    windows: tuple[Window, ...] = ()
    steps: tuple[Stored[RolloutEvidence], ...] = ()

    @property
    def rules(self) -> Rules:
        """Those of the plan."""
        return self.plan.document.rules

    @property
    def stage_name(self) -> str:
        """Such as `shadow` or `5%`."""
        if self.ended:
            return "100%" if self.ended == "done" else "0%"
        return self.rules.stages[self.stage].name

    @property
    def split(self) -> Split:
        """What a server is to do."""
        salt = self.plan.document.salt
        if self.ended:
            return Split(salt=salt, share=1.0 if self.ended == "done" else 0.0)
        share = self.rules.stages[self.stage].share
        return Split(salt=salt, share=share, shadow=not share)


def standing_of(ml: DerivaML, plan_rid: str) -> Standing:
    """Where a rollout stands.

    Raises:
        UsageError: The RID is of no plan.
        DerivaMLNotFoundError: There is no such RID.
    """
    plan = fetch(ml, plan_rid, RolloutPlan)
    used = {record.execution_rid for record in ml.list_asset_executions(plan_rid, "Input")}
    found = [
        fetch(ml, each.asset_rid, RolloutEvidence)
        for each in ml.find_assets(MODELS, AssetType.ROLLOUT_EVIDENCE)
        if each.execution_rid in used
    ]
    return fold(plan, found)


def newest_plan(ml: DerivaML, name: str) -> str:
    """RID of the newest plan for a name.

    Raises:
        UsageError: There is none.
    """
    plans = [fetch(ml, each.asset_rid, RolloutPlan) for each in ml.find_assets(MODELS, AssetType.ROLLOUT_PLAN)]
    mine = [plan for plan in plans if plan.document.name == name]
    if not mine:
        raise UsageError(
            f"No rollout of {name!r} was ever started.",
            remedy=f"Start one: uv run deriva-ml-ops rollout start --name {name} --help",
        )
    return max(mine, key=lambda plan: datetime.fromisoformat(plan.created)).rid


def fold(plan: Stored[RolloutPlan], evidence: Sequence[Stored[RolloutEvidence]]) -> Standing:
    """What a plan and its evidence lead to. Of two steps with one number, the one that the catalog got first counts."""
    began = datetime.fromisoformat(plan.created)
    standing = Standing(plan, 0, began, began)
    for stored in sorted(evidence, key=lambda each: (each.document.sequence, datetime.fromisoformat(each.created))):
        step = stored.document
        if step.sequence != len(standing.steps) + 1 or standing.ended:
            continue  # overtaken
        standing = replace(standing, steps=(*standing.steps, stored), windows=step.windows)
        if step.by is None:  # a person looks at no logs
            standing = replace(standing, until=step.time)
        match step.move:
            case Move.ADVANCE:
                last = step.stage + 1 == len(standing.rules.stages)
                standing = replace(
                    standing, stage=step.stage + 1, since=step.time, held=False, ended="done" if last else None
                )
            case Move.HOLD:
                standing = replace(standing, held=True)
            case Move.RESUME:
                standing = replace(standing, held=False, since=step.time)
            case Move.ROLL_BACK:
                standing = replace(standing, ended="rolled back", held=False)
    return standing


def replayed(standing: Standing) -> int:
    """Decide every step again that the rules decided, from its evidence.

    Returns:
        Their number.

    Raises:
        KitError: One comes out otherwise; says which.
    """
    decided = [stored for stored in standing.steps if stored.document.by is None]
    for stored in decided:
        step = stored.document
        again = decide(standing.rules, step.stage, step.windows, step.hours, held=step.held)
        same = again.move is step.move and len(again.checks) == len(step.checks)
        for mine, kept in zip(again.checks, step.checks, strict=False):
            both = (mine.value, kept.value)
            near = both[0] == both[1] or (None not in both and abs(both[0] - both[1]) <= CLOSE)  # type: ignore[operator]
            same = same and (mine.name, mine.status) == (kept.name, kept.status) and near
        if not same or step.plan_digest != standing.plan.document.digest():
            raise KitError(
                f"Step {step.sequence} ({stored.rid}) was '{step.move}', and by its evidence it is '{again.move}'.",
                remedy="The evidence or the plan was changed, or the rules are computed otherwise by this version.",
            )
    return len(decided)
