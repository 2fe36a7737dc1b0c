import pytest
from deriva_ml import BuiltinTypes, ColumnDefinition
from deriva_ml.core.exceptions import DerivaMLException
from deriva_ml.feature import FeatureRecord as ReleasedRecord

from deriva_ml_kit.errors import Faults
from deriva_ml_kit.mainline.errors import DerivaMLFaults

pytestmark = pytest.mark.catalog


def columns_of(art, feature: str, target: str = "Picture") -> dict[str, bool]:
    """Names of a feature's columns, and whether they may be empty."""
    found = art.lookup_feature(target, feature)
    return {column.name: column.nullok for column in found.feature_table.columns if column in found.feature_columns}


def snaptime(art) -> str:
    return art.catalog.get("/").json()["snaptime"]


def test_a_feature_is_made_and_its_record_class_given_back(art) -> None:
    record = art.create_feature(
        "Picture",
        "Frame",
        terms=["Style"],
        assets=["Mask"],
        metadata=[ColumnDefinition(name="Width", type=BuiltinTypes.float4), "Painter"],
        optional=["Mask"],
        comment="What is around it",
    )

    assert columns_of(art, "Frame") == {"Mask": True, "Style": False, "Width": True, "Painter": False}
    assert issubclass(record, ReleasedRecord)
    assert record(Picture="1-AAAA", Style="cubism", Width=1.5).model_dump() == {
        "Execution": None,
        "Feature_Name": "Frame",
        "RCT": None,
        "Picture": "1-AAAA",
        "Mask": None,
        "Style": "cubism",
        "Width": 1.5,
        "Painter": None,
    }
    assert {column.name for column in record.term_columns()} == {"Style"}
    assert {column.name for column in record.asset_columns()} == {"Mask"}
    assert {column.name for column in record.value_columns()} == {"Width", "Painter"}
    assert {column.name for column in record.feature_columns()} == {"Mask", "Style", "Width", "Painter"}
    assert art.lookup_term("Feature_Name", "Frame").description == "What is around it"
    assert art.lookup_feature("Picture", "Frame").feature_table.name == "Execution_Picture_Frame"


def test_everything_wrong_is_told_at_once_and_nothing_is_written(art) -> None:
    before = snaptime(art)
    with pytest.raises(DerivaMLFaults) as caught:
        art.create_feature(
            "Pictur",
            "no name",
            terms=["Picture", "Stile"],
            assets=["Style"],
            metadata=[
                ColumnDefinition(name="Execution", type=BuiltinTypes.text),
                ColumnDefinition(name="feature", type=BuiltinTypes.text),
            ],
            optional=["Wdth"],
        )

    assert [(fault.column, fault.value) for fault in caught.value.faults] == [
        ("feature_name", "no name"),
        ("target_table", "Pictur"),
        ("assets", "Style"),
        ("terms", "Picture"),
        ("terms", "Stile"),
        ("metadata", "Execution"),
        ("metadata", "feature"),
        ("optional", "Wdth"),
    ]
    assert isinstance(caught.value, DerivaMLException) and isinstance(caught.value, Faults)
    assert "Did you mean 'Picture'" in str(caught.value)
    assert snaptime(art) == before


def test_a_name_is_not_taken_for_a_list_of_letters(art) -> None:
    with pytest.raises(DerivaMLFaults, match=r"write \['Style'\]") as caught:
        art.create_feature("Picture", "Letters", terms="Style", optional="Style")
    assert [fault.column for fault in caught.value.faults] == ["terms", "optional"]


@pytest.mark.parametrize(
    ("target", "name", "message"),
    [
        ("Picture", "Look", "Picture has this feature already"),
        ("Execution", "Speed", "every feature refers to this table"),
        ("Picture", "A" * 60, "more than 63"),
    ],
)
def test_what_cannot_be_a_feature_is_refused(art, target, name, message) -> None:
    before = snaptime(art)
    with pytest.raises(DerivaMLFaults, match=message):
        art.create_feature(target, name)
    assert snaptime(art) == before


def test_the_release_leaves_half_a_feature_behind_and_ours_nothing(gallery, released, art, tmp_path) -> None:
    with pytest.raises(KeyError):  # of 1.17.10: the table is made before its columns are looked for
        released.create_feature("Picture", "Half", terms=["Style"], optional=["Stil"])
    again = gallery.connect(tmp_path / "again")
    assert "Half" not in [feature.feature_name for feature in again.find_features("Picture")]
    with pytest.raises(DerivaMLFaults, match="there is already a table Execution_Picture_Half in gallery"):
        again.create_feature("Picture", "Half", terms=["Style"])

    with pytest.raises(DerivaMLFaults, match="its columns: Style"):
        art.create_feature("Picture", "Whole", terms=["Style"], optional=["Stil"])
    assert "Execution_Picture_Whole" not in art.catalog.getCatalogModel().schemas["gallery"].tables


def test_a_target_with_a_name_of_its_own_is_referred_to_by_its_rid(released, art) -> None:
    def target_of(ml, name: str) -> str:
        table = ml.model.lookup_feature("Painter", name).feature_table
        (key,) = [key for key in table.foreign_keys if key.pk_table.name == "Painter"]
        return key.referenced_columns[0].name

    released.create_feature("Painter", "Era_released", terms=["Style"])
    art.create_feature("Painter", "Era", terms=["Style"])

    assert target_of(released, "Era_released") == "Name"  # of 1.17.10: its records take RIDs all the same
    assert target_of(art, "Era") == "RID"


def test_a_target_whose_name_begins_another_columns_keeps_its_name(gallery, released, art, workflow, tmp_path) -> None:
    released.create_feature("Exec", "Note_released", terms=["Style"])
    art.create_feature("Exec", "Note", terms=["Style"])

    # Of 1.17.10: the column is Exec2, the field of the record is Exec, so no value could ever be sent.
    (made,) = [f for f in released.model.find_features("Exec") if f.feature_name == "Note_released"]
    assert "Exec2" in {column.name for column in made.feature_columns}
    assert columns_of(art, "Note", "Exec") == {"Style": False}
    assert "Exec" in art.feature_record_class("Exec", "Note").model_fields
    # A feature that the release has made can be filled by ours.
    again = gallery.connect(tmp_path / "again")
    assert {"Exec2", "Style"} <= again.feature_record_class("Exec", "Note_released").model_fields.keys()
    assert [column.name for column in again.lookup_feature("Exec", "Note_released").feature_columns] == ["Style"]
    (target,) = again.catalog.post("/entity/gallery:Exec?defaults=RID,RCT,RMT,RCB,RMB", json=[{"Note": "x"}]).json()
    record = again.feature_record_class("Exec", "Note_released")
    with again.create_execution(description="fills it", workflow=workflow) as exe:
        exe.add_features([record(Exec2=target["RID"], Style="cubism")])
    exe.commit_output_assets()
    assert [value.Exec2 for value in again.feature_values("Exec", "Note_released")] == [target["RID"]]


def test_two_columns_may_refer_to_the_same_asset_table_and_one_to_the_targets_own(art) -> None:
    art.create_feature("Picture", "Pair", assets=["Mask", "Mask", "Picture"], optional=["Mask2"])
    assert columns_of(art, "Pair") == {"Mask": False, "Mask2": True, "Picture2": False}
    assert art.lookup_feature("Picture", "Pair").target_column == "Picture"


def test_a_table_of_another_schema_can_be_the_target(released, art) -> None:
    with pytest.raises(DerivaMLException, match="doesn't exist"):  # of 1.17.10
        released.create_feature("Frame", "Worth_released", terms=["Style"])

    art.create_feature("Frame", "Worth", terms=["Style"])
    assert [feature.feature_name for feature in art.find_features("annex:Frame")] == ["Worth"]
    assert art.lookup_feature("Frame", "Worth").feature_table.schema.name == "gallery"


def test_a_feature_may_be_called_by_a_synonym_of_its_name(art) -> None:
    art.add_term("Feature_Name", "Period", description="When", synonyms=["Epoch"])
    record = art.create_feature("Picture", "Epoch", terms=["Style"])
    assert record.feature.feature_name == "Period"


def test_a_feature_is_deleted_with_its_values(art) -> None:
    art.create_feature("Picture", "Passing", terms=["Style"])
    assert art.delete_feature("Picture", "Passing")
    assert not art.delete_feature("Picture", "Passing")
    assert "Passing" not in [feature.feature_name for feature in art.find_features()]
    art.create_feature("Picture", "Passing", terms=["Style"])
