"""Check the rows of a dataset version before anything is trained on them: types, ranges, nulls, duplicates, terms.

The rules stand in a TOML file of the project, which is committed with the script:

    min_rows = 100
    [columns.Age]
    type = "integer"          # number, integer, text, boolean, time
    min = 0
    max = 120
    [columns.Sex]
    allowed = ["female", "male"]
    null = true               # missing values are no failure; or max_null_share = 0.05
    [columns.Code]
    matches = "[A-Z]{2}[0-9]+"
    unique = true

The report, with every failure by column, check, value and RID, is an output of the execution. One place is yours:
`checks`, for what no rule can say.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deriva_ml_kit import script
from deriva_ml_kit.ops.access import connect
from deriva_ml_kit.ops.frames import read_frame
from deriva_ml_kit.ops.operation import operation
from deriva_ml_kit.ops.pipeline.checks import Failure, read_rules
from deriva_ml_kit.ops.pipeline.validation import REPORT, report_of

# isort: split
import pandas as pd


# >>> edit: checks
def checks(frame: pd.DataFrame) -> list[Failure]:
    """What is wrong beyond the rules; each with its column, check, value and RID."""
    return []


# <<< edit: checks


def main(args: argparse.Namespace) -> Mapping[str, Any]:
    """Read the rows, check them, keep the report."""
    rules = read_rules(args.rules)
    ml = connect(args.hostname, args.catalog_id)
    workflow = ml.create_workflow(
        name="Validate data", workflow_type=args.workflow_type, description="Checks the rows of a dataset version"
    )
    what = f"Validate {args.dataset} by {args.rules.name}"
    with operation(ml, what, workflow=workflow, datasets=[args.dataset], dry_run=args.dry_run) as doing:
        batch = read_frame(args.dataset, ml, table=args.table or None)
        report = report_of(batch, rules, checks(batch.frame))
        doing.keep(report, REPORT)
    result = {
        "verdict": "in order" if report.passed else "not in order",
        "execution_rid": None if args.dry_run else doing.rid,
        "dataset": args.dataset,
        "rows": report.rows,
        "failures": len(report.failures),
        "by_check": report.counts,
        "first": [each.model_dump(exclude_none=True) for each in report.failures[: args.limit]],
    }
    return script.Verdict(result, 0 if report.passed else 1)


ARGUMENTS = script.parser(
    __doc__,
    """examples:
  uv run python src/scripts/validate_data.py --hostname data.example.org --catalog-id 1 --workflow-type Testing \\
      --dataset 1-2A3B@0.4.0 --rules src/configs/data-rules.toml --dry-run
  ... --table Subject           which table of the dataset; several are denormalised: --table Image --table Subject
  ... without --dry-run         an execution with the dataset as input, the report as output

exit codes: 0 in order; 1 something is wrong, or it failed; 2 an argument or a rule is wrong""",
)
ARGUMENTS.add_argument("--dataset", required=True, metavar="RID@VERSION", help="the dataset in a released version")
ARGUMENTS.add_argument("--rules", required=True, type=Path, metavar="FILE", help="what the rows must be, as TOML")
ARGUMENTS.add_argument("--table", action="append", default=[], metavar="TABLE", help="a table of it; repeatable")
ARGUMENTS.add_argument("--limit", type=int, default=20, metavar="N", help="how many failures to show (20)")

if __name__ == "__main__":
    script.run(main, ARGUMENTS)
