"""Look at a running A/B test whose metric has to be made from what came of the answers.

One place is yours: `rows` reads what was answered and what came of it, and gives the columns that the registered plan
names: the unit, the arm, the metric and the guardrails. What stands there now joins a prediction log with a table of
outcomes by `request_id`, and takes an answer with an error for a failed one. Give all rows since the start.

The look is an execution of this committed script, with the plan as an input: the catalog counts it. Register the plan
before the test starts: uv run deriva-ml-ops plan-ab-test PLAN.toml. Where the columns are there already, no script is
needed: uv run deriva-ml-ops look-ab-test.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deriva_ml_kit import script
from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.ops.abtest.documents import AbTestPlan
from deriva_ml_kit.ops.abtest.judging import survey
from deriva_ml_kit.ops.abtest.looking import look, open_plan, told, told_of_survey
from deriva_ml_kit.ops.abtest.registering import find_plan
from deriva_ml_kit.ops.abtest.rows import Rows, joined, prepared
from deriva_ml_kit.ops.access import connect
from deriva_ml_kit.ops.frames import read_frame


# >>> edit: rows
def rows(ml: DerivaML, plan: AbTestPlan, answers: str, outcomes: str) -> Rows:
    """All rows since the start, with the columns that the plan names.

    A unit without an outcome has an empty value; the plan says what that means (`missing`).
    """
    text = ("request_id", plan.unit, plan.arm)
    asked, came = read_frame(answers, ml, text=text), read_frame(outcomes, ml, text=text)
    frame = joined(asked, came, on="request_id")
    frame["failed"] = frame["error"].notna()
    return prepared(frame, plan, [asked.origin, came.origin])


# <<< edit: rows


def main(args: argparse.Namespace) -> Mapping[str, Any]:
    """Look, and keep what was found; in a dry run only check whether the rows can be judged."""
    ml = connect(args.hostname, args.catalog_id)
    stored = open_plan(ml, find_plan(ml, args.plan))
    data = rows(ml, stored.document, args.answers, args.outcomes)
    if args.dry_run:
        return told_of_survey(survey(stored.document, data, datetime.now(UTC)))
    workflow = ml.create_workflow(
        name=Path(__file__).stem, workflow_type=args.workflow_type, description="Looks at an A/B test"
    )
    found = look(ml, stored, data, workflow=workflow)
    if args.page:
        args.page.write_text(found.page, encoding="utf-8")
    return told(found)


ARGUMENTS = script.parser(
    __doc__,
    """examples:
  uv run python src/scripts/ab_test.py --hostname data.example.org --catalog-id 1 --workflow-type AB_Test \\
      --plan reminder-model --answers predictions.jsonl --outcomes outcomes.csv --dry-run
  ... without --dry-run     a look, which is counted and moves the boundary

exit codes: 0 win, or no difference at the horizon; 1 loss, or stopped for harm, or the run failed; 2 continue, not to
be judged, or an argument is wrong""",
)
ARGUMENTS.add_argument("--plan", required=True, metavar="SLUG|RID", help="the registered plan")
ARGUMENTS.add_argument("--answers", required=True, metavar="SOURCE", help="prediction log: a .jsonl file, or its RID")
ARGUMENTS.add_argument(
    "--outcomes", required=True, metavar="SOURCE", help="what came of them: a file, RID, RID@VERSION"
)
ARGUMENTS.add_argument("--page", type=Path, metavar="FILE", help="write the page here, too")

if __name__ == "__main__":
    script.run(main, ARGUMENTS)
