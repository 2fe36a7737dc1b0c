import pytest
from pydantic import ValidationError

from deriva_ml_kit.mainline.feature.records import FeatureRecord

pytestmark = pytest.mark.catalog


def test_fields_are_typed_as_the_columns_are(art, released) -> None:
    look = art.feature_record_class("Picture", "Look")
    record = look(Picture="1-AAAA", Style="cubism", Sure=True, Marks={"a": [1]}, Weight=1, Count=2)
    assert (record.Sure, record.Marks, record.Weight, record.Count) == (True, {"a": [1]}, 1.0, 2)
    assert look(Picture="1-AAAA").Count == 0
    assert look.__name__ == "PictureFeatureLook"
    assert issubclass(look, FeatureRecord)

    plain = released.feature_record_class("Picture", "Look")
    for wrong in ({"Sure": True}, {"Marks": {"a": [1]}}):  # of 1.17.10: both are text
        with pytest.raises(ValidationError):
            plain(Picture="1-AAAA", **wrong)
    assert plain(Picture="1-AAAA").Count is None  # of 1.17.10: 0 is no default


@pytest.mark.parametrize("wrong", [{"Sure": "perhaps"}, {"Weight": "heavy"}, {"Count": 1.5}, {"Colour": "red"}])
def test_a_value_of_another_type_or_column_is_refused(art, wrong) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        art.feature_record_class("Picture", "Look")(Picture="1-AAAA", **wrong)


def test_only_the_target_must_be_given(art) -> None:
    with pytest.raises(ValidationError, match="Picture"):
        art.feature_record_class("Picture", "Look")()
