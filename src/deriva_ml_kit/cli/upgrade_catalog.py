"""`deriva-ml-kit upgrade-catalog`: give an existing catalog the tables that main line's calls need."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.cli import subcommand

if TYPE_CHECKING:
    from deriva_ml_kit.cli.subcommand import Subparsers

DESCRIPTION = """\
Add to a DerivaML catalog what it needs for work on datasets between versions, nested executions, workflows of several
types and durations by phase: tables, columns and terms. Programs that use deriva-ml alone go on working with it.

Nothing is taken away and no row is changed. Words that stand in Execution.Status and are no terms yet become terms
first. Whatever interrupts it, the same command again does the rest. You have to be an owner of the catalog, which is
checked before anything is changed.
"""
EPILOG = """\
examples:
  uv run deriva-ml-kit upgrade-catalog --hostname data.example.org --catalog-id 42 --dry-run
                                             list the changes, make none
  uv run deriva-ml-kit upgrade-catalog --hostname data.example.org --catalog-id 42
                                             make them
"""


def add(subparsers: Subparsers) -> None:
    """Describe the subcommand."""
    made = subcommand.add(
        subparsers,
        "upgrade-catalog",
        main,
        help_="add the tables, columns and terms that a catalog of deriva-ml lacks",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    made.add_argument("--dry-run", action="store_true", help="list the changes and make none")


def main(args: argparse.Namespace) -> dict[str, Any]:
    """Upgrade a catalog, or say what that would change."""
    from deriva_ml_kit.mainline.schema.upgrade import upgrade_catalog  # noqa: PLC0415  (takes a second; --help must not)

    changes = upgrade_catalog(args.hostname, args.catalog_id, dry_run=args.dry_run)
    count = f"{len(changes)} change{'s' if len(changes) > 1 else ''}"
    status = "nothing to do" if not changes else f"{count} would be made" if args.dry_run else f"{count} made"
    return {
        "hostname": args.hostname,
        "catalog_id": args.catalog_id,
        "status": status,
        "dry_run": args.dry_run,
        "change_count": len(changes),
        "changes": [str(change) for change in changes],
    }
