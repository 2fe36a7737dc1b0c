"""What mainline's requests survive, what is never sent twice, and how it gives up."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import requests
from deriva_ml import DerivaML as PlainDerivaML
from hypothesis import given
from hypothesis import strategies as st

from deriva_ml_kit.mainline import DerivaML, DerivaMLConfigurationError
from deriva_ml_kit.mainline.catalog.rows import insert, insert_once
from deriva_ml_kit.mainline.catalog.transport import Limits, is_idempotent, object_store, retry_after

FAST = Limits(pause_seconds=0.01, longest_pause_seconds=0.1, read_seconds=1.0, attempts=4)
TRANSIENT = ("drop", "lose", "stall", "cut", "unavailable", "bad_gateway")


@pytest.fixture
def faulty_ml(lab, faulty_host, tmp_path: Path) -> DerivaML:
    return DerivaML(faulty_host.hostname, lab.catalog_id, working_dir=tmp_path / "work", limits=FAST)


def described(ml, description: str) -> list[dict]:
    return ml.catalog.get(f"/entity/deriva-ml:Dataset/Description={description}").json()


@pytest.mark.catalog
@pytest.mark.parametrize("fault", TRANSIENT)
def test_reading_survives_any_fault(faulty_ml, faulty_host, fault) -> None:
    faulty_host.fail(fault, "GET", "/entity/", times=2)

    assert len(faulty_ml.catalog.get("/entity/deriva-ml:Asset_Role").json()) >= 2
    assert len(faulty_host.seen("GET", "/entity/")) == 3


@pytest.mark.catalog
@pytest.mark.parametrize("fault", TRANSIENT)
def test_rows_with_leased_rids_are_stored_once_whatever_fails(faulty_ml, faulty_host, fault) -> None:
    """One fault at the lease, one at the rows, one when the lease is given back."""
    for request in (("POST", "RID_Lease"), ("POST", "nondefaults=RID"), ("DELETE", "RID_Lease")):
        faulty_host.fail(fault, *request)

    rows = insert_once(faulty_ml.catalog, "deriva-ml", "Dataset", [{"Description": f"once_{fault}"}] * 3)

    assert len({row["RID"] for row in rows}) == 3
    assert {row["RID"] for row in described(faulty_ml, f"once_{fault}")} == {row["RID"] for row in rows}
    leases = faulty_ml.catalog.get("/entity/public:ERMrest_RID_Lease").json()
    assert not {row["RID"] for row in rows} & {lease["RID"] for lease in leases}
    assert len(faulty_host.seen(outcome=fault)) == 3


@pytest.mark.catalog
def test_an_insert_whose_answer_is_lost_is_not_repeated_and_says_so(faulty_ml, faulty_host) -> None:
    faulty_host.fail("lose", "POST", "/entity/deriva-ml:Dataset")

    with pytest.raises(requests.ConnectionError, match="lost; it may have taken effect, so it was not sent again"):
        insert(faulty_ml.catalog, "deriva-ml", "Dataset", [{"Description": "sent_once"}])
    assert len(described(faulty_ml, "sent_once")) == 1


@pytest.mark.catalog
def test_the_release_doubles_a_row_whose_answer_is_lost(lab, faulty_host, tmp_path) -> None:
    """A fault of 1.17.10: all methods are repeated, and nothing makes the rows recognisable."""
    plain = PlainDerivaML(faulty_host.hostname, lab.catalog_id, working_dir=tmp_path, use_minid=False)
    plain.catalog._session.adapters["https://"].max_retries.backoff_factor = 0
    faulty_host.fail("lose", "POST", "/entity/deriva-ml:Dataset")

    plain.pathBuilder.schemas["deriva-ml"].Dataset.insert([{"Description": "doubled"}])

    assert len(described(plain, "doubled")) == 2


@pytest.mark.catalog
@pytest.mark.parametrize("fault", ["drop", "unavailable"])
def test_an_insert_that_surely_did_nothing(faulty_ml, faulty_host, fault) -> None:
    """After a 503 it is repeated. A connection that broke tells nothing, so it is not."""
    faulty_host.fail(fault, "POST", "/entity/deriva-ml:Dataset")

    if fault == "unavailable":
        insert(faulty_ml.catalog, "deriva-ml", "Dataset", [{"Description": "after_503"}])
    else:
        with pytest.raises(requests.ConnectionError):
            insert(faulty_ml.catalog, "deriva-ml", "Dataset", [{"Description": "after_drop"}])
    assert len(described(faulty_ml, "after_503")) == (fault == "unavailable")
    assert described(faulty_ml, "after_drop") == []


@pytest.mark.catalog
def test_what_an_earlier_attempt_has_deleted_is_deleted(faulty_ml, faulty_host) -> None:
    insert_once(faulty_ml.catalog, "deriva-ml", "Dataset", [{"Description": "to_delete"}])
    faulty_host.fail("lose", "DELETE", "/entity/deriva-ml:Dataset")

    faulty_ml.catalog.delete("/entity/deriva-ml:Dataset/Description=to_delete")
    assert described(faulty_ml, "to_delete") == []
    with pytest.raises(requests.HTTPError, match="404"):
        faulty_ml.catalog.delete("/entity/deriva-ml:Dataset/Description=to_delete")


@pytest.mark.catalog
@pytest.mark.parametrize("asked", ["1", "date"])
def test_a_server_says_how_long_to_wait(faulty_ml, faulty_host, asked) -> None:
    limits = Limits(pause_seconds=0.01, longest_pause_seconds=5)
    store = object_store(faulty_host.hostname, faulty_ml.credential, limits)
    wanted = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True) if asked == "date" else asked
    faulty_host.fail("unavailable", "GET", "/hatrac", retry_after=wanted)

    start = time.monotonic()
    store.get("/hatrac/")
    assert 0.9 < time.monotonic() - start < 4


@pytest.mark.catalog
def test_a_server_cannot_make_anybody_wait_for_hours(faulty_ml, faulty_host) -> None:
    faulty_host.fail("unavailable", "GET", "/entity/", retry_after="86400")

    start = time.monotonic()
    faulty_ml.catalog.get("/entity/deriva-ml:Asset_Role")
    assert time.monotonic() - start < 2


@pytest.mark.catalog
def test_it_gives_up_in_the_end_with_what_was_tried(faulty_ml, faulty_host) -> None:
    faulty_host.fail("drop", "GET", "/entity/", times=None)
    with pytest.raises(requests.ConnectionError, match=r"GET https://localhost.*given up after 4 attempts in \d+ s"):
        faulty_ml.catalog.get("/entity/deriva-ml:Asset_Role")

    faulty_host.work()
    faulty_host.fail("unavailable", "GET", "/entity/", times=None)
    with pytest.raises(requests.HTTPError, match=r"503 .*given up after 4 attempts"):
        faulty_ml.catalog.get("/entity/deriva-ml:Asset_Role")


@pytest.mark.catalog
def test_a_host_that_is_gone_is_no_reason_to_wait_for_ever(lab, new_port) -> None:
    store = object_store(f"localhost:{new_port()}", {}, FAST)
    with pytest.raises(requests.ConnectionError, match="there is no connection; given up after 4 attempts"):
        store.get("/hatrac/")


@pytest.mark.catalog
def test_rows_that_were_read_are_not_kept(faulty_ml) -> None:
    """deriva keeps the answer of every GET for as long as the catalog object lives."""
    faulty_ml.catalog.get("/entity/deriva-ml:Asset_Role")
    assert [url.rpartition("/")[2] for url in faulty_ml.catalog._cache] in ([], ["schema"])


@pytest.mark.parametrize(
    ("method", "path", "headers", "expected"),
    [
        ("GET", "/ermrest/catalog/1/entity/S:T", {}, True),
        ("PUT", "/ermrest/catalog/1/attributegroup/S:T/RID;A", {}, True),
        ("PUT", "/hatrac/a/b", {"If-None-Match": "*"}, True),
        ("PUT", "/ermrest/catalog/1/entity/S:T", {"If-Match": "x"}, False),
        ("POST", "/ermrest/catalog/1/entity/S:T?defaults=RID", {}, False),
        ("POST", "/ermrest/catalog/1/entity/S:T?defaults=RID&onconflict=skip", {}, True),
        ("POST", "/ermrest/catalog/1/entity/S:onconflict=skip", {}, False),
        ("POST", "/ermrest/catalog", {}, False),
        ("POST", "/hatrac/a/b;upload/17", {}, True),
        ("POST", "/deriva/export/bdbag", {}, True),
    ],
)
def test_what_can_be_sent_twice(method, path, headers, expected) -> None:
    assert is_idempotent(method, f"https://example.org{path}", headers) is expected


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), (" 0 ", 0.0), ("soon", None), ("", None), (None, None)])
def test_retry_after(header, seconds) -> None:
    assert retry_after(header) == seconds


def test_retry_after_as_a_date_that_has_passed() -> None:
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0


@given(st.floats(0.01, 10), st.floats(0.01, 100))
def test_pauses_grow_and_have_a_limit(pause, longest) -> None:
    pauses = Limits(pause_seconds=pause, longest_pause_seconds=longest).pauses()
    for number, seconds in zip(range(20), pauses, strict=False):
        assert 0 < seconds <= min(pause * 2**number, longest)


def test_limits_come_from_the_environment(monkeypatch) -> None:
    monkeypatch.setenv("DERIVA_ML_WORKERS", "16")
    monkeypatch.setenv("DERIVA_ML_READ_SECONDS", "2.5")
    assert Limits.from_environment(pause_seconds=0.25) == Limits(workers=16, read_seconds=2.5, pause_seconds=0.25)


@pytest.mark.parametrize("text", ["0", "-1", "many", "nan", "2.5"])
def test_a_limit_that_is_none_is_named(monkeypatch, text) -> None:
    monkeypatch.setenv("DERIVA_ML_ATTEMPTS", text)
    with pytest.raises(DerivaMLConfigurationError, match=f"DERIVA_ML_ATTEMPTS is '{text}'"):
        Limits.from_environment()
