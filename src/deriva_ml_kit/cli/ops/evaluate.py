"""`deriva-ml-ops evaluate`: how a model does on a test dataset."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.cli import place, subcommand
from deriva_ml_kit.errors import UsageError

if TYPE_CHECKING:
    from deriva_ml_kit.cli.subcommand import Subparsers

DESCRIPTION = """\
Let a model predict a version of a test dataset, in an execution with both as inputs. Its outputs are predictions.csv (a
line a record) and evaluation.json: metrics with 95 % intervals, for which records of the same --cluster are drawn
together, and the same metrics of the best constant answer.

The report names every earlier evaluation on this dataset, as the catalog counts them. Refused, with nothing written:
versions in development, test records that the model was trained on or that belong to the same group as such (their RIDs
are listed; nested datasets, parts for testing apart, and models that the training began with count), records without
label or group, missing columns.

The records are the rows of one table. Where the model's inputs are made from files or several tables, use the template
evaluate_model.py.
"""
EPILOG = """\
examples:
  uv run deriva-ml-ops evaluate --model 3-WXYZ --criteria 3-CRIT
  uv run deriva-ml-ops evaluate --model 3-WXYZ --dataset 2-B4C8@1.0.0 --table Visit --label Outcome --cluster Subject
  ... --dry-run        every check, and the predictions, but no metrics: whoever looks at them is counted

exit codes: 0 evaluated, 2 refused
"""


def add(subparsers: Subparsers) -> None:
    """Describe the subcommand."""
    made = subcommand.add(
        subparsers,
        "evaluate",
        main,
        help_="predictions and metrics of a model on a test dataset",
        description=DESCRIPTION,
        epilog=EPILOG,
        dry_run=True,
        catalog=False,
    )
    place.options(made)
    made.add_argument("--model", required=True, metavar="RID", help="asset of the model")
    made.add_argument("--criteria", metavar="RID", help="take dataset, table, label and cluster from these criteria")
    made.add_argument("--dataset", metavar="RID@VERSION", help="the test dataset in a released version")
    made.add_argument("--table", metavar="TABLE", help="whose rows are its records")
    made.add_argument("--label", metavar="NAME", help="column, feature or Feature.Column of what is true")
    made.add_argument("--cluster", metavar="NAME", help="column or table of what belongs together, such as Subject")
    made.add_argument(
        "--task", choices=("classification", "regression"), help="told from the model and the labels where not given"
    )


def main(args: argparse.Namespace) -> dict[str, Any]:
    """Evaluate.

    Raises:
        UsageError: The model cannot be evaluated on this.
        Undecidable: There are no records.
    """
    own = {name: getattr(args, name) for name in ("dataset", "table", "label", "cluster")}
    given = [f"--{name}" for name, value in own.items() if value]
    if args.criteria and given:
        raise UsageError(f"{', '.join(given)} and --criteria: the criteria name these themselves.")
    missing = [f"--{name}" for name in ("dataset", "table", "label") if not own[name]]
    if missing and not args.criteria:
        raise UsageError(f"Give --criteria, or {', '.join(missing)}.")
    where = place.required(args, place.root())
    from deriva_ml_kit.ops.access import connect  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.ops.documents import fetch  # noqa: PLC0415
    from deriva_ml_kit.ops.evaluation.evaluate import evaluate  # noqa: PLC0415
    from deriva_ml_kit.ops.gate.documents import GateCriteria  # noqa: PLC0415

    ml = connect(where.hostname, where.catalog_id)
    if args.criteria:
        criteria = fetch(ml, args.criteria, GateCriteria).document
        own = {name: getattr(criteria, name) for name in own}
    dataset = own.pop("dataset")
    found = evaluate(ml, args.model, dataset, **own, task=args.task, dry_run=args.dry_run)
    result = found.summary()
    if not args.json:
        result["metrics"] = {
            name: f"{each.value:.4g} [{each.lower:.4g}, {each.upper:.4g}], baseline {each.baseline:.4g}"
            for name, each in found.report.metrics.items()
        }
    return result
