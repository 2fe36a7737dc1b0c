"""What the catalog's pages show: changed in the model, then applied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.mainline.errors import DerivaMLDataError

pytestmark = pytest.mark.catalog


def test_what_is_set_is_in_the_catalog_once_applied(ml: DerivaML, lab: Any, tmp_path: Path) -> None:
    assert ml.set_display_annotation("Image", {"name": "Scan"}) == "Image"
    assert ml.set_display_annotation("Image", {"name": "Part"}, column_name="Split") == "Image.Split"
    assert ml.set_column_display("Image", "Position", {"*": {"pre_format": {"format": "%d"}}}) == "Image.Position"
    assert ml.set_table_display("Image", {"row_name": {"row_markdown_pattern": "{{{Filename}}}"}}) == "Image"
    assert ml.set_visible_foreign_keys("Image", {"*": []}) == "Image"
    before = lab.connect(tmp_path / "before").get_table_annotations("Image")

    ml.apply_annotations()

    after = lab.connect(tmp_path / "after")
    assert before["display"] is None
    assert after.get_table_annotations("Image")["display"] == {"name": "Scan"}
    assert after.get_table_annotations("Image")["schema"] == "lab"
    assert after.get_column_annotations("Image", "Split")["display"] == {"name": "Part"}
    assert after.get_column_annotations("Image", "Position")["column_display"]["*"] == {"pre_format": {"format": "%d"}}
    ml.set_display_annotation("Image", None)
    assert ml.get_table_annotations("Image")["display"] is None
    with pytest.raises(DerivaMLDataError, match="no column 'Spilt'"):
        ml.get_column_annotations("Image", "Spilt")


def test_columns_are_added_removed_and_put_in_order(ml: DerivaML) -> None:
    ml.set_visible_columns("Image", {"compact": ["RID", {"source": "Split"}], "detailed": "compact"})

    assert ml.add_visible_column("Image", "compact", "Position", 1) == ["RID", "Position", {"source": "Split"}]
    assert ml.reorder_visible_columns("Image", "compact", [2, 0, 1]) == [{"source": "Split"}, "RID", "Position"]
    assert ml.reorder_visible_columns("Image", "compact", ["RID", "Position", {"source": "Split"}])[0] == "RID"
    assert ml.remove_visible_column("Image", "compact", "Split") == ["RID", "Position"]
    assert ml.remove_visible_column("Image", "compact", 0) == ["Position"]
    for wrong in (
        lambda: ml.remove_visible_column("Image", "compact", "RID"),
        lambda: ml.remove_visible_column("Image", "entry", "RID"),
        lambda: ml.add_visible_column("Image", "detailed", "RID"),
        lambda: ml.reorder_visible_columns("Image", "compact", [0, 0]),
    ):
        with pytest.raises(DerivaMLDataError):
            wrong()
    assert ml.get_table_annotations("Image")["visible_columns"] == {"compact": ["Position"], "detailed": "compact"}


def test_related_tables_likewise(ml: DerivaML) -> None:
    ml.set_visible_foreign_keys("Image", None)
    one, two = ["lab", "one_fkey"], ["lab", "two_fkey"]

    ml.add_visible_foreign_key("Image", "detailed", one)
    assert ml.add_visible_foreign_key("Image", "detailed", two, 0) == [two, one]
    assert ml.reorder_visible_foreign_keys("Image", "detailed", [1, 0]) == [one, two]
    assert ml.remove_visible_foreign_key("Image", "detailed", one) == [two]
