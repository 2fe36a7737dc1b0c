"""Catalogs and aliases over the REST interface, and who may use them."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from deriva_local.errors import BadRequest, Conflict, Forbidden, MethodNotAllowed, NotFound, Unauthorized
from deriva_local.model import snaptime

from .rest import ANNE, BERT, Rest

NUMBERS = itertools.count(1)


@pytest.fixture
def name() -> str:
    """A catalog id or alias that no other test uses."""
    return f"name-{next(NUMBERS)}"


def test_the_service_tells_what_it_is(service: Rest) -> None:
    for path in ("", "/"):
        assert set(service("GET", path).json) == {"version", "features"}


def test_a_new_catalog_belongs_to_who_made_it(catalog: Rest) -> None:
    document = catalog("GET").json
    assert document["acls"]["owner"] == ["anne"]
    assert document["rights"] == {"owner": True, "create": True}
    assert catalog("GET", "/").json == document


def test_a_catalog_can_have_an_id_and_owner_of_choice(service: Rest, name: str) -> None:
    made = service("POST", "/catalog", {"id": name, "owner": ["curators"], "description": "x"})
    assert (made.status, made.json, made.headers["Location"]) == (201, {"id": name}, f"/ermrest/catalog/{name}")
    assert service("GET", f"/catalog/{name}").json["acls"]["owner"] == ["curators"]
    with pytest.raises(Conflict, match=name):
        service("POST", "/catalog", {"id": name})
    service("DELETE", f"/catalog/{name}")


@pytest.mark.parametrize(
    "document", [{"id": "a/b"}, {"id": 3}, {"owner": "anne"}, {"owner": [3]}, ["x"], {"name": "a\0b"}, b"{"]
)
def test_a_wrong_wish_for_a_catalog_is_refused(service: Rest, document: Any) -> None:
    with pytest.raises(BadRequest):
        service("POST", "/catalog", document)


def test_nobody_can_give_a_new_catalog_away(service: Rest) -> None:
    with pytest.raises(Forbidden, match="anne"):
        service("POST", "/catalog", {"owner": ["bert"]})


def test_a_deleted_catalog_is_gone_and_its_id_is_not_used_again(service: Rest, name: str) -> None:
    service("POST", "/catalog", {"id": name})
    assert service("DELETE", f"/catalog/{name}").status == 204
    with pytest.raises(NotFound, match=name):
        service("GET", f"/catalog/{name}")
    with pytest.raises(Conflict):
        service("POST", "/catalog", {"id": name})


def test_the_description_of_a_catalog_can_be_validated(catalog: Rest) -> None:
    tag = catalog("GET").headers["ETag"]
    assert catalog("GET", if_none_match=tag).status == 304
    catalog("PUT", "/annotation/x", 1)
    assert catalog("GET", if_none_match=tag).status == 200


def test_snapshots_describe_the_catalog_as_it_was(catalog: Rest) -> None:
    before = catalog("GET").json
    catalog("PUT", "/annotation/x", 1)
    after = catalog("GET").json
    assert after["snaptime"] > before["snaptime"]
    past = catalog.at(f"{catalog.base}@{before['snaptime']}")("GET").json
    assert past == {**before, "rights": {"owner": False, "create": False}}


def test_snapshots_cannot_be_changed(catalog: Rest) -> None:
    past = catalog.at(f"{catalog.base}@{catalog('GET').json['snaptime']}")
    for method, path in (("DELETE", ""), ("POST", "/schema/X"), ("PUT", "/annotation/x"), ("DELETE", "/schema/S")):
        with pytest.raises(Forbidden, match="snapshot"):
            past(method, path, {})


def test_a_snapshot_before_the_catalog_is_not_found(catalog: Rest) -> None:
    with pytest.raises(NotFound):
        catalog.at(f"{catalog.base}@{snaptime.encode(1)}")("GET", "/schema")
    with pytest.raises(BadRequest, match="snapshot id"):
        catalog.at(f"{catalog.base}@soup")("GET", "/schema")


def test_history_tells_the_first_and_last_snapshot(catalog: Rest) -> None:
    first, last = catalog("GET", "/history/,").json["snaprange"]
    assert last == catalog("GET").json["snaptime"]
    assert catalog("GET", f"/history/,{first}").json["snaprange"] == [first, first]
    with pytest.raises(BadRequest):
        catalog("GET", "/history/soup")


def test_owners_can_forget_the_past(catalog: Rest) -> None:
    first = catalog("GET", "/history/,").json["snaprange"][0]
    catalog("PUT", "/annotation/x", 1)
    now = catalog("GET").json["snaptime"]
    with pytest.raises(Forbidden):
        catalog.as_client(BERT)("DELETE", f"/history/,{now}")
    assert catalog("DELETE", f"/history/,{now}").status == 204
    assert catalog("GET", "/history/,").json["snaprange"] == [now, now]
    with pytest.raises(NotFound):
        catalog.at(f"{catalog.base}@{first}")("GET", "/schema")
    for span in (",", f"{now},"):
        with pytest.raises(BadRequest, match="UNTIL"):
            catalog("DELETE", f"/history/{span}")


def test_an_alias_is_another_name_until_it_is_deleted(service: Rest, catalog: Rest, name: str) -> None:
    target = catalog("GET").json["id"]
    assert service("POST", "/alias", {"id": name, "alias_target": target}).status == 201
    through = service("GET", f"/catalog/{name}").json
    assert (through["id"], through["alias_target"]) == (name, target)
    service("POST", f"/catalog/{name}/schema/Z")
    assert "Z" in catalog("GET", "/schema").json["schemas"]
    assert service("DELETE", f"/catalog/{name}").status == 204
    assert catalog("GET").status == 200
    with pytest.raises(NotFound):
        service("GET", f"/alias/{name}")


def test_an_alias_can_be_bound_to_another_catalog_or_none(service: Rest, catalog: Rest, name: str) -> None:
    service("POST", "/alias", {"id": name})
    with pytest.raises(NotFound, match="not bound"):
        service("GET", f"/catalog/{name}")
    target = catalog("GET").json["id"]
    bound = service("PUT", f"/alias/{name}", {"id": name, "alias_target": target, "owner": ["anne", "bert"]})
    assert bound.json == {"id": name, "alias_target": target, "owner": ["anne", "bert"]}
    assert service("GET", f"/catalog/{name}").json["alias_target"] == target
    assert service("PUT", f"/alias/{name}", {"alias_target": None}).json["alias_target"] is None
    with pytest.raises(Conflict, match="alias"):
        service("POST", "/alias", {"alias_target": name})


def test_who_does_not_own_an_alias_cannot_see_or_move_it(service: Rest, name: str) -> None:
    service("POST", "/alias", {"id": name})
    with pytest.raises(Forbidden):
        service.as_client(BERT)("PUT", f"/alias/{name}", {"alias_target": None})
    with pytest.raises(Unauthorized):
        service.as_client(None)("GET", f"/alias/{name}")


ATTEMPTS = [
    ("GET", ""),
    ("GET", "/schema"),
    ("GET", "/schema/S/table"),
    ("GET", "/entity_rid/1-0000"),
    ("GET", "/history/,"),
    ("PUT", "/annotation/x"),
    ("POST", "/schema/X"),
    ("POST", "/schema"),
    ("DELETE", "/schema/S"),
    ("DELETE", ""),
]


@pytest.mark.parametrize(("method", "path"), ATTEMPTS)
def test_a_catalog_is_closed_to_others(catalog: Rest, method: str, path: str) -> None:
    body = [{"schema_name": "N"}] if path == "/schema" else {}
    with pytest.raises(Unauthorized, match="log in"):
        catalog.as_client(None)(method, path, body)
    with pytest.raises(Forbidden, match="Bert"):
        catalog.as_client(BERT)(method, path, body)


def test_nobody_who_is_not_logged_in_makes_a_catalog(service: Rest) -> None:
    with pytest.raises(Unauthorized, match="deriva-local login"):
        service.as_client(None)("POST", "/catalog")


def test_acls_let_others_in(catalog: Rest) -> None:
    catalog("PUT", "/acl/enumerate", ["*"])
    assert catalog.as_client(None)("GET", "/schema").json["rights"] == {"owner": False, "create": False}
    catalog("PUT", "/acl/create", ["bert"])
    assert catalog.as_client(BERT)("POST", "/schema/Berts").json["acls"] == {"owner": ["bert"]}
    assert catalog.as_client(BERT)("PUT", "/schema/Berts/comment", b"mine").status == 204
    with pytest.raises(Forbidden):
        catalog.as_client(BERT)("PUT", "/schema/S/comment", b"mine")


def test_owners_cannot_lock_themselves_out(catalog: Rest) -> None:
    for path, acls in (("/acl", {"owner": ["bert"]}), ("/acl/owner", []), ("/acl/owner", ["bert"])):
        with pytest.raises(Forbidden, match="anne"):
            catalog("PUT", path, acls)
    with pytest.raises(Forbidden):
        catalog("DELETE", "/acl/owner")
    assert catalog("GET", "/acl/owner").json == ["anne"]
    catalog("PUT", "/acl/owner", ["curators"])
    assert catalog("GET").json["rights"]["owner"] is True


def test_a_client_that_writes_is_recorded_with_the_write(catalog: Rest) -> None:
    catalog("PUT", "/acl/owner", ["anne", "bert"])
    catalog.as_client(BERT)("PUT", "/annotation/x", 1)
    people = catalog("GET", "/entity/public:ERMrest_Client").json
    assert {row["ID"]: row["Full_Name"] for row in people} == {"anne": "Anne Example", "bert": "Bert Example"}
    assert ANNE.email in [row["Email"] for row in people]


@pytest.mark.parametrize(
    "path", ["/catalog/none", "/catalog/a%00b", "/catalog/a%2Fb/schema", "/alias/%00", "/catalog/%C3"]
)
def test_catalogs_that_do_not_exist_are_not_found_whatever_their_name(service: Rest, path: str) -> None:
    with pytest.raises(NotFound):
        service("GET", path)


def test_other_resources_and_methods_are_named(service: Rest, catalog: Rest) -> None:
    with pytest.raises(NotFound, match="nothing"):
        catalog("GET", "/nothing")
    with pytest.raises(NotFound, match="nothing"):
        service("GET", "/nothing")
    with pytest.raises(MethodNotAllowed, match="POST"):
        service("GET", "/catalog")
    with pytest.raises(MethodNotAllowed):
        catalog("POST", "")
    with pytest.raises(MethodNotAllowed):
        catalog("DELETE", "/entity_rid/1-0000")
