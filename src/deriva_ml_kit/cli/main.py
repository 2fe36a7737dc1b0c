"""The program `deriva-ml-kit`."""

from __future__ import annotations

import sys
from functools import partial

from deriva_ml_kit import script
from deriva_ml_kit.cli import bootstrap_status as _bootstrap_status
from deriva_ml_kit.cli import bump_version as _bump_version  # the bare names are programs, below
from deriva_ml_kit.cli import check_imports, make_dev_dataset, upgrade_catalog
from deriva_ml_kit.cli import lint_design as _lint_design
from deriva_ml_kit.cli import new_project as _new_project
from deriva_ml_kit.cli import record_verdict as _record_verdict
from deriva_ml_kit.cli import tool as _tool
from deriva_ml_kit.cli.subcommand import program

DESCRIPTION = """\
Care for DerivaML catalogs, their datasets, and the projects that use them.
"""
EPILOG = """\
`deriva-ml-kit SUBCOMMAND --help` tells what a subcommand does, with examples.
Exit codes: 0 done, 1 failed, 2 wrong usage or nothing that could be decided, 130 interrupted.
"""
SUBCOMMANDS = (
    _bootstrap_status,
    _bump_version,
    check_imports,
    _lint_design,
    make_dev_dataset,
    _new_project,
    _record_verdict,
    _tool,
    upgrade_catalog,
)


def main() -> None:
    """Run the subcommand that the command line names.

    Raises:
        SystemExit: Always; the code says how it went.
    """
    made = program("deriva-ml-kit", DESCRIPTION, EPILOG)
    subparsers = made.add_subparsers(title="subcommands", metavar="SUBCOMMAND", required=True)
    for module in SUBCOMMANDS:
        module.add(subparsers)
    script.run(lambda args: args.main(args), made)


def _alone(name: str) -> None:
    """Run one subcommand as a program of its own.

    Raises:
        SystemExit: Always; the code says how it went.
    """
    sys.argv[1:1] = [name]
    main()


bootstrap_status = partial(_alone, "bootstrap-status")
bump_version = partial(_alone, "bump-version")
lint_design = partial(_alone, "lint-design")
new_project = partial(_alone, "new-project")
record_verdict = partial(_alone, "record-verdict")

if __name__ == "__main__":
    main()
