"""`deriva-ml-ops rollback`: put the model that was in production before back there."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.cli import place, subcommand
from deriva_ml_kit.cli.ops.promote import told

if TYPE_CHECKING:
    from deriva_ml_kit.cli.subcommand import Subparsers

DESCRIPTION = """\
Put the model that was in production before back there, and archive what is there now, in one request. No gate and no
approval is asked for: what is restored has had both. Its stored file is compared with what was registered first.

A second rollback goes further back, not forth. --to names another model that was in production.
"""
EPILOG = """\
examples:
  uv run deriva-ml-ops rollback --name tumours --reason "error rate 4 %" --dry-run     which one would it be?
  uv run deriva-ml-ops rollback --name tumours --reason "error rate 4 %"
  uv run deriva-ml-ops rollback --name tumours --to 2-A1F0 --reason "back to the last audited one"

exit codes: 0 restored (--dry-run: it could be), 1 failed, or somebody else has changed what is in production,
            2 there is nothing to go back to, or that model was never in production
"""


def add(subparsers: Subparsers) -> None:
    """Describe the subcommand."""
    made = subcommand.add(
        subparsers,
        "rollback",
        main,
        help_="put the model that was in production before back there",
        description=DESCRIPTION,
        epilog=EPILOG,
        catalog=False,
        dry_run=True,
    )
    place.options(made)
    made.add_argument("--name", required=True, help="name of the model")
    made.add_argument("--to", metavar="RID", help="which model; the one before the current one where not given")
    made.add_argument("--reason", required=True, metavar="TEXT", help="why")


def main(args: argparse.Namespace) -> dict[str, Any]:
    """Restore it.

    Raises:
        UsageError: There is nothing to go back to.
        Overtaken: Somebody else has changed what is in production.
    """
    ml = place.connect(args)
    from deriva_ml_kit.ops.registry import moving  # noqa: PLC0415  (takes seconds)

    done = moving.rollback(ml, args.name, reason=args.reason, to=args.to, dry_run=args.dry_run)
    if isinstance(done, moving.Moved):
        return told(done)
    return {"name": args.name, "status": f"would restore {done.model_rid}, version {done.version}"}
