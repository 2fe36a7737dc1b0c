"""Features of raw records: the one module that training and service share.

One place is yours: `features` turns raw records into what the model gets. Training, evaluation and server import this
file, and keep or compare its SHA-256; so none of them can do it a little differently. As it stands, every numeric
column is a feature, as it is.

Called as a program, it makes the features of a dataset version or a file, makes sure that a record alone gets the same
features as among others, as it will in service, and keeps the table as an output of an execution.

    from deriva_ml_kit.ops.features import load_transform
    transform = load_transform("src/scripts/features.py")       # in training, evaluation and server
    transform(raw), transform.sha256
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deriva_ml_kit import script

# isort: split
# >>> edit: features
import pandas as pd


def features(raw: pd.DataFrame) -> pd.DataFrame:
    """Raw records to features, a row for each, with the same index.

    What a record gets may depend on nothing but this record: no mean of the batch, no clock, no file, no random number.
    What is learned from data, such as a scaler, belongs to the model, which is fitted once.
    """
    return raw.select_dtypes("number").astype("float64")


# <<< edit: features


def main(args: argparse.Namespace) -> Mapping[str, Any]:
    """Make the features, compare them with those of single records, keep the table."""
    from deriva_ml_kit.ops.access import connect  # noqa: PLC0415  (a server that imports this module needs no catalog)
    from deriva_ml_kit.ops.features import load_transform  # noqa: PLC0415
    from deriva_ml_kit.ops.features.keeping import keep_transformed  # noqa: PLC0415
    from deriva_ml_kit.ops.features.transform import assert_alone_is_among_others  # noqa: PLC0415
    from deriva_ml_kit.ops.frames import read_frame  # noqa: PLC0415
    from deriva_ml_kit.ops.operation import operation  # noqa: PLC0415

    transform = load_transform(Path(__file__))
    ml = connect(args.hostname, args.catalog_id)
    batch = read_frame(args.data, ml, table=args.table)
    made = transform(batch.frame)
    tried = assert_alone_is_among_others(transform, batch.frame)
    workflow = ml.create_workflow(
        name="Make features", workflow_type=args.workflow_type, description="Turns raw records into features"
    )
    datasets = [batch.origin.name] if batch.origin.kind == "dataset" else []
    what = f"Features of {batch.origin.name}"
    with operation(ml, what, workflow=workflow, datasets=datasets, dry_run=args.dry_run) as doing:
        keep_transformed(doing, made, transform, batch.origin)
    return {
        "execution": "none: dry run" if args.dry_run else doing.rid,
        "rows": len(made),
        "features": list(made.columns),
        "alone_as_among_others": f"{tried} records tried",
        "transform": transform.sha256,
    }


ARGUMENTS = script.parser(
    __doc__,
    """examples:
  uv run python src/scripts/features.py --hostname data.example.org --catalog-id 1 --workflow-type Feature_Creation \\
      --data 1-2A3B@1.0.0 --table Visit --dry-run
  uv run python src/scripts/features.py ... --data visits.csv     a file
  ... without --dry-run         the table is an output of an execution, with its origin in it

exit codes: 0 done; 1 it failed, or a record alone has other features than among others; 2 an argument is wrong""",
)
ARGUMENTS.add_argument(
    "--data", required=True, metavar="SOURCE", help="RID@VERSION of a dataset, or a .csv, .parquet or .jsonl file"
)
ARGUMENTS.add_argument("--table", metavar="TABLE", help="whose rows are the records, where a dataset has several")

if __name__ == "__main__":
    script.run(main, ARGUMENTS)
