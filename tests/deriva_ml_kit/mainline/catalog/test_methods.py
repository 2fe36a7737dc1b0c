"""What a connection says about its catalog."""

from __future__ import annotations

from pathlib import Path

import pytest
from deriva_ml import DerivaML as ReleasedDerivaML

from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.mainline.errors import DerivaMLDataError, DerivaMLTableNotFound

pytestmark = pytest.mark.catalog


@pytest.fixture
def snapshot(ml: DerivaML) -> DerivaML:
    return ml.catalog_snapshot(f"{ml.catalog_id}@{ml.catalog.latest_snapshot().snaptime}")


def test_paths_are_built_with_and_without_a_call(ml: DerivaML, snapshot: DerivaML, tmp_path: Path) -> None:
    """Main line's is a method, the release's a property."""
    for connection in (ml, snapshot):
        terms = connection.pathBuilder.schemas["lab"].tables["Digit"].entities().fetch()
        called = connection.pathBuilder().schemas["lab"].tables["Digit"].entities().fetch()
        assert {row["Name"] for row in terms} == {row["Name"] for row in called} >= {"seven", "eight"}
    plain = ReleasedDerivaML(ml.host_name, ml.catalog_id, working_dir=tmp_path, use_minid=False)
    with pytest.raises(TypeError):
        plain.pathBuilder()


def test_a_table_made_meanwhile_is_found(ml: DerivaML, tmp_path: Path, lab) -> None:
    other = lab.connect(tmp_path / "other")
    other.create_vocabulary("Made_Meanwhile", update_navbar=False)

    assert "Made_Meanwhile" in ml.pathBuilder.schemas["lab"].tables


def test_who_is_logged_in(ml: DerivaML) -> None:
    found = ml.whoami()

    assert found is not None
    assert {"id", "display_name"} <= found.keys()
    assert ml.is_authenticated()
    anonymous = DerivaML(ml.host_name, ml.catalog_id, working_dir=ml.working_dir, check_auth=False)
    anonymous.catalog._session.headers.pop("Authorization", None)
    anonymous.catalog._session.cookies.clear()
    assert anonymous.whoami() is None
    assert not anonymous.is_authenticated()


def test_addresses_of_tables_and_rows(ml: DerivaML) -> None:
    rid = ml.lookup_term("Digit", "seven").rid
    pages = f"https://{ml.host_name}/chaise"

    assert ml.chaise_url("Digit") == f"{pages}/recordset/#{ml.catalog_id}/lab:Digit"
    assert ml.chaise_url(rid) == f"{pages}/record/#{ml.catalog_id}/lab:Digit/RID={rid}"
    with pytest.raises(DerivaMLTableNotFound):
        ml.chaise_url("Digits")


def test_citations_hold_the_time_unless_the_current_row_is_meant(ml: DerivaML, snapshot: DerivaML) -> None:
    rid = ml.lookup_term("Digit", "seven").rid
    place = f"https://{ml.host_name}/id/{ml.catalog_id}"

    assert ml.cite(rid).startswith(f"{place}/{rid}@")
    assert ml.cite(ml.cite(rid)) == ml.cite(rid)
    assert ml.cite({"RID": rid}, current=True) == f"{place}/{rid}"
    assert snapshot.cite(rid) == f"{place}/{rid}@{str(snapshot.catalog_id).partition('@')[2]}"
    assert ml.cite("0000") == "dry-run (rid=0000)"
    for wrong in ("9-ZZZZ", {"Name": "seven"}):
        with pytest.raises(DerivaMLDataError):
            ml.cite(wrong)


def test_snapshots_are_known_and_made_once(ml: DerivaML, snapshot: DerivaML) -> None:
    assert snapshot.is_snapshot()
    assert not ml.is_snapshot()
    assert ml.catalog_snapshot(snapshot.catalog_id) is snapshot


def test_tables_as_rows_and_as_a_frame(ml: DerivaML, snapshot: DerivaML) -> None:
    for connection in (ml, snapshot):
        rows = list(connection.get_table_as_dict("Digit"))
        frame = connection.get_table_as_dataframe("Digit")
        assert {"seven", "eight"} <= {row["Name"] for row in rows}
        assert list(frame["Name"]) == [row["Name"] for row in rows]
    assert list(ml.get_table_as_dataframe("File").columns)[:1] == ["RID"]
    assert ml.user_list()[0].keys() == {"ID", "Full_Name"}
    with pytest.raises(DerivaMLTableNotFound):
        ml.get_table_as_dict("Digits")
