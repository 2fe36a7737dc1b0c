"""`deriva-ml-ops promote`: move a model to another stage."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.cli import place, subcommand
from deriva_ml_kit.ops.kinds import Stage

if TYPE_CHECKING:
    from deriva_ml_kit.cli.subcommand import Subparsers

DESCRIPTION = """\
Move a registered model to another stage. What that needs:

  Staging       a registration without gaps (one that was forced: the links now, or --force again), and a passed gate
  Shadow        the stored file is the one that was registered
  Canary        that, and the gate was against what is in production now
  Production    all of that, and a person who approves it; what was in production becomes Archived in the same request
  Archived      out of production, with nothing in its place
  Rejected      never to be used

Each move is an execution with its evidence as input. Of several programs that move models of one name at the same time
each does so after the other, or is told who was quicker where its evidence does not fit any more; its execution is then
Failed. An archived model comes back by `deriva-ml-ops rollback`.
"""
EPILOG = """\
examples:
  uv run deriva-ml-ops promote --name tumours --model 2-B4C8 --to Staging --reason "passed its gate"
  uv run deriva-ml-ops promote --name tumours --model 2-B4C8 --to Production --approve "Ann Weber: 2 % fewer misses"
  uv run deriva-ml-ops promote --name tumours --model 2-B4C8 --to Rejected --reason "leaks the outcome"

exit codes: 0 moved (--dry-run: it could be), 1 failed, or somebody else was quicker,
            2 a gate, an approval or links are missing, or there is no such way
"""


def add(subparsers: Subparsers) -> None:
    """Describe the subcommand."""
    made = subcommand.add(
        subparsers,
        "promote",
        main,
        help_="move a model to another stage",
        description=DESCRIPTION,
        epilog=EPILOG,
        catalog=False,
        dry_run=True,
    )
    place.options(made)
    made.add_argument("--name", required=True, help="name of the model")
    made.add_argument("--model", required=True, metavar="RID", help="the model's file")
    made.add_argument(
        "--to",
        required=True,
        metavar="STAGE",
        type=stage,
        help=f"one of {', '.join(each for each in Stage if each is not Stage.CANDIDATE)}",
    )
    made.add_argument("--reason", default="", metavar="TEXT", help="why; that of --approve where not given")
    made.add_argument("--approve", metavar="'NAME: WHY'", help="the person who approves it, and why; for Production")
    made.add_argument("--force", metavar="REASON", help="accept a registration with gaps; recorded, and told")


def stage(text: str) -> Stage:
    """A stage as it is typed, whatever its capitals."""
    for each in Stage:
        if each.lower() == text.lower():
            return each
    raise argparse.ArgumentTypeError(f"{text!r} is no stage; there are {', '.join(Stage)}")


def main(args: argparse.Namespace) -> dict[str, Any]:
    """Move it.

    Raises:
        UsageError: Something that the stage needs is missing.
        Overtaken: Somebody else was quicker.
    """
    ml = place.connect(args)
    from deriva_ml_kit.ops.registry import moving  # noqa: PLC0415  (takes seconds)

    approved = moving.approval(args.approve) if args.approve is not None else None
    reason = args.reason or (approved.partition(": ")[2] if approved else "")
    moved = moving.promote(
        ml,
        args.name,
        args.model,
        args.to,
        reason=reason,
        approved_by=approved,
        force=args.force,
        dry_run=args.dry_run,
    )
    if moved is None:
        return {"name": args.name, "model": args.model, "status": f"could go to {args.to}"}
    return told(moved)


def told(moved: Any) -> dict[str, Any]:
    """What came of a move."""
    model, replaced = moved.model, moved.replaced
    return {
        "name": model.name,
        "model": model.model_rid,
        "version": model.version,
        "stage": model.stage,
        "since": model.since.isoformat(timespec="seconds"),
        "replaced": f"{replaced.model_rid} (version {replaced.version}), now {replaced.stage}" if replaced else None,
        "reason": moved.reason,
        "approved by": moved.approved_by,
        "evidence": moved.evidence,
        "forced": list(model.forced),
        "execution": model.execution_rid,
    }
