"""Judge a training execution against the design document's threshold, from the catalog's own feature values.

Recomputes the accuracy from the predictions stored as feature values and again from the prediction file, refuses if
they differ, writes the verdict into the design document and one line into tacit-knowledge.md.
Exits with 0 if the threshold is met, with 1 if not.

    uv run python src/scripts/judge_run.py --hostname localhost:8443 --catalog-id 1 --execution 3-WXYZ
"""

from __future__ import annotations

import argparse
import csv
import re
import tempfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from deriva_ml_kit import script
from deriva_ml_kit.errors import KitError
from deriva_ml_kit.mainline import DerivaML

DESIGN = Path("docs/design/model/digit-classifier.md")
JOURNAL = Path("tacit-knowledge.md")


def main(args: argparse.Namespace) -> Mapping[str, Any]:
    """Compare, record the verdict, and fail if the model falls short."""
    ml = DerivaML(args.hostname, args.catalog_id)
    truth = {value.Image: value.Digit_Class for value in ml.feature_values("Image", "Digit")}
    stored = predicted_in_catalog(ml, args.execution)
    filed = predicted_in_file(ml, args.execution)
    if stored != filed:
        differing = sorted(rid for rid in stored.keys() | filed.keys() if stored.get(rid) != filed.get(rid))
        raise KitError(
            f"Feature values and prediction file of {args.execution} differ for {len(differing)} images, "
            f"the first being {', '.join(differing[:5])}.",
            remedy="The execution's outputs are incomplete: run the training again.",
        )
    accuracy = sum(truth[rid] == digit for rid, digit in stored.items()) / len(stored)
    threshold = threshold_of(DESIGN.read_text(encoding="utf-8"))
    verdict = "met" if accuracy >= threshold else "not met"
    record(args.execution, accuracy, threshold, verdict)
    result = {
        "execution": args.execution,
        "images": len(stored),
        "accuracy": round(accuracy, 4),
        "accuracy_from_file": round(sum(truth[r] == d for r, d in filed.items()) / len(filed), 4),
        "threshold": threshold,
        "verdict": verdict,
    }
    if verdict != "met":
        raise KitError(
            f"Accuracy {accuracy:.4f} is below the threshold {threshold}.",
            remedy="Change the model or its data and go back to tier 1.",
        )
    return result


def predicted_in_catalog(ml: DerivaML, execution: str) -> dict[str, str]:
    """Image RID -> digit, from the feature values that the execution wrote."""
    values = ml.feature_values("Image", "Predicted_Digit", execution_rids=[execution])
    predicted = {value.Image: value.Digit_Class for value in values}
    if not predicted:
        raise KitError(
            f"Execution {execution} wrote no Predicted_Digit values.",
            remedy="Give the RID of a tier 3 training execution.",
        )
    return predicted


def predicted_in_file(ml: DerivaML, execution: str) -> dict[str, str]:
    """Image RID -> digit, from the asset predictions.csv that the execution uploaded."""
    outputs = ml.list_execution_assets(execution, asset_role="Output")
    asset = next((asset for asset in outputs if asset.filename == "predictions.csv"), None)
    if asset is None:
        raise KitError(f"Execution {execution} has no output predictions.csv.", remedy="Run the training again.")
    with tempfile.TemporaryDirectory() as folder, asset.download(Path(folder)).open(encoding="utf-8") as file:
        return {row["Image"]: row["Digit_Class"] for row in csv.DictReader(file)}


def threshold_of(design: str) -> float:
    """The number after `accuracy >=` in the design document."""
    match = re.search(r"accuracy\s*>=\s*([0-9.]*[0-9])", design)
    if match is None:
        raise KitError(f"{DESIGN} states no threshold.", remedy="Write one under Validation: 'accuracy >= 0.95'.")
    return float(match[1])


def record(execution: str, accuracy: float, threshold: float, verdict: str) -> None:
    """Put the verdict into the design document and the journal, once an execution."""
    status = "Validated" if verdict == "met" else "Built"
    line = f"execution {execution}: accuracy {accuracy:.4f} on the held-out fifth, threshold {threshold} {verdict}"
    design = re.sub(r"(?m)^Status: .*$", f"Status: {status} ({line})", DESIGN.read_text(encoding="utf-8"))
    DESIGN.write_text(design, encoding="utf-8")
    journal = JOURNAL.read_text(encoding="utf-8")
    if execution not in journal:
        JOURNAL.write_text(f"{journal}- {date.today()} {line}.\n", encoding="utf-8")


PARSER = script.parser(
    "Judge a training execution against the threshold of docs/design/model/digit-classifier.md.",
    "Example: uv run python src/scripts/judge_run.py --hostname localhost:8443 --catalog-id 1 --execution 3-WXYZ",
    workflow_type=False,
    dry_run=False,
)
PARSER.add_argument("--execution", required=True, metavar="RID", help="the training execution to judge")

if __name__ == "__main__":
    script.run(main, PARSER)
