"""Which tables a dataset's export reaches."""

from pathlib import Path
from typing import Any

import deriva_ml
import pytest
from deriva.core.ermrest_model import Schema
from deriva_ml.core.exceptions import DerivaMLException
from deriva_ml.model.catalog import DerivaModel
from deriva_ml.schema import create_ml_catalog

from deriva_ml_kit.mainline import DatasetSpec, DerivaML


@pytest.fixture(scope="module")
def loop(local_host: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[DerivaML, DatasetSpec]:
    """A catalog in which two features of Image have values in Mask, and a dataset of one image."""
    catalog = create_ml_catalog(local_host.hostname, project_name="loop")
    catalog.getCatalogModel().create_schema(Schema.define("loop"))
    ml = DerivaML(local_host.hostname, catalog.catalog_id, working_dir=tmp_path_factory.mktemp("loop"))
    ml.create_asset("Image")
    ml.create_asset("Mask")
    for name in ("Outline", "Lesion"):
        ml.create_feature("Image", name, assets=["Mask"])
    ml.add_dataset_element_type("Image")
    images = ml.pathBuilder.schemas["loop"].tables["Image"]
    [image] = images.insert([{"URL": "/hatrac/none", "Filename": "a.png", "Length": 1, "MD5": "0" * 32}])
    rid = ml.create_dataset([], "One image")
    ml.add_dataset_members(rid, {"Image": [image["RID"]]})
    return ml, DatasetSpec(rid=rid, version=ml.dataset_version(rid), materialize=False)


def test_two_features_may_share_an_asset_table(loop: tuple[DerivaML, DatasetSpec]) -> None:
    ml, spec = loop

    members = ml.download_dataset_bag(spec).list_dataset_members()["Image"]

    assert [Path(row["Filename"]).name for row in members] == ["a.png"]


def test_the_release_alone_cannot_export_that_dataset(loop: tuple[DerivaML, DatasetSpec], tmp_path: Path) -> None:
    ml, spec = loop
    plain = deriva_ml.DerivaML(ml.host_name, ml.catalog_id, working_dir=tmp_path, use_minid=False)

    with pytest.raises(DerivaMLException, match="Cycle in schema path"):
        plain.download_dataset_bag(spec)


def test_where_the_release_finds_paths_ours_are_the_same(lab: Any, tmp_path: Path) -> None:
    ml = lab.connect(tmp_path)
    plain = DerivaModel(ml.model.model, domain_schema=ml.domain_schema)

    def names(paths: Any) -> set[tuple[str, ...]]:
        return {tuple(table.name for table in path) for path in paths}

    assert names(ml.model._schema_to_paths()) == names(plain._schema_to_paths())
