"""`deriva-ml-ops predict`: a model answers the rows of a dataset version."""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.cli import place, subcommand
from deriva_ml_kit.script import Verdict

if TYPE_CHECKING:
    from deriva_ml_kit.cli.subcommand import Subparsers

DESCRIPTION = """\
Let a model answer the rows of a dataset version: what to do wherever nobody waits for the answer. An execution of type
Prediction has the dataset and the model as inputs; its outputs are predictions.csv (a line a row, with the scores),
predictions.jsonl (the log that monitor-drift and others read), and values of a feature where --feature names one.

Before anything is written the model's file is verified, its golden records are reproduced, and all columns and terms
are checked. A model whose features are computed from raw columns needs that code: copy the template
skills/ml-ops/scripts/predict_batch.py.
"""
EPILOG = """\
examples:
  uv run deriva-ml-ops predict --model digits --dataset 2-B4C8@1.2.0             the model in Production
  uv run deriva-ml-ops predict --rid 3-WXYZ --dataset 2-B4C8@1.2.0 --dry-run
  uv run deriva-ml-ops predict --rid 3-WXYZ --dataset 2-B4C8@1.2.0 --table Image --unit Subject \\
      --feature Predicted_Digit --confidence Confidence

exit codes: 0 every row was answered; 1 some rows failed (they are named in the file), or the model does not reproduce
            its golden records; 2 wrong usage, or columns or terms that do not fit
"""


def add(subparsers: Subparsers) -> None:
    """Describe the subcommand."""
    made = subcommand.add(
        subparsers,
        "predict",
        main,
        help_="let a model answer the rows of a dataset version",
        description=DESCRIPTION,
        epilog=EPILOG,
        dry_run=True,
        catalog=False,
    )
    place.options(made)
    which = made.add_argument_group("model").add_mutually_exclusive_group(required=True)
    which.add_argument("--model", metavar="NAME", help="name in the registry: the one in Production")
    which.add_argument("--rid", metavar="RID", help="a model's asset")
    rows = made.add_argument_group("rows")
    rows.add_argument("--dataset", required=True, metavar="RID@VERSION", help="a dataset in a released version")
    rows.add_argument("--table", action="append", metavar="NAME", help="its element table; repeat to join tables")
    rows.add_argument("--unit", metavar="COLUMN", help="whom a row is about, such as the subject; goes into the log")
    into = made.add_argument_group("feature values")
    into.add_argument("--feature", metavar="NAME", help="feature of the table that gets the predictions as values")
    into.add_argument("--column", metavar="NAME", help="its column for the prediction, where several could take it")
    into.add_argument("--confidence", metavar="NAME", help="its column for the highest score")


def main(args: argparse.Namespace) -> dict[str, Any]:
    """Predict.

    Raises:
        KitError: The model does not answer as in its training.
        UsageError: Something does not fit.
    """
    from deriva_ml_kit.ops.serving.batch import Into, predict_dataset  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.ops.serving.bundle import chosen, fetch_bundle  # noqa: PLC0415

    ml = place.connect(args)
    served = chosen(ml, args.model) if args.model else None
    with tempfile.TemporaryDirectory(prefix="deriva-ml-ops-") as folder:
        bundle = fetch_bundle(ml, served.model_rid if served else args.rid, Path(folder), served=served)
        done = predict_dataset(
            ml,
            bundle,
            args.dataset,
            table=args.table,
            unit=args.unit,
            into=Into(args.feature, args.column, args.confidence) if args.feature else None,
            dry_run=args.dry_run,
        )
    return Verdict({"model_rid": bundle.manifest.model_rid, **asdict(done)}, int(done.failed > 0))
