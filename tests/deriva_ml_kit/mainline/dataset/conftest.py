"""Images to be members, datasets to hold them, and the release's own client."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import deriva_ml
import pytest
from tests_of_datasets import make_images

from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.mainline.dataset.dataset import Dataset


@pytest.fixture(scope="session")
def shared_ml(lab: Any, tmp_path_factory: pytest.TempPathFactory) -> DerivaML:
    """One connection for all tests of datasets; each makes datasets of its own."""
    return lab.connect(tmp_path_factory.mktemp("work"))


@pytest.fixture
def ml(shared_ml: DerivaML) -> DerivaML:
    return shared_ml


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


@pytest.fixture
def execution(ml: DerivaML, workflow: Any) -> Any:
    """An execution of no particular work."""
    return ml.create_execution(description="Tests of datasets", workflow=workflow)


@pytest.fixture
def requests_sent(ml: DerivaML, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """A context that counts the requests of the shared connection by method."""

    @contextmanager
    def counting() -> Iterator[Counter[str]]:
        sent: Counter[str] = Counter()
        session = ml.catalog._session
        send = session.send

        def counted(request: Any, **options: Any) -> Any:
            sent[request.method] += 1
            return send(request, **options)

        with monkeypatch.context() as patch:
            patch.setattr(session, "send", counted)
            yield sent

    return counting
