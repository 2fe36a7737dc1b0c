"""Build the datasets of this project and pin their versions in src/configs/datasets.toml.

`--what development`: 100 images, ten a digit.
`--what split`: all images, and a stratified 80/20 split as nested datasets.
Running it again finds what is there, completes what was cut short, and pins the same versions.

    uv run python src/scripts/make_datasets.py --hostname localhost:8443 --catalog-id 1 \
        --workflow-type Dataset_Management --what development
"""

from __future__ import annotations

import argparse
import random
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sklearn.model_selection import train_test_split

from deriva_ml_kit import script
from deriva_ml_kit.errors import KitError
from deriva_ml_kit.mainline import DerivaML, Execution, ExecutionConfiguration

PINS = Path("src/configs/datasets.toml")
PER_DIGIT = 10
TEST_SHARE = 0.2
SEED = 20


def main(args: argparse.Namespace) -> Mapping[str, Any]:
    """Make the datasets asked for inside one execution, unless all of them are complete."""
    ml = DerivaML(args.hostname, args.catalog_id)
    label = labels(ml)
    if not label:
        raise KitError("No image has a Digit label yet.", remedy="Run populate_digit.py first.")
    plan = development_plan(label) if args.what == "development" else split_plan(label)
    found = existing(ml, plan)
    incomplete = [name for name in plan if not complete(ml, found.get(name), plan[name])]
    execution = make(ml, args.workflow_type, plan, found, incomplete) if incomplete else None
    pins = {name: f"{rid}@{ml.dataset_version(rid)}" for name, rid in found.items()}
    write_pins(pins)
    return {"datasets": pins, "made": incomplete, "execution": execution, "pinned_in": str(PINS)}


def labels(ml: DerivaML) -> dict[str, str]:
    """Image RID -> digit, in the order of the source: RIDs differ from catalog to catalog, the choice must not."""
    digit = {row["Image"]: row["Digit_Class"] for row in ml.list_feature_values("Image", "Digit")}
    images = ml.pathBuilder.schemas[ml.domain_schema].tables["Image"].entities().fetch()
    in_order = [row["RID"] for row in sorted(images, key=lambda row: row["Source_Index"])]
    return {rid: digit[rid] for rid in in_order if rid in digit}


Plan = dict[str, dict[str, Any]]  # name -> types, description, and members: image RIDs or names of nested datasets


def development_plan(label: Mapping[str, str]) -> Plan:
    """Ten images of each digit, drawn with a fixed seed."""
    by_digit: dict[str, list[str]] = defaultdict(list)
    for rid, digit in label.items():
        by_digit[digit].append(rid)
    chosen = [rid for digit in sorted(by_digit) for rid in random.Random(SEED).sample(by_digit[digit], PER_DIGIT)]
    return {"development": entry(["Development"], "Digits for development: ten images a digit", images=chosen)}


def split_plan(label: Mapping[str, str]) -> Plan:
    """All images, and a split in which each digit has the same share of both parts."""
    rids = list(label)
    train, test = train_test_split(rids, test_size=TEST_SHARE, stratify=list(label.values()), random_state=SEED)
    return {
        "complete": entry(["Complete"], "All digits", images=rids),
        "training": entry(["Training"], "Digits for training: four fifths of all", images=train),
        "testing": entry(["Testing"], "Digits for testing: a fifth of all, kept back", images=test),
        "split": entry(["Split"], "Digits split 80/20, stratified by digit", nested=["training", "testing"]),
    }


def entry(types: list[str], description: str, images: Iterable[str] = (), nested: Iterable[str] = ()) -> dict[str, Any]:
    """One planned dataset."""
    return {"types": types, "description": description, "images": list(images), "nested": list(nested)}


def existing(ml: DerivaML, plan: Plan) -> dict[str, str]:
    """RIDs of the planned datasets that the catalog has, recognised by their description."""
    rid_of = {row["Description"]: row["RID"] for row in ml.find_datasets()}
    return {name: rid_of[want["description"]] for name, want in plan.items() if want["description"] in rid_of}


def members(ml: DerivaML, rid: str) -> dict[str, set[str]]:
    """RIDs of the images and nested datasets in a dataset."""
    found = ml.list_dataset_members(rid)
    return {table: {row["RID"] for row in found.get(table, [])} for table in ("Image", "Dataset")}


def complete(ml: DerivaML, rid: str | None, want: Mapping[str, Any]) -> bool:
    """Whether the dataset exists and holds all that the plan says."""
    if rid is None:
        return False
    have = members(ml, rid)
    return set(want["images"]) == have["Image"] and len(want["nested"]) == len(have["Dataset"])


def make(ml: DerivaML, workflow_type: str, plan: Plan, found: dict[str, str], names: list[str]) -> str:
    """Create or complete the named datasets; `found` gains their RIDs. Gives the execution's RID."""
    workflow = ml.create_workflow("Make datasets", workflow_type, "Datasets of the digits project")
    config = ExecutionConfiguration(description=f"Make datasets: {', '.join(names)}")
    with ml.create_execution(config, workflow=workflow) as exe:
        for name in names:
            fill(ml, exe, plan[name], name, found)
    exe.commit_output_assets()
    return str(exe.execution_rid)


def fill(ml: DerivaML, exe: Execution, want: Mapping[str, Any], name: str, found: dict[str, str]) -> None:
    """Create the dataset if need be, and add the members that it lacks."""
    if name not in found:
        found[name] = exe.create_dataset(want["types"], want["description"])
    have = members(ml, found[name])
    lacking = {
        "Image": [rid for rid in want["images"] if rid not in have["Image"]],
        "Dataset": [found[child] for child in want["nested"] if found[child] not in have["Dataset"]],
    }
    if lacking := {table: rids for table, rids in lacking.items() if rids}:
        exe.add_dataset_members(found[name], lacking, validate=False, description=want["description"])


def write_pins(pins: Mapping[str, str]) -> None:
    """Keep the pins that are there, put these in."""
    before = tomllib.loads(PINS.read_text()) if PINS.exists() else {}
    lines = [f'{name} = "{pin}"' for name, pin in sorted((before | dict(pins)).items())]
    PINS.write_text("# RID@version of each dataset; make_datasets.py keeps this file.\n" + "\n".join(lines) + "\n")


PARSER = script.parser(
    "Build the project's datasets and pin their versions in src/configs/datasets.toml.",
    "Example: uv run python src/scripts/make_datasets.py --hostname localhost:8443 --catalog-id 1 "
    "--workflow-type Dataset_Management --what development",
    dry_run=False,
)
PARSER.add_argument("--what", choices=["development", "split"], required=True, help="which datasets to build")

if __name__ == "__main__":
    script.run(main, PARSER)
