"""Model resources over the REST interface."""

from __future__ import annotations

from typing import Any

import pytest

from deriva_local.errors import BadRequest, Conflict, MethodNotAllowed, NotFound, PreconditionFailed, Unauthorized

from ..rest import Rest
from .models import column, reference, table


@pytest.fixture
def filled(catalog: Rest) -> Rest:
    """A catalog with S:Subject and S:Image, that refers to it."""
    documents = [
        table("Image", column("File"), column("Subject"), foreign_keys=[reference(["Subject"], "Subject", ["Name"])]),
        table("Subject", column("Name", nullok=False), keys=[{"unique_columns": ["Name"]}]),
    ]
    assert catalog("POST", "/schema", documents).status == 201
    return catalog


IMAGE = "/schema/S/table/Image"
LINK = f"{IMAGE}/foreignkey/Subject/reference/S:Subject/Name"


def test_the_whole_model_is_one_document(filled: Rest) -> None:
    document = filled("GET", "/schema").json
    assert set(document) == {"snaptime", "annotations", "acls", "rights", "schemas"}
    assert set(document["schemas"]) == {"public", "S"}
    image = document["schemas"]["S"]["tables"]["Image"]
    assert image["foreign_keys"][0]["foreign_key_columns"] == [
        {"schema_name": "S", "table_name": "Image", "column_name": "Subject"}
    ]
    assert image["keys"][0]["names"] == [["S", "Image_RIDkey1"]]
    rid = image["column_definitions"][0]
    assert rid["type"] == {"typename": "ermrest_rid", "is_domain": True, "base_type": {"typename": "text"}}
    assert rid["rights"] == {"insert": False, "update": False, "delete": True, "select": True}


def test_a_document_that_is_read_can_be_posted_to_another_catalog(service: Rest, filled: Rest) -> None:
    document = filled("GET", "/schema/S").json
    copy = service.at(f"/catalog/{service('POST', '/catalog').json['id']}")
    assert copy("POST", "/schema", {"schemas": {"S": document}}).status == 201
    assert copy("GET", "/schema/S").json == document
    service("DELETE", copy.base)


def test_every_part_of_the_model_has_its_own_address(filled: Rest) -> None:
    image = filled("GET", "/schema/S").json["tables"]["Image"]
    assert filled("GET", IMAGE).json == image
    assert filled("GET", "/schema/S/table").json[0] == image
    assert filled("GET", f"{IMAGE}/column").json == image["column_definitions"]
    assert filled("GET", f"{IMAGE}/column/File").json == image["column_definitions"][5]
    assert filled("GET", f"{IMAGE}/key").json == image["keys"]
    assert filled("GET", f"{IMAGE}/key/RID").json == image["keys"][0]
    for path in (f"{IMAGE}/foreignkey", f"{IMAGE}/foreignkey/Subject", LINK):
        assert filled("GET", path).json == image["foreign_keys"]


def test_the_model_is_sent_again_only_when_it_has_changed(filled: Rest) -> None:
    tag = filled("GET", "/schema").headers["ETag"]
    again = filled("GET", "/schema", if_none_match=f'W/"x", {tag}')
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)
    filled("POST", "/entity/S:Subject", [{"Name": "x"}])
    assert filled("GET", "/schema", if_none_match=tag).status == 304
    filled("PUT", f"{IMAGE}/comment", b"changed")
    assert filled("GET", "/schema", if_none_match=tag).status == 200


def test_a_change_meant_for_an_older_model_is_refused(filled: Rest) -> None:
    tag = filled("GET", "/schema").headers["ETag"]
    assert filled("PUT", "/annotation/x", 1, if_match=tag).status == 201
    with pytest.raises(PreconditionFailed):
        filled("PUT", "/annotation/x", 2, if_match=tag)
    assert filled("GET", "/annotation/x").json == 1


def test_a_change_that_changes_nothing_makes_no_snapshot(filled: Rest) -> None:
    filled("PUT", IMAGE, {"comment": "c"})
    before = filled("GET").json["snaptime"]
    filled("PUT", IMAGE, {"comment": "c", "table_name": "Image"})
    assert filled("GET").json["snaptime"] == before


def test_columns_keys_and_references_come_one_by_one(filled: Rest) -> None:
    assert filled("POST", f"{IMAGE}/column", column("Note", default="x")).json["default"] == "x"
    key = filled("POST", f"{IMAGE}/key", {"unique_columns": ["File", "Note"]})
    assert (key.status, key.json["names"]) == (201, [["S", "Image_File_Note_key"]])
    filled("POST", f"{IMAGE}/column", column("Other"))
    made = filled("POST", f"{IMAGE}/foreignkey", reference(["Other"], "Subject", ["Name"], on_delete="SET NULL"))
    assert (made.status, made.json[0]["on_delete"]) == (201, "SET NULL")
    assert len(filled("GET", IMAGE).json["foreign_keys"]) == 2


def test_alterations_answer_with_what_is_now(filled: Rest) -> None:
    assert filled("PUT", IMAGE, {"table_name": "Picture"}).json["table_name"] == "Picture"
    picture = "/schema/S/table/Picture"
    assert filled("PUT", f"{picture}/column/File", {"name": "Path", "nullok": False}).json["nullok"] is False
    assert filled("PUT", "/schema/S/table/Subject/key/Name", {"names": [["S", "k"]]}).json["names"] == [["S", "k"]]
    link = LINK.replace("Image", "Picture")
    assert filled("PUT", link, {"on_delete": "CASCADE", "comment": "c"}).json["on_delete"] == "CASCADE"
    assert filled("PUT", link, [{"comment": None}]).json["comment"] is None
    assert filled("PUT", "/schema/S", {"schema_name": "Z"}).json["tables"]["Picture"]["schema_name"] == "Z"
    with pytest.raises(NotFound):
        filled("GET", "/schema/S")


def test_what_is_dropped_is_not_found_afterwards(filled: Rest) -> None:
    for path in (
        LINK,
        f"{IMAGE}/column/File",
        "/schema/S/table/Subject/key/Name",
        IMAGE,
        "/schema/S/table/Subject",
        "/schema/S",
    ):
        assert filled("DELETE", path).status == 204
        with pytest.raises((NotFound, Conflict)):
            filled("GET", path)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize(
    "path",
    ["/schema/N", "/schema/S/table/N", f"{IMAGE}/column/N", f"{IMAGE}/key/N", f"{IMAGE}/foreignkey/N", "/schema/N/acl"],
)
def test_what_does_not_exist_cannot_be_changed(filled: Rest, method: str, path: str) -> None:
    with pytest.raises((NotFound, Conflict)):
        filled(method, path, {})


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/schema", b"{not json"),
        ("POST", "/schema", b"\xff"),
        ("POST", "/schema", b"[" * 100_000),
        ("POST", "/schema", [{"schema_name": "\ud800"}]),
        ("POST", "/schema", [{"schema_name": "a\0b"}]),
        ("POST", "/schema/a%00b", None),
        ("PUT", "/annotation/a%00b", 1),
        ("PUT", "/annotation/x", "\0"),
        ("PUT", "/annotation/x", float("nan")),
        ("PUT", "/schema/S/comment", b"a\0b"),
        ("POST", f"{IMAGE}/column", column("D", default="a\0b")),
        ("POST", "/schema", "text"),
        ("POST", "/schema", [3]),
        ("POST", "/schema/S/table", {}),
        ("PUT", IMAGE, [1]),
        ("PUT", IMAGE, {"comment": 3}),
        ("PUT", f"{IMAGE}/column/File", {"nullok": None}),
        ("PUT", "/annotation", []),
        ("PUT", "/schema/S/acl/select", "x"),
        ("PUT", f"{IMAGE}/acl_binding/b", {"types": ["select"]}),
    ],
)
def test_bodies_that_make_no_sense_are_refused(filled: Rest, method: str, path: str, body: Any) -> None:
    with pytest.raises(BadRequest):
        filled(method, path, body)


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/schema"), ("POST", IMAGE), ("DELETE", f"{IMAGE}/column"), ("POST", "/annotation/x")]
)
def test_methods_that_a_resource_lacks_are_refused(filled: Rest, method: str, path: str) -> None:
    with pytest.raises(MethodNotAllowed):
        filled(method, path, {})


def test_a_failing_bulk_request_leaves_nothing_behind(filled: Rest) -> None:
    documents = [{"schema_name": "New"}, table("A", column("B")), table("Image")]
    before = filled("GET").json["snaptime"]
    with pytest.raises(Conflict):
        filled("POST", "/schema", documents)
    assert filled("GET").json["snaptime"] == before
    assert "New" not in filled("GET", "/schema").json["schemas"]


def test_rows_that_break_a_new_rule_keep_it_from_being_made(filled: Rest) -> None:
    filled("POST", "/entity/S:Subject", [{"Name": "x"}])
    filled("POST", "/entity/S:Image", [{"File": "a", "Subject": "x"}, {"File": "a"}])
    with pytest.raises(Conflict, match='"Image_File_key"'):
        filled("POST", f"{IMAGE}/key", {"unique_columns": ["File"]})
    with pytest.raises(Conflict, match="Subject"):
        filled("PUT", f"{IMAGE}/column/Subject", {"nullok": False})
    with pytest.raises(Conflict, match="violates foreign key"):
        filled("POST", f"{IMAGE}/foreignkey", reference(["File"], "Subject", ["Name"]))
    assert len(filled("GET", IMAGE).json["keys"]) == 1


def test_comments_are_plain_text(filled: Rest) -> None:
    with pytest.raises(NotFound):
        filled("GET", f"{IMAGE}/comment")
    filled("PUT", f"{IMAGE}/comment", "Grüße".encode())
    assert filled("GET", f"{IMAGE}/comment").body.decode() == "Grüße\n"
    assert filled("DELETE", f"{IMAGE}/comment").status == 204
    assert filled("GET", IMAGE).json["comment"] is None


def test_a_new_annotation_is_told_from_a_replaced_one(filled: Rest) -> None:
    path = f"{IMAGE}/annotation/tag%3Aexample%2Cx"
    assert [filled("PUT", path, value).status for value in (1, 2)] == [201, 204]
    assert filled("GET", f"{IMAGE}/annotation").json == {"tag:example,x": 2}


def test_acls_and_bindings_are_kept_as_they_are_sent(filled: Rest) -> None:
    binding = {"types": ["update"], "projection": ["RCB"], "projection_type": "acl", "scope_acl": ["g"]}
    for place in (IMAGE, f"{IMAGE}/column/File", LINK):
        filled("PUT", f"{place}/acl_binding", {"mine": binding, "inherited": False})
        filled("PUT", f"{place}/acl", {"update": ["g"], "insert": None})
        assert filled("GET", f"{place}/acl_binding").json == {"mine": binding, "inherited": False}
        assert filled("GET", f"{place}/acl/update").json == ["g"]
    assert filled("GET", f"{IMAGE}/acl/insert").json is None
    assert filled("GET", f"{LINK}/acl").json == {"insert": ["*"], "update": ["g"]}


def test_acls_are_shown_to_owners_only(filled: Rest) -> None:
    filled("PUT", "/acl/enumerate", ["*"])
    for path in ("/acl", "/acl/owner", f"{IMAGE}/acl", f"{IMAGE}/acl_binding"):
        with pytest.raises(Unauthorized):
            filled.as_client(None)("GET", path)


def test_an_answer_to_a_change_carries_the_new_models_tag(filled: Rest) -> None:
    tag = filled("PUT", f"{IMAGE}/comment", b"changed").headers["ETag"]
    assert filled("GET", "/schema").headers["ETag"] == tag
    with pytest.raises(PreconditionFailed):
        filled("POST", "/schema/N", if_none_match=tag)


def test_the_model_at_a_snapshot_is_the_one_of_then(filled: Rest) -> None:
    before = filled("GET", "/schema").json
    past = filled.at(f"{filled.base}@{filled('GET').json['snaptime']}")
    filled("PUT", IMAGE, {"table_name": "Picture"})
    filled("DELETE", "/schema/S/table/Picture/column/File")
    then = past("GET", "/schema").json
    assert then["rights"] == {"owner": False, "create": False}
    assert without_rights(then) == without_rights(before)
    with pytest.raises(NotFound):
        filled("GET", IMAGE)


def without_rights(document: Any) -> Any:
    if isinstance(document, list):
        return [without_rights(item) for item in document]
    if isinstance(document, dict):
        return {name: without_rights(item) for name, item in document.items() if name != "rights"}
    return document


def test_a_row_is_found_by_its_rid_now_and_then(filled: Rest) -> None:
    rid = filled("POST", "/entity/S:Subject", [{"Name": "x"}]).json[0]["RID"]
    found = {"schema_name": "S", "table_name": "Subject", "RID": rid}
    assert filled("GET", f"/entity_rid/{rid}").json == found
    assert filled("GET", f"/entity_rid/{rid.lower()}").json == found
    past = filled.at(f"{filled.base}@{filled('GET').json['snaptime']}")
    filled("DELETE", f"/entity/S:Subject/RID={rid}")
    assert past("GET", f"/entity_rid/{rid}").json == found
    for missing in (rid, "9-9999", "U", "x%20y"):
        with pytest.raises(NotFound):
            filled("GET", f"/entity_rid/{missing}")


def test_names_may_hold_any_character(catalog: Rest) -> None:
    odd = "a/b:c,d;e=f&g (h) ü %2F'\""
    encoded = "a%2Fb%3Ac%2Cd%3Be%3Df%26g%20%28h%29%20%C3%BC%20%252F%27%22"
    assert catalog("POST", f"/schema/{encoded}").status == 201
    document = {"table_name": odd, "column_definitions": [column(odd)], "keys": [{"unique_columns": [odd]}]}
    assert catalog("POST", f"/schema/{encoded}/table", document).status == 201
    assert catalog("GET", f"/schema/{encoded}/table/{encoded}/key/{encoded}").json["unique_columns"] == [odd]
