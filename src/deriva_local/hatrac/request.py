"""A request path under `/hatrac` becomes a typed resource. Pure; source: Hatrac's REST API, "URL Conventions".

`/`, `:` and `;` separate when written plainly and belong to a name when percent-encoded. A name is kept in one spelling
(`Name.path`: every segment fully percent-encoded), so two spellings of one URL mean one object.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

from deriva_local.errors import BadRequest

PREFIX = "/hatrac"
PATH_LIMIT = 2000  # characters of the percent-encoded name: what a PostgreSQL index entry surely holds
METADATA_FIELDS = ("content-type", "content-disposition", "content-md5", "content-sha256")


@dataclass(frozen=True)
class Name:
    """A namespace or an object: which, only the database knows. No segments: the root namespace."""

    segments: tuple[str, ...]

    @property
    def path(self) -> str:
        """The one spelling under which the database knows this name: `""` for the root, `/a/b%2Fc`."""
        return "".join("/" + quote(segment, safe="") for segment in self.segments)

    @property
    def url(self) -> str:
        """The path part of its URL."""
        return PREFIX + self.path

    @property
    def ancestors(self) -> tuple[Name, ...]:
        """From the root namespace down to the parent."""
        return tuple(Name(self.segments[:depth]) for depth in range(len(self.segments)))


@dataclass(frozen=True)
class Version:
    """One version of an object, by its id."""

    name: Name
    id: str


@dataclass(frozen=True)
class VersionList:
    """`;versions`."""

    name: Name


@dataclass(frozen=True)
class Metadata:
    """`;metadata` of an object version, whole or one field. An object stands for its current version."""

    of: Name | Version
    field: str | None


@dataclass(frozen=True)
class AclPart:
    """`;acl`: all lists, one list, or one entry of a list."""

    of: Name | Version
    access: str | None
    entry: str | None


@dataclass(frozen=True)
class UploadList:
    """`;upload`: the pending jobs of an object."""

    name: Name


@dataclass(frozen=True)
class Upload:
    """`;upload/<job>`."""

    name: Name
    job: str


@dataclass(frozen=True)
class Chunk:
    """`;upload/<job>/<n>`."""

    name: Name
    job: str
    number: int


Resource = Name | Version | VersionList | Metadata | AclPart | UploadList | Upload | Chunk


def parse(path: str) -> Resource:
    """Read the raw (still percent-encoded) path of a request.

    Raises:
        BadRequest: the path breaks the URL conventions; the message names the part.
    """
    if path != PREFIX and not path.startswith((PREFIX + "/", PREFIX + ";")):
        raise BadRequest(f"{path!r} does not begin with {PREFIX}")
    resource, *subs = path.removeprefix(PREFIX).split(";")
    target = _target(resource)
    if not subs:
        return target
    if len(subs) > 1:
        raise BadRequest("more than one ';' in the path: write a ';' that belongs to a name as %3B")
    return _sub_resource(target, subs[0].removesuffix("/").split("/"))


def parse_name(path: str) -> Name:
    """Read the path of an object as it stands in a JSON document, with or without the `/hatrac` prefix."""
    target = _target(path.removeprefix(PREFIX) if path.startswith(PREFIX + "/") else path)
    if isinstance(target, Version):
        raise BadRequest(f"{path!r} names a version: give the object's name")
    return target


def stored_name(path: str) -> Name:
    """Read a `Name.path` back."""
    return Name(tuple(unquote_to_bytes(segment).decode() for segment in path.split("/")[1:]))


def _target(path: str) -> Name | Version:
    if path in ("", "/"):
        return Name(())
    if not path.startswith("/"):
        raise BadRequest(f"{path!r} does not begin with '/'")
    *parents, last = path.removesuffix("/").removeprefix("/").split("/")
    last, *versions = last.split(":")
    if len(versions) > 1 or any(":" in segment for segment in parents):
        raise BadRequest(f"{path!r}: write a ':' that belongs to a name as %3A")
    name = Name(tuple(_segment(segment, path) for segment in (*parents, last)))
    if len(name.path) > PATH_LIMIT:
        raise BadRequest(f"the name is {len(name.path)} characters long, percent-encoded; the limit is {PATH_LIMIT}")
    return Version(name, _decoded(versions[0], path)) if versions else name


def _segment(text: str, path: str) -> str:
    segment = _decoded(text, path)
    if segment in ("", ".", ".."):
        raise BadRequest(f"{path!r} holds the segment {segment!r}: a name is not empty, '.' or '..'")
    return segment


def _decoded(text: str, path: str) -> str:
    if re.search("%(?![0-9A-Fa-f]{2})", text):
        raise BadRequest(f"{path!r} holds a '%' that two hexadecimal digits must follow")
    try:
        decoded = unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise BadRequest(f"{path!r} is not UTF-8 after percent-decoding") from None
    if any(ord(character) < 32 or ord(character) == 127 for character in decoded):
        raise BadRequest(f"{path!r} holds a control character")
    return decoded


def _sub_resource(target: Name | Version, words: list[str]) -> Resource:
    match words:
        case ["metadata", *rest] if len(rest) <= 1:
            return Metadata(target, _field(rest[0]) if rest else None)
        case ["acl", *rest] if len(rest) <= 2:
            access, entry = (*(_decoded(word, word) for word in rest), None, None)[:2]
            return AclPart(target, access, entry)
        case ["versions" | "upload", *_]:
            if isinstance(target, Version):
                raise BadRequest(f";{words[0]} belongs to an object, not to one of its versions")
            return _object_part(target, words)
    raise BadRequest(f"no sub-resource ;{'/'.join(words)}: there are ;versions ;metadata ;acl ;upload")


def _field(word: str) -> str:
    if word.lower() not in METADATA_FIELDS:
        raise BadRequest(f"no metadata field {word!r}: there are {', '.join(METADATA_FIELDS)}")
    return word.lower()


def _object_part(name: Name, words: list[str]) -> Resource:
    match words:
        case ["versions"]:
            return VersionList(name)
        case ["upload"]:
            return UploadList(name)
        case ["upload", job]:
            return Upload(name, job)
        case ["upload", job, number] if re.fullmatch("[0-9]{1,12}", number):
            return Chunk(name, job, int(number))
        case ["upload", _, number]:
            raise BadRequest(f"chunk number {number!r} is not a non-negative integer")
    raise BadRequest(f"no sub-resource ;{'/'.join(words)}")
