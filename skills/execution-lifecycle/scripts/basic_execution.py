"""Run your code on datasets of a catalog, with everything that it reads and writes on record.

Three places are yours: `load` turns downloaded datasets into your data, `build` makes the model, `run` trains or
predicts and writes outputs. What stands in the regions now is a placeholder that works on any dataset: it counts rows
and files and averages the numeric columns. Replace it, keep the names of the three functions.

To make it yours: copy it to src/scripts/, edit the regions, commit, then go through the tiers: --dry-run, a small
dataset, the full one. Each tier leaves a receipt of what was checked, and the next one asks for it. Hyperparameters
stand in a TOML file (--config) that `build` gets as a dict.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deriva_ml_kit import script
from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.runner import Outputs, check_inputs, ensure_workflow_type, read_config
from deriva_ml_kit.runner.tiered import Plan, hooks, run_tiered
from deriva_ml_kit.tiers import Evidence

# isort: split
# >>> edit: imports
from collections.abc import Iterator
from dataclasses import dataclass, field

import pandas as pd

from deriva_ml_kit.datasets import files, members

# <<< edit: imports


# >>> edit: load
@dataclass(frozen=True)
class Data:
    """Rows by table name, and all asset files; the placeholder's idea of data."""

    tables: dict[str, pd.DataFrame]
    files: list[Path]


def load(bags: list[Any], assets: Mapping[str, list[Path]]) -> Data:
    """Turn downloaded datasets and single assets (by asset table) into data.

    `bag.feature_values(table, feature)` gives labels as records. In the rows of asset tables `Filename` is the path of
    the local file.
    """
    tables = members(bags)
    member_files = [file for table in tables.values() for file in files(table)]
    return Data(tables, member_files + [file for paths in assets.values() for file in paths])


# <<< edit: load


# >>> edit: build
@dataclass
class Summary:
    """The placeholder's model: counts, and means of the numeric columns, of the rows seen so far."""

    batch_size: int
    rows: int = 0
    totals: dict[str, tuple[float, int]] = field(default_factory=dict)  # column -> sum and number of its values


def build(data: Data, config: Mapping[str, Any]) -> Summary:
    """Make the model from the hyperparameters of --config."""
    return Summary(batch_size=config.get("batch_size", 100))


# <<< edit: build


# >>> edit: run
def run(model: Summary, data: Data, out: Outputs, evidence: Evidence) -> Mapping[str, Any]:
    """Work through the data and write outputs.

    `out.file(name, asset_type=...)` gives the path for an output file; `out.feature(table, name)` gives the record
    class of a feature, and `out.features(records)` adds values. What is returned is written to metrics.json.

    `evidence.batches(...)` gives the batches, two of them in a dry run. What the checks of the tiers look at is shown
    by `evidence.data`, `.loss`, `.predictions`, `.trial` and `.reload`; what does not apply is said by `.without`.
    """
    evidence.without("data", "counts and means are not learned from examples")
    batches = 0
    for name, batch in evidence.batches(in_batches(data, model.batch_size)):
        batches += 1
        model.rows += len(batch)
        for column, values in batch.select_dtypes("number").items():
            total, count = model.totals.get(f"{name}.{column}", (0.0, 0))
            model.totals[f"{name}.{column}"] = total + float(values.sum()), count + int(values.count())
    lines = [f"{column},{total / count}" for column, (total, count) in sorted(model.totals.items()) if count]
    out.file("summary.csv", asset_type="Output_File").write_text("\n".join(["column,mean", *lines]) + "\n")
    return {"batches": batches, "rows": model.rows, "files": len(data.files)}


def in_batches(data: Data, size: int) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows of each table, some at a time, with the table's name."""
    for name, table in data.tables.items():
        for start in range(0, len(table), size):
            yield name, table.iloc[start : start + size]


# <<< edit: run


def main(args: argparse.Namespace) -> Mapping[str, Any]:
    """Check what was typed, then play the run: its tier, its receipts, its outputs found in the catalog."""
    config = read_config(args.config)
    ml = DerivaML(args.hostname, args.catalog_id)
    inputs = check_inputs(  # everything that is wrong ends the run here, in one message
        ml,
        workflow_type=args.workflow_type,
        datasets=args.dataset,
        assets=args.asset,
        create_workflow_type=args.create_workflow_type,
    )
    ensure_workflow_type(ml, args.workflow_type, create=args.create_workflow_type, dry_run=args.dry_run)
    name = Path(__file__).stem
    plan = Plan(
        name=name,
        script=Path(__file__),
        config={"workflow_type": args.workflow_type, "model_config": config},
        workflow=ml.create_workflow(name=name, workflow_type=args.workflow_type, description=f"Runs {name}.py"),
        datasets=inputs.datasets,
        assets=inputs.assets,
        description=args.description or f"{name} {dict(config)}",
        dry_run=args.dry_run,
        tier=args.tier,
        override=args.override_tier,
        command=script.command(),
    )
    return run_tiered(ml, plan, hooks(load, build, run, config)).require_pass().summary()


ARGUMENTS = script.parser(
    __doc__,
    """examples:
  uv run python src/scripts/train_resnet50.py --hostname data.example.org --catalog-id 1 \\
      --workflow-type Training --dataset 1-2A3B@0.4.0 --config src/configs/small.toml --dry-run
  ... without --dry-run   a real execution, tier 2 or 3 by its datasets; its outputs are found again, by size and MD5
  ... --override-tier "why"   without the receipt of the tier before; the reason stands in every later receipt
  ... --json              the result with all RIDs as one JSON line

exit codes: 0 done; 1 the run or one of its checks failed; 2 an argument is wrong (all of them are listed), or the
receipt of the tier before is missing""",
)
ARGUMENTS.add_argument(
    "--dataset", action="append", default=[], metavar="RID@VERSION", help="a dataset in a released version; repeatable"
)
ARGUMENTS.add_argument("--asset", action="append", default=[], metavar="RID", help="a single input file; repeatable")
ARGUMENTS.add_argument("--config", type=Path, metavar="FILE", help="hyperparameters as TOML, given to build()")
ARGUMENTS.add_argument("--description", metavar="TEXT", help="what the run is for; goes into the execution's record")
ARGUMENTS.add_argument("--tier", type=int, choices=(2, 3), help="raise the tier that the size of the datasets gives")
ARGUMENTS.add_argument("--override-tier", metavar="REASON", help="run without the receipts of the tiers before")
ARGUMENTS.add_argument(
    "--create-workflow-type", action="store_true", help="add the workflow type to the catalog if it is missing"
)

if __name__ == "__main__":
    script.run(main, ARGUMENTS)
