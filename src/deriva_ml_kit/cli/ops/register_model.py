"""`deriva-ml-ops register-model`: give a model a name, if nothing of what belongs to it is missing."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.cli import place, subcommand

if TYPE_CHECKING:
    from deriva_ml_kit.cli.subcommand import Subparsers

DESCRIPTION = """\
Register a model: an output file of a training, of type Model_File. It becomes the next version of its name, in stage
Candidate, if everything that belongs to it is there:

  asset, file       it is a Model_File, and the object store has it with the checksum of the catalog
  training          the execution that made it has ended well
  code, clean tree  its workflow has a URL and a checksum, and ran without uncommitted changes
  datasets          its inputs are released versions
  criteria          registered before the training, and its input
  baseline, features, golden records, run record, environment      outputs of the training
  evaluation        a report on this very file, on a released version of a test dataset

Otherwise each missing link is named, all at once, and nothing is written. With --force and a reason it is registered
all the same; what was missing and why it was accepted is told by every later answer about this model.
"""
EPILOG = """\
examples:
  uv run deriva-ml-ops register-model --name tumours --model 2-B4C8 --dry-run      what is missing?
  uv run deriva-ml-ops register-model --name tumours --model 2-B4C8
  uv run deriva-ml-ops register-model --name tumours --model 2-B4C8 --force "baseline lost; see ticket 17"

exit codes: 0 registered (--dry-run: it could be), 1 failed, or somebody else was quicker,
            2 links are missing, it is registered already, or is no model
"""


def add(subparsers: Subparsers) -> None:
    """Describe the subcommand."""
    made = subcommand.add(
        subparsers,
        "register-model",
        main,
        help_="give a model a name, if nothing of what belongs to it is missing",
        description=DESCRIPTION,
        epilog=EPILOG,
        catalog=False,
        dry_run=True,
    )
    place.options(made)
    made.add_argument("--name", required=True, help="name under which models replace each other")
    made.add_argument("--model", required=True, metavar="RID", help="the model's file")
    made.add_argument(
        "--reason", default="", metavar="TEXT", help="what it is, for people; the file's name if not given"
    )
    made.add_argument("--force", metavar="REASON", help="register it although links are missing; recorded, and told")


def main(args: argparse.Namespace) -> dict[str, Any]:
    """Register it.

    Raises:
        Incomplete: Links are missing.
    """
    ml = place.connect(args)
    from deriva_ml_kit.ops.registry.registration import register  # noqa: PLC0415  (takes seconds)

    serving, registration = register(
        ml, args.name, args.model, reason=args.reason, force=args.force, dry_run=args.dry_run
    )
    links = registration.links
    return {
        "name": args.name,
        "model": args.model,
        "status": "could be registered" if serving is None else "registered",
        "version": serving.version if serving else None,
        "stage": serving.stage if serving else None,
        "training": links.training_rid,
        "md5": links.md5,
        "completeness": links.score,
        "missing": [link.name for link in links.missing],
        "forced": registration.forced,
        "execution": serving.execution_rid if serving else None,
        "links": {link.name: link.found for link in links.links},
    }
