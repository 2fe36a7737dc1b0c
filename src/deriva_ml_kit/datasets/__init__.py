"""Datasets: development datasets, splits and samples; the members of downloaded ones as data frames; pins."""

from deriva_ml_kit.datasets.bag import files, members
from deriva_ml_kit.datasets.dev import DevDataset, DevPlan, make_dev_dataset, plan_dev_dataset
from deriva_ml_kit.datasets.pins import read_pins, write_pin
from deriva_ml_kit.datasets.split import SplitResult, SubsampleResult, split_dataset, subsample

__all__ = [
    "DevDataset",
    "DevPlan",
    "SplitResult",
    "SubsampleResult",
    "files",
    "make_dev_dataset",
    "members",
    "plan_dev_dataset",
    "read_pins",
    "split_dataset",
    "subsample",
    "write_pin",
]
