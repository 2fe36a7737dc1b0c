"""Contents as files: whole or not at all, with their checksums."""

from __future__ import annotations

import hashlib
import resource
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deriva_local.blobs.content import ContentFolder, read_range
from deriva_local.errors import BadRequest, PayloadTooLarge


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    return ContentFolder(tmp_path_factory.mktemp("contents"))


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@given(st.lists(st.binary(max_size=50)))
@settings(max_examples=25)
def test_a_content_is_its_blocks_in_order_with_length_and_checksums(contents, blocks):
    whole = b"".join(blocks)

    id, digest = contents.receive(blocks, sha256=True)
    contents.publish(id)
    contents.settle(id)

    assert contents.open(id).read() == whole
    assert digest.length == len(whole)
    assert digest.md5 == hashlib.md5(whole).digest()
    assert digest.sha256 == hashlib.sha256(whole).digest()
    assert contents.digest(id, sha256=True) == digest


@given(st.binary(min_size=1, max_size=60), st.integers(1, 20), st.randoms())
@settings(max_examples=25)
def test_chunks_in_any_order_make_the_whole(contents, whole, size, random):
    chunks = [(start, whole[start : start + size]) for start in range(0, len(whole), size)]
    random.shuffle(chunks)
    id = contents.reserve(len(whole))

    for start, chunk in chunks:
        contents.write_at(id, start, len(chunk), [chunk[:3], chunk[3:]])

    assert contents.digest(id, sha256=False).md5 == hashlib.md5(whole).digest()
    contents.discard(id)


@pytest.mark.parametrize("body", [b"123", b"12345"])
def test_a_chunk_of_the_wrong_length_is_refused(contents, body):
    id = contents.reserve(10)

    with pytest.raises(BadRequest, match="4"):
        contents.write_at(id, 0, 4, [body])


def test_a_body_that_breaks_off_leaves_no_file(tmp_path):
    contents = ContentFolder(tmp_path)

    def broken():
        yield b"some"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        contents.receive(broken(), sha256=False)
    assert files(tmp_path) == []


def test_a_full_disk_is_told_and_leaves_no_file(tmp_path):
    contents = ContentFolder(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # of all limits to a file's size the one we can set
    try:
        with pytest.raises(PayloadTooLarge, match="free some space"):
            contents.receive([bytes(60_000)] * 2, sha256=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with pytest.raises(PayloadTooLarge):
        contents.reserve(1 << 60)

    assert files(tmp_path) == []


def test_a_deleted_content_can_be_read_to_its_end_by_who_has_it_open(contents):
    id, _ = contents.receive([b"content"], sha256=False)
    contents.publish(id)
    blocks = read_range(contents.open(id), 3, 100)
    contents.discard(id)

    assert b"".join(blocks) == b"tent"
    with pytest.raises(FileNotFoundError):
        contents.open(id)


def test_nobody_else_can_enter_the_folder(tmp_path):
    contents = ContentFolder(tmp_path / "objects")
    id, _ = contents.receive([b"secret"], sha256=False)
    contents.publish(id)

    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "objects").iterdir()} == {0}
