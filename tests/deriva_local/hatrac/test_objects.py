"""Objects and versions over HTTP: PUT, GET, HEAD, ranges, conditions, DELETE."""

from __future__ import annotations

import base64
import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

BODY = bytes(range(256)) * 5
MD5 = base64.b64encode(hashlib.md5(BODY).digest()).decode()
SHA256 = base64.b64encode(hashlib.sha256(BODY).digest()).decode()
DESCRIBED = {
    "Content-Type": "image/png",
    "Content-MD5": MD5,
    "Content-SHA256": SHA256,
    "Content-Disposition": "filename*=UTF-8''digit%20%C3%A9.png",
}


def put(http: requests.Session, url: str, body: bytes = BODY, **headers: str) -> str:
    answer = http.put(url, data=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.text.strip()


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def test_an_object_comes_back_as_it_was_sent_with_its_description(http, store, place):
    answer = http.put(f"{place}/digit.png", data=BODY, headers=DESCRIBED)
    location = answer.text.strip()

    assert (answer.status_code, answer.headers["Location"]) == (201, location)
    assert answer.text.endswith("\n")
    assert f"{store.url}{location}".startswith(f"{place}/digit.png:")

    for url in (f"{place}/digit.png", f"{store.url}{location}"):
        got = http.get(url)
        assert got.content == BODY
        for verb in (http.get, http.head):
            headers = verb(url).headers
            assert {field: headers[field] for field in DESCRIBED} == DESCRIBED
            assert headers["Content-Length"] == str(len(BODY))
            assert headers["Content-Location"] == location
            assert headers["Accept-Ranges"] == "bytes"
        assert http.head(url).content == b""


def test_an_empty_object_is_an_object(http, place):
    put(http, f"{place}/empty", b"")

    got = http.get(f"{place}/empty")

    assert (got.status_code, got.content, got.headers["Content-Length"]) == (200, b"", "0")


def test_the_md5_is_there_even_if_the_client_sent_none(http, place):
    put(http, f"{place}/plain")

    assert http.head(f"{place}/plain").headers["Content-MD5"] == MD5


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Content-MD5", base64.b64encode(bytes(16)).decode()),
        ("Content-SHA256", base64.b64encode(bytes(32)).decode()),
        ("Content-MD5", "nonsense"),
        ("Content-SHA256", MD5),
        ("Content-Disposition", "attachment"),
        ("Content-Disposition", "filename*=UTF-8''a%2Fb"),
        ("Content-Disposition", "filename*=UTF-8''%FF"),
    ],
)
def test_a_body_that_contradicts_its_description_leaves_nothing(http, store, place, field, value):
    before = files(store.folder)

    answer = http.put(f"{place}/wrong", data=BODY, headers={field: value})

    assert answer.status_code == 400
    assert value in answer.text
    assert http.get(f"{place}/wrong").status_code == 404
    assert files(store.folder) == before


def test_checksums_may_be_hexadecimal_and_come_back_as_base64(http, place):
    put(http, f"{place}/hex", **{"Content-MD5": hashlib.md5(BODY).hexdigest()})

    assert http.head(f"{place}/hex").headers["Content-MD5"] == MD5


def test_a_second_put_makes_a_second_version_and_keeps_the_first(http, store, place):
    url = f"{place}/object"
    first, second = put(http, url, b"one"), put(http, url, b"two")

    assert http.get(f"{url};versions").json() == [first, second]
    assert http.get(url).content == b"two"
    assert http.get(f"{store.url}{first}").content == b"one"


def test_deleting_the_current_version_uncovers_the_one_before(http, store, place):
    url = f"{place}/object"
    first, second = put(http, url, b"one"), put(http, url, b"two")

    assert http.delete(f"{store.url}{second}").status_code == 204
    assert http.get(url).content == b"one"
    assert http.get(f"{store.url}{second}").status_code == 404
    assert http.delete(f"{store.url}{first}").status_code == 204
    assert http.get(url).status_code == 409
    put(http, url, b"three")
    assert http.get(url).content == b"three"


def test_deleting_an_object_frees_its_files_and_the_name_stays_an_objects_name(http, store, place):
    before = files(store.folder)
    url = f"{place}/object"
    old = put(http, url, b"one")
    put(http, url, b"two")

    assert http.delete(url).status_code == 204
    assert files(store.folder) == before
    assert http.get(url).status_code == 404
    assert http.delete(url).status_code == 404
    as_namespace = http.put(url, headers={"Content-Type": "application/x-hatrac-namespace"})
    assert as_namespace.status_code == 409
    assert "object" in as_namespace.text
    assert http.put(f"{url}/below?parents=true", data=b"x").status_code == 409

    again = put(http, url, b"one")
    assert again != old
    assert http.get(f"{store.url}{old}").status_code == 404


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("0-0", 0, 0),
        ("10-19", 10, 19),
        ("1270-", 1270, 1279),
        ("-5", 1275, 1279),
        ("0-99999", 0, 1279),
        ("-9999", 0, 1279),
    ],
)
def test_a_range_is_answered_with_that_part(http, place, asked, start, end):
    put(http, f"{place}/object")

    got = http.get(f"{place}/object", headers={"Range": f"bytes={asked}"})

    assert got.status_code == 206
    assert got.content == BODY[start : end + 1]
    assert got.headers["Content-Range"] == f"bytes {start}-{end}/1280"
    assert got.headers["Content-Length"] == str(end - start + 1)
    assert "Content-MD5" not in got.headers


def test_a_range_behind_the_end_is_refused_with_the_size(http, place):
    put(http, f"{place}/object")

    got = http.get(f"{place}/object", headers={"Range": "bytes=1280-"})

    assert (got.status_code, got.headers["Content-Range"]) == (416, "bytes */1280")


@pytest.mark.parametrize("asked", ["bytes=5-1", "bytes=", "bytes=a-b", "lines=1-2", "bytes=0-1,4-5"])
def test_a_range_that_means_nothing_here_is_answered_with_the_whole(http, place, asked):
    put(http, f"{place}/object")

    got = http.get(f"{place}/object", headers={"Range": asked})

    assert (got.status_code, got.content) == (200, BODY)


def test_reading_under_conditions(http, place):
    put(http, f"{place}/object")
    etag = http.head(f"{place}/object").headers["ETag"]

    def status(**headers: str) -> int:
        return http.get(f"{place}/object", headers={k.replace("_", "-"): v for k, v in headers.items()}).status_code

    assert status(If_None_Match=etag) == 304
    assert status(If_None_Match=f'"other", {etag}') == 304
    assert status(If_None_Match='"other"') == 200
    assert status(If_Match=etag) == 200
    assert status(If_Match='"other"') == 412
    assert status(If_Range='"other"', Range="bytes=0-1") == 200
    assert status(If_Range=etag, Range="bytes=0-1") == 206


def test_writing_and_deleting_under_conditions(http, place):
    url = f"{place}/object"

    assert http.put(url, data=b"0", headers={"If-Match": '"other"'}).status_code == 412
    assert http.put(url, data=b"1", headers={"If-None-Match": "*"}).status_code == 201
    assert http.put(url, data=b"2", headers={"If-None-Match": "*"}).status_code == 412
    etag = http.head(url).headers["ETag"]
    assert http.put(url, data=b"3", headers={"If-Match": etag}).status_code == 201
    assert http.put(url, data=b"4", headers={"If-Match": etag}).status_code == 412
    assert http.delete(url, headers={"If-Match": etag}).status_code == 412
    assert http.get(url).content == b"3"
    assert http.delete(url, headers={"If-Match": http.head(url).headers["ETag"]}).status_code == 204


def test_nobody_reads_or_writes_without_login(store, place, http):
    put(http, f"{place}/object")
    nobody = store.session(None)

    for url in (place, f"{place}/object", f"{place}/absent", f"{place}/object;versions", f"{place}/object;acl"):
        assert nobody.get(url).status_code == 401
    assert nobody.put(f"{place}/other", data=b"x").status_code == 401
    assert nobody.delete(f"{place}/object").status_code == 401
    assert nobody.post(f"{place}/object;upload", json={"chunk-length": 1, "content-length": 1}).status_code == 401


def test_a_user_may_add_versions_to_anothers_object_but_not_delete_it(store, place, http):
    put(http, f"{place}/object")
    ben = store.session("ben")

    assert ben.get(f"{place}/object").status_code == 200
    assert ben.put(f"{place}/object", data=b"new").status_code == 201
    refused = ben.delete(f"{place}/object")
    assert refused.status_code == 403
    assert "owner" in refused.text


def test_names_of_any_kind_come_back_percent_encoded(http, store, place):
    location = put(http, f"{place}/a%20b%2Fc%3Bd%3Ae%25%C3%A9~(1).tar.gz")

    assert location.rpartition(":")[0].endswith("/a%20b%2Fc%3Bd%3Ae%25%C3%A9~%281%29.tar.gz")
    assert http.get(f"{store.url}{location}").content == BODY
    assert http.get(place).json() == [location.rpartition(":")[0]]


def test_no_name_leads_out_of_the_folder(http, store, place):
    before = set(store.folder.parent.iterdir())

    for name in ("..%2F..%2Fx", "%2Fetc%2Fpasswd"):
        put(http, f"{place}/{name}")

    assert set(store.folder.parent.iterdir()) == before
    assert all(len(path.name) == 32 for path in files(store.folder))


def test_methods_that_mean_nothing_are_refused(http, place):
    put(http, f"{place}/object")

    assert http.post(f"{place}/object;versions").status_code == 405
    assert http.put(f"{place}/object;versions", data=b"").status_code == 405
    assert http.put(f"{place}/object:1", data=b"").status_code == 405


def test_a_stored_page_cannot_act_as_its_reader(http, place):
    put(http, f"{place}/page.html", b"<script></script>", **{"Content-Type": "text/html"})

    headers = http.get(f"{place}/page.html").headers

    assert headers["Content-Security-Policy"] == "sandbox allow-scripts"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_eight_clients_at_once_lose_nothing(store, place, http):
    def write(client: int) -> list[int]:
        session = store.session()
        bodies = [f"{client}-{n}".encode() for n in range(5)]
        same = [session.put(f"{place}/new/same?parents=true", data=body).status_code for body in bodies]
        own = [session.put(f"{place}/new/own-{client}?parents=true", data=body).status_code for body in bodies]
        return same + own

    with ThreadPoolExecutor(8) as clients:
        statuses = [status for done in clients.map(write, range(8)) for status in done]

    assert set(statuses) == {201}
    versions = http.get(f"{place}/new/same;versions").json()
    bodies = {http.get(store.url + version).text for version in versions}
    assert bodies == {f"{client}-{n}" for client in range(8) for n in range(5)}
    assert len(http.get(f"{place}/new").json()) == 9
