"""The one place where a run is played: its tier, the gate before it, the work, the checks, the receipt.

In: a connection, a `Plan`, and the work as a function of execution, outputs and evidence. Out: `Played`, with a receipt
that says pass, fail or insufficient. A failed check does not take the outputs away: they are evidence, too.

    tier 1  `dry`: the work on two batches, its files in a temporary folder, nothing written; a local receipt
    tier 2  `real`: an execution on a small dataset, with tier 1's receipt among its outputs
    tier 3  `real`: an execution on any dataset, with the ranges of its inputs as the baseline of later runs

The receipt of a real run is added to its outputs once the commit was checked. A run that is killed before that has no
receipt: the next tier refuses, and running it again is the remedy.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from deriva_ml_kit.errors import Fault, Faults
from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.runner import dry, preflight, real
from deriva_ml_kit.runner.plan import Admitted, Plan, RunEvidence, Work, hooks
from deriva_ml_kit.runner.played import NotPassed, Played
from deriva_ml_kit.tiers.gate import Request, admit, tier_of
from deriva_ml_kit.tiers.receipt import Check, Status, canonical
from deriva_ml_kit.tiers.state import code_state

__all__ = ["NotPassed", "Plan", "Played", "RunEvidence", "Work", "admitted", "hooks", "run_tiered"]


def run_tiered(ml: DerivaML, plan: Plan, work: Work) -> Played:
    """Play a run.

    Args:
        ml: The connection.
        plan: What is run on what.
        work: Does it: writes by the outputs, shows what it does by the evidence, returns metrics or None.

    Returns:
        What came of it, whatever its verdict; `require_pass` turns a verdict that is no pass into an error.

    Raises:
        Faults: See `admitted`.
        NotAdmitted: See `admitted`.
        Undecidable: A dry run took too long.
        KitError: The work or the commit failed for a reason that is known. What user code raises comes as it is.
    """
    run = admitted(ml, plan, work)
    return dry.play(run) if plan.dry_run else real.play(run)


def admitted(ml: DerivaML, plan: Plan, work: Work) -> Admitted:
    """Ask whether a run may begin; nothing is written.

    Raises:
        Faults: Inputs, workflow type, login or disk are not as they must be.
        NotAdmitted: A receipt is missing or does not fit.
    """
    ready = [_resolved(plan), *preflight.on_record(ml, plan.datasets, plan.assets, plan.workflow)]
    _refuse_failed(ready)
    sizes = [preflight.bag_size(ml, spec) for spec in plan.datasets]
    ready.append(preflight.room_for(ml, sizes))
    _refuse_failed(ready)
    code = code_state(plan.script)
    tier, found = tier_of(ml, plan.datasets, dry_run=plan.dry_run, asked=plan.tier, override=plan.override)
    request = Request(
        tier=tier,
        name=plan.name,
        hostname=ml.host_name,
        catalog_id=str(ml.catalog_id),
        config=canonical(plan.config),
        code=code,
        datasets=tuple(each.model_copy(update={"role": plan.roles.get(each.rid, each.role)}) for each in found),
        assets=tuple(plan.assets),
        swept=plan.swept,
        root=Path(code.repository),
        command=plan.command,
    )
    passage = admit(request, ml=ml, override=plan.override)
    return Admitted(ml, plan, work, request, passage, ready, sum(size.whole for size in sizes))


def _resolved(plan: Plan) -> Check:
    """The configuration is one: everything in it has a value that can be written down."""
    return Check(
        id="config", title="The configuration resolves", status=Status.PASS, value=sorted(canonical(plan.config))
    )


def _refuse_failed(checks: Iterable[Check]) -> None:
    faults = [
        Fault(f"{check.id}: {check.detail or check.title}", remedy=check.remedy)
        for check in checks
        if check.status is Status.FAIL
    ]
    if faults:
        raise Faults(faults, message="The run cannot start. Nothing was written.")
