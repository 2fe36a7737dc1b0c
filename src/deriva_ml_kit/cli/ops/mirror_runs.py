"""`deriva-ml-ops mirror-runs`: a copy of runs in MLflow."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.cli import place, subcommand

if TYPE_CHECKING:
    from deriva_ml_kit.cli.subcommand import Subparsers

DESCRIPTION = """\
Copy runs from the catalog to MLflow: parameters, seeds, metrics, loss curves, dataset versions, commit, and a link to
the execution. The catalog stays the record: nothing is read back, and nothing is logged automatically. Called again, it
copies what is new or has changed. Needs the extra `mlflow` (mlflow-skinny is enough for a folder or a server).
"""
EPILOG = """\
examples:
  uv run deriva-ml-ops mirror-runs --to mlruns             a folder, which `mlflow ui` of all of mlflow shows
  uv run deriva-ml-ops mirror-runs --to http://localhost:5000 --experiment digits
  uv run deriva-ml-ops mirror-runs --to mlruns --execution 3-WXYZ --dry-run

exit codes: 0 copied, 1 MLflow refused, 2 wrong usage, or MLflow is not installed
"""


def add(subparsers: Subparsers) -> None:
    """Describe the subcommand."""
    made = subcommand.add(
        subparsers,
        "mirror-runs",
        main,
        help_="copy runs to MLflow",
        description=DESCRIPTION,
        epilog=EPILOG,
        dry_run=True,
        catalog=False,
    )
    place.options(made)
    made.add_argument("--to", required=True, metavar="STORE", help="a folder, or the address of a tracking server")
    made.add_argument("--experiment", metavar="NAME", help="in MLflow; deriva-CATALOG where not given")
    made.add_argument("--execution", action="append", metavar="RID", help="only this run; repeatable")
    made.add_argument("--workflow-type", metavar="TERM", help="only runs of this type, such as Training")


def main(args: argparse.Namespace) -> dict[str, Any]:
    """Copy them.

    Raises:
        UsageError: MLflow is not installed.
    """
    ml = place.connect(args)
    from deriva_ml_kit.ops.tracking.mirror import mirror  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.ops.tracking.runs import known_runs  # noqa: PLC0415

    runs = known_runs(ml, args.execution, workflow_type=args.workflow_type)
    name = args.experiment or f"deriva-{ml.catalog_id}"
    done = mirror(ml, runs, args.to, name, dry_run=args.dry_run)
    return {
        "store": args.to,
        "experiment": name,
        "new": done.new,
        "changed": done.changed,
        "unchanged": len(done.unchanged),
        "dry_run": args.dry_run,
    }
