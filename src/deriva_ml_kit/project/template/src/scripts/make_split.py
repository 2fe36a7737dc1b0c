"""Make a dataset of all images and split it, four fifths to a fifth, each digit with the same share of both parts.

The versions are pinned in src/configs/datasets.toml. Running it again finds what is there and completes what was cut
short; where everything is pinned, it does nothing.

    uv run python src/scripts/make_split.py --hostname localhost:8443 --catalog-id 1 --workflow-type Dataset_Management
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deriva_ml_kit import script
from deriva_ml_kit.datasets import read_pins, split_dataset, write_pin
from deriva_ml_kit.errors import KitError
from deriva_ml_kit.mainline import Dataset, DerivaML, Execution, ExecutionConfiguration, VersionPart

PINS = Path("src/configs/datasets.toml")
ALL = "All digits"
TEST_SHARE = 0.2


def main(args: argparse.Namespace) -> Mapping[str, Any]:
    """Make and split the dataset inside one execution, unless both are pinned."""
    pins = {name: pin for name, pin in read_pins(PINS).items() if name in {"complete", "split", "training", "testing"}}
    if len(pins) == 4:
        return {"datasets": pins, "execution": None, "pinned_in": str(PINS)}
    ml = DerivaML(args.hostname, args.catalog_id)
    images = {value.Image for value in ml.feature_values("Image", "Digit")}
    if not images:
        raise KitError("No image has a Digit label yet.", remedy="Run populate_digit.py first.")
    workflow = ml.create_workflow("Split the digits", args.workflow_type, "All digits, and their split")
    config = ExecutionConfiguration(description=f"Split {len(images)} digits: a fifth is kept back for the verdict")
    with ml.create_execution(config, workflow=workflow) as exe:
        complete = all_images(ml, exe, images)
        split = split_dataset(
            ml,
            complete.dataset_rid,
            exe,
            test_size=TEST_SHARE,
            stratify_by_column="Execution_Image_Digit.Digit_Class",
            include_tables=["Image", "Execution_Image_Digit"],
            element_table="Image",
            # RIDs differ from catalog to catalog; by the scans' own numbers the split is the same in all.
            group_by="Source_Index",
        )
    exe.commit_output_assets()
    pins = {"complete": f"{complete.dataset_rid}@{complete.current_version}"}
    pins |= {name: f"{part.rid}@{part.version}" for name, part in parts(split).items()}
    for name, pin in pins.items():
        write_pin(PINS, name, pin)
    return {"datasets": pins, "execution": exe.execution_rid, "pinned_in": str(PINS)}


def all_images(ml: DerivaML, exe: Execution, images: set[str]) -> Dataset:
    """The dataset of all images, released: the one that an earlier run began, or a new one."""
    found = (dataset for dataset in ml.find_datasets() if dataset.description == ALL)
    dataset = next(found, None) or exe.create_dataset(dataset_types=["Complete"], description=ALL)
    if lacking := images - set(dataset.list_members("Image")):
        dataset.add_dataset_members({"Image": sorted(lacking)}, description=ALL, execution_rid=exe.execution_rid)
    if dataset.is_dirty():
        dataset.release(VersionPart.minor, ALL, exe)
    return dataset


def parts(split: Any) -> dict[str, Any]:
    """The datasets of a split, by the names of their pins."""
    return {"split": split.split, "training": split.training, "testing": split.testing}


PARSER = script.parser(
    "Make a dataset of all images and an 80/20 split of it, and pin their versions in src/configs/datasets.toml.",
    "Example: uv run python src/scripts/make_split.py --hostname localhost:8443 --catalog-id 1 "
    "--workflow-type Dataset_Management",
    dry_run=False,
)

if __name__ == "__main__":
    script.run(main, PARSER)
