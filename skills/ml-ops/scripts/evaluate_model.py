"""Evaluate a model on a version of a test dataset, with the predictions and the metrics on record.

One place is yours: `inputs` turns the records of the dataset into the columns that the model was trained on. As it
stands it gives the rows of a table as they are. Where the model has features of its own, compute them here with the
module that the training and the server use, too.

Test records that the model was trained on, or that belong to the same group as such, are refused by their RIDs; so are
versions in development, records without label, and missing columns. Earlier evaluations on the dataset are named.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from deriva_ml_kit import script
from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.ops.access import connect
from deriva_ml_kit.ops.evaluation.evaluate import evaluate

# isort: split
# >>> edit: inputs
import pandas as pd

from deriva_ml_kit.ops.frames import read_frame


def inputs(ml: DerivaML, dataset: str, table: str) -> pd.DataFrame:
    """The model's columns of every record of the table in the dataset, with a column RID."""
    return read_frame(dataset, ml, table=table).frame


# <<< edit: inputs


def main(args: argparse.Namespace) -> Mapping[str, Any]:
    """Predict, compare, write both down."""
    ml = connect(args.hostname, args.catalog_id)
    workflow = ml.create_workflow(
        name="Evaluate model", workflow_type=args.workflow_type, description="Predicts a test dataset, and compares"
    )
    return evaluate(
        ml,
        args.model,
        args.dataset,
        table=args.table,
        label=args.label,
        cluster=args.cluster,
        frame=inputs(ml, args.dataset, args.table),
        workflow=workflow,
        dry_run=args.dry_run,
    ).summary()


ARGUMENTS = script.parser(
    __doc__,
    """examples:
  uv run python src/scripts/evaluate_model.py --hostname data.example.org --catalog-id 1 --workflow-type Testing \\
      --model 3-WXYZ --dataset 1-2A3B@1.0.0 --table Image --label Diagnosis --cluster Subject --dry-run
  ... without --dry-run         an execution with model and dataset as inputs, predictions and report as outputs

exit codes: 0 evaluated; 1 it failed; 2 refused, or an argument is wrong""",
)
ARGUMENTS.add_argument("--model", required=True, metavar="RID", help="asset of the model")
ARGUMENTS.add_argument("--dataset", required=True, metavar="RID@VERSION", help="the test dataset, released")
ARGUMENTS.add_argument("--table", required=True, metavar="TABLE", help="whose rows are its records")
ARGUMENTS.add_argument("--label", required=True, metavar="NAME", help="column, feature or Feature.Column of the truth")
ARGUMENTS.add_argument("--cluster", metavar="NAME", help="column or table of what belongs together, such as Subject")

if __name__ == "__main__":
    script.run(main, ARGUMENTS)
