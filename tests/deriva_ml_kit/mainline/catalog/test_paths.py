"""Which tables a dataset's export reaches."""

from pathlib import Path
from typing import Any

import deriva_ml
import pytest
from deriva.core.ermrest_model import Column, ForeignKey, Schema, Table, builtin_types
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


def test_where_the_release_finds_paths_ours_are_the_same_but_lead_on_to_executions(lab: Any, tmp_path: Path) -> None:
    ml = lab.connect(tmp_path)
    plain = DerivaModel(ml.model.model, domain_schema=ml.domain_schema)

    def names(paths: Any) -> set[tuple[str, ...]]:
        return {tuple(table.name for table in path) for path in paths}

    ours, theirs = names(ml.model._schema_to_paths()), names(plain._schema_to_paths())
    assert theirs <= ours
    assert all({"Execution", "Dataset_Execution"} & {*path} for path in ours - theirs)


@pytest.fixture(scope="module")
def siblings(local_host: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[DerivaML, DatasetSpec, dict[str, str]]:
    """Two domain schemas; an Image has a Subject, a Control that is a Subject too, and a Site in the other schema."""
    catalog = create_ml_catalog(local_host.hostname, project_name="clinic")
    model = catalog.getCatalogModel()
    clinic, sites = (model.create_schema(Schema.define(name)) for name in ("clinic", "sites"))

    def named() -> Column:
        return Column.define("Name", builtin_types.text)

    def refer(column: str, schema: str, table: str) -> ForeignKey:
        return ForeignKey.define([column], schema, table, ["RID"])

    sites.create_table(Table.define("Site", [named()]))
    clinic.create_table(Table.define("Subject", [named()]))
    columns = [named(), *(Column.define(name, builtin_types.text) for name in ("Subject", "Control", "Site"))]
    keys = [
        refer("Subject", "clinic", "Subject"),
        refer("Control", "clinic", "Subject"),
        refer("Site", "sites", "Site"),
    ]
    clinic.create_table(Table.define("Image", columns, fkey_defs=keys))
    work = tmp_path_factory.mktemp("clinic")
    ml = DerivaML(local_host.hostname, catalog.catalog_id, default_schema="clinic", working_dir=work)
    ml.add_dataset_element_type("Subject")
    tables = ml.pathBuilder.schemas["clinic"].tables
    [site] = ml.pathBuilder.schemas["sites"].tables["Site"].insert([{"Name": "Ward"}])
    ill, well = tables["Subject"].insert([{"Name": "Ill"}, {"Name": "Well"}])
    tables["Image"].insert([{"Name": "1", "Subject": ill["RID"], "Control": well["RID"], "Site": site["RID"]}])
    rid = ml.create_dataset([], "The ill subject, whose image is compared with that of the well one")
    ml.add_dataset_members(rid, {"Subject": [ill["RID"]]})
    rids = {"ill": ill["RID"], "well": well["RID"]}
    return ml, DatasetSpec(rid=rid, version=ml.dataset_version(rid), materialize=False), rids


def test_both_of_two_foreign_keys_to_one_table_are_followed_and_other_domain_schemas(
    siblings: tuple[DerivaML, DatasetSpec, dict[str, str]],
) -> None:
    ml, spec, rids = siblings

    bag = ml.download_dataset_bag(spec)

    assert [row["RID"] for row in bag.list_dataset_members()["Subject"]] == [rids["ill"]]
    with bag.engine.connect() as connection:
        held = {
            name: [row[0] for row in connection.exec_driver_sql(f'SELECT "Name" FROM {name} ORDER BY 1')]
            for name in ('"clinic"."Subject"', '"clinic"."Image"', '"sites"."Site"')
        }
    assert held == {'"clinic"."Subject"': ["Ill", "Well"], '"clinic"."Image"': ["1"], '"sites"."Site"': ["Ward"]}


def test_via_says_which_of_two_foreign_keys_is_meant_of_a_catalog_and_of_a_bag(
    siblings: tuple[DerivaML, DatasetSpec, dict[str, str]],
) -> None:
    ml, spec, _rids = siblings
    bag, dataset = ml.download_dataset_bag(spec), ml.lookup_dataset(spec.rid)
    expected = {"Subject": [("1", "Ill")], "Control": [("1", "Well"), (None, "Ill")]}

    for column, rows in expected.items():
        asked = ["Image", "Subject"], [f"Image.{column}"]
        ours = list(bag.get_denormalized_as_dict(asked[0], via=asked[1]))
        assert [(row["Image.Name"], row["Subject.Name"]) for row in ours] == rows
        assert list(dataset.get_denormalized_as_dict(asked[0], via=asked[1], version=spec.version)) == ours
    labels = [label for label, _ in bag.list_denormalized_columns(["Image", "Site"]) if label.endswith(".Name")]
    assert labels == ["clinic.Image.Name", "sites.Site.Name"]


def test_the_release_alone_fails_on_either(
    siblings: tuple[DerivaML, DatasetSpec, dict[str, str]], tmp_path: Path
) -> None:
    ml, spec, _rids = siblings
    plain = deriva_ml.DerivaML(
        ml.host_name, ml.catalog_id, domain_schema="clinic", working_dir=tmp_path, use_minid=False
    )
    with pytest.raises(DerivaMLException, match="Ambiguous relationship in"):
        plain.model._schema_to_paths()
    with pytest.raises(DerivaMLException, match="Ambiguous domain schema"):
        plain.download_dataset_bag(spec)
