"""`new-project`: a repository for a user's own models, which runs all three tiers as it is made."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.cli import subcommand

if TYPE_CHECKING:
    from deriva_ml_kit.cli.subcommand import Subparsers

DESCRIPTION = """\
Make a project's folder: a git repository with design documents, Hydra configs, a model function, scripts, tests, and an
environment with the kit in it. As it is made, it classifies handwritten digits, and runs through all three tiers on a
catalog on this machine; its README.md says which commands to type, and which files to replace by your own.

In a folder that it made, it adds what is missing and leaves everything else as it is. Any other folder must be empty.
"""
EPILOG = """\
examples:
  uv run new-project ../my-first-model
  uv run new-project ../my-first-model --hostname data.example.org --catalog-id 42
  uv run --project "${CLAUDE_PLUGIN_ROOT}" new-project ./my-first-model    from any folder

exit codes: 0 it is there and committed, 1 git or uv failed, 2 the folder or the name cannot be used
"""


def add(subparsers: Subparsers) -> None:
    """Describe the subcommand."""
    made = subcommand.add(
        subparsers,
        "new-project",
        main,
        help_="make a repository for your own models, which runs as it is made",
        description=DESCRIPTION,
        epilog=EPILOG,
        catalog=False,
    )
    made.add_argument("folder", type=Path, metavar="DIR", help="the project's folder; made if it is not there")
    made.add_argument("--name", metavar="NAME", help="name in pyproject.toml (the folder's name)")
    made.add_argument("--hostname", metavar="HOST[:PORT]", help="DERIVA host of its catalog")
    made.add_argument(
        "--catalog-id", metavar="ID", help="an existing catalog there; else src/scripts/make_schema.py makes one"
    )
    made.add_argument(
        "--no-environment", action="store_true", help="do not install anything; the first `uv run` does it"
    )


def main(args: argparse.Namespace) -> dict[str, Any]:
    """Make the project and say what to type next."""
    from deriva_ml_kit.project import scaffold  # noqa: PLC0415  (only this subcommand needs it)

    made = scaffold.make(
        args.folder,
        name=args.name,
        hostname=args.hostname,
        catalog_id=args.catalog_id,
        environment=not args.no_environment,
    )
    result: dict[str, Any] = {
        "folder": str(made.folder),
        "name": made.name,
        "files": len(made.new),
        "commit": made.commit,
        "next": [f"cd {shlex.quote(str(args.folder))}", "uv run deriva-ml-run --info", "uv run bootstrap-status"],
    }
    return result | ({"committer": made.committer} if made.committer else {})
