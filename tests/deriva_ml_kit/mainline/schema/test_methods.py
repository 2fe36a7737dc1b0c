"""Tables in one of several schemas, links between them, and the menu that shows them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from deriva.core.ermrest_model import Schema
from deriva_ml import BuiltinTypes, ColumnDefinition
from deriva_ml import DerivaML as ReleasedDerivaML
from deriva_ml.core.definitions import TableDefinition
from deriva_ml.core.exceptions import DerivaMLException

from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.mainline.errors import DerivaMLConfigurationError, DerivaMLTableNotFound
from deriva_ml_kit.mainline.schema.create import create_ml_catalog

pytestmark = pytest.mark.catalog
MENU = "tag:isrd.isi.edu,2019:chaise-config"


@pytest.fixture(scope="module")
def two_domains(local_host: Any) -> Iterator[Any]:
    catalog = create_ml_catalog(local_host.hostname, "two")
    for name in ("clinic", "genetics"):
        catalog.getCatalogModel().create_schema(Schema.define(name))
    yield catalog
    catalog.delete_ermrest_catalog(really=True)


@pytest.fixture
def ml(two_domains: Any, local_host: Any, tmp_path: Path) -> DerivaML:
    return DerivaML(local_host.hostname, two_domains.catalog_id, default_schema="clinic", working_dir=tmp_path)


def menu(ml: DerivaML) -> dict[str, Any]:
    shown: dict[str, Any] = ml.catalog.get("/annotation").json()[MENU]
    return shown


def test_several_schemas_need_a_default_only_where_one_is_meant(ml: DerivaML, local_host: Any, tmp_path: Path) -> None:
    undecided = DerivaML(local_host.hostname, ml.catalog_id, working_dir=tmp_path)

    assert undecided.domain_schemas == ml.domain_schemas == {"clinic", "genetics"}
    assert (undecided.default_schema, ml.default_schema, ml.domain_schema) == (None, "clinic", "clinic")
    with pytest.raises(DerivaMLConfigurationError, match="several schemas") as error:
        undecided.create_vocabulary("Sex")
    assert "default_schema" in str(error.value.remedy)
    assert undecided.create_vocabulary("Gene", schema="genetics").schema.name == "genetics"
    assert DerivaML(local_host.hostname, ml.catalog_id, "genetics", working_dir=tmp_path).default_schema == "genetics"


def test_tables_of_every_schema_are_found_where_the_plain_library_knows_one(
    ml: DerivaML, local_host: Any, tmp_path: Path
) -> None:
    # A bug of the release: with two domain schemas it does not connect, or knows one of them.
    ml.create_table(TableDefinition(name="Locus", column_defs=[text("Name")]), schema="genetics", update_navbar=False)

    assert ml.model.name_to_table("Locus").schema.name == "genetics"
    assert list(ml.get_table_as_dict("Locus")) == []
    with pytest.raises(DerivaMLException, match="Ambiguous domain schema"):
        ReleasedDerivaML(local_host.hostname, ml.catalog_id, working_dir=tmp_path)
    plain = ReleasedDerivaML(local_host.hostname, ml.catalog_id, domain_schema="clinic", working_dir=tmp_path)
    with pytest.raises(DerivaMLException, match="Locus doesn't exist"):
        plain.model.name_to_table("Locus")


def test_a_table_is_shown_in_the_menu_unless_that_is_not_wanted(ml: DerivaML) -> None:
    ml.create_table(TableDefinition(name="Visit", column_defs=[text("Room")]))
    ml.create_table(TableDefinition(name="Hidden", column_defs=[text("Room")]), update_navbar=False)

    assert "clinic:Visit" in str(menu(ml))
    assert "clinic:Hidden" not in str(menu(ml))
    ml.apply_catalog_annotations("Our browser", "Our catalog")
    assert "clinic:Hidden" in str(menu(ml))
    assert (menu(ml)["navbarBrandText"], menu(ml)["headTitle"]) == ("Our browser", "Our catalog")


def test_names_that_are_taken_or_unknown_are_refused(ml: DerivaML) -> None:
    ml.create_vocabulary("Colour", "What colour", update_navbar=False)

    with pytest.raises(DerivaMLConfigurationError, match="table Colour in schema clinic already"):
        ml.create_vocabulary("Colour")
    with pytest.raises(DerivaMLConfigurationError, match="DerivaML has a table Execution of its own"):
        ml.create_vocabulary("Execution")
    with pytest.raises(DerivaMLTableNotFound, match="Schema not found: genetic") as error:
        ml.create_vocabulary("Taste", schema="genetic")
    assert "'genetics'" in str(error.value.remedy)


def test_links_refer_to_rows_by_rid_and_to_terms_by_name(ml: DerivaML) -> None:
    """deriva would refer to a table with a key Name by that name."""
    vocabulary = ml.create_vocabulary("Grade", update_navbar=False)
    ward = ml.create_table(TableDefinition(name="Ward", column_defs=[text("Name", nullok=False)]), update_navbar=False)
    ward.create_key({"unique_columns": ["Name"]})

    definition = ml.define_association([ward, ("Level", vocabulary)], metadata=[text("Note").model_dump()])
    table = ml.create_table(definition, update_navbar=False)

    assert table.name == "Ward_Grade"
    referenced = {
        key.foreign_key_columns[0].name: (key.pk_table.name, key.referenced_columns[0].name)
        for key in table.foreign_keys
    }
    assert (referenced["Ward"], referenced["Level"]) == (("Ward", "RID"), ("Grade", "Name"))
    assert "Note" in {column.name for column in table.columns}


def text(name: str, *, nullok: bool = True) -> ColumnDefinition:
    return ColumnDefinition(name=name, type=BuiltinTypes.text, nullok=nullok)
