"""`deriva-ml-kit bootstrap-status`: how far cycle zero is, on which evidence, and what comes next."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.cli import place, subcommand

if TYPE_CHECKING:
    from deriva_ml_kit.cli.subcommand import Subparsers
    from deriva_ml_kit.project.status import Progress

DESCRIPTION = """\
Read the repository and the catalog, and say of each phase of cycle zero whether it is done, on which evidence, and
which command comes next:

  1 Specify              a model's design is approved and has a threshold
  2 Schema               the tables and features that the project names are in the catalog
  3 Development dataset  one is pinned: released, of type Development, 50 to 200 records
  4 Features and labels  its members have labels, in the pinned version
  5 Tier 1: dry run      a passed receipt for the code that is checked out
  6 Tier 2: small data   a passed receipt of a finished execution in the catalog
  7 Tier 3: production   likewise
  8 Verdict              the design names the execution that it was judged by

Without a catalog to ask, or a login, it says so and judges what the repository alone tells. Nothing is written.
"""
EPILOG = """\
examples:
  uv run bootstrap-status
  uv run bootstrap-status --json
  uv run bootstrap-status --hostname data.example.org --catalog-id 1    another catalog than the project's own

exit codes: 0 it was judged, whatever is done; 2 the call is wrong
"""
STYLES = {"done": "green", "not done": "yellow", "cannot tell": "magenta"}


def add(subparsers: Subparsers) -> None:
    """Describe the subcommand."""
    made = subcommand.add(
        subparsers,
        "bootstrap-status",
        main,
        help_="say how far a first model is, and what comes next",
        description=DESCRIPTION,
        epilog=EPILOG,
        catalog=False,
    )
    place.options(made)


def main(args: argparse.Namespace) -> dict[str, Any]:
    """Judge the project that we are in."""
    from deriva_ml_kit.project.status import progress  # noqa: PLC0415  (--help must be quick)

    found = progress(Path.cwd(), args.hostname, args.catalog_id)
    if args.json:
        return found.as_json()
    show(found)
    return {}


def show(found: Progress) -> None:
    """Print it: as a table on a terminal, as plain lines elsewhere."""
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        print("\n".join(lines(found)))
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console()
    table = Table(
        "", "Phase", "", "Evidence", title=f"{found.root.name}, catalog {found.catalog}", title_justify="left"
    )
    for phase in found.phases:
        state = Text(str(phase.state), STYLES[phase.state])
        table.add_row(str(phase.number), phase.title, state, Text(phase.evidence, overflow="fold"))
    console.print(table)
    for override in found.overrides:
        console.print(Text(f"OVERRIDE  {override}", "bold red"))
    console.print(Text(f"Next: {found.next.what}", "bold"))
    print(f"  {found.next.command}")  # as it is, so that it can be copied


def lines(found: Progress) -> list[str]:
    """It as plain text, a phase a line."""
    return [
        f"repository  {found.root}",
        f"catalog     {found.catalog}",
        "",
        *(f"{phase.number}  {phase.title:<19}  {phase.state:<11}  {phase.evidence}" for phase in found.phases),
        "",
        *(f"OVERRIDE    {override}" for override in found.overrides),
        f"next        {found.next.what}",
        f"            {found.next.command}",
    ]
