"""What deriva's own client does with objects: HatracStore as it is, against the running store."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from deriva.core import HatracStore

MIB = 1 << 20


@pytest.fixture
def client(store, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(store.bundle))
    return HatracStore("https", store.authority, {"bearer-token": store.token("ada")})


@pytest.fixture
def path(place):
    """Like `place`, without scheme and host."""
    return "/hatrac" + place.partition("/hatrac")[2]


def write(path: Path, size: int) -> Path:
    path.write_bytes(os.urandom(size))
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("size", [0, 1, 3 * MIB + 1])
def test_a_file_goes_up_and_comes_down(client, path, tmp_path, size):
    source = write(tmp_path / "source.bin", size)

    location = client.put_obj(f"{path}/a/b/file.bin", str(source))
    client.get_obj(f"{path}/a/b/file.bin", destfilename=str(tmp_path / "copy.bin"))

    assert location.startswith(f"{path}/a/b/file.bin:")
    assert digest(tmp_path / "copy.bin") == digest(source)


def test_putting_the_same_content_again_gives_the_same_location(client, path, tmp_path):
    source = write(tmp_path / "source.bin", 10)

    first = client.put_obj(f"{path}/file.bin", str(source))

    assert client.put_obj(f"{path}/file.bin", str(source)) == first
    assert client.content_equals(f"{path}/file.bin", filename=str(source))


@pytest.mark.parametrize("size", [0, 1, 4 * MIB, 4 * MIB + 1])
def test_a_file_goes_up_in_chunks(client, path, tmp_path, size):
    source = write(tmp_path / "source.bin", size)

    location = client.put_loc(
        f"{path}/deep/file.bin",
        str(source),
        chunked=True,
        chunk_size=MIB,
        content_type="image/tiff",
        content_disposition="filename*=UTF-8''scan.tif",
    )
    got = client.get_obj(location, destfilename=str(tmp_path / "copy.bin"))

    assert digest(tmp_path / "copy.bin") == digest(source)
    assert got.headers["Content-Type"] == "image/tiff"
    assert got.headers["Content-Disposition"] == "filename*=UTF-8''scan.tif"


UPLOAD_AND_DIE = """
import os, signal, sys
from deriva.core import HatracStore
authority, token, path, file, job_file = sys.argv[1:]
client = HatracStore("https", authority, {"bearer-token": token})
job = client.create_upload_job(path, file, md5=None, sha256=None, chunk_size=1 << 20)
open(job_file, "w").write(job)
def die_after_two(completed=0, **_):
    if completed == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return True
client.put_obj_chunked(path, file, job, callback=die_after_two)
"""


def test_a_chunked_upload_goes_on_after_its_client_was_killed(client, store, path, tmp_path):
    source, job_file = write(tmp_path / "source.bin", 4 * MIB + 7), tmp_path / "job"
    arguments = [store.authority, store.token("ada"), f"{path}/file.bin", str(source), str(job_file)]

    killed = subprocess.run([sys.executable, "-c", UPLOAD_AND_DIE, *arguments], check=False, timeout=60)

    assert killed.returncode == -9
    job = job_file.read_text()
    with pytest.raises(requests.HTTPError, match="404"):
        client.head(f"{path}/file.bin")
    with pytest.raises(requests.HTTPError, match="3 of 5 chunks have not arrived: 2, 3, 4"):
        client.finalize_upload_job(f"{path}/file.bin", job)

    client.put_obj_chunked(f"{path}/file.bin", str(source), job, start_chunk=2)
    client.finalize_upload_job(f"{path}/file.bin", job)

    client.get_obj(f"{path}/file.bin", destfilename=str(tmp_path / "copy.bin"))
    assert digest(tmp_path / "copy.bin") == digest(source)


def test_namespaces_and_lists_through_the_client(client, path):
    client.create_namespace(f"{path}/new/inner")

    assert client.is_valid_namespace(f"{path}/new")
    assert not client.is_valid_namespace(f"{path}/old")
    assert client.retrieve_namespace(f"{path}/new") == [f"{path}/new/inner"]

    client.set_acl(f"{path}/new", "subtree-read", ["*"])
    client.set_acl(f"{path}/new", "subtree-read", ["https://localhost/groups/lab"], add_role=True)
    assert client.get_acl(f"{path}/new")["subtree-read"] == ["*", "https://localhost/groups/lab"]
    client.del_acl(f"{path}/new", "subtree-read", "*")
    assert client.get_acl(f"{path}/new", "subtree-read") == {"subtree-read": ["https://localhost/groups/lab"]}

    client.delete_namespace(f"{path}/new/inner")
    assert client.retrieve_namespace(f"{path}/new") == []


def test_a_renamed_object_is_found_under_both_names(client, path, tmp_path):
    source = write(tmp_path / "source.bin", 100)
    old = client.put_obj(f"{path}/old.bin", str(source))

    new = client.rename_obj(f"{path}/old.bin", f"{path}/new.bin")

    assert new.startswith(f"{path}/new.bin:")
    for name in (old, f"{path}/old.bin", new, f"{path}/new.bin"):
        got = client.get(name)
        assert got.content == source.read_bytes()
        assert got.headers["Location"] == got.headers["Content-Location"] == new
    client.del_obj(f"{path}/old.bin")
    assert client.get(new).content == source.read_bytes()
