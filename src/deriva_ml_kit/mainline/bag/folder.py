"""A bag that lies in any folder, such as one that somebody sent."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deriva_ml.dataset.aux_classes import DatasetMinid, DatasetVersion

from deriva_ml_kit.mainline.bag.dataset_bag import DatasetBag
from deriva_ml_kit.mainline.bag.opened import BagDatabase
from deriva_ml_kit.mainline.bag.verify import verify_bag
from deriva_ml_kit.mainline.errors import DerivaMLDataError

NAME = "Dataset_"  # and the RID: how servers, and we, name bags of datasets


@contextmanager
def bag_in(folder: Path) -> Iterator[DatasetBag]:
    """Open the bag of a dataset; its database goes to a temporary folder, and nothing to where it lies.

    Args:
        folder: `Dataset_<RID>`, or a folder with one such in it.

    Raises:
        DerivaMLDataError: It is no bag of a dataset, or is damaged.
    """
    inside = [folder] if folder.name.startswith(NAME) else sorted(folder.glob(f"{NAME}*"))
    if len(inside) != 1 or not (inside[0] / "data/schema.json").is_file():
        raise DerivaMLDataError(f"{folder} is no bag of a dataset, nor a folder with one: {NAME}<RID>.")
    [bag] = inside
    if problems := verify_bag(bag, materialized=False):
        raise DerivaMLDataError(f"The bag {bag} is damaged: {'; '.join(map(str, problems[:5]))}.")
    with tempfile.TemporaryDirectory(prefix="deriva-ml-bag-") as temporary:
        place = Path(temporary) / bag.name
        place.symlink_to(bag.resolve(), target_is_directory=True)
        # The release knows a bag by the order that it came with; the version is in the bag.
        order = DatasetMinid(
            dataset_version=DatasetVersion(0, 0, 0), RID=bag.name.removeprefix(NAME), location=str(bag)
        )
        yield BagDatabase(order, place).get_dataset()
