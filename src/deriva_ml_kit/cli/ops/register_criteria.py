"""`deriva-ml-ops register-criteria`: what a candidate has to reach, written down before it is trained."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.cli import place, subcommand
from deriva_ml_kit.errors import UsageError

if TYPE_CHECKING:
    from deriva_ml_kit.cli.subcommand import Subparsers

DESCRIPTION = """\
Make the criteria of a gate an asset of the catalog. Do so before the training, and give the asset to the training as an
input: then the catalog proves that nobody knew the result when the threshold was set. `gate` refuses criteria that are
younger than the training.

The file is TOML. It names the test dataset in a released version, what is true and what belongs together in it, and the
requirements; the bounds of confidence intervals have to meet these, not the values. Everything is checked, nothing is
written, where something is wrong: unknown metrics or directions, versions in development, missing labels or groups.
"""
EPILOG = """\
examples:
  uv run deriva-ml-ops register-criteria --example > docs/design/criteria.toml
  uv run deriva-ml-ops register-criteria docs/design/criteria.toml --dry-run
  uv run deriva-ml-ops register-criteria docs/design/criteria.toml

metrics: accuracy, balanced_accuracy, macro_f1, auc (higher), log_loss (lower); rmse, mae (lower) of regressions

exit codes: 0 registered, 2 the criteria or the dataset are not in order
"""


def add(subparsers: Subparsers) -> None:
    """Describe the subcommand."""
    made = subcommand.add(
        subparsers,
        "register-criteria",
        main,
        help_="write down what a candidate has to reach, before it is trained",
        description=DESCRIPTION,
        epilog=EPILOG,
        dry_run=True,
        catalog=False,
    )
    place.options(made)
    made.add_argument("file", type=Path, nargs="?", metavar="FILE", help="the criteria as TOML")
    made.add_argument("--example", action="store_true", help="print such a file, and do nothing else")


def main(args: argparse.Namespace) -> dict[str, Any]:
    """Register criteria.

    Raises:
        UsageError: They are not in order.
        Undecidable: The dataset is too small for them.
    """
    if args.file is None and not args.example:
        raise UsageError(
            "Which criteria? Name a file.", remedy="See one: uv run deriva-ml-ops register-criteria --example"
        )
    from deriva_ml_kit.ops.gate import registering  # noqa: PLC0415  (takes seconds)

    if args.example:
        if args.json:
            return {"example": registering.EXAMPLE}
        print(registering.EXAMPLE, end="")
        return {}
    where = place.required(args, place.root())
    criteria = registering.read_criteria(args.file)
    from deriva_ml_kit.ops.access import connect  # noqa: PLC0415

    ml = connect(where.hostname, where.catalog_id)
    rid = registering.register_criteria(ml, criteria, dry_run=args.dry_run)
    return {
        "criteria_rid": rid,
        "dataset": criteria.dataset,
        "requirements": [each.metric for each in criteria.requirements],
        "digest": criteria.digest(),
        "next": f"give {rid} to the training as an input asset" if rid else "nothing was written: a dry run",
    }
