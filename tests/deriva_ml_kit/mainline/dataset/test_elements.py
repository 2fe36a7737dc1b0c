"""Members of tables that are not as the release expects them: two domain schemas, keys other than the RID."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import deriva_ml
import pytest
from deriva.core.ermrest_model import Column, ForeignKey, Key, Schema, Table, builtin_types
from deriva_ml.core.exceptions import DerivaMLException

from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.mainline.catalog.rows import insert
from deriva_ml_kit.mainline.dataset.dataset import Dataset
from deriva_ml_kit.mainline.errors import DerivaMLFaults
from deriva_ml_kit.mainline.schema.create import create_ml_catalog


@pytest.fixture(scope="module")
def clinics(local_host: Any, tmp_path_factory: pytest.TempPathFactory) -> DerivaML:
    """A catalog with Scan in `imaging`, and Site in `clinic`, to which datasets refer by its code."""
    catalog = create_ml_catalog(local_host.hostname, project_name="imaging")
    model = catalog.getCatalogModel()
    for schema in ("imaging", "clinic"):
        model.create_schema(Schema.define(schema))
    code = Column.define("Code", builtin_types.text, nullok=False)
    model.schemas["clinic"].create_table(Table.define("Site", [code], [Key.define(["Code"])]))
    model.schemas["imaging"].create_table(Table.define("Scan", [Column.define("Name", builtin_types.text)]))
    columns = [Column.define(name, builtin_types.text, nullok=False) for name in ("Dataset", "Place")]
    keys = [
        ForeignKey.define(["Dataset"], "deriva-ml", "Dataset", ["RID"]),
        ForeignKey.define(["Place"], "clinic", "Site", ["Code"]),
    ]
    model.schemas["clinic"].create_table(
        Table.define("Dataset_Site", columns, [Key.define(["Dataset", "Place"])], keys)
    )
    folder = tmp_path_factory.mktemp("clinics")
    return DerivaML(local_host.hostname, catalog.catalog_id, default_schema="imaging", working_dir=folder)


# A plain client knows the elements of one domain schema only, and takes every key for the RID.
def test_members_of_two_schemas_by_rid_and_by_another_key(clinics: DerivaML, tmp_path: Path) -> None:
    clinics.add_dataset_element_type("Scan")
    sites = [row["RID"] for row in insert(clinics.catalog, "clinic", "Site", [{"Code": c} for c in ("north", "south")])]
    scans = [row["RID"] for row in insert(clinics.catalog, "imaging", "Scan", [{"Name": "a"}, {"Name": "b"}])]
    dataset = Dataset.create_dataset(clinics, None, [], "Both")

    dataset.add_dataset_members([*sites, *scans[:1]])
    dataset.add_dataset_members({"Scan": scans[1:]})

    members = dataset.list_dataset_members()
    assert [row["Code"] for row in members["Site"]] == ["north", "south"]
    assert dataset.list_members("clinic:Site") == sites and dataset.list_members("Scan") == scans
    with pytest.raises(DerivaMLFaults, match="already"):
        dataset.add_dataset_members({"Site": sites[:1]})
    dataset.delete_dataset_members([sites[0], scans[0]])
    assert dataset.list_members("Site") == sites[1:] and dataset.list_members("Scan") == scans[1:]
    assert {table.name for table in clinics.list_dataset_element_types()} == {"Scan", "Site", "Dataset", "File"}

    plain = deriva_ml.DerivaML(
        clinics.host_name, clinics.catalog_id, domain_schema="imaging", working_dir=tmp_path, use_minid=False
    )
    assert "Site" not in plain.list_dataset_members(dataset.dataset_rid)
    with pytest.raises((DerivaMLException, KeyError)):
        plain.add_dataset_members(dataset.dataset_rid, sites[:1])
