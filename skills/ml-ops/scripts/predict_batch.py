"""Let a model answer the rows of a dataset version, with everything on record: the way where nobody waits.

Before anything is written the model's file is verified by its checksum, its golden records are reproduced (by the code
in the regions below), and columns and terms are checked. The execution has the dataset and the model as inputs; its
outputs are predictions.csv, the prediction log predictions.jsonl, and values of a feature where --feature names one.

Two places are yours, and must be what the training used: `load` reads the model's file, `transform` makes features of
rows.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from deriva_ml_kit import script
from deriva_ml_kit.ops.access import connect
from deriva_ml_kit.ops.serving.batch import Into, predict_dataset
from deriva_ml_kit.ops.serving.bundle import chosen, fetch_bundle

# isort: split
# >>> edit: imports
import pandas as pd

from deriva_ml_kit.ops.serving.model import read_joblib

# <<< edit: imports


# >>> edit: load
def load(path: Path) -> Any:
    """The model of a file: an object with `predict(frame)`, and `predict_proba(frame)` and `classes_` for scores."""
    return read_joblib(path)


# <<< edit: load


# >>> edit: transform
def transform(raw: pd.DataFrame) -> pd.DataFrame:
    """The features of raw rows, each from its own row alone; import it from the module that the training uses."""
    return raw


# <<< edit: transform


def main(args: argparse.Namespace) -> Mapping[str, Any]:
    """Fetch the model, try it, let it answer."""
    ml = connect(args.hostname, args.catalog_id)
    workflow = ml.create_workflow(
        name=Path(__file__).stem, workflow_type=args.workflow_type, description="Predictions for a dataset version"
    )
    served = chosen(ml, args.model) if args.model else None
    with tempfile.TemporaryDirectory() as folder:
        bundle = fetch_bundle(ml, served.model_rid if served else args.rid, Path(folder), served=served)
        done = predict_dataset(
            ml,
            bundle,
            args.dataset,
            table=args.table,
            workflow=workflow,
            load=load,
            transform=transform,
            unit=args.unit,
            into=Into(args.feature, args.column, args.confidence) if args.feature else None,
            dry_run=args.dry_run,
        )
    return script.Verdict({"model_rid": bundle.manifest.model_rid, **asdict(done)}, int(done.failed > 0))


ARGUMENTS = script.parser(
    __doc__,
    """examples:
  uv run python src/scripts/predict_batch.py --hostname data.example.org --catalog-id 1 --workflow-type Prediction \\
      --model tumours --dataset 1-2A3B@0.4.0 --dry-run
  ... --rid 3-WXYZ                                  a model that is not in Production
  ... --feature Predicted --confidence Confidence   predictions as values of a feature, too
  ... --table Image --table Subject --unit Subject.RID   columns of several tables; whom a row is about

exit codes: 0 every row was answered; 1 some rows failed (named in predictions.csv), or golden records are not
reproduced; 2 an argument, a column or a term does not fit""",
)
MODEL = ARGUMENTS.add_mutually_exclusive_group(required=True)
MODEL.add_argument("--model", metavar="NAME", help="name in the registry: the one in Production")
MODEL.add_argument("--rid", metavar="RID", help="a model's asset")
ARGUMENTS.add_argument("--dataset", required=True, metavar="RID@VERSION", help="the dataset in a released version")
ARGUMENTS.add_argument("--table", action="append", metavar="TABLE", help="a table of it; repeatable")
ARGUMENTS.add_argument("--unit", metavar="COLUMN", help="whom a row is about, such as the subject; goes into the log")
ARGUMENTS.add_argument("--feature", metavar="NAME", help="feature of the table that gets the predictions as values")
ARGUMENTS.add_argument("--column", metavar="NAME", help="its column for the prediction, where several could take it")
ARGUMENTS.add_argument("--confidence", metavar="NAME", help="its column for the highest score")

if __name__ == "__main__":
    script.run(main, ARGUMENTS)
