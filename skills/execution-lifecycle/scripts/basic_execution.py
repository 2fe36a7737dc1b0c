"""Run your code on datasets of a catalog, with everything that it reads and writes on record.

Three places are yours: `load` turns downloaded datasets into your data, `build` makes the model, `run` trains or
predicts and writes outputs. What stands in the regions now is a placeholder that works on any dataset: it counts rows
and files and averages the numeric columns. Replace it, keep the names of the three functions.

To make it yours: copy it to src/scripts/, edit the regions, commit, then go through the tiers: --dry-run, a small
dataset, the full one. Hyperparameters stand in a TOML file (--config) that `build` gets as a dict.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deriva_ml_kit import script
from deriva_ml_kit.mainline import DerivaML, ExecutionConfiguration
from deriva_ml_kit.runner import Outputs, check_inputs, ensure_workflow_type, read_config

# isort: split
# >>> edit: imports
from dataclasses import dataclass, field

import pandas as pd

from deriva_ml_kit.datasets import files, members

# <<< edit: imports

DRY_RUN_BATCHES = 2


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
def run(model: Summary, data: Data, out: Outputs, max_batches: int | None) -> Mapping[str, Any]:
    """Work through the data and write outputs; stop after `max_batches` batches if that is a number.

    `out.file(name, asset_type=...)` gives the path for an output file; `out.feature(table, name)` gives the record
    class of a feature, and `out.features(records)` adds values. What is returned is written to metrics.json.
    """
    batches = 0
    for name, table in data.tables.items():
        for start in range(0, len(table), model.batch_size):
            if batches == max_batches:
                break
            batch, batches = table.iloc[start : start + model.batch_size], batches + 1
            model.rows += len(batch)
            for column, values in batch.select_dtypes("number").items():
                total, count = model.totals.get(f"{name}.{column}", (0.0, 0))
                model.totals[f"{name}.{column}"] = total + float(values.sum()), count + int(values.count())
    lines = [f"{column},{total / count}" for column, (total, count) in sorted(model.totals.items()) if count]
    out.file("summary.csv", asset_type="Output_File").write_text("\n".join(["column,mean", *lines]) + "\n")
    return {"batches": batches, "rows": model.rows, "files": len(data.files)}


# <<< edit: run


def main(args: argparse.Namespace) -> Mapping[str, Any]:
    """Check the inputs, run, and find the outputs in the catalog."""
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
    workflow = ml.create_workflow(name=name, workflow_type=args.workflow_type, description=f"Runs {name}.py")
    configuration = ExecutionConfiguration(
        datasets=inputs.datasets, assets=inputs.assets, description=args.description or f"{name} {dict(config)}"
    )

    with ml.create_execution(configuration, workflow=workflow, dry_run=args.dry_run) as exe:
        out = Outputs(ml, exe)
        data = load(exe.datasets, {table: [Path(path) for path in paths] for table, paths in exe.asset_paths.items()})
        model = build(data, config)
        metrics = run(model, data, out, max_batches=DRY_RUN_BATCHES if args.dry_run else None)
        out.metrics(metrics)
        sealed = out.seal()
    exe.commit_output_assets()

    outputs = [vars(file) for file in sealed] if args.dry_run else out.verify(sealed)
    return {
        "status": "dry run" if args.dry_run else "done",
        "execution_rid": None if args.dry_run else exe.execution_rid,
        "workflow_rid": None if args.dry_run else exe.workflow_rid,
        "datasets": args.dataset,
        "assets": args.asset,
        "outputs": outputs,
        "feature_values": out.values.total(),
        "metrics": dict(metrics),
    }


ARGUMENTS = script.parser(
    __doc__,
    """examples:
  uv run python src/scripts/train_resnet50.py --hostname data.example.org --catalog-id 1 \\
      --workflow-type Training --dataset 1-2A3B@0.4.0 --config src/configs/small.toml --dry-run
  ... without --dry-run   a real execution; its outputs are found in the catalog again, by size and MD5
  ... --json              the result with all RIDs as one JSON line

exit codes: 0 done; 1 the run failed; 2 an argument is wrong (all of them are listed)""",
)
ARGUMENTS.add_argument(
    "--dataset", action="append", default=[], metavar="RID@VERSION", help="a dataset in a released version; repeatable"
)
ARGUMENTS.add_argument("--asset", action="append", default=[], metavar="RID", help="a single input file; repeatable")
ARGUMENTS.add_argument("--config", type=Path, metavar="FILE", help="hyperparameters as TOML, given to build()")
ARGUMENTS.add_argument("--description", metavar="TEXT", help="what the run is for; goes into the execution's record")
ARGUMENTS.add_argument(
    "--create-workflow-type", action="store_true", help="add the workflow type to the catalog if it is missing"
)

if __name__ == "__main__":
    script.run(main, ARGUMENTS)
