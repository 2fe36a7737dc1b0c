"""Add feature values from a CSV file: one row for each record, checked as a whole before anything is written.

The file is UTF-8 with a header. One column is named like the target table and holds RIDs; the others are named like the
feature's columns. A term may be written as its name or as one of its synonyms; the RID of an asset goes into an asset
column; an empty cell is no value.

    Image,Diagnosis,Confidence
    2-1A2B,Glaucoma,0.93
    2-1A2C,healthy,

The file itself is recorded as an input of the execution. Running the same file again adds nothing twice.

To make it yours: copy it to src/scripts/, edit the region `columns` if your file has other column names, commit, run.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deriva_ml_kit import script
from deriva_ml_kit.errors import KitError
from deriva_ml_kit.features import CatalogKnown, count_values, plan_values, read_shape, record_input_file
from deriva_ml_kit.mainline import DerivaML, ExecutionConfiguration
from deriva_ml_kit.runner import check_inputs, ensure_workflow_type

# >>> edit: columns
# Names in the header of the file -> columns of the feature, where they differ, such as {"label": "Diagnosis"}.
COLUMNS: dict[str, str] = {}
# <<< edit: columns


def main(args: argparse.Namespace) -> Mapping[str, Any]:
    """Check the file, add what the catalog does not have yet, and count it there."""
    ml = DerivaML(args.hostname, args.catalog_id)
    check_inputs(ml, workflow_type=args.workflow_type, create_workflow_type=args.create_workflow_type)
    shape = read_shape(ml, args.target_table, args.feature_name)
    plan = plan_values(args.csv, shape, CatalogKnown(ml, shape), rename=COLUMNS)  # every fault ends the run here
    ensure_workflow_type(ml, args.workflow_type, create=args.create_workflow_type, dry_run=args.dry_run)

    result = {"rows": plan.new + plan.present, "already_there": plan.present, "added": 0, "dry_run": args.dry_run}
    if not plan.new:
        return {"status": "already there", **result, "execution_rid": None}

    workflow = ml.create_workflow(
        name=f"Populate {args.target_table} {args.feature_name}",
        workflow_type=args.workflow_type,
        description=f"Feature values of {args.feature_name} on {args.target_table} from a CSV file",
    )
    config = ExecutionConfiguration(
        description=args.description or f"{plan.new} values of {args.target_table} {args.feature_name}, {args.csv.name}"
    )
    record = ml.feature_record_class(args.target_table, args.feature_name)

    with ml.create_execution(config, workflow=workflow, dry_run=args.dry_run) as exe:
        source = None if args.dry_run else record_input_file(ml, exe.execution_rid, args.csv)
        records = (record(**values) for values in script.progress(plan.records(), "Staging", total=plan.new))
        exe.add_features(records)
    exe.commit_output_assets()

    if args.dry_run:
        return {"status": "dry run", **result, "would_add": plan.new, "execution_rid": None}
    found = count_values(ml, shape.table, exe.execution_rid)
    if found != plan.new:
        raise KitError(
            f"{plan.new} values were sent, and the catalog holds {found} of execution {exe.execution_rid}.",
            remedy="Run the same command again: it adds what is missing.",
        )
    done = {"execution_rid": exe.execution_rid, "source_rid": source, "feature_table": shape.table}
    return {"status": "added", **result, "added": found, **done}


ARGUMENTS = script.parser(
    __doc__,
    """examples:
  uv run python src/scripts/populate_diagnosis.py --hostname data.example.org --catalog-id 1 \\
      --workflow-type Annotation --csv labels/dev_diagnosis.csv --target-table Image --feature-name Diagnosis
  ... --dry-run     check the file and the whole way to the catalog, write nothing
  ... --json        the result, or all faults of the file, as one JSON line

exit codes: 0 added or there already, 1 the catalog refused, 2 the call or the file is wrong (every fault is listed)""",
)
ARGUMENTS.add_argument("--csv", required=True, type=Path, metavar="FILE", help="the values, one row for each record")
ARGUMENTS.add_argument("--target-table", required=True, metavar="TABLE", help="table of the records, such as Image")
ARGUMENTS.add_argument("--feature-name", required=True, metavar="NAME", help="feature of that table, such as Diagnosis")
ARGUMENTS.add_argument("--description", metavar="TEXT", help="what the values are; goes into the execution's record")
ARGUMENTS.add_argument(
    "--create-workflow-type", action="store_true", help="add the workflow type to the catalog if it is missing"
)

if __name__ == "__main__":
    script.run(main, ARGUMENTS)
