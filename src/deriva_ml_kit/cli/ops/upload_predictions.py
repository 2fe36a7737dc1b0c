"""`deriva-ml-ops upload-predictions`: the log of a server into the catalog."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.cli import place, subcommand

if TYPE_CHECKING:
    from deriva_ml_kit.cli.subcommand import Subparsers

DESCRIPTION = """\
Store the closed files of a server's prediction log: outputs of one execution, whose inputs are the models that
answered. The file that a server is writing is left alone. What is stored is moved to `uploaded/` in the log's folder.
"""
EPILOG = """\
examples:
  uv run deriva-ml-ops upload-predictions --log predictions --dry-run
  uv run deriva-ml-ops upload-predictions --log predictions

exit codes: 0 stored, or nothing to store; 1 failed, and the same command again goes on; 2 wrong usage
"""


def add(subparsers: Subparsers) -> None:
    """Describe the subcommand."""
    made = subcommand.add(
        subparsers,
        "upload-predictions",
        main,
        help_="store the prediction log of a server",
        description=DESCRIPTION,
        epilog=EPILOG,
        dry_run=True,
        catalog=False,
    )
    place.options(made)
    made.add_argument("--log", type=Path, default=Path("predictions"), metavar="FOLDER", help="the log (predictions)")


def main(args: argparse.Namespace) -> dict[str, Any]:
    """Store it.

    Raises:
        UsageError: There is no such folder.
    """
    from deriva_ml_kit.ops.serving.upload import upload_logs  # noqa: PLC0415  (takes seconds)

    return {"files": upload_logs(place.connect(args), args.log, dry_run=args.dry_run)}
