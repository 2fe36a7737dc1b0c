"""`deriva-ml-kit make-dev-dataset`: a small dataset with every class in it, released and pinned.

The template `make_dev_dataset.py` does the same from a committed script; `options` and `make` are what both share.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.cli import subcommand

if TYPE_CHECKING:
    from deriva_ml_kit.cli.subcommand import Subparsers
    from deriva_ml_kit.mainline import DerivaML, Workflow

DESCRIPTION = """\
Make a development dataset: 50 to 200 records, at least --floor of each class, the edge cases in it, records that belong
together kept together, with a released version that is written as a pin into a TOML file.

How many of each class: first the floor (a rarer class comes whole), then in proportion. Which ones: the order of a hash
of RID and seed, so that the draw is the same again whatever the order of the rows. A dataset of the same name is found
again: it keeps its members as far as the quotas allow and gets what it lacks, in a new version; where nothing is to
change, nothing is written. What stands against it is all said at once, with the least size that works.
"""
EPILOG = """\
examples:
  uv run deriva-ml-kit make-dev-dataset --hostname data.example.org --catalog-id 1 \\
      --workflow-type Dataset_Management --element-table Image --label Diagnosis
  ... --source 1-2A3B      draw from this dataset instead of the whole table
  ... --group-by Subject   take all images of a subject or none
  ... --size 150 --floor 8 --edge-case 2-1A2B --edge-case 2-1A2C
  ... --dry-run            say what it would hold, write nothing

exit codes: 0 it is there and pinned, 1 the catalog refused, 2 the call or the records do not allow it (all listed)
"""
WORKFLOW = "Make development dataset"
PINS = Path("src/configs/datasets.toml")


def add(subparsers: Subparsers) -> None:
    """Describe the subcommand."""
    made = subcommand.add(
        subparsers,
        "make-dev-dataset",
        main,
        help_="make a small dataset with every class in it, and pin its version",
        description=DESCRIPTION,
        epilog=EPILOG,
        workflow_type=True,
        dry_run=True,
    )
    options(made)


def main(args: argparse.Namespace) -> dict[str, Any]:
    """Make the dataset, recorded as the work of this program."""
    from deriva_ml_kit.mainline.workflow.installed import installed_program  # noqa: PLC0415  (--help must be quick)

    return make(args, lambda ml: installed_program(ml, WORKFLOW, args.workflow_type, module=__name__))


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what to draw and where to pin it."""
    draw = parser.add_argument_group("what to draw")
    draw.add_argument("--element-table", required=True, metavar="TABLE", help="table of the records, such as Image")
    draw.add_argument(
        "--label",
        required=True,
        metavar="NAME",
        help="what tells the classes: a feature of that table, a column of a feature as Feature.Column, or a column "
        "of the table",
    )
    draw.add_argument("--source", metavar="RID", help="dataset to draw from; the whole table if not given")
    draw.add_argument("--size", type=int, default=100, metavar="N", help="records in all (100)")
    draw.add_argument("--floor", type=int, default=5, metavar="N", help="records of each class at least (5)")
    draw.add_argument(
        "--group-by",
        metavar="NAME",
        help="keep together what belongs together: a column of the table, or a table that it refers to, directly or "
        "over others, such as Subject",
    )
    draw.add_argument(
        "--edge-case", action="append", default=[], metavar="RID", help="a record that must be in; may be repeated"
    )
    draw.add_argument("--seed", type=int, default=42, metavar="N", help="another seed makes another draw (42)")
    draw.add_argument(
        "--missing",
        choices=["error", "drop", "include"],
        default="error",
        help="records without label: refuse, leave out, or take as a class of their own (error)",
    )
    draw.add_argument("--newest-label", action="store_true", help="of several labels of a record, take the last")
    result = parser.add_argument_group("what comes of it")
    result.add_argument("--name", metavar="TEXT", help="first line of its description, by which it is found again")
    result.add_argument("--pins", type=Path, default=PINS, metavar="FILE", help=f"TOML file for the pin ({PINS})")
    result.add_argument("--pin-as", default="development", metavar="NAME", help="name of the pin there (development)")
    result.add_argument(
        "--create-workflow-type", action="store_true", help="add the workflow type to the catalog if it is missing"
    )


def make(
    args: argparse.Namespace, workflow: Callable[[DerivaML], Workflow], edge_cases: Collection[str] = ()
) -> dict[str, Any]:
    """Make the dataset that the arguments describe, or bring it up to date, and pin it.

    Args:
        args: Of a parser with `options`.
        workflow: Gives the workflow of the execution; asked only if there is something to write.
        edge_cases: Further records that must be in.
    """
    # They take seconds to import, and --help must not.
    from deriva_ml_kit.datasets.dev import make_dev_dataset, plan_dev_dataset, preview  # noqa: PLC0415
    from deriva_ml_kit.datasets.pins import with_pin, write_pin  # noqa: PLC0415
    from deriva_ml_kit.mainline import DerivaML, ExecutionConfiguration  # noqa: PLC0415
    from deriva_ml_kit.runner import check_inputs, ensure_workflow_type  # noqa: PLC0415

    with_pin(args.pins, args.pin_as)  # what could not be pinned is not made
    ml = DerivaML(args.hostname, args.catalog_id)
    check_inputs(ml, workflow_type=args.workflow_type, create_workflow_type=args.create_workflow_type)
    plan = plan_dev_dataset(
        ml,
        element_table=args.element_table,
        label=args.label,
        source=args.source,
        size=args.size,
        floor=args.floor,
        group_by=args.group_by,
        edge_cases=[*edge_cases, *args.edge_case],
        seed=args.seed,
        missing=args.missing,
        newest=args.newest_label,
        name=args.name,
    )
    made = preview(ml, plan)
    if not plan.unchanged and not args.dry_run:
        ensure_workflow_type(ml, args.workflow_type, create=args.create_workflow_type, dry_run=False)
        config = ExecutionConfiguration(description=f"{plan.name}: {plan.recipe}")
        with ml.create_execution(config, workflow=workflow(ml)) as exe:
            made = make_dev_dataset(ml, exe, plan)
        exe.commit_output_assets()
    pinned = made.pin is not None and not args.dry_run
    if pinned:
        write_pin(args.pins, args.pin_as, str(made.pin))
    return {**made.as_json(), "name": plan.name, "pinned_in": str(args.pins) if pinned else None}
