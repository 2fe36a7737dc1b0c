"""Make the catalog and its schema: an Image asset table, a vocabulary of digits, two features on Image.

Running it again adds only what is missing.

    uv run python src/scripts/make_schema.py --hostname localhost:8443
    uv run python src/scripts/make_schema.py --hostname data.example.org --catalog-id 42
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from deriva.core import DerivaServer, ErmrestCatalog, get_credential
from deriva.core.ermrest_model import Schema
from deriva_ml import BuiltinTypes, ColumnDefinition

from deriva_ml_kit import local, script
from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.mainline.schema.create import complete_ml_schema
from deriva_ml_kit.ops.setup import setup

DOMAIN = "digits"
CATALOG_FILE = Path("src/configs/catalog.json")
DIGIT_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TERMS = {
    "Asset_Type": {
        "Prediction_File": "Predictions of a model, one row a record.",
    },
}


def main(args: argparse.Namespace) -> Mapping[str, Any]:
    """Make what is missing and say what was made."""
    local.prepare(args.hostname)
    server = DerivaServer("https", args.hostname, credentials=get_credential(args.hostname))
    made: list[str] = []
    catalog = open_or_create_catalog(server, args.catalog_id, made)
    model = catalog.getCatalogModel()
    new = "deriva-ml" not in model.schemas
    complete_ml_schema(catalog, project_name=DOMAIN)  # adds what an earlier run, or an earlier deriva-ml, left out
    if new:
        made.append("schema deriva-ml")
        model = catalog.getCatalogModel()
    if DOMAIN not in model.schemas:
        model.create_schema(Schema.define(DOMAIN, comment="Handwritten digits"))
        made.append(f"schema {DOMAIN}")

    ml = DerivaML(args.hostname, catalog.catalog_id)
    for vocabulary, terms in TERMS.items():
        add_missing_terms(ml, vocabulary, {name: (text, []) for name, text in terms.items()}, made)
    whole(ml, made, ["Digit_Class"], lambda: ml.create_vocabulary("Digit_Class", "The ten decimal digits"))
    digits = {str(n): (f"The digit {n}.", [name]) for n, name in enumerate(DIGIT_NAMES)}
    add_missing_terms(ml, "Digit_Class", digits, made)
    whole(ml, made, ["Image", "Image_Asset_Type", "Image_Execution"], lambda: create_image_table(ml))
    whole(ml, made, ["Execution_Image_Digit"], lambda: create_label_feature(ml))
    whole(ml, made, ["Execution_Image_Predicted_Digit"], lambda: create_prediction_feature(ml))
    whole(ml, made, ["Dataset_Image"], lambda: ml.add_dataset_element_type("Image"))
    made += setup(DerivaML(args.hostname, catalog.catalog_id)).added  # what a model in production needs
    return {"hostname": args.hostname, "catalog_id": str(catalog.catalog_id), "made": made}


def open_or_create_catalog(server: DerivaServer, catalog_id: str | None, made: list[str]) -> ErmrestCatalog:
    """The catalog named, or the one an earlier run wrote down, or a new one; written down at once."""
    if catalog_id is None and CATALOG_FILE.exists():
        catalog_id = json.loads(CATALOG_FILE.read_text())["catalog_id"]
    if catalog_id is not None:
        write_down(server.server, catalog_id)
        return server.connect_ermrest(catalog_id)
    catalog = server.create_ermrest_catalog()
    write_down(server.server, str(catalog.catalog_id))
    catalog.getCatalogModel().configure_baseline_catalog()
    made.append(f"catalog {catalog.catalog_id}")
    return catalog


def write_down(hostname: str, catalog_id: str) -> None:
    """Note the catalog where src/configs/deriva.py finds it."""
    CATALOG_FILE.parent.mkdir(parents=True, exist_ok=True)
    CATALOG_FILE.write_text(json.dumps({"hostname": hostname, "catalog_id": catalog_id}) + "\n")


def add_missing_terms(
    ml: DerivaML, vocabulary: str, terms: Mapping[str, tuple[str, list[str]]], made: list[str]
) -> None:
    """Add each term (name -> description, synonyms) that the vocabulary does not have yet."""
    known = {term.name for term in ml.list_vocabulary_terms(vocabulary)}
    for name, (description, synonyms) in terms.items():
        if name not in known:
            ml.add_term(vocabulary, name, description=description, synonyms=synonyms)
            made.append(f"term {vocabulary}:{name}")


def whole(ml: DerivaML, made: list[str], tables: list[str], make: Callable[[], object]) -> None:
    """Have all of `tables` by calling `make`; what an interrupted run left of them (still empty) goes first."""
    schema = ml.model.schemas[ml.domain_schema]
    there = [name for name in tables if name in schema.tables]
    if len(there) == len(tables):
        return
    for name in reversed(there):
        schema.tables[name].drop()
    make()
    made.append(f"table {tables[0]}")


def create_image_table(ml: DerivaML) -> None:
    """An asset table: each row is a PNG file in the object store."""
    ml.create_asset(
        "Image",
        column_defs=[ColumnDefinition(name="Source_Index", type=BuiltinTypes.int4)],
        comment="Scans of handwritten digits, 8x8 pixels",
    )


def create_label_feature(ml: DerivaML) -> None:
    """The digit that a person says an image shows."""
    ml.create_feature("Image", "Digit", terms=["Digit_Class"], comment="The digit that the image shows")


def create_prediction_feature(ml: DerivaML) -> None:
    """The digit that a model says an image shows, and its confidence from 0 to 1."""
    ml.create_feature(
        "Image",
        "Predicted_Digit",
        terms=["Digit_Class"],
        metadata=[ColumnDefinition(name="Confidence", type=BuiltinTypes.float8)],
        comment="The digit that a model predicts, with its confidence",
    )


PARSER = script.parser(
    "Make the catalog and its schema; what is there already stays.",
    "Example: uv run python src/scripts/make_schema.py --hostname localhost:8443",
    workflow_type=False,
    dry_run=False,
    catalog_required=False,
)

if __name__ == "__main__":
    script.run(main, PARSER)
