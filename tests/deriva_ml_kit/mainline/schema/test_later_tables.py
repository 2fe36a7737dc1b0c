"""Versions of a dataset that are older than some of the catalog's tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from deriva.core.ermrest_model import Schema
from deriva_ml import DerivaML as ReleasedDerivaML
from deriva_ml.core.exceptions import DerivaMLException
from deriva_ml.dataset.aux_classes import DatasetSpec as ReleasedDatasetSpec

from deriva_ml_kit.mainline import DatasetSpec, DerivaML, Workflow
from deriva_ml_kit.mainline.schema.create import create_ml_catalog

pytestmark = pytest.mark.catalog


def test_a_vocabulary_that_came_later_does_not_keep_a_version_from_being_downloaded(
    local_host: Any, tmp_path: Path, workflow: Workflow
) -> None:
    # A bug of the release: it asks for every vocabulary of today as it was at the version.
    catalog = create_ml_catalog(local_host.hostname, "later")
    catalog.getCatalogModel().create_schema(Schema.define("later"))
    ml = DerivaML(local_host.hostname, catalog.catalog_id, working_dir=tmp_path / "ours")
    with ml.create_execution(description="Makes a dataset", workflow=workflow) as exe:
        dataset = exe.create_dataset([], description="Early")
    spec = {"rid": dataset.dataset_rid, "version": str(dataset.current_version), "materialize": False}
    ml.create_vocabulary("Later", "Made after the version")

    bag = ml.download_dataset_bag(DatasetSpec(**spec))

    assert bag.dataset_rid == dataset.dataset_rid
    plain = ReleasedDerivaML(local_host.hostname, catalog.catalog_id, working_dir=tmp_path / "plain", use_minid=False)
    with pytest.raises(DerivaMLException, match="has no table 'Later'"):
        plain.download_dataset_bag(ReleasedDatasetSpec(**spec))
