"""`deriva-ml-ops setup`: prepare a catalog for operations."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.cli import place, subcommand

if TYPE_CHECKING:
    from deriva_ml_kit.cli.subcommand import Subparsers

DESCRIPTION = """\
Add to a catalog what operations need: terms of Asset_Type and Workflow_Type, the vocabulary Model_Stage, and the
feature Model_Stage of Execution_Asset with a key that keeps two programs from taking the same step.

Everything that is written is named by one execution (its output writes.jsonl). What is there stays; the same command
again does what is left, or nothing. You have to be an owner of the catalog.
"""
EPILOG = """\
examples:
  uv run deriva-ml-ops setup --dry-run                         what is missing
  uv run deriva-ml-ops setup                                   add it
  uv run deriva-ml-ops setup --hostname data.example.org --catalog-id 42

exit codes: 0 the catalog is prepared (--dry-run: it was looked at), 1 failed, 2 no catalog, or no right to change it
"""


def add(subparsers: Subparsers) -> None:
    """Describe the subcommand."""
    made = subcommand.add(
        subparsers,
        "setup",
        main,
        help_="prepare a catalog for operations",
        description=DESCRIPTION,
        epilog=EPILOG,
        catalog=False,
        dry_run=True,
    )
    place.options(made)


def main(args: argparse.Namespace) -> dict[str, Any]:
    """Add what is missing."""
    ml = place.connect(args)
    from deriva_ml_kit.ops.setup import setup  # noqa: PLC0415  (takes seconds)

    done = setup(ml, dry_run=args.dry_run)
    word = "missing" if args.dry_run else "added"
    result: dict[str, Any] = {
        "catalog": f"{ml.catalog_id} on {ml.host_name}",
        "status": f"{len(done.added)} {word}" if done.added else "nothing to do",
        word: done.added,
        "execution": done.execution_rid,
    }
    return result | ({"warning": done.warning} if done.warning else {})
