"""`deriva-ml-ops monitor-labels`: how right was the model, now that labels have come?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.cli import place, subcommand
from deriva_ml_kit.script import Verdict

if TYPE_CHECKING:
    import pandas as pd

    from deriva_ml_kit.cli.subcommand import Subparsers
    from deriva_ml_kit.mainline import DerivaML
    from deriva_ml_kit.ops.drift.documents import LabelReport
    from deriva_ml_kit.ops.drift.labels import Reference
    from deriva_ml_kit.ops.frames import Batch, Origin

DESCRIPTION = """\
Join labels that came later to what a model has answered, and compare its accuracy with that of its evaluation: over
all, and week by week, with intervals. Changes in the errors (concept drift: the same inputs have come to mean something
else) are found by ADWIN, and where labels are still missing, the model's scores say what accuracy to expect.

Labels are a file with the columns request_id and label (and time, when they came), or values of a feature in the
catalog where requests are named by the RIDs of its records. The check is an execution; report and page are its outputs.
"""
EPILOG = """\
examples:
  uv run deriva-ml-ops monitor-labels --log predictions.jsonl --labels truth.csv --evaluation 3-WXYZ
  uv run deriva-ml-ops monitor-labels --log 3-A1B2 --log 3-A1C4 --labels-feature Image:Diagnosis --evaluation 3-WXYZ
  uv run deriva-ml-ops monitor-labels --log predictions.jsonl --labels truth.csv --reference 480/500 --window month

exit codes: 0 ok, or investigate; 1 drift, or failed; 2 too few labels, none, or wrong usage
"""


def add(subparsers: Subparsers) -> None:
    """Describe the subcommand."""
    made = subcommand.add(
        subparsers,
        "monitor-labels",
        main,
        help_="judge a model by labels that came later",
        description=DESCRIPTION,
        epilog=EPILOG,
        dry_run=True,
        catalog=False,
    )
    place.options(made)
    made.add_argument(
        "--log",
        action="append",
        required=True,
        metavar="FILE|RID",
        help="a prediction log, here or in the catalog; repeatable",
    )
    truth = made.add_mutually_exclusive_group(required=True)
    truth.add_argument("--labels", metavar="FILE|RID", help="file with the columns request_id and label")
    truth.add_argument(
        "--labels-feature",
        type=_feature,
        metavar="TABLE:FEATURE[.COLUMN]",
        help="feature whose newest values are labels",
    )
    known = made.add_mutually_exclusive_group(required=True)
    known.add_argument("--evaluation", metavar="RID", help="report of the model's evaluation")
    known.add_argument("--reference", type=_share, metavar="HITS/OF", help="or how many were right of how many")
    made.add_argument("--model", metavar="RID", help="whose answers count, where the log has those of several")
    made.add_argument(
        "--window", default="week", choices=("day", "week", "month"), help="of the accuracy over time (week)"
    )
    made.add_argument(
        "--group-by", metavar="COLUMN", help="column of the log by which predictions belong together: unit"
    )
    made.add_argument("--drop", type=float, default=0.02, metavar="SHARE", help="loss of accuracy that is drift (0.02)")
    made.add_argument("--alpha", type=float, default=0.05, metavar="P", help="limit of its p (0.05)")
    made.add_argument("--fewest", type=int, default=100, metavar="N", help="labels that a verdict needs (100)")
    made.add_argument("--no-stream", action="store_true", help="do not look for changes; works without River")
    made.add_argument("--page", type=Path, metavar="FILE", help="write the page there, too")


def main(args: argparse.Namespace) -> dict[str, Any]:
    """Join, judge, keep.

    Raises:
        UsageError: Log, labels or evaluation are not what they should be.
    """
    where = place.required(args, place.root())
    from deriva_ml_kit.ops.access import connect  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.ops.drift import labelled, labels  # noqa: PLC0415
    from deriva_ml_kit.ops.frames import read_frame  # noqa: PLC0415
    from deriva_ml_kit.ops.setup import require  # noqa: PLC0415

    ml = connect(where.hostname, where.catalog_id)
    require(ml)
    logs = [read_frame(each, ml) for each in args.log]
    truth, origin = _truth(ml, args, logs)
    found, notes = labels.joined(logs, truth, model=args.model)
    report = labels.report(
        found,
        _reference(ml, args),
        logs=[each.origin for each in logs],
        labels=origin,
        window=args.window,
        group_by=args.group_by,
        drop=args.drop,
        alpha=args.alpha,
        fewest=args.fewest,
        stream=not args.no_stream,
        notes=notes,
    )
    page = labelled.page(report)
    if args.page:
        args.page.parent.mkdir(parents=True, exist_ok=True)
        args.page.write_text(page, encoding="utf-8")
    assets = labelled.origins(report.logs, report.labels)
    rid, execution = labelled.keep(ml, report, page, assets=assets, dry_run=args.dry_run)
    return _told(report, rid, execution)


def _told(report: LabelReport, rid: str | None, execution: str | None) -> Verdict:
    realised, estimated = report.realised, report.estimated
    result: dict[str, Any] = {
        "verdict": report.verdict,
        "reason": report.reason,
        "labelled": f"{realised.rows} of {report.predictions}",
        "accuracy": realised.accuracy,
        "interval": [realised.lower, realised.upper],
        "evaluation": realised.reference,
        "changes": [
            f"{each.time:%Y-%m-%d %H:%M}: {each.before:.1%} to {each.after:.1%} errors" for each in report.changes
        ],
        "notes": list(report.notes),
        "report": rid or "not written: dry run",
        "execution": execution,
    }
    if estimated:
        result["expected_without_labels"] = [estimated.lower, estimated.estimate, estimated.upper]
    return Verdict(result, report.exit_code)


def _truth(ml: DerivaML, args: argparse.Namespace, logs: list[Batch]) -> tuple[pd.DataFrame, Origin | None]:
    """The labels, and where they come from."""
    from deriva_ml_kit.ops.frames import read_frame  # noqa: PLC0415  (takes seconds)

    if args.labels:
        batch = read_frame(args.labels, ml, text=["request_id", "label"])
        return batch.frame, batch.origin
    from deriva_ml_kit.datasets import elements  # noqa: PLC0415

    table, label = args.labels_feature
    rids = {rid for each in logs if each.log is not None and len(each.log) for rid in each.log["request_id"]}
    found = elements.labels(ml, table, label, rids, newest=True)
    return found.rename(columns={"RID": "request_id"}), None


def _reference(ml: DerivaML, args: argparse.Namespace) -> Reference:
    from deriva_ml_kit.ops.drift.labelled import evaluated  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.ops.drift.labels import Reference  # noqa: PLC0415

    return evaluated(ml, args.evaluation) if args.evaluation else Reference(*args.reference)


def _feature(text: str) -> tuple[str, str]:
    table, colon, label = text.partition(":")
    if not (table and colon and label):
        raise argparse.ArgumentTypeError(f"{text!r} is no TABLE:FEATURE")
    return table, label


def _share(text: str) -> tuple[int, int]:
    hits, slash, rows = text.partition("/")
    if not (slash and hits.isdigit() and rows.isdigit()) or not 0 <= int(hits) <= int(rows) or int(rows) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no HITS/OF, such as 480/500")
    return int(hits), int(rows)
