"""The program `deriva-ml-ops`."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Mapping
from typing import Any

from deriva_ml_kit import script
from deriva_ml_kit.cli import ops, place
from deriva_ml_kit.cli.subcommand import program
from deriva_ml_kit.errors import UsageError

DESCRIPTION = """\
Bring a model into production and keep it there, with a DERIVA catalog as the record of everything.
"""
EPILOG = """\
`deriva-ml-ops SUBCOMMAND --help` tells what a subcommand does, with examples.
Exit codes: 0 done or in order, 1 failed or a verdict against it, 2 wrong usage or nothing that could be decided,
130 interrupted.
"""
NO_SUBCOMMANDS = ("main",)


def main() -> None:
    """Run the subcommand that the command line names.

    Raises:
        SystemExit: Always; the code says how it went.
    """
    made = program("deriva-ml-ops", DESCRIPTION, EPILOG)
    subparsers = made.add_subparsers(title="subcommands", metavar="SUBCOMMAND", required=True)
    for found in pkgutil.iter_modules(ops.__path__):
        if found.name not in NO_SUBCOMMANDS:
            importlib.import_module(f"{ops.__name__}.{found.name}").add(subparsers)
    script.run(_done, made)


def _done(args: argparse.Namespace) -> Mapping[str, Any] | None:
    """What the subcommand did; where it did not get at what it needs, why, and what helps."""
    try:
        result: Mapping[str, Any] | None = args.main(args)
    except Exception as error:
        if (
            "deriva_ml_kit.mainline" not in sys.modules
        ):  # nothing was asked of a catalog, and importing it takes seconds
            raise
        raise _explained(error, args) from error
    return result


def _explained(error: Exception, args: argparse.Namespace) -> Exception:
    from deriva_ml_kit.ops import access  # noqa: PLC0415

    try:
        place_ = place.named(args, place.root()) if hasattr(args, "hostname") else None
    except UsageError:
        place_ = None
    if place_ is None:
        return error
    datasets = access.wanted(vars(args).values())
    return access.explained(error, access.Where(place_.hostname, place_.catalog_id, datasets))


if __name__ == "__main__":
    main()
