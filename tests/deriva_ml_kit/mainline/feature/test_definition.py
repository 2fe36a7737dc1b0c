import pytest
from deriva.core.ermrest_model import Table
from deriva_ml.core.exceptions import DerivaMLException
from deriva_ml.feature import Feature as ReleasedFeature

from deriva_ml_kit.mainline import Workflow
from deriva_ml_kit.mainline.errors import DerivaMLFeatureNotFound, DerivaMLTableNotFound, DerivaMLUploadError
from deriva_ml_kit.mainline.feature.records import FeatureRecord

pytestmark = pytest.mark.catalog


@pytest.fixture(scope="module")
def sided(gallery, tmp_path_factory) -> str:
    """A feature with one value for each side of a picture; returns its name."""
    art = gallery.connect(tmp_path_factory.mktemp("sided"))
    tables = {name: art.model.name_to_table(name) for name in ("Execution", "Picture", "Feature_Name", "Side", "Style")}
    style = tables.pop("Style")
    document = Table.define_association(
        [
            (name, table.key_by_columns(["Name" if art.model.is_vocabulary(table) else "RID"]))
            for name, table in tables.items()
        ],
        [("Style", style.key_by_columns(["Name"]))],
        table_name="Execution_Picture_Sided",
    )
    art.add_term("Feature_Name", "Sided", description="of each side")
    for column in document["column_definitions"]:
        if column["name"] == "Feature_Name":
            column["default"] = "Sided"
    art.model.schemas["gallery"].create_table(document)
    return "Sided"


def test_features_are_found_by_table_or_all_of_them_each_once(art, sided) -> None:
    of_pictures = [feature.feature_name for feature in art.find_features("Picture")]
    everything = [(feature.target_table.name, feature.feature_name) for feature in art.find_features()]

    assert {"Look", "Sided"} <= set(of_pictures)
    assert len(everything) == len(set(everything))
    assert {("Picture", name) for name in of_pictures} <= set(everything)
    assert art.find_features("Style") == art.find_features("Side") == []
    assert all(isinstance(feature, ReleasedFeature) for feature in art.find_features())


def test_a_feature_with_a_qualifier_is_found_and_the_release_does_not_see_it(art, released, sided) -> None:
    with pytest.raises(DerivaMLException, match="doesn't exist"):  # of 1.17.10
        released.lookup_feature("Picture", sided)

    found = art.lookup_feature("Picture", sided)
    assert found.qualifier_columns == ["Side"]
    assert art.lookup_feature("Picture", "Look").qualifier_columns == []
    assert {column.name for column in found.term_columns} == {"Style"}


def test_values_of_both_sides_are_kept_apart(art, sided, new_pictures, new_execution, give) -> None:
    (picture,) = new_pictures(1)
    for style in ("cubism", "realism"):
        values = [{"Picture": picture, "Side": side, "Style": style} for side in ("left", "right")]
        give(new_execution(), *values, feature=sided)

    chosen = art.feature_values("Picture", sided, selector=FeatureRecord.select_newest)
    assert {(r.Side, r.Style) for r in chosen if r.Picture == picture} == {("left", "realism"), ("right", "realism")}


def test_one_execution_gives_both_sides_a_value_and_no_side_two(art, sided, new_pictures) -> None:
    workflow = Workflow(
        name="T", workflow_type="Labelling", url="https://example.org/s.py", checksum="51de", version="1"
    )
    look = art.feature_record_class("Picture", sided)
    (picture,) = new_pictures(1)
    both = [look(Picture=picture, Side=side, Style="cubism") for side in ("left", "right")]

    with art.create_execution(description="both sides", workflow=workflow) as exe:
        exe.add_features(both)
    assert exe.commit_output_assets().total_uploaded >= 2
    assert len(list(art.feature_values("Picture", sided, execution_rids=[exe.execution_rid]))) == 2

    with art.create_execution(description="one side twice", workflow=workflow) as exe:
        exe.add_features([*both, look(Picture=picture, Side="left", Style="realism")])
    with pytest.raises(DerivaMLUploadError, match="1 of 3 values were not stored"):
        exe.commit_output_assets()


def test_what_does_not_exist_is_named_with_what_does(art) -> None:
    with pytest.raises(DerivaMLFeatureNotFound, match=r"Lok on Picture.*\n.*'Look'") as caught:
        art.lookup_feature("Picture", "Lok")
    assert (caught.value.table_name, caught.value.feature_name) == ("Picture", "Lok")
    with pytest.raises(DerivaMLFeatureNotFound):
        art.feature_record_class("Picture", "Lok")
    with pytest.raises(DerivaMLTableNotFound, match=r"Pictur.*\n.*'Picture'"):
        art.lookup_feature("Pictur", "Look")
    with pytest.raises(DerivaMLTableNotFound, match=r"Schemas: .*gallery"):
        art.find_features("galery:Picture")


def test_the_features_that_a_table_matters_to(art) -> None:
    art.create_feature("Picture", "Cut", terms=["Style"], assets=["Mask"])
    found = {reference.feature_name: reference for reference in art.find_features_referencing("Style")}

    assert found["Cut"].model_dump() == {
        "feature_name": "Cut",
        "target_table": "Picture",
        "feature_table": "Execution_Picture_Cut",
        "referencing_columns": ["Style"],
    }
    assert {"Cut", "Look"} <= found.keys()
    assert {"Cut"} <= {reference.feature_name for reference in art.find_features_referencing("Mask", "RID")}
    assert art.find_features_referencing("Mask", "Filename") == []
    assert {"Look", "Cut"} <= {reference.feature_name for reference in art.find_features_referencing("Picture")}


def test_columns_are_asked_of_a_features_own_class_only() -> None:
    with pytest.raises(DerivaMLException, match="FeatureRecord is of no feature"):
        FeatureRecord.term_columns()
