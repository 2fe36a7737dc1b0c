import os
from pathlib import Path

import pytest
from deriva.core import tag
from deriva_ml import BuiltinTypes, ColumnDefinition
from deriva_ml import DerivaML as ReleasedDerivaML
from deriva_ml.core.exceptions import DerivaMLException, DerivaMLInvalidTerm, DerivaMLTableTypeError
from pydantic import ValidationError

from deriva_ml_kit.mainline import Asset, AssetSpec, AssetSpecConfig, FeatureRecord, Workflow
from deriva_ml_kit.mainline.errors import (
    DerivaMLDataError,
    DerivaMLFaults,
    DerivaMLNotFoundError,
    DerivaMLReadOnlyError,
    DerivaMLTableNotFound,
)

pytestmark = pytest.mark.catalog


@pytest.fixture(scope="module")
def made(lab, tmp_path_factory) -> dict[str, str]:
    """RIDs: a model and a note, made by one execution and used by another, and an image that nobody made."""
    ml = lab.connect(tmp_path_factory.mktemp("made"))
    workflow = Workflow(
        name="T", workflow_type="Training", url="https://example.org/a.py", checksum="a55e7", version="1"
    )
    with ml.create_execution(description="makes", workflow=workflow) as maker:
        model = maker.asset_file_path("Execution_Asset", "model v1.pt", ["Model_File", "Output_File"], description="m")
        Path(model).write_bytes(b"weights" + os.urandom(8))
        Path(maker.asset_file_path("Execution_Asset", "note.txt", "Output_File")).write_bytes(os.urandom(8))
    maker.commit_output_assets()
    path = f"/entity/deriva-ml:Execution_Asset_Execution/Execution={maker.execution_rid}/A:=deriva-ml:Execution_Asset"
    rids = {row["Filename"]: row["RID"] for row in ml.catalog.get(path).json()}
    with ml.create_execution(assets=[rids["model v1.pt"]], description="uses", workflow=workflow) as user:
        pass
    user.commit_output_assets()
    image = {"URL": f"/hatrac/none/{os.urandom(8).hex()}", "Filename": "i.png", "Length": 1, "MD5": "0"}
    (row,) = ml.catalog.post("/entity/lab:Image?defaults=RID,RCT,RMT,RCB,RMB", json=[image]).json()
    return {
        "maker": maker.execution_rid,
        "user": user.execution_rid,
        "model": rids["model v1.pt"],
        "note": rids["note.txt"],
        "image": row["RID"],
    }


@pytest.fixture
def asked(ml, monkeypatch) -> list[str]:
    """Paths of data that the catalog is asked for."""
    paths: list[str] = []
    get = ml.catalog.get

    def recorded(path, *args, **kwargs):
        if path.startswith(("/entity/", "/attribute/")):
            paths.append(path)
        return get(path, *args, **kwargs)

    monkeypatch.setattr(ml.catalog, "get", recorded)
    return paths


def test_an_asset_is_found_by_its_rid(ml, made) -> None:
    asset = ml.lookup_asset(made["model"])
    row = asset.get_metadata()

    assert (asset.asset_rid, asset.asset_table, asset.filename) == (made["model"], "Execution_Asset", "model v1.pt")
    assert (asset.url, asset.length, asset.md5) == (row["URL"], row["Length"], row["MD5"])
    assert (asset.length, asset.description) == (15, "m")
    assert sorted(asset.asset_types) == ["Model_File", "Output_File"]
    assert asset.execution_rid == made["maker"]
    assert asset.get_chaise_url() == (
        f"https://{ml.host_name}/chaise/record/#{ml.catalog_id}/deriva-ml:Execution_Asset/RID={made['model']}"
    )
    assert made["model"] in repr(asset) and "model v1.pt" in repr(asset)


def test_what_is_no_asset_is_said_to_be_what_it_is(ml, made) -> None:
    with pytest.raises(DerivaMLDataError, match=rf"{made['maker']} is a row of Execution, which is not an asset table"):
        ml.lookup_asset(made["maker"])
    with pytest.raises(DerivaMLNotFoundError, match="has no RID 9-ZZZZ"):
        ml.lookup_asset("9-ZZZZ")
    with pytest.raises(DerivaMLDataError, match="Digit is not an asset table; there are: Image, Execution_Asset"):
        ml.list_assets("Digit")
    with pytest.raises(DerivaMLTableNotFound, match="Imag"):
        ml.find_assets("Imag")
    with pytest.raises(DerivaMLInvalidTerm, match="Modl_File"):
        ml.find_assets(asset_type="Modl_File")
    with pytest.raises(DerivaMLInvalidTerm, match="output"):
        ml.list_asset_executions(made["model"], "output")
    with pytest.raises(DerivaMLNotFoundError, match=f"{made['model']} is a row of Execution_Asset"):
        ml.list_execution_assets(made["model"])


def test_assets_are_listed_with_types_and_makers_in_as_many_requests_for_many_as_for_few(ml, made, asked) -> None:
    found = {asset.asset_rid: asset for asset in ml.list_assets("Execution_Asset")}
    facts = [(a.asset_types, a.execution_rid) for a in (found[made["note"]], found[made["model"]])]

    assert all(isinstance(asset, Asset) for asset in found.values())
    assert facts[0] == (["Output_File"], made["maker"])
    assert (sorted(facts[1][0]), facts[1][1]) == (["Model_File", "Output_File"], made["maker"])
    assert len(asked) == 3

    rows = [
        {"URL": f"/hatrac/none/{os.urandom(8).hex()}", "Filename": str(n), "Length": n, "MD5": "0"} for n in range(1000)
    ]
    new = ml.catalog.post("/entity/lab:Image?defaults=RID,RCT,RMT,RCB,RMB", json=rows).json()
    asked.clear()
    images = {
        asset.asset_rid: (asset.filename, asset.asset_types, asset.execution_rid) for asset in ml.list_assets("Image")
    }
    assert [images[row["RID"]] for row in new] == [(row["Filename"], [], None) for row in rows]
    assert len(asked) == 3


def test_the_plain_library_asks_once_for_every_asset_and_gives_rows(lab, ml, made, tmp_path, monkeypatch) -> None:
    plain = ReleasedDerivaML(lab.hostname, lab.catalog_id, working_dir=tmp_path / "plain", use_minid=False)
    answers: list[str] = []
    get = plain.catalog._session.get
    monkeypatch.setattr(plain.catalog._session, "get", lambda url, **more: (answers.append(url), get(url, **more))[1])
    rows = plain.list_assets("Execution_Asset")

    data = [url for url in answers if "/attribute/" in url or "/entity/" in url]
    assert len(data) == 1 + len(rows)  # of 1.17.10
    assert {row["RID"] for row in rows} == {asset.asset_rid for asset in ml.list_assets("Execution_Asset")}
    assert [name for name in ("lookup_asset", "find_assets", "list_asset_executions") if hasattr(plain, name)] == []


def test_assets_are_found_by_type_and_table(ml, made, asked) -> None:
    models = list(ml.find_assets(asset_type="Model_File"))
    assert made["model"] in {asset.asset_rid for asset in models}
    assert made["note"] not in {asset.asset_rid for asset in models}
    assert all("Model_File" in asset.asset_types for asset in models)
    assert made["note"] in {asset.asset_rid for asset in ml.find_assets("Execution_Asset", "Output_File")}
    assert list(ml.find_assets("Image", "Model_File")) == []
    everything = {asset.asset_rid for asset in ml.find_assets()}
    assert {made["model"], made["image"]} <= everything


def test_asset_tables(ml) -> None:
    names = [table.name for table in ml.list_asset_tables()]
    assert names[0] == "Image"
    assert {"Execution_Asset", "Execution_Metadata", "File"} <= set(names)


def test_executions_of_an_asset_and_assets_of_an_execution(ml, made) -> None:
    def rids(executions) -> list[str]:
        return [execution.execution_rid for execution in executions]

    asset = ml.lookup_asset(made["model"])
    assert rids(asset.list_executions()) == [made["maker"], made["user"]]
    assert rids(asset.list_executions(asset_role="Input")) == [made["user"]]
    assert rids(ml.list_asset_executions(made["model"], "Output")) == [made["maker"]]
    assert rids(ml.list_asset_executions(made["image"])) == []

    outputs = {found.asset_rid for found in ml.list_execution_assets(made["maker"], "Output")}
    assert {made["model"], made["note"]} <= outputs
    assert [found.asset_rid for found in ml.list_execution_assets(made["user"], "Input")] == [made["model"]]
    assert ml.list_execution_assets(made["maker"], "Input") == []
    assert {found.asset_table for found in ml.list_execution_assets(made["maker"])} == {
        "Execution_Asset",
        "Execution_Metadata",
    }


def test_types_and_description_are_changed_in_the_catalog(ml, made) -> None:
    asset = ml.lookup_asset(made["note"])
    ml.add_term("Asset_Type", "Draft", description="Not final", synonyms=["Sketch"])

    asset.add_asset_type("Sketch")
    asset.add_asset_type("Draft")
    assert sorted(asset.asset_types) == sorted(ml.lookup_asset(made["note"]).asset_types) == ["Draft", "Output_File"]
    asset.remove_asset_type("Draft")
    asset.remove_asset_type("Draft")
    assert asset.asset_types == ml.lookup_asset(made["note"]).asset_types == ["Output_File"]
    with pytest.raises(DerivaMLInvalidTerm):
        asset.add_asset_type("Nonsense")

    asset.description = "a note"
    assert asset.description == ml.lookup_asset(made["note"]).description == "a note"
    with pytest.raises(DerivaMLNotFoundError, match="9-ZZZZ is gone from Image"):
        Asset(ml, "9-ZZZZ", "Image").description = "too late"
    asset.description = None
    assert ml.lookup_asset(made["note"]).description is None


def test_a_snapshot_shows_the_assets_of_then_and_cannot_be_changed(ml, made, tmp_path) -> None:
    snapshot = ml.catalog_snapshot(f"{ml.catalog_id}@{ml.catalog.get('/').json()['snaptime']}")
    ml.add_term("Asset_Type", "Late", description="Later")
    ml.lookup_asset(made["note"]).add_asset_type("Late")

    asset = snapshot.lookup_asset(made["note"])
    assert "Late" not in asset.asset_types
    assert [execution.execution_rid for execution in asset.list_executions()] == [made["maker"]]
    assert asset.download(tmp_path).stat().st_size == asset.length
    with pytest.raises(DerivaMLReadOnlyError):
        asset.description = "changed"
    with pytest.raises(DerivaMLReadOnlyError):
        asset.add_asset_type("Late")
    with pytest.raises(DerivaMLReadOnlyError):
        asset.remove_asset_type("Output_File")


def test_features_of_an_asset_are_those_of_its_table(ml, made) -> None:
    names = {feature.feature_name for feature in ml.lookup_asset(made["image"]).find_features()}
    assert {"Label", "Mask"} <= names
    assert issubclass(ml.feature_record_class("Image", "Label"), FeatureRecord)


def test_the_class_of_an_asset_tables_metadata(ml) -> None:
    image = ml.asset_record_class("Image")
    assert image(Split="train", Position=3).model_dump() == {"Split": "train", "Position": 3}
    assert image().model_dump() == {"Split": None, "Position": None}
    assert image.__name__ == "ImageAssetRecord"
    with pytest.raises(ValidationError):
        image(Position="third")
    with pytest.raises(ValidationError):
        image(Splt="train")
    with pytest.raises(DerivaMLTableTypeError):
        ml.asset_record_class("Digit")


def test_an_asset_as_an_input() -> None:
    assert AssetSpec.model_validate("1-AAAA") == AssetSpec(rid="1-AAAA", cache=False)
    assert AssetSpec(rid="1-AAAA", cache=True).model_dump() == {"rid": "1-AAAA", "cache": True}
    for wrong in ({"rid": "no rid"}, {"rid": "1-AAAA", "asset_role": "Input"}):
        with pytest.raises(ValidationError):
            AssetSpec(**wrong)
    assert AssetSpecConfig(rid="1-AAAA").cache is False


def test_an_asset_table_is_made_with_main_lines_arguments(ml) -> None:
    table = ml.create_asset("Plot", comment="Pictures of results", update_navbar=False)
    assert (table.name, table.schema.name, table.comment) == ("Plot", "lab", "Pictures of results")
    assert ml.list_assets("Plot") == []
    assert "lab:Plot" not in str(ml.catalog.getCatalogModel().annotations)
    ml.create_asset("Chart")
    assert "lab:Chart" in str(ml.catalog.getCatalogModel().annotations)


def test_a_table_for_files_that_are_stored_elsewhere(ml) -> None:
    scan = ColumnDefinition(name="Scanner", type=BuiltinTypes.text)
    table = ml.create_asset_table("Scan_File", [scan], "Of scanners", use_hatrac=False)
    stored = ml.catalog.getCatalogModel().schemas["lab"].tables["Scan_File"]
    assert "url_pattern" not in stored.columns["URL"].annotations[tag.asset]
    assert "url_pattern" in stored.schema.tables["Image"].columns["URL"].annotations[tag.asset]
    assert ml.asset_record_class("Scan_File")(Scanner="x").Scanner == "x"
    assert table.comment == "Of scanners"


def test_everything_wrong_with_an_asset_table_is_told_at_once_and_nothing_is_written(lab, ml, tmp_path) -> None:
    wrong = [ColumnDefinition(name=name, type=BuiltinTypes.text) for name in ("MD5", "Place", "Place")]
    before = ml.catalog.get("/").json()["snaptime"]
    with pytest.raises(DerivaMLFaults) as caught:
        ml.create_asset("Image", wrong, referenced_tables=["Nowhere"])
    assert [(fault.column, fault.value) for fault in caught.value.faults] == [
        ("asset_name", "Image"),
        ("asset_name", "Image"),
        ("asset_name", "Image"),
        ("column_defs", "MD5"),
        ("column_defs", "Place"),
        ("referenced_tables", "Nowhere"),
    ]
    with pytest.raises(DerivaMLFaults, match=r"DerivaML has a table of this name \(found 'Execution'\)"):
        ml.create_asset("Execution")
    with pytest.raises(DerivaMLFaults, match=r"no such schema.*schemas: .*lab"):
        ml.create_asset("Picture", schema="galery")
    assert ml.catalog.get("/").json()["snaptime"] == before

    plain = ReleasedDerivaML(lab.hostname, lab.catalog_id, working_dir=tmp_path / "plain", use_minid=False)
    with pytest.raises(KeyError):
        plain.create_asset("Relic", schema="galery")
    assert plain.lookup_term("Asset_Type", "Relic").name == "Relic"  # of 1.17.10: a type of assets that cannot exist


def test_errors_are_the_librarys(ml) -> None:
    with pytest.raises(DerivaMLException):
        ml.lookup_asset("9-ZZZZ")
