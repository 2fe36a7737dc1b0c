"""The program `deriva-ml-ops`."""

from __future__ import annotations

import importlib
import pkgutil

from deriva_ml_kit import script
from deriva_ml_kit.cli import ops
from deriva_ml_kit.cli.subcommand import program

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
    script.run(lambda args: args.main(args), made)


if __name__ == "__main__":
    main()
