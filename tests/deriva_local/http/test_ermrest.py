"""The unmodified client of deriva against a running host: models, snapshots, aliases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest
import requests
from deriva.core import DerivaServer, get_credential
from deriva.core.ermrest_model import Column, ForeignKey, Key, Schema, Table, builtin_types

pytestmark = pytest.mark.catalog


@pytest.fixture
def schema(catalog: Any) -> Any:
    return catalog.getCatalogModel().create_schema(Schema.define("S", comment="made by deriva"))


def make_subject(schema: Any) -> Any:
    columns = [Column.define("Name", builtin_types.text, nullok=False), Column.define("Age", builtin_types.int4)]
    return schema.create_table(Table.define("Subject", columns, [Key.define(["Name"])]))


def test_a_model_made_by_the_client_reads_back_equal(catalog: Any, schema: Any) -> None:
    subject = make_subject(schema)
    link = ForeignKey.define(["Subject"], "S", "Subject", ["Name"], on_delete="CASCADE", on_update="CASCADE")
    image = schema.create_table(Table.define("Image", [Column.define("Subject", builtin_types.text)], fkey_defs=[link]))
    read = catalog.getCatalogModel().schemas["S"].tables
    assert read["Subject"].prejson() == subject.prejson()
    assert read["Image"].prejson() == image.prejson()
    assert [fkey.pk_table.name for fkey in read["Image"].foreign_keys if fkey.on_delete == "CASCADE"] == ["Subject"]


def test_the_client_alters_every_kind_of_element(catalog: Any, schema: Any) -> None:
    subject = make_subject(schema)
    subject.alter(table_name="Person", comment="people", annotations={"tag:x": 1}, acls={"select": ["*"]})
    subject.columns["Age"].alter(name="Years", type=builtin_types.int8, default=3)
    subject.keys[(schema, "Subject_Name_key")].alter(constraint_name="unique name")
    schema.alter(schema_name="Z")
    person = catalog.getCatalogModel().schemas["Z"].tables["Person"]
    assert (person.comment, person.annotations, person.acls) == ("people", {"tag:x": 1}, {"select": ["*"]})
    assert (person.columns["Years"].type.typename, person.columns["Years"].default) == ("int8", 3)
    assert "unique name" in [key.constraint_name for key in person.keys]


def test_changes_applied_at_once_arrive(catalog: Any, schema: Any) -> None:
    make_subject(schema)
    model = catalog.getCatalogModel()
    model.annotations["tag:catalog"] = {"deep": ["x"]}
    subject = model.schemas["S"].tables["Subject"]
    subject.annotations["tag:table"] = {"y": 1}
    subject.columns["Age"].annotations["tag:column"] = None
    subject.columns["Age"].acls["select"] = ["somebody"]
    subject.acl_bindings["own"] = {"types": ["update"], "projection": ["RCB"], "projection_type": "acl"}
    model.apply()
    again = catalog.getCatalogModel()
    read = again.schemas["S"].tables["Subject"]
    assert again.annotations["tag:catalog"] == {"deep": ["x"]}
    assert (read.annotations, read.columns["Age"].annotations) == ({"tag:table": {"y": 1}}, {"tag:column": None})
    assert read.columns["Age"].acls == {"select": ["somebody"]}
    assert read.acl_bindings["own"]["projection"] == ["RCB"]


def test_the_client_drops_with_all_that_depends(catalog: Any, schema: Any) -> None:
    subject = make_subject(schema)
    link = ForeignKey.define(["Subject"], "S", "Subject", ["Name"])
    schema.create_table(Table.define("Image", [Column.define("Subject", builtin_types.text)], fkey_defs=[link]))
    subject = catalog.getCatalogModel().schemas["S"].tables["Subject"]
    subject.columns["Name"].drop(cascade=True)
    image = catalog.getCatalogModel().schemas["S"].tables["Image"]
    assert {fkey.pk_table.name for fkey in image.foreign_keys} == {"ERMrest_Client"}
    catalog.getCatalogModel().schemas["S"].drop(cascade=True)
    assert "S" not in catalog.getCatalogModel().schemas


def test_a_snapshot_keeps_model_and_rows(catalog: Any, schema: Any) -> None:
    subject = make_subject(schema)
    row = catalog.getPathBuilder().S.Subject.insert([{"Name": "Ada", "Age": 36}])[0]
    snapshot = catalog.latest_snapshot()
    subject.columns["Age"].drop()
    catalog.getPathBuilder().S.Subject.update([{"RID": row["RID"], "Name": "Grace"}])
    then = list(snapshot.getPathBuilder().S.Subject.path.entities())
    assert [(old["Name"], old["Age"]) for old in then] == [("Ada", 36)]
    assert "Age" in snapshot.getCatalogModel().schemas["S"].tables["Subject"].columns.elements
    assert snapshot.resolve_rid(row["RID"]).table.name == "Subject"
    assert catalog.latest_snapshot().snaptime > snapshot.snaptime


def test_an_unknown_rid_is_a_key_error(catalog: Any) -> None:
    with pytest.raises(KeyError):
        catalog.resolve_rid("9-9999")


def test_a_catalog_is_copied_by_the_client(deriva_server: Any, catalog: Any, schema: Any) -> None:
    make_subject(schema)
    catalog.getPathBuilder().S.Subject.insert([{"Name": f"n{number}"} for number in range(50)])
    copy = catalog.clone_catalog()
    try:
        tables = [source.getPathBuilder().S.Subject for source in (catalog, copy)]
        rows = [sorted((row["RID"], row["Name"], row["RCB"]) for row in table.path.entities()) for table in tables]
        assert rows[0] == rows[1]
        assert len(rows[0]) == 50
    finally:
        copy.delete_ermrest_catalog(really=True)


def test_an_alias_of_the_client_leads_to_the_catalog(deriva_server: Any, catalog: Any) -> None:
    alias = deriva_server.create_ermrest_alias(id="nick", alias_target=str(catalog.catalog_id))
    try:
        through = deriva_server.connect_ermrest("nick").get("/").json()
        assert through["alias_target"] == str(catalog.catalog_id)
    finally:
        alias.delete_ermrest_alias(really=True)


def test_names_with_slashes_and_other_scripts_arrive_whole(catalog: Any) -> None:
    odd = "a/b %2F:ü,名"
    schema = catalog.getCatalogModel().create_schema(Schema.define(odd))
    schema.create_table(Table.define(odd, [Column.define(odd, builtin_types.text)]))
    found = catalog.get(f"/schema/{quote(odd, safe='')}/table/{quote(odd, safe='')}/column/{quote(odd, safe='')}")
    assert found.json()["name"] == odd


def test_rows_are_found_by_a_text_of_several_lines(catalog: Any, schema: Any) -> None:
    make_subject(schema)
    catalog.post("/entity/S:Subject?defaults=RID,RCT,RCB,RMT,RMB", json=[{"Name": "two\nlines\n", "Age": None}])
    wanted = quote("two\nlines\n", safe="")
    found = catalog.get(f"/attribute/S:Subject/Name={wanted}/Name").json()
    assert found == [{"Name": "two\nlines\n"}]


def test_eight_clients_at_once_lose_nothing(catalog: Any, schema: Any) -> None:
    make_subject(schema)
    host = catalog.deriva_server.server

    def work(worker: int) -> None:
        own = DerivaServer("https", host, credentials=get_credential(host)).connect_ermrest(catalog.catalog_id)
        for number in range(10):
            name = f"{worker}-{number}"
            own.post("/entity/S:Subject", json=[{"Name": name}])
            own.put("/attributegroup/S:Subject/Name;Age", json=[{"Name": name, "Age": number}])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    rows = catalog.get("/entity/S:Subject").json()
    assert sorted((row["Name"], row["Age"]) for row in rows) == sorted(
        (f"{w}-{n}", n) for w in range(8) for n in range(10)
    )


def test_errors_are_text_that_names_the_fault(local_host: Any, catalog: Any) -> None:
    token = get_credential(local_host.hostname)["bearer-token"]
    url = f"{local_host.url}/ermrest/catalog/{catalog.catalog_id}"
    headers = {"Authorization": f"Bearer {token}"}
    missing = requests.get(f"{url}/schema/None", headers=headers, timeout=10)
    assert (missing.status_code, missing.text.splitlines()[0]) == (404, "404 Not Found")
    assert "'None'" in missing.text
    assert requests.get(url, timeout=10).status_code == 401
    head = requests.head(f"{url}/schema", headers=headers, timeout=10)
    assert (head.status_code, head.content) == (200, b"")
    whole = requests.get(f"{url}/schema", headers={**headers, "Accept-Encoding": "identity"}, timeout=10)
    assert head.headers["Content-Length"] == str(len(whole.content))
    assert head.headers["ETag"] == whole.headers["ETag"]
