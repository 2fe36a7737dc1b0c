"""Bring scikit-learn's 1,797 scanned digits into the catalog as PNG assets, and write their labels to a CSV.

Running it again adds only the images that are missing.

    uv run python src/scripts/ingest_digits.py --hostname localhost:8443 --catalog-id 1 --workflow-type Ingest
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from deriva_ml_kit import script
from deriva_ml_kit.mainline import DerivaML, ExecutionConfiguration

LABELS = Path("labels/digit_labels.csv")


def main(args: argparse.Namespace) -> Mapping[str, Any]:
    """Upload what is missing, then write the labels of all images by their RIDs."""
    ml = DerivaML(args.hostname, args.catalog_id)
    ml.commit_pending_executions()  # what an interrupted run had prepared arrives under that run's execution
    bunch = load_digits()
    known = {row["Source_Index"] for row in image_rows(ml)}
    missing = [index for index in range(len(bunch.images)) if index not in known]
    result: dict[str, Any] = {"already_there": len(known), "added": len(missing)}
    if missing:
        result["execution"] = upload(ml, args.workflow_type, bunch.images, missing)
    write_labels(ml, bunch.target)
    return result | {"images": len(bunch.images), "labels": str(LABELS)}


def image_rows(ml: DerivaML) -> list[dict[str, Any]]:
    """All rows of the Image table."""
    return list(ml.pathBuilder.schemas[ml.domain_schema].tables["Image"].entities().fetch())


def upload(ml: DerivaML, workflow_type: str, images: np.ndarray, indices: list[int]) -> str:
    """Write each image (8x8, grey levels 0 to 16) as a PNG and register it; gives the execution's RID."""
    workflow = ml.create_workflow("Ingest digits", workflow_type, "scikit-learn's bundled digits as PNG assets")
    config = ExecutionConfiguration(description=f"Ingest {len(indices)} scans of handwritten digits")
    with tempfile.TemporaryDirectory() as folder:
        with ml.create_execution(config, workflow=workflow) as exe:
            for index in script.progress(indices, "writing images"):
                path = Path(folder) / f"digit_{index:04d}.png"
                pixels = (images[index] * (255 / 16)).round().astype("uint8")
                Image.fromarray(pixels, mode="L").save(path)
                exe.asset_file_path("Image", path, asset_types="Image", copy_file=True, Source_Index=index)
        exe.commit_output_assets()
    return str(exe.execution_rid)


def write_labels(ml: DerivaML, target: np.ndarray) -> None:
    """One row an image: its RID and the digit that it shows, in the order of the source."""
    LABELS.parent.mkdir(exist_ok=True)
    with LABELS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["Image", "Digit_Class"])
        for row in sorted(image_rows(ml), key=lambda row: row["Source_Index"]):
            writer.writerow([row["RID"], target[row["Source_Index"]]])


PARSER = script.parser(
    "Bring scikit-learn's bundled digits into the catalog as PNG assets, and write labels/digit_labels.csv.",
    "Example: uv run python src/scripts/ingest_digits.py --hostname localhost:8443 --catalog-id 1 "
    "--workflow-type Ingest",
    dry_run=False,
)

if __name__ == "__main__":
    script.run(main, PARSER)
