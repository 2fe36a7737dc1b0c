"""Datasets by the role that they play in a run, in the versions of datasets.toml.

The scripts that make datasets write their pins there. Another dataset for one run:
`datasets.training.rid=2-ABCD datasets.training.version=0.2.0`.
"""

from pathlib import Path

from hydra_zen import store

from deriva_ml_kit.runner import store_datasets

PINS = Path(__file__).with_name("datasets.toml")

store([], group="datasets", name="default_dataset")

store_datasets(
    "digits",
    pins=PINS,
    roles={"training": "split"},
    description="All digits in a Training and a Testing part: tier 3",
    made_by="uv run python src/scripts/make_split.py",
)
store_datasets(
    "development",
    pins=PINS,
    roles={"training": "development"},
    description="A hundred digits, ten of each, not split: tiers 1 and 2",
    made_by="uv run python src/scripts/make_dev_dataset.py",
)
