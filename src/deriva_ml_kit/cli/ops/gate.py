"""`deriva-ml-ops gate`: whether a candidate may go on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.cli import place, subcommand
from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.script import Verdict

if TYPE_CHECKING:
    from deriva_ml_kit.cli.subcommand import Subparsers
    from deriva_ml_kit.mainline import DerivaML
    from deriva_ml_kit.ops.gate.documents import Check, GateReport

DESCRIPTION = """\
Judge a candidate by criteria that were registered before its training, against the model that it is to replace and the
best constant answer, on the same version of a test dataset, record by record.

A requirement is met where the bound of a confidence interval meets it: a gain that may be luck is none. Records of one
group (such as the images of a patient) are drawn together.

Fails: a bound that misses, a metric that is not defined, criteria younger than the training or the metrics, test
records in the training data (their RIDs are listed), predictions that do not fit the catalog or the report.
Cannot decide: evaluations that are missing, or of another dataset version; a training without a dataset as an input;
fewer than 20 groups.
Every check names value, limit, evidence and remedy.

The report is an output of an execution. --again makes a gate again from the catalog alone, and compares.
"""
EPILOG = """\
examples:
  uv run deriva-ml-ops gate --model 3-WXYZ --production tumours          against what the registry has in production
  uv run deriva-ml-ops gate --model 3-WXYZ --incumbent 3-PROD --page gate.html
  uv run deriva-ml-ops gate --model 3-WXYZ --no-incumbent --criteria 3-CRIT
  uv run deriva-ml-ops gate --again 3-GATE

exit codes: 0 pass (or the same again), 1 fail (or not the same), 2 cannot decide, or the call is wrong
"""


def add(subparsers: Subparsers) -> None:
    """Describe the subcommand."""
    made = subcommand.add(
        subparsers,
        "gate",
        main,
        help_="judge a candidate by its criteria, against the model in production",
        description=DESCRIPTION,
        epilog=EPILOG,
        dry_run=True,
        catalog=False,
    )
    place.options(made)
    what = made.add_mutually_exclusive_group(required=True)
    what.add_argument("--model", metavar="RID", help="asset of the candidate")
    what.add_argument("--again", metavar="RID", help="asset of a gate's report, to be made again")
    against = made.add_mutually_exclusive_group()
    against.add_argument("--incumbent", metavar="RID", help="asset of the model that it is to replace")
    against.add_argument("--production", metavar="NAME", help="the model of this name in production, if there is one")
    against.add_argument("--no-incumbent", action="store_true", help="there is none: gains are over the baseline")
    made.add_argument("--criteria", metavar="RID", help="the criteria; those among the training's inputs if not given")
    made.add_argument("--page", type=Path, metavar="FILE", help="write a page that shows the verdict, as HTML")


def main(args: argparse.Namespace) -> dict[str, Any]:
    """Judge, or judge again.

    Raises:
        UsageError: The call is wrong.
        Undecidable: Nobody knows by which criteria.
    """
    if args.model and not (args.incumbent or args.production or args.no_incumbent):
        raise UsageError("Against which model? Give --incumbent RID, --production NAME, or --no-incumbent.")
    where = place.required(args, place.root())
    from deriva_ml_kit.ops.access import connect  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.ops.gate.gate import again, gate  # noqa: PLC0415

    ml = connect(where.hostname, where.catalog_id)
    if args.again:
        found = again(ml, args.again)
        _write_page(ml, args.page, found.now)
        result = {"gate_rid": args.again, "verdict": found.before.verdict, "again": found.now.verdict}
        result |= {"same": not found.differences, "differences": list(found.differences)}
        return Verdict(result, 1 if found.differences else 0)
    incumbent = args.incumbent
    if args.production:
        from deriva_ml_kit.ops.registry.serving import serving  # noqa: PLC0415

        now = serving(ml, args.production)
        incumbent = now.model_rid if now else None
    judged = gate(ml, args.model, incumbent_rid=incumbent, criteria_rid=args.criteria, dry_run=args.dry_run)
    _write_page(ml, args.page, judged.report)
    result = judged.summary()
    if not args.json:
        result["checks"] = [_told(check) for check in judged.report.checks]
    return Verdict(result, judged.report.exit_code)


def _told(check: Check) -> str:
    """A check as people read it."""
    remedy = f". {check.remedy}" if check.remedy and check.status != "pass" else ""
    return f"{check.status:<13}  {check.id}: {check.what}{remedy}"


def _write_page(ml: DerivaML, file: Path | None, report: GateReport) -> None:
    if file is None:
        return
    from deriva_ml_kit.ops.documents import fetch  # noqa: PLC0415
    from deriva_ml_kit.ops.evaluation.documents import EvaluationReport  # noqa: PLC0415
    from deriva_ml_kit.ops.gate.page import gate_page  # noqa: PLC0415

    rids = {"candidate": report.evaluation_rid, "incumbent": report.incumbent_evaluation_rid}
    evaluations = {name: fetch(ml, rid, EvaluationReport) for name, rid in rids.items() if rid}
    file.write_text(gate_page(report, evaluations), encoding="utf-8")
