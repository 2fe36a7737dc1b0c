"""The clinic (see `tests/support/clinic.py`), and its datasets on this disk."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from clinic import Clinic, clinic

from deriva_ml_kit.mainline.bag.dataset_bag import DatasetBag


@pytest.fixture(scope="session")
def place(local_host: Any) -> Clinic:
    return clinic(local_host.hostname)


@pytest.fixture(scope="session")
def bag_of(place: Clinic) -> Callable[[str], DatasetBag]:
    @cache
    def download(name: str) -> DatasetBag:
        return place.ml.download_dataset_bag(place.datasets[name])

    return download
