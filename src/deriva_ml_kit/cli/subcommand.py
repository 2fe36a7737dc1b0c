"""How the subcommands of `deriva-ml-kit` are described."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from deriva_ml_kit import script

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def program(name: str, description: str, epilog: str) -> argparse.ArgumentParser:
    """A parser for subcommands, whose usage errors come as JSON where that is asked for."""
    return script.Parser(
        name, description=description, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def add(
    subparsers: Subparsers,
    name: str,
    main: Any,
    *,
    help_: str,
    description: str,
    epilog: str,
    workflow_type: bool = False,
    dry_run: bool = False,
    catalog: bool = True,
) -> argparse.ArgumentParser:
    """Add a subcommand with `--json --verbose`, and `--hostname --catalog-id` where it works on a catalog.

    Args:
        subparsers: What the module's `add` was given.
        name: As it is typed.
        main: Does the work; takes the arguments and returns a mapping.
        help_: What it does, as one line of the program's help.
        description: What it does, in full.
        epilog: Examples.
        workflow_type: Whether it makes an execution (see `script.parser`).
        dry_run: Whether it has the `--dry-run` of a script that makes an execution.
        catalog: Whether it works on a catalog.

    Returns:
        Its parser, for further arguments.
    """
    common = script.parser(None, workflow_type=workflow_type, dry_run=dry_run, catalog=catalog)
    made: argparse.ArgumentParser = subparsers.add_parser(
        name,
        help=help_,
        description=description,
        epilog=epilog,
        parents=[common],
        add_help=False,  # it comes with the common options
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.set_defaults(main=main)
    return made
