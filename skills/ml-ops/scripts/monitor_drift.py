"""Compare a batch of data with what a model was trained on, in your own terms, with everything on record.

Two places are yours: `columns` turns the records of a batch into what the model gets, and says which rows belong
together and when they came to be; `seasons` names the series of batches and the limits. What stands there now compares
the records as they are. The run is an execution of this committed script: its inputs are baseline and dataset, its
outputs report, page, figures as OpenMetrics text, and the profile of the batch. The same batch again tells the report
that is there.

To make it yours: copy it to src/scripts/, edit the regions, commit. `deriva-ml-ops monitor-drift` does the same without
regions, and `deriva-ml-ops schedule-drift` shows what repeats such a command.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from deriva_ml_kit import script
from deriva_ml_kit.ops.access import connect
from deriva_ml_kit.ops.drift import Settings, find_baseline, metrics
from deriva_ml_kit.ops.drift.columns import read_batch
from deriva_ml_kit.ops.drift.monitor import Compared, models_of, monitor
from deriva_ml_kit.ops.drift.response import outcome, respond
from deriva_ml_kit.ops.drift.webhook import webhook


# >>> edit: columns
def columns(frame: pd.DataFrame) -> pd.DataFrame:
    """The records as the model gets them: what was derived for the training has to be derived here, too."""
    return frame


TABLE: str | None = None  # element table of the dataset, where it has several
GROUP_BY: str | None = (
    None  # column that says which rows belong together, such as Subject; as the baseline says if None
)
TIME: str | None = None  # column with the time of each row; likewise
# <<< edit: columns


# >>> edit: seasons
SERIES: str | None = None  # batches of one name are compared with earlier ones: last year's for seasonal columns
ROLLING = False  # also compare with the batch just before: a hint, which follows what drifts slowly
SETTINGS = Settings(alpha=0.05, investigate=0.1, drift=0.2, group_by=GROUP_BY, time=TIME)
# <<< edit: seasons


def main(args: argparse.Namespace) -> Mapping[str, Any]:
    """Read the batch, compare it, keep what was found, tell it, start what follows from a drift."""
    told = webhook(args.webhook)  # first of all: it takes the address out of what executions record
    ml = connect(args.hostname, args.catalog_id)
    baseline = find_baseline(ml, args.model)
    batch = read_batch(ml, args.batch, baseline.document, table=TABLE)
    found = monitor(
        ml,
        Compared(baseline, models_of(ml, baseline.execution_rid), series=SERIES),
        replace(batch, frame=columns(batch.frame)),
        SETTINGS,
        rolling=ROLLING,
        workflow=ml.create_workflow(
            name=Path(__file__).stem, workflow_type=args.workflow_type, description="Compares batches with a baseline"
        ),
        again=args.again,
        dry_run=args.dry_run,
    )
    if args.page:
        args.page.write_text(found.page, encoding="utf-8")
    if args.metrics:
        metrics.write(found.metrics, args.metrics)
    return outcome(found, respond(ml, found, webhook=told, on_drift=args.on_drift))


ARGUMENTS = script.parser(
    __doc__,
    """examples:
  uv run python src/scripts/monitor_drift.py --hostname data.example.org --catalog-id 1 --workflow-type Monitoring \\
      --model digits --batch 2-B4C8 --dry-run --page /tmp/drift.html
  ... --batch 2-B4C8@1.2.0        a version of a dataset; its newest where none is given
  ... --batch predictions.jsonl   a prediction log; or .csv, .parquet, the folder of a bag
  ... --on-drift 'uv run deriva-ml-ops run-pipeline pipeline.toml'

exit codes: 0 ok, or investigate; 1 drift, or failed; 2 too few rows or none, or wrong usage""",
)
ARGUMENTS.add_argument("--model", required=True, metavar="RID|NAME", help="a model, a training, a profile; or a name")
ARGUMENTS.add_argument("--batch", required=True, metavar="RID[@VERSION]|FILE", help="the records")
ARGUMENTS.add_argument("--page", type=Path, metavar="FILE", help="write the page there, too")
ARGUMENTS.add_argument("--metrics", type=Path, metavar="FILE", help="write the OpenMetrics text there, too")
ARGUMENTS.add_argument("--webhook", metavar="URL", help="POST what was found, unless all is ok; or DERIVA_ML_WEBHOOK")
ARGUMENTS.add_argument("--on-drift", metavar="COMMAND", help="start this for a drift")
ARGUMENTS.add_argument("--again", action="store_true", help="make another report although there is one")

if __name__ == "__main__":
    script.run(main, ARGUMENTS)
