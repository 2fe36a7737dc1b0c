"""`/authn/session` on a running host, as clients of DERIVA use it."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
import requests

pytestmark = pytest.mark.catalog


@pytest.fixture
def token(local_host: Any) -> str:
    from deriva.core import get_credential  # noqa: PLC0415  (reads HOME)

    return str(get_credential(local_host.hostname)["bearer-token"])


@pytest.fixture
def url(local_host: Any) -> str:
    return f"{local_host.url}/authn/session"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_bearer_token_tells_who_the_caller_is(url: str, token: str) -> None:
    document = requests.get(url, headers=bearer(token), timeout=10).json()
    assert set(document["client"]) == {"id", "display_name", "full_name", "email"}
    assert document["client"]["id"] in [attribute["id"] for attribute in document["attributes"]]
    since, expires = (datetime.datetime.fromisoformat(document[name]) for name in ("since", "expires"))
    assert since < datetime.datetime.now(datetime.UTC) < expires
    assert 0 < document["seconds_remaining"] <= (expires - since).total_seconds()


def test_the_token_works_as_a_cookie_too(url: str, token: str) -> None:
    by_cookie = requests.get(url, headers={"Cookie": f"other=1; webauthn={token}"}, timeout=10).json()
    assert by_cookie["client"] == requests.get(url, headers=bearer(token), timeout=10).json()["client"]


@pytest.mark.parametrize(
    "headers", [{}, bearer("unknown"), {"Cookie": "webauthn=unknown"}, {"Authorization": "Basic x"}]
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_who_is_not_logged_in_has_no_session(url: str, method: str, headers: dict[str, str]) -> None:
    answer = requests.request(method, url, headers=headers, timeout=10)
    assert answer.status_code == 404
    assert "deriva-local login" in answer.text


def test_logging_in_by_form_sets_a_cookie_and_logging_out_ends_it(url: str, token: str) -> None:
    name = requests.get(url, headers=bearer(token), timeout=10).json()["client"]["display_name"]
    with requests.Session() as browser:
        answer = browser.post(url, data={"username": name, "password": token}, timeout=10)
        assert answer.status_code == 200
        set_cookie = answer.headers["Set-Cookie"].lower()
        assert all(word in set_cookie for word in ("webauthn=", "httponly", "secure", "samesite=strict"))
        assert token not in set_cookie
        cookie = {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}
        assert browser.put(url, headers=cookie, timeout=10).json()["client"]["display_name"] == name
        assert browser.delete(url, headers=cookie, timeout=10).status_code == 200
        assert browser.get(url, headers=cookie, timeout=10).status_code == 404
    assert requests.get(url, headers=bearer(token), timeout=10).ok, "the other session goes on"


@pytest.mark.parametrize("form", [{}, {"username": "root"}, {"username": "root", "password": "guess"}])
def test_a_wrong_form_is_refused(url: str, form: dict[str, str]) -> None:
    answer = requests.post(url, data=form, timeout=10)
    assert answer.status_code == 401
    assert "Set-Cookie" not in answer.headers


def test_a_token_logs_only_its_own_user_in(url: str, token: str) -> None:
    assert requests.post(url, data={"username": "somebody", "password": token}, timeout=10).status_code == 401


def test_a_login_form_without_end_is_refused(url: str) -> None:
    assert requests.post(url, data=b"x" * 100_000, timeout=10).status_code == 413


def test_what_is_not_there_is_answered_in_text_or_json(local_host: Any) -> None:
    address = f"{local_host.url}/authn/preauth"
    text = requests.get(address, timeout=10)
    assert (text.status_code, text.headers["Content-Type"]) == (404, "text/plain; charset=utf-8")
    assert text.text.startswith("404 Not Found\n")
    document = requests.get(address, headers={"Accept": "application/json"}, timeout=10).json()
    assert document == {"status": 404, "title": "Not Found", "message": "GET /authn/preauth"}


def test_a_method_that_is_not_there_is_answered_with_those_that_are(url: str) -> None:
    answer = requests.request("PATCH", url, timeout=10)
    assert answer.status_code == 405
    assert "Allow" in answer.headers


def test_head_has_no_body(url: str) -> None:
    answer = requests.head(url, timeout=10)
    assert answer.status_code == 404
    assert answer.content == b""


def test_a_refused_upload_gets_its_answer_however_long_it_is(local_host: Any) -> None:
    answer = requests.put(f"{local_host.url}/nowhere", data=b"x" * 30_000_000, timeout=30)
    assert answer.status_code == 404
