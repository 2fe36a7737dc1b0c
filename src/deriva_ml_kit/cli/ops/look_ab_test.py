"""`deriva-ml-ops look-ab-test`: look at a running A/B test, counted by the catalog, and judge it by its plan."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.cli import place, subcommand

if TYPE_CHECKING:
    from deriva_ml_kit.cli.subcommand import Subparsers
    from deriva_ml_kit.mainline import DerivaML
    from deriva_ml_kit.ops.abtest.documents import AbTestPlan
    from deriva_ml_kit.ops.abtest.rows import Rows

DESCRIPTION = """\
Look at an A/B test. Each look is an execution with the plan as an input, so the catalog knows how many there were, and
each moves the boundary: looking often costs nothing but a little power.

The order is fixed. First whether the rows can be judged: units, assignment computed again from the salt, sample ratio,
duplicates, units in both arms, times. If not, no metric is looked at. Then guardrails, which may end the test for harm
at any time; then, after the shortest runtime, the metric against its group-sequential boundary.

Give all rows since the start, not only the new ones. With --dry-run the rows are checked and no result is shown.
"""
EPILOG = """\
examples:
  uv run deriva-ml-ops look-ab-test reminder-model --data visits.csv --dry-run
  uv run deriva-ml-ops look-ab-test reminder-model --data 2-B4C8@1.2.0 --table Visit
  uv run deriva-ml-ops look-ab-test 3-WXYZ --data predictions.jsonl --outcomes outcomes.csv --on request_id
  uv run deriva-ml-ops look-ab-test reminder-model --data visits.parquet --page ab-test.html

exit codes: 0 win, or no difference at the horizon; 1 loss, or stopped for harm; 2 continue, not to be judged, or the
            call is wrong (--json tells which: verdict)
"""


def add(subparsers: Subparsers) -> None:
    """Describe the subcommand."""
    made = subcommand.add(
        subparsers,
        "look-ab-test",
        main,
        help_="look at a running A/B test, and judge it by its plan",
        description=DESCRIPTION,
        epilog=EPILOG,
        dry_run=True,
        catalog=False,
    )
    place.options(made)
    made.add_argument("plan", metavar="PLAN", help="slug or RID of the registered plan")
    made.add_argument("--data", required=True, metavar="SOURCE", help="RID@VERSION, RID of a file, or a file: all rows")
    made.add_argument("--table", metavar="NAME", help="element table of a dataset that has several")
    made.add_argument("--outcomes", metavar="SOURCE", help="what came of the rows, where it stands apart")
    made.add_argument("--on", default="request_id", metavar="COLUMN", help="that rows and outcomes share (request_id)")
    made.add_argument("--page", type=Path, metavar="FILE", help="write the page here, too")


def main(args: argparse.Namespace) -> dict[str, Any]:
    """Look, or check the rows only."""
    from deriva_ml_kit.ops.abtest.judging import survey  # noqa: PLC0415
    from deriva_ml_kit.ops.abtest.looking import look, open_plan, told, told_of_survey  # noqa: PLC0415
    from deriva_ml_kit.ops.abtest.registering import find_plan  # noqa: PLC0415

    ml = place.connect(args)
    stored = open_plan(ml, find_plan(ml, args.plan))
    rows = _rows(args, ml, stored.document)
    if args.dry_run:
        return told_of_survey(survey(stored.document, rows, datetime.now(UTC)))
    found = look(ml, stored, rows)
    if args.page:
        args.page.write_text(found.page, encoding="utf-8")
    return told(found)


def _rows(args: argparse.Namespace, ml: DerivaML, plan: AbTestPlan) -> Rows:
    from deriva_ml_kit.ops.abtest.rows import joined, prepared, together  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.ops.frames import read_frame  # noqa: PLC0415

    text = [name for name in (plan.unit, plan.row, plan.arm, args.on) if name]
    batch = read_frame(args.data, ml, table=args.table, text=text)
    if args.outcomes is None:
        return prepared(together(batch), plan, [batch.origin])
    outcomes = read_frame(args.outcomes, ml, text=text)
    return prepared(joined(batch, outcomes, args.on), plan, [batch.origin, outcomes.origin])
