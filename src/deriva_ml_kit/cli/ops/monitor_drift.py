"""`deriva-ml-ops monitor-drift`: has a batch of data moved away from what a model was trained on?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.cli import place, subcommand
from deriva_ml_kit.errors import UsageError

if TYPE_CHECKING:
    from deriva_ml_kit.cli.subcommand import Subparsers
    from deriva_ml_kit.mainline import DerivaML
    from deriva_ml_kit.ops.frames import Batch

DESCRIPTION = """\
Compare a batch with the baseline of a model, column by column, predictions too where there are any: PSI, Kolmogorov-
Smirnov, chi-squared, share of missing values, levels never seen before. A column has drifted if its PSI is large, is no
chance (p adjusted for the number of columns), and both sides have the rows to tell. "No data" is never "ok".

The comparison is an execution: inputs are baseline and dataset, outputs the report, a page with the distributions, the
figures as OpenMetrics text, and the profile of the batch, with which later batches of its --series are compared (the
same season a year before, for columns that the baseline declares seasonal; the batch just before, with --rolling).

The same baseline, batch and settings again: tells the report that is there.
"""
EPILOG = """\
examples:
  uv run deriva-ml-ops monitor-drift --model digits --dataset 2-B4C8           the model in Production, newest version
  uv run deriva-ml-ops monitor-drift --model 3-WXYZ --dataset 2-B4C8@1.2.0
  uv run deriva-ml-ops monitor-drift --model 3-WXYZ --file predictions.jsonl --page drift.html --metrics drift.prom
  uv run deriva-ml-ops monitor-drift --baseline 3-WXZ0 --bag ~/bags/Dataset_2-B4C8 --group-by Subject
  uv run deriva-ml-ops monitor-drift --model digits --dataset 2-B4C8 \\
      --on-drift 'uv run deriva-ml-ops run-pipeline pipeline.toml'

--webhook, or DERIVA_ML_WEBHOOK in the environment, gets a message as JSON unless all is ok; DERIVA_ML_WEBHOOK_TOKEN is
sent as bearer token. Neither is printed or recorded. What --on-drift starts finds DERIVA_ML_DRIFT_REPORT and
DERIVA_ML_DRIFT_EXECUTION in its environment; do not write secrets into it, it is recorded.

exit codes: 0 ok, or investigate (with a warning); 1 drift, or failed (also: nobody could be told); 2 insufficient or
no_data, or wrong usage; 130 interrupted
"""


def add(subparsers: Subparsers) -> None:
    """Describe the subcommand."""
    made = subcommand.add(
        subparsers,
        "monitor-drift",
        main,
        help_="compare a batch of data with a model's baseline",
        description=DESCRIPTION,
        epilog=EPILOG,
        dry_run=True,
        catalog=False,
    )
    place.options(made)
    arguments(made)


def arguments(made: argparse.ArgumentParser) -> None:
    """What a comparison needs to know; `schedule-drift` checks by it what it is to repeat."""
    against = made.add_argument_group("baseline").add_mutually_exclusive_group(required=True)
    against.add_argument("--model", metavar="RID|NAME", help="a model's asset; or a name: the one in Production")
    against.add_argument("--execution", metavar="RID", help="a training; or an earlier monitoring, for its batch")
    against.add_argument("--baseline", metavar="RID", help="a profile")
    batch = made.add_argument_group("batch")
    which = batch.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--dataset", metavar="RID[@VERSION]", help="a dataset; in its newest version where none is given"
    )
    which.add_argument("--file", type=Path, metavar="FILE", help="a .csv, .parquet or .jsonl file, or a prediction log")
    which.add_argument("--asset", metavar="RID", help="such a file in the catalog")
    which.add_argument("--bag", type=Path, metavar="FOLDER", help="the bag of a dataset")
    batch.add_argument(
        "--table", action="append", metavar="NAME", help="element table of a dataset; repeat to join tables"
    )
    batch.add_argument("--predictions", metavar="COLUMN", help="what the model said; a prediction log has it")
    batch.add_argument("--predict", action="store_true", help="let the model answer, and compare its answers, too")
    batch.add_argument("--group-by", metavar="COLUMN", help="rows of one value belong together; as the baseline says")
    batch.add_argument("--time", metavar="COLUMN", help="when each row came to be; as the baseline says")
    history = made.add_argument_group("earlier batches")
    history.add_argument("--series", metavar="NAME", help="what batches belong together by; the model's name if given")
    history.add_argument("--seasonal", metavar="RID", help="profile, or monitoring, of the same season before")
    history.add_argument("--rolling", action="store_true", help="compare with the batch just before, too: for a hint")
    limits = made.add_argument_group("limits")
    limits.add_argument("--investigate", type=float, default=0.1, metavar="PSI", help="from here look at it (0.1)")
    limits.add_argument("--drift", type=float, default=0.2, metavar="PSI", help="from here it has drifted (0.2)")
    limits.add_argument("--alpha", type=float, default=0.05, metavar="P", help="limit of the adjusted p (0.05)")
    limits.add_argument(
        "--minimum-rows", type=int, metavar="N", help="rows that a verdict needs; worked out if not given"
    )
    then = made.add_argument_group("what follows")
    then.add_argument("--page", type=Path, metavar="FILE", help="write the page there, too")
    then.add_argument("--metrics", type=Path, metavar="FILE", help="write the OpenMetrics text there, too")
    then.add_argument("--webhook", metavar="URL", help="POST what was found, unless all is ok")
    then.add_argument("--on-drift", metavar="COMMAND", help="start this for a drift, such as the pipeline that trains")
    then.add_argument("--again", action="store_true", help="make another report although there is one")


def main(args: argparse.Namespace) -> dict[str, Any]:
    """Compare, keep it, tell it.

    Raises:
        UsageError: Batch and baseline do not fit each other, or are not there.
    """
    where = place.required(args, place.root())
    from deriva_ml_kit.ops.access import connect  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.ops.drift import Settings, find_baseline  # noqa: PLC0415
    from deriva_ml_kit.ops.drift import metrics as openmetrics  # noqa: PLC0415
    from deriva_ml_kit.ops.drift.columns import read_batch  # noqa: PLC0415
    from deriva_ml_kit.ops.drift.lookup import RID  # noqa: PLC0415
    from deriva_ml_kit.ops.drift.monitor import Compared, models_of, monitor  # noqa: PLC0415
    from deriva_ml_kit.ops.drift.response import outcome, respond  # noqa: PLC0415
    from deriva_ml_kit.ops.drift.webhook import webhook  # noqa: PLC0415
    from deriva_ml_kit.ops.setup import require  # noqa: PLC0415

    told = webhook(args.webhook)  # first of all: it takes the address out of what executions record
    ml = connect(where.hostname, where.catalog_id)
    require(ml)
    of = args.model or args.execution or args.baseline
    baseline = find_baseline(ml, of)
    compared = Compared(
        baseline,
        models_of(ml, baseline.execution_rid),
        seasonal=find_baseline(ml, args.seasonal) if args.seasonal else None,
        series=args.series or (args.model if args.model and not RID.fullmatch(args.model) else None),
    )
    for given in (args.file, args.bag):
        if given is not None and not given.exists():
            raise UsageError(f"{given} does not exist.")
    source = args.file or args.bag or args.asset or args.dataset
    batch = read_batch(ml, source, baseline.document, table=args.table)
    settings = Settings(
        alpha=args.alpha,
        investigate=args.investigate,
        drift=args.drift,
        minimum_rows=args.minimum_rows,
        group_by=args.group_by,
        time=args.time,
    )
    predictions, scores = args.predictions, None
    if args.predict and len(batch.frame) and batch.log is None:
        predictions, scores = _answers(ml, compared.models, batch)
    found = monitor(
        ml,
        compared,
        batch,
        settings,
        predictions=predictions,
        scores=scores,
        rolling=args.rolling,
        again=args.again,
        dry_run=args.dry_run,
    )
    if args.metrics:
        openmetrics.write(found.metrics, args.metrics)
    if args.page:
        args.page.parent.mkdir(parents=True, exist_ok=True)
        args.page.write_text(found.page, encoding="utf-8")
    return outcome(found, respond(ml, found, webhook=told, on_drift=args.on_drift))


def _answers(ml: DerivaML, models: tuple[str, ...], batch: Batch) -> tuple[Any, Any]:
    """What the model says of a batch.

    Raises:
        UsageError: The baseline is of no model, or of several.
    """
    from deriva_ml_kit.ops.serving.model import fetch_model  # noqa: PLC0415  (loads scikit-learn)

    if len(models) != 1:
        raise UsageError(f"The baseline is of {len(models)} models; --predict needs one.")
    model = fetch_model(ml, models[0])
    return model.predict(batch.frame), model.scores(batch.frame)
