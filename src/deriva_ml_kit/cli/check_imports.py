"""`deriva-ml-kit check-imports`: find what a project takes from the plain `deriva_ml` and should take from the kit."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.cli import subcommand
from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.imports import PlainImports, plain_imports, python_files

if TYPE_CHECKING:
    from deriva_ml_kit.cli.subcommand import Subparsers

DESCRIPTION = """\
Read Python sources, without running them, and report each class that they take from the plain deriva_ml although
deriva_ml_kit supplies it: on the released deriva-ml a dry run of such a script writes to the catalog, uncommitted
changes go unnoticed, and files with unusual names are not uploaded. Exits with 1 if there are any.
"""
EPILOG = """\
examples:
  uv run deriva-ml-kit check-imports                 everything below src
  uv run deriva-ml-kit check-imports src notebooks
"""


def add(subparsers: Subparsers) -> None:
    """Describe the subcommand."""
    made = subcommand.add(
        subparsers,
        "check-imports",
        main,
        help_="find classes that a project takes from the plain deriva_ml",
        description=DESCRIPTION,
        epilog=EPILOG,
        catalog=False,
    )
    made.add_argument("places", nargs="*", type=Path, default=[Path("src")], metavar="PATH", help="files or folders")


def main(args: argparse.Namespace) -> dict[str, Any]:
    """Report what was read, or every fault.

    Raises:
        PlainImports: There are some.
        UsageError: A place does not exist.
    """
    if absent := [str(place) for place in args.places if not place.exists()]:
        raise UsageError(f"No such file or folder: {', '.join(absent)}.")
    files = list(python_files(args.places))
    if faults := [fault for file in files for fault in plain_imports(file)]:
        raise PlainImports(faults)
    return {"files": len(files), "plain_imports": 0}
