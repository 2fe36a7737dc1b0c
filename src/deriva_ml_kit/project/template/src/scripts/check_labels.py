"""Show a feature as training will see it: its columns, its terms, the labels of a dataset, the denormalised rows.

Exits with 1 if a member of the dataset has no label or a digit is missing. Writes nothing to the catalog.

    uv run python src/scripts/check_labels.py --hostname localhost:8443 --catalog-id 1 --dataset 2-ABCD@0.2.0
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping
from typing import Any

from deriva_ml_kit import script
from deriva_ml_kit.errors import KitError
from deriva_ml_kit.mainline import DatasetSpec, DerivaML

TABLE, FEATURE, VOCABULARY = "Image", "Digit", "Digit_Class"


def main(args: argparse.Namespace) -> Mapping[str, Any]:
    """Collect what is to be seen, and refuse labels that are not complete."""
    ml = DerivaML(args.hostname, args.catalog_id)
    feature = ml.lookup_feature(TABLE, FEATURE)
    terms = sorted(term.name for term in ml.list_vocabulary_terms(VOCABULARY))
    rid, _, version = args.dataset.partition("@")
    bag = ml.download_dataset_bag(DatasetSpec(rid=rid, version=version, materialize=False))
    wide = bag.get_denormalized_as_dataframe([TABLE, f"Execution_{TABLE}_{FEATURE}"])
    label = wide[f"Execution_{TABLE}_{FEATURE}.{VOCABULARY}"]
    counts = Counter(label.dropna())
    if unlabelled := sorted(wide.loc[label.isna(), f"{TABLE}.RID"]):
        raise KitError(
            f"{len(unlabelled)} images have no {FEATURE}: {', '.join(unlabelled[:10])} …",
            remedy="Add them to the CSV and run populate_digit.py again.",
        )
    if absent := [term for term in terms if term not in counts]:
        raise KitError(f"The dataset has no image of: {', '.join(absent)}.", remedy="Choose other members.")
    shown = wide.drop(
        columns=[name for name in wide.columns if name.endswith((".RCB", ".RMB", ".RCT", ".RMT", ".URL"))]
    )
    return {
        "feature_columns": {
            column.name: "required" if not column.nullok else "optional"
            for column in [*feature.term_columns, *feature.asset_columns, *feature.value_columns]
        },
        "terms": terms,
        "labels": dict(sorted(counts.items())),
        "rows": len(wide),
        "first_rows": shown.head(args.limit).to_dict(orient="records"),
    }


PARSER = script.parser(
    "Show the Digit feature, its terms, and a dataset's denormalised rows; exit 1 if labels are incomplete.",
    "Example: uv run python src/scripts/check_labels.py --hostname localhost:8443 --catalog-id 1 "
    "--dataset 2-ABCD@0.2.0",
    workflow_type=False,
    dry_run=False,
)
PARSER.add_argument("--dataset", required=True, metavar="RID@VERSION", help="the dataset, with its version")
PARSER.add_argument("--limit", type=int, default=20, help="how many rows to show (default 20)")

if __name__ == "__main__":
    script.run(main, PARSER)
