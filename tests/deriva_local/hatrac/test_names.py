"""Namespaces, renaming, metadata and access control lists over HTTP."""

from __future__ import annotations

import base64
import hashlib

import pytest

NAMESPACE = {"Content-Type": "application/x-hatrac-namespace"}
SHA256 = base64.b64encode(hashlib.sha256(b"content").digest()).decode()
MD5 = base64.b64encode(hashlib.md5(b"content").digest()).decode()


def made(http, url, body=b"content", **headers):
    answer = http.put(url, data=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.text.strip()


def test_a_namespace_needs_its_parent_unless_parents_are_asked_for(http, place):
    assert http.put(f"{place}/a/b", headers=NAMESPACE).status_code == 404
    assert http.put(f"{place}/a/b/c", data=b"x").status_code == 404

    assert http.put(f"{place}/a/b?parents=true", headers=NAMESPACE).status_code == 201
    assert http.put(f"{place}/c/d/e?parents=true", data=b"x").status_code == 201
    assert [url.rpartition("/")[2] for url in http.get(place).json()] == ["a", "c"]


def test_a_name_is_one_thing_at_a_time(http, place):
    made(http, f"{place}/object")
    http.put(f"{place}/space", headers=NAMESPACE)

    assert http.put(f"{place}/space", headers=NAMESPACE).status_code == 409
    assert http.put(f"{place}/space", data=b"x").status_code == 409
    assert http.put(f"{place}/object/below?parents=true", data=b"x").status_code == 409
    assert http.put(f"{place}/object/below?parents=true", headers=NAMESPACE).status_code == 409
    assert http.get(f"{place}/space;versions").status_code == 404


def test_the_namespace_type_on_an_existing_object_is_content(http, place):
    made(http, f"{place}/object")

    made(http, f"{place}/object", b"x", **NAMESPACE)

    assert http.get(f"{place}/object").headers["Content-Type"] == NAMESPACE["Content-Type"]


def test_a_namespace_is_deleted_when_empty_and_can_come_back(http, place):
    http.put(f"{place}/space/inner?parents=true", headers=NAMESPACE)

    full = http.delete(f"{place}/space")
    assert (full.status_code, "inner" in full.text) == (409, True)
    assert http.delete(f"{place}/space/inner").status_code == 204
    assert http.delete(f"{place}/space").status_code == 204
    assert http.get(f"{place}/space").status_code == 404
    assert http.put(f"{place}/space/x", data=b"").status_code == 404
    assert http.put(f"{place}/space", data=b"").status_code == 409
    assert http.put(f"{place}/space", headers=NAMESPACE).status_code == 201
    assert http.get(f"{place}/space").json() == []


def test_the_root_namespace_stays(http, store):
    assert http.delete(f"{store.url}/hatrac").status_code == 403
    assert http.put(f"{store.url}/hatrac", headers=NAMESPACE).status_code == 409
    assert http.put(f"{store.url}/hatrac", data=b"").status_code == 409
    assert http.get(f"{store.url}/hatrac/").status_code == 200


def test_lists_come_as_json_or_as_lines(http, place):
    made(http, f"{place}/b")
    made(http, f"{place}/a")

    as_json, as_lines = http.get(place), http.get(place, headers={"Accept": "text/uri-list"})

    assert as_json.headers["Content-Type"] == "application/json"
    assert as_lines.headers["Content-Type"].startswith("text/uri-list")
    assert as_lines.text.split() == as_json.json()
    assert http.head(place).headers["Content-Length"] == str(len(as_json.content))
    assert http.get(place, headers={"If-None-Match": as_json.headers["ETag"]}).status_code == 304


def test_renaming_moves_chosen_versions_and_refuses_what_it_cannot_do(http, store, place):
    first, second = made(http, f"{place}/old", b"1"), made(http, f"{place}/old", b"2")
    made(http, f"{place}/taken", b"t")
    path = "/hatrac" + place.partition("/hatrac")[2]

    def rename(to: str, **command: object) -> int:
        return http.post(
            f"{place}/{to}", json={"command": "rename_from", "source_name": f"{path}/old"} | command
        ).status_code

    assert rename("new", source_versions=["unknown"]) == 404
    assert rename("old") == 409
    assert rename("new", command="copy") == 400
    assert rename("new", source_name=f"{path}/absent") == 404
    assert (
        store.session("ben")
        .post(f"{place}/new", json={"command": "rename_from", "source_name": f"{path}/old"})
        .status_code
        == 403
    )

    assert rename("new", source_versions=[first.rpartition(":")[2]]) == 201
    assert http.get(f"{place}/new").content == b"1"
    assert http.get(f"{store.url}{first}").headers["Content-Location"].startswith(f"{path}/new:")
    assert http.get(f"{store.url}{second}").headers["Content-Location"] == second
    assert rename("taken") == 201
    assert http.get(f"{place}/taken").content == b"2"
    assert rename("more") == 409  # nothing is left that could be renamed

    http.delete(f"{place}/new")
    assert http.get(f"{store.url}{first}").status_code == 404


def test_metadata_are_read_written_and_deleted_one_field_at_a_time(http, store, place):
    url = store.url + made(http, f"{place}/object", **{"Content-Type": "text/plain"})

    assert http.get(f"{url};metadata").json() == {"content-type": "text/plain", "content-md5": MD5}
    assert http.put(f"{url};metadata/content-type", data="image/png").status_code == 204
    assert http.put(f"{url};metadata/content-disposition", data="filename*=UTF-8''a.png").status_code == 204
    assert http.get(f"{url};metadata/content-type").text == "image/png"
    assert http.head(url).headers["Content-Disposition"] == "filename*=UTF-8''a.png"
    assert http.delete(f"{url};metadata/content-disposition").status_code == 204
    assert http.delete(f"{url};metadata/content-disposition").status_code == 404
    assert "Content-Disposition" not in http.head(url).headers
    assert http.put(f"{url};metadata/content-disposition", data="nonsense").status_code == 400


def test_a_checksum_may_be_added_if_it_is_right_and_never_changed(http, store, place):
    url = store.url + made(http, f"{place}/object")
    wrong = base64.b64encode(bytes(32)).decode()

    assert http.put(f"{url};metadata/content-sha256", data=wrong).status_code == 409
    assert http.get(f"{url};metadata/content-sha256").status_code == 404
    assert http.put(f"{url};metadata/content-sha256", data=SHA256).status_code == 204
    assert http.head(url).headers["Content-SHA256"] == SHA256
    assert http.put(f"{url};metadata/content-sha256", data=wrong).status_code == 409
    assert http.delete(f"{url};metadata/content-sha256").status_code == 405


def test_metadata_under_conditions(http, store, place):
    url = store.url + made(http, f"{place}/object", **{"Content-Type": "text/plain"}) + ";metadata/content-type"
    etag = http.get(url).headers["ETag"]

    assert http.get(url, headers={"If-None-Match": etag}).status_code == 304
    assert http.put(url, data="a/b", headers={"If-Match": etag}).status_code == 204
    assert http.put(url, data="c/d", headers={"If-Match": etag}).status_code == 412
    assert http.get(url).text == "a/b"


def test_lists_of_a_new_object_name_its_maker(http, store, place):
    me = store.accounts.user("ada").id
    url = f"{place}/object"
    version = store.url + made(http, url)

    assert http.get(f"{url};acl").json() == {
        "owner": [me],
        "update": [],
        "read": [],
        "subtree-owner": [],
        "subtree-read": [],
    }
    assert http.get(f"{version};acl").json() == {"owner": [me], "read": []}
    assert http.get(f"{place};acl/create").json() == []
    assert http.get(f"{url};acl/create").status_code == 404
    assert http.get(f"{url};acl/owner/{me.replace('/', '%2F').replace(':', '%3A')}").text == me
    assert store.session("ben").get(f"{url};acl").status_code == 403


def test_administrators_own_everything(http, store, place):
    made(http, f"{place}/object")
    root = store.session("root")

    assert root.put(f"{place}/object;acl/read", json=["*"]).status_code == 204
    assert root.get(f"{store.url}/hatrac;acl/owner").json() == ["admin"]
    assert http.get(f"{store.url}/hatrac;acl/owner").status_code == 403
    assert root.delete(f"{place}/object").status_code == 204


def test_a_resource_always_keeps_an_owner(http, place):
    url = f"{place}/object;acl/owner"
    made(http, f"{place}/object")

    assert http.delete(url).status_code == 400
    assert http.put(url, json=[]).status_code == 400
    assert http.put(url, json="ada").status_code == 400
    assert http.put(f"{place}/object;acl", json={}).status_code == 405


def test_a_grant_lets_another_user_do_just_that(http, store, place):
    ben, url = store.session("ben"), f"{place}/object"
    made(http, url)
    name = store.accounts.user("ben").id.replace("/", "%2F").replace(":", "%3A")
    assert ben.delete(url).status_code == 403

    assert http.put(f"{place};acl/subtree-owner/{name}").status_code == 204
    assert ben.get(f"{url};acl").status_code == 200
    assert http.delete(f"{place};acl/subtree-owner/{name}").status_code == 204
    assert http.delete(f"{place};acl/subtree-owner/{name}").status_code == 404
    assert ben.get(f"{url};acl").status_code == 403

    etag = http.get(f"{url};acl/owner").headers["ETag"]
    assert http.put(f"{url};acl/owner/{name}", headers={"If-Match": etag}).status_code == 204
    assert http.put(f"{url};acl/owner/x", headers={"If-Match": etag}).status_code == 412
    assert ben.delete(url).status_code == 204


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], ["JSON object"]),
        ({}, ["chunk-length is None", "content-length is None"]),
        ({"chunk-length": 0, "content-length": -1}, ["chunk-length is 0", "content-length is -1"]),
        ({"chunk-length": 1, "content-length": 10**9}, ["chunk-length is too small"]),
        ({"chunk-length": True, "content-length": "7", "content-md5": 1}, ["True", "'7'", "content-md5 must be text"]),
        ({"chunk-length": 1, "content-length": 1, "content-md5": "x", "content-type": "é"}, ["content-md5", "é"]),
    ],
)
def test_the_description_of_an_upload_is_refused_with_all_its_faults(http, place, document, words):
    answer = http.post(f"{place}/object;upload", json=document)

    assert answer.status_code == 400
    for word in words:
        assert word in answer.text
    assert http.get(f"{place}/object;upload").status_code == 404


def test_an_upload_in_any_order_with_repeats_and_refusals(http, store, place):
    url = f"{place}/deep/object"
    document = {"chunk_bytes": 4, "total_bytes": 10, "content_md5": hashlib.md5(b"aaaabbbbcc").hexdigest()}
    assert http.post(f"{url};upload", json=document).status_code == 404
    job = store.url + http.post(f"{url};upload?parents=true", json=document).text.strip()

    def send(number: int | str, body: bytes) -> int:
        return http.put(f"{job}/{number}", data=body).status_code

    assert http.get(url).status_code == 404
    assert store.url + http.get(f"{url};upload").json()[0] == job
    status = http.get(job).json()
    assert (status["chunk-length"], status["content-length"]) == (4, 10)
    assert store.url + status["url"] == job
    assert store.url + status["target"] == url

    assert send(2, b"cc") == 204
    assert send(3, b"") == 409
    assert send("x", b"") == 400
    assert send(1, b"bbb") == 400
    assert send(1, b"bbbbb") == 400
    assert send(1, b"BBBB") == 204
    assert http.post(job).status_code == 409  # chunk 0 is missing
    assert send(0, b"aaaa") == 204
    assert http.post(job).status_code == 409  # the checksum is wrong
    assert send(1, b"bbbb") == 204
    assert store.session("ben").post(job).status_code == 403
    assert http.post(job).status_code == 201

    assert http.get(url).content == b"aaaabbbbcc"
    assert http.post(job).status_code == 404
    assert send(0, b"aaaa") == 404
    assert http.get(f"{url};upload").json() == []


def test_a_cancelled_upload_leaves_nothing(http, store, place):
    before = {path for path in store.folder.rglob("*") if path.is_file()}
    job = store.url + http.post(f"{place}/object;upload", json={"chunk-length": 4, "content-length": 8}).text.strip()
    http.put(f"{job}/0", data=b"aaaa")

    assert http.delete(job).status_code == 204
    assert http.get(job).status_code == 404
    assert http.get(f"{place}/object").status_code == 404
    assert {path for path in store.folder.rglob("*") if path.is_file()} == before
