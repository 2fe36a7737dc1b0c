"""`deriva-ml-ops baseline`: the profile of training data, for a training that has written none."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.cli import place, subcommand

if TYPE_CHECKING:
    from deriva_ml_kit.cli.subcommand import Subparsers

DESCRIPTION = """\
Profile the dataset that a finished execution was trained on, and add the profile to the outputs of that execution: what
later batches are compared with by monitor-drift, and what a server checks requests against.

Columns are the inputs of the model among the execution's outputs; its predictions and scores are profiled, too. The
rows come from the catalog as it was in that version of the dataset. A profile that is there stays, unless there is a
reason against it.

A training that is still to be written does this by itself: deriva_ml_kit.ops.drift.write_baseline(execution, frame).
"""
EPILOG = """\
examples:
  uv run deriva-ml-ops baseline --execution 3-WXYZ --dry-run
  uv run deriva-ml-ops baseline --execution 3-WXYZ
  uv run deriva-ml-ops baseline --execution 3-WXYZ --group-by Subject --time Acquired --seasonal Temperature
  uv run deriva-ml-ops baseline --execution 3-WXYZ --columns Age,Weight --no-predictions
  uv run deriva-ml-ops baseline --execution 3-WXYZ --bins 20 --replace "ten bins hide the second mode"

exit codes: 0 the profile is there, 1 failed, 2 wrong usage, or there is a profile already
"""


def add(subparsers: Subparsers) -> None:
    """Describe the subcommand."""
    made = subcommand.add(
        subparsers,
        "baseline",
        main,
        help_="profile the training data of a finished training",
        description=DESCRIPTION,
        epilog=EPILOG,
        dry_run=True,
        catalog=False,
    )
    place.options(made)
    made.add_argument("--execution", required=True, metavar="RID", help="the training")
    made.add_argument("--dataset", metavar="RID[@VERSION]", help="which of its datasets, where it had several")
    made.add_argument(
        "--table", action="append", metavar="NAME", help="element table, where there are several; repeat to join tables"
    )
    made.add_argument(
        "--columns", type=_names, metavar="A,B", help="columns to profile; the model's inputs if not given"
    )
    made.add_argument("--no-predictions", action="store_true", help="do not load the model")
    made.add_argument(
        "--group-by", metavar="COLUMN", help="rows of one value belong together, such as images of a subject"
    )
    made.add_argument("--time", metavar="COLUMN", help="when each row came to be")
    made.add_argument(
        "--seasonal",
        action="append",
        default=[],
        type=_season,
        metavar="COLUMN[=DAYS]",
        help="a column that differs over the year, or over so many days; needs --time; repeatable",
    )
    made.add_argument("--bins", type=int, default=10, metavar="N", help="intervals of a continuous column (10)")
    made.add_argument("--levels", type=int, default=50, metavar="N", help="levels that get a cell each (50)")
    made.add_argument("--replace", metavar="REASON", help="take the place of the profile that is there")


def main(args: argparse.Namespace) -> dict[str, Any]:
    """Profile the data.

    Raises:
        UsageError: The execution is not finished, or has a profile; an option does not fit the data.
    """
    where = place.required(args, place.root())
    from deriva_ml_kit.ops.access import connect  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.ops.drift import attach_baseline  # noqa: PLC0415
    from deriva_ml_kit.ops.setup import require  # noqa: PLC0415

    ml = connect(where.hostname, where.catalog_id)
    require(ml)
    settings: dict[str, Any] = {
        "clusters": args.group_by,
        "times": args.time,
        "seasonal": dict(args.seasonal),
        "bins": args.bins,
        "levels": args.levels,
    }
    if args.columns:
        settings["columns"] = args.columns
    made, rid = attach_baseline(
        ml,
        args.execution,
        dataset=args.dataset,
        table=args.table,
        replace=args.replace,
        predict=not args.no_predictions,
        dry_run=args.dry_run,
        **settings,
    )
    profile = made.profile
    return {
        "baseline": rid or "not written: dry run",
        "execution": args.execution,
        "dataset": f"{profile.origin.dataset_rid}@{profile.origin.dataset_version}",
        "rows": profile.rows,
        "columns": len(profile.features),
        "predictions": "profiled" if len(profile.columns) > len(profile.features) else "none",
        "skipped": [f"{name}: {why}" for name, why in profile.skipped.items()],
        "next": "uv run deriva-ml-ops monitor-drift --help" if rid else "the same without --dry-run",
    }


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _season(text: str) -> tuple[str, float]:
    name, _, days = text.partition("=")
    try:
        return name, float(days or 365)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no COLUMN=DAYS") from error
