"""Upgrades of real catalogs: complete, in any number of pieces, and not at all where that is not allowed."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from deriva_ml_kit.mainline.errors import (
    DerivaMLAuthenticationError,
    DerivaMLConfigurationError,
    DerivaMLReadOnlyError,
)
from deriva_ml_kit.mainline.schema.create import create_ml_catalog
from deriva_ml_kit.mainline.schema.plan import Change
from deriva_ml_kit.mainline.schema.upgrade import make, planned, upgrade_catalog

pytestmark = pytest.mark.catalog
S = "deriva-ml"


def essence(catalog: Any) -> dict[str, Any]:
    """The schema without names of the project and what only the order of its making decides."""
    tables = catalog.get("/schema").json()["schemas"][S]["tables"]
    return {
        name: {
            "columns": {
                c["name"]: (c["type"]["typename"], c["nullok"], str(c["default"]).partition(":")[2])
                for c in table["column_definitions"]
            },
            "keys": {frozenset(key["unique_columns"]) for key in table["keys"]},
            "foreign keys": {
                key["names"][0][1]: (key["referenced_columns"], key["on_update"], key["on_delete"])
                for key in table["foreign_keys"]
            },
        }
        for name, table in tables.items()
    }


def rows(catalog: Any, table: str, column: str) -> set[Any]:
    return {row[column] for row in catalog.get(f"/entity/{S}:{table}").json()}


@pytest.fixture(scope="module")
def ours(local_host: Any) -> Any:
    return create_ml_catalog(local_host.hostname, "new", catalog_alias="new-project")


def test_what_is_made_holds_what_the_release_makes(ours: Any, released: Any) -> None:
    theirs, made = essence(released), essence(ours)

    for name, table in theirs.items():
        for part, items in table.items():
            if part == "keys":
                assert items == made[name][part]
            else:
                changed = {"Workflow_Type"} if (name, part) == ("Workflow", "columns") else set()
                assert {k: v for k, v in made[name][part].items() if k in items and k not in changed} == {
                    k: v for k, v in items.items() if k not in changed
                }
    assert planned(ours, S) == []


def test_a_new_catalog_has_its_alias_and_terms_of_both_generations(ours: Any, local_host: Any) -> None:
    from deriva_ml_kit.mainline.schema.upgrade import connected  # noqa: PLC0415

    assert connected(local_host.hostname, "new-project").get("/").json()["id"] in (ours.catalog_id, "new-project")
    assert {"Training", "Annotation"} <= rows(ours, "Workflow_Type", "Name")
    assert {"Completed", "Uploaded", "Initializing", "Pending_Upload"} <= rows(ours, "Execution_Status", "Name")


def test_an_upgraded_catalog_is_like_a_new_one(released: Any, local_host: Any, ours: Any) -> None:
    told: list[Change] = []

    changes = upgrade_catalog(local_host.hostname, released.catalog_id, done=told.append)

    assert told == changes
    assert essence(released) == essence(ours)
    assert rows(released, "Execution", "Status") == {"Half done", None}
    assert rows(released, "Execution_Status", "Name") - rows(ours, "Execution_Status", "Name") == {"Half done"}
    assert all(uri.startswith("old:") for uri in rows(released, "Execution_Status", "ID"))
    assert upgrade_catalog(local_host.hostname, released.catalog_id) == []


def test_a_dry_run_changes_nothing(released: Any, local_host: Any) -> None:
    before = released.get("/").json()["snaptime"]

    changes = upgrade_catalog(local_host.hostname, released.catalog_id, dry_run=True)

    assert len(changes) == 45  # "Half done" among them
    assert released.get("/").json()["snaptime"] == before


def test_it_can_be_cut_short_after_any_request(
    released: Any, ours: Any, monkeypatch: pytest.MonkeyPatch, local_host: Any
) -> None:
    """The connection is lost after each writing request, until nothing is left to do."""

    class Lost(Exception):
        pass

    def losing(method: str) -> Any:
        send = getattr(released, method)

        def sent(*arguments: Any, **options: Any) -> Any:
            send(*arguments, **options)
            raise Lost

        return sent

    with monkeypatch.context() as patched:
        for method in ("post", "put"):
            patched.setattr(released, method, losing(method))
        pieces = 0
        while changes := planned(released, S):
            with pytest.raises(Lost):
                make(released, S, changes)
            pieces += 1

    assert pieces > 10
    assert essence(released) == essence(ours)


def test_what_the_catalog_refuses_is_named(released: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = planned(released, S)
    wrong = Change("column", "Execution", "Status", {"name": "Status", "type": {"typename": "text"}})

    with pytest.raises(DerivaMLConfigurationError, match=r"refused: column Execution\.Status .*") as error:
        make(released, S, [changes[0], wrong])
    assert "Run the same again" in str(error.value.remedy)


def test_a_snapshot_and_a_catalog_of_something_else_are_refused(catalog: Any, local_host: Any) -> None:
    with pytest.raises(DerivaMLReadOnlyError):
        upgrade_catalog(local_host.hostname, f"{catalog.catalog_id}@2TA-0000-0000")
    with pytest.raises(DerivaMLConfigurationError):
        upgrade_catalog(local_host.hostname, catalog.catalog_id)


def test_somebody_elses_table_is_left_alone(released: Any, local_host: Any) -> None:
    from deriva.core.ermrest_model import Column, Table, builtin_types  # noqa: PLC0415

    strange = Table.define("Dataset_Dev", [Column.define("Dataset", builtin_types.int8)])
    released.getCatalogModel().schemas[S].create_table(strange)
    before = released.get("/").json()["snaptime"]

    with pytest.raises(DerivaMLConfigurationError, match=r"Dataset_Dev\.Dataset is of type int8"):
        upgrade_catalog(local_host.hostname, released.catalog_id)
    assert released.get("/").json()["snaptime"] == before


def test_without_the_rights_nothing_is_changed_and_the_rights_are_named(released: Any, guest: Any) -> None:
    before = released.get("/").json()["snaptime"]

    with pytest.raises(DerivaMLAuthenticationError, match="to create tables in schema deriva-ml") as error:
        planned(guest(released.catalog_id), S)

    assert "to change table deriva-ml:Execution (ACL owner)" in str(error.value)
    assert "to insert terms into deriva-ml:Workflow_Type (ACL insert)" in str(error.value)
    assert released.get("/").json()["snaptime"] == before


def test_new_tables_can_be_changed_by_whoever_may_change_the_old(ours: Any) -> None:
    tables = ours.get("/schema").json()["schemas"][S]["tables"]

    assert tables["Dataset_Dev"]["acl_bindings"] == tables["Dataset"]["acl_bindings"] != {}
    assert requests.codes.ok == ours.get(f"/entity/{S}:Dataset_Dev").status_code
