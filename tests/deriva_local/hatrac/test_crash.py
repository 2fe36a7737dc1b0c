"""What a client or a host that dies in the middle leaves behind: nothing that anybody sees, nothing for long."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from deriva_local.auth import Client
from deriva_local.blobs.content import ContentFolder
from deriva_local.errors import Unavailable
from deriva_local.hatrac.call import Answer, Call
from deriva_local.hatrac.request import parse
from deriva_local.hatrac.service import Hatrac

ADA = Client("ada", "ada", "Ada", "ada@localhost", ("ada",))


@pytest.fixture
def pool(database):
    with ConnectionPool(database, open=True) as pool:
        yield pool


def restarted(pool: ConnectionPool, folder: Path) -> Hatrac:
    hatrac = Hatrac(pool, folder)
    hatrac.prepare()
    return hatrac


def ask(hatrac: Hatrac, method: str, path: str, *body: bytes) -> Answer:
    return hatrac.handle(Call(method, parse(f"/hatrac/{path}"), ADA, {}, False, body))


def content(hatrac: Hatrac, path: str) -> bytes:
    return b"".join(ask(hatrac, "GET", path).body)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_client_that_goes_away_in_the_middle_of_a_put_leaves_nothing(store, http, place):
    before = files(store.folder)
    path = "/hatrac" + place.partition("/hatrac")[2] + "/half"
    host, port = store.authority.split(":")
    context = ssl.create_default_context(cafile=str(store.bundle))
    with context.wrap_socket(socket.create_connection((host, int(port))), server_hostname=host) as connection:
        head = f"PUT {path} HTTP/1.1\r\nHost: {store.authority}\r\nContent-Length: 3000000\r\n"
        connection.sendall(f"{head}Authorization: Bearer {store.token('ada')}\r\n\r\n".encode() + bytes(1_500_000))
        while len(files(store.folder)) == len(before):
            connection.sendall(bytes(1000))

    while files(store.folder) != before:
        assert http.get(f"{place}/half").status_code == 404


def test_a_start_deletes_contents_that_no_version_ever_got(pool, tmp_path):
    hatrac = restarted(pool, tmp_path)
    ask(hatrac, "PUT", "kept", b"kept")
    contents = ContentFolder(tmp_path)
    contents.receive([b"died before publishing"], sha256=False)
    published, _ = contents.receive([b"died before the commit"], sha256=False)
    contents.publish(published)
    assert len(files(tmp_path)) == 4

    hatrac = restarted(pool, tmp_path)

    assert len(files(tmp_path)) == 1
    assert content(hatrac, "kept") == b"kept"


def test_a_start_keeps_a_content_whose_deletion_did_not_commit(pool, tmp_path):
    hatrac = restarted(pool, tmp_path)
    ask(hatrac, "PUT", "kept", b"kept")
    [file] = files(tmp_path)
    ContentFolder(tmp_path).retire(file.name)

    hatrac = restarted(pool, tmp_path)

    assert files(tmp_path) == [file]
    assert content(hatrac, "kept") == b"kept"


def test_an_upload_job_goes_on_after_a_restart_even_if_it_died_while_finalizing(pool, tmp_path):
    hatrac = restarted(pool, tmp_path)
    job = ask(hatrac, "POST", "object;upload", b'{"chunk-length": 4, "content-length": 6}').headers["Location"]
    job = job.removeprefix("/hatrac/")
    ask(hatrac, "PUT", f"{job}/1", b"bb")
    hatrac = restarted(pool, tmp_path)
    ask(hatrac, "PUT", f"{job}/0", b"aaaa")
    [file] = files(tmp_path)
    ContentFolder(tmp_path).publish(file.name)

    hatrac = restarted(pool, tmp_path)
    ask(hatrac, "POST", job)

    assert content(hatrac, "object") == b"aaaabb"
    assert len(files(restarted(pool, tmp_path) and tmp_path)) == 1


def test_an_abandoned_upload_job_is_dropped_after_two_weeks(pool, tmp_path):
    hatrac = restarted(pool, tmp_path)
    ask(hatrac, "POST", "object;upload", b'{"chunk-length": 4, "content-length": 6}')
    assert len(files(tmp_path)) == 1
    with pool.connection() as db:
        db.execute("UPDATE hatrac.upload SET created = now() - interval '15 days'")

    restarted(pool, tmp_path)

    assert files(tmp_path) == []


def test_objects_are_there_after_a_restart(pool, tmp_path):
    ask(restarted(pool, tmp_path), "PUT", "object", b"a", b"b")

    assert content(restarted(pool, tmp_path), "object") == b"ab"


def test_without_postgresql_the_store_is_unavailable_and_comes_back_with_it(pool, database, tmp_path):
    hatrac = restarted(pool, tmp_path)
    ask(hatrac, "PUT", "object", b"content")
    with psycopg.connect(database) as other:
        mine = "datname = current_database() AND pid <> pg_backend_pid()"
        other.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {mine}")

    with pytest.raises(Unavailable, match="try again"):
        content(hatrac, "object")
    pool.check()
    assert content(hatrac, "object") == b"content"
