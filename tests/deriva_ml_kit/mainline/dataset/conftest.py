"""Images to be members, datasets to hold them, and the release's own client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import deriva_ml
import pytest

from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.mainline.catalog.rows import insert
from deriva_ml_kit.mainline.dataset.dataset import Dataset


@pytest.fixture(scope="session")
def shared_ml(lab: Any, tmp_path_factory: pytest.TempPathFactory) -> DerivaML:
    """One connection for all tests of datasets; each makes datasets of its own."""
    return lab.connect(tmp_path_factory.mktemp("work"))


@pytest.fixture
def ml(shared_ml: DerivaML) -> DerivaML:
    return shared_ml


def make_images(ml: DerivaML, count: int) -> list[str]:
    names = [uuid4().hex for _ in range(count)]
    rows = ({"URL": f"/hatrac/{n}", "Filename": n, "Length": 1, "MD5": n, "Split": "train"} for n in names)
    wanted = ["Description", "Position"]
    return [row["RID"] for row in insert(ml.catalog, "lab", "Image", rows, defaults=wanted)]


@pytest.fixture
def images(ml: DerivaML) -> list[str]:
    """RIDs of six images that no dataset holds."""
    return make_images(ml, 6)


@pytest.fixture
def new(ml: DerivaML) -> Callable[..., Dataset]:
    """A function that makes a dataset, with members released in 0.2.0 if any are given."""

    def make(members: Any = (), description: str = "") -> Dataset:
        dataset = Dataset.create_dataset(ml, None, [], description)
        if members:
            dataset.add_dataset_members(members)
            dataset.release("minor", "First members")
        return dataset

    return make


@pytest.fixture
def dataset(new: Callable[..., Dataset], images: list[str]) -> Dataset:
    """A dataset with three images in version 0.2.0."""
    return new(images[:3], "Three images")


@pytest.fixture
def plain(lab: Any, tmp_path: Path) -> Iterator[Any]:
    """The release's own client of the same catalog."""
    yield deriva_ml.DerivaML(lab.hostname, lab.catalog_id, working_dir=tmp_path / "plain", use_minid=False)
