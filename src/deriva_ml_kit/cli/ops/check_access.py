"""`deriva-ml-ops check-access`: what a project may do, and what of it is on this disk."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.cli import place, subcommand
from deriva_ml_kit.script import Verdict

if TYPE_CHECKING:
    from deriva_ml_kit.cli.subcommand import Subparsers

DESCRIPTION = f"""\
Look at everything that a run needs before it starts, and say which of these stands in its way: host unreachable,
certificate not trusted, no such catalog, not logged in, no right, RID missing, RID of another kind, version missing,
dataset deleted, not cached. Each comes with the command that helps. Nothing is written.

The datasets are those that {place.PINS} pins, and those of --dataset.
"""
EPILOG = """\
examples:
  uv run deriva-ml-ops check-access                                   in a project: its catalog, its datasets
  uv run deriva-ml-ops check-access --dataset 2-B4C8@1.2.0 --dataset 2-A1F0@0.3.0
  uv run deriva-ml-ops check-access --hostname data.example.org --catalog-id 42 --json

exit codes: 0 all is in order (what is merely not cached is), 1 something stands in the way,
            2 the catalog cannot even be opened, or none is named
"""


def add(subparsers: Subparsers) -> None:
    """Describe the subcommand."""
    made = subcommand.add(
        subparsers,
        "check-access",
        main,
        help_="what a project may do, and what of it is on this disk",
        description=DESCRIPTION,
        epilog=EPILOG,
        catalog=False,
    )
    place.options(made)
    made.add_argument(
        "--dataset", action="append", default=[], metavar="RID@VERSION", help="look at this one, too; may be repeated"
    )


def main(args: argparse.Namespace) -> dict[str, Any]:
    """Look at everything."""
    root = place.root()
    where = place.required(args, root)
    from deriva_ml_kit.datasets.pins import read_pins  # noqa: PLC0415
    from deriva_ml_kit.ops.access_check import Status, checks  # noqa: PLC0415  (takes seconds)

    pins = read_pins(root / place.PINS) | {pin: pin for pin in args.dataset}
    found = list(checks(where.hostname, where.catalog_id, pins))
    failed = [check for check in found if check.status is Status.FAILED]
    code = 0 if not failed else 2 if found[0] in failed else 1
    shown = [check.as_json() for check in found] if args.json else [str(check) for check in found]
    return Verdict({"checks": shown, "failed": len(failed)}, code)
