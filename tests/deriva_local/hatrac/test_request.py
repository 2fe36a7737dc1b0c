"""Paths under /hatrac become typed resources."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deriva_local.errors import BadRequest
from deriva_local.hatrac.request import (
    AclPart,
    Chunk,
    Metadata,
    Name,
    Upload,
    UploadList,
    Version,
    VersionList,
    parse,
    parse_name,
    stored_name,
)

AB = Name(("a", "b"))

SEGMENTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).filter(
    lambda segment: segment not in (".", "..")
)
NAMES = st.lists(SEGMENTS, max_size=5).map(lambda segments: Name(tuple(segments)))


@pytest.mark.parametrize(
    ("path", "resource"),
    [
        ("/hatrac", Name(())),
        ("/hatrac/", Name(())),
        ("/hatrac/a/b", AB),
        ("/hatrac/a/b/", AB),
        ("/hatrac/a/b:V1", Version(AB, "V1")),
        ("/hatrac/a/b%3AV1", Name(("a", "b:V1"))),
        ("/hatrac/a%2Fb", Name(("a/b",))),
        ("/hatrac/a/b;versions", VersionList(AB)),
        ("/hatrac/a/b:V1;metadata", Metadata(Version(AB, "V1"), None)),
        ("/hatrac/a/b:V1;metadata/Content-Type", Metadata(Version(AB, "V1"), "content-type")),
        ("/hatrac/a/b;acl", AclPart(AB, None, None)),
        ("/hatrac;acl/owner", AclPart(Name(()), "owner", None)),
        ("/hatrac/a/b:V1;acl/read/%2A", AclPart(Version(AB, "V1"), "read", "*")),
        ("/hatrac/a/b;acl/read/https%3A%2F%2Fhost%2Fgroup", AclPart(AB, "read", "https://host/group")),
        ("/hatrac/a/b;upload", UploadList(AB)),
        ("/hatrac/a/b;upload/j", Upload(AB, "j")),
        ("/hatrac/a/b;upload/j/07", Chunk(AB, "j", 7)),
    ],
)
def test_a_path_means_one_resource(path, resource):
    assert parse(path) == resource


@pytest.mark.parametrize(
    "path",
    [
        "/hatracks",
        "/hatrac/a//b",
        "/hatrac/../a",
        "/hatrac/a/%2E%2E",
        "/hatrac/a/.",
        "/hatrac/a%00b",
        "/hatrac/a%0Ab",
        "/hatrac/%zz",
        "/hatrac/%",
        "/hatrac/%ff",
        "/hatrac/a:1/b",
        "/hatrac/a:1:2",
        "/hatrac/a;versions;acl",
        "/hatrac/a;unknown",
        "/hatrac/a;metadata/content-length",
        "/hatrac/a;metadata/content-type/more",
        "/hatrac/a:1;versions",
        "/hatrac/a:1;upload",
        "/hatrac/a;upload/j/-1",
        "/hatrac/a;upload/j/x",
        "/hatrac/a;upload/j/1/2",
        "/hatrac/a;acl/read/x/y",
        "/hatrac/" + "x" * 2001,
    ],
)
def test_a_path_that_breaks_the_conventions_is_refused(path):
    with pytest.raises(BadRequest):
        parse(path)


@given(NAMES)
@settings(max_examples=60)
def test_a_name_comes_back_from_its_url_and_from_the_database(name):
    assert parse(name.url) == name
    assert parse_name(name.url) == name or not name.segments
    assert not name.segments or stored_name(name.path) == name


@given(NAMES)
@settings(max_examples=40)
def test_every_spelling_of_a_name_has_one_path(name):
    everything_encoded = "".join(
        "/" + "".join(f"%{byte:02x}" for byte in segment.encode()) for segment in name.segments
    )
    little_encoded = "".join("/" + quote(segment, safe="~()!*'$&+,=@ ") for segment in name.segments)

    assert parse("/hatrac" + everything_encoded) == parse("/hatrac" + little_encoded) == name


@given(st.text(max_size=40))
@settings(max_examples=150)
def test_any_text_is_understood_or_refused(text):
    try:
        resource = parse("/hatrac/" + text)
    except BadRequest:
        return
    assert resource == parse("/hatrac/" + text)


def test_ancestors_go_from_the_root_to_the_parent():
    assert Name(("a", "b", "c")).ancestors == (Name(()), Name(("a",)), Name(("a", "b")))
