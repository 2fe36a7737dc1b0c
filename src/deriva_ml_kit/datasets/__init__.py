"""Datasets: development datasets, splits and samples; the members of downloaded ones as data frames; pins.

Names are imported when first asked for: a project's config files read pins, and the rest takes seconds.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deriva_ml_kit.datasets.bag import files, members
    from deriva_ml_kit.datasets.dev import DevDataset, DevPlan, make_dev_dataset, plan_dev_dataset
    from deriva_ml_kit.datasets.pins import read_pins, write_pin
    from deriva_ml_kit.datasets.split import SplitResult, SubsampleResult, split_dataset, subsample

# Module -> names that it defines.
_HOMES = {
    "bag": ("files", "members"),
    "dev": ("DevDataset", "DevPlan", "make_dev_dataset", "plan_dev_dataset"),
    "pins": ("read_pins", "write_pin"),
    "split": ("SplitResult", "SubsampleResult", "split_dataset", "subsample"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

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


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
