"""`cycle-zero`: the whole workflow on real images and a real catalog, from an empty folder to a verdict and a page."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from deriva_ml_kit.demo.page import write_page
from deriva_ml_kit.demo.playing import play_steps
from deriva_ml_kit.demo.state import State
from deriva_ml_kit.demo.steps import STEPS, Run, as_json
from deriva_ml_kit.errors import KitError
from deriva_ml_kit.project import scaffold
from deriva_ml_kit.project.shell import Shell

LOG = Path("cycle-zero.log")

DESCRIPTION = """\
Watch cycle zero of an ML project happen: design document, schema, 1,797 real scans, labels, a development dataset,
dry run, small run, full run, verdict. It makes a project with `new-project` and then types what you would type in it
(all of it stands in cycle-zero.log).
"""
EPILOG = """\
examples:
  uv run cycle-zero                          in ./cycle-zero-demo, on a catalog on this machine
  uv run cycle-zero my-first-model           in another folder
  uv run cycle-zero --hostname data.example.org --catalog-id 42
                                             on any DERIVA host where you are logged in

Run it again at any time: what is there stays, what was cut short is completed.
Stop the local catalog with `uv run deriva-local stop`.
"""


def parser(name: str = "cycle-zero", description: str = DESCRIPTION, epilog: str = EPILOG) -> argparse.ArgumentParser:
    """The command line, which that of `ops-demo` is like."""
    made = argparse.ArgumentParser(
        name, description=description, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument(
        "folder", nargs="?", type=Path, default=Path("cycle-zero-demo"), help="project folder (default: %(default)s)"
    )
    made.add_argument("--hostname", metavar="HOST[:PORT]", help="a DERIVA host, instead of the catalog on this machine")
    made.add_argument("--catalog-id", metavar="ID", help="an existing catalog there; without it a new one is made")
    made.add_argument("--json", action="store_true", help="print the results of all steps as one JSON line at the end")
    return made


def main() -> None:
    """Run cycle zero; exits with 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    args = parser().parse_args()
    try:
        run = prepare(args)
        play(run)
    except KeyboardInterrupt:
        print("\nInterrupted. The same command again continues where this stopped.", file=sys.stderr)
        sys.exit(130)
    except KitError as error:
        print(f"\n{error}", file=sys.stderr)
        sys.exit(error.exit_code)
    if args.json:
        print(as_json(run))


def prepare(args: argparse.Namespace) -> Run:
    """Check what can be checked before anything is made.

    Raises:
        UsageError: uv is missing, the folder holds other work, or it belongs to another catalog.
    """
    folder = args.folder.resolve()
    scaffold.check(folder, hostname=args.hostname, catalog_id=args.catalog_id)
    folder.mkdir(parents=True, exist_ok=True)
    state = State.load(folder)
    host = state.steps.get("host")  # a host that an earlier run was given stays the project's
    hostname = args.hostname or (host.result["hostname"] if host and not host.result["local"] else None)
    return Run(folder, Shell(folder, folder / LOG), state, hostname, args.catalog_id)


def play(run: Run) -> None:
    """Do every step that is not done yet, then write the report."""
    play_steps(run, STEPS, write_page, heading="cycle zero")


if __name__ == "__main__":
    main()
