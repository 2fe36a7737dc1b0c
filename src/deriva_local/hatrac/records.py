"""Rows of the object store: schema `hatrac` of database `deriva_local`. All of its SQL, and nothing else.

Names are stored percent-encoded in their one spelling (`Name.path`). Rows of names and versions are never deleted, only
marked, so that a name keeps its kind and a version id is never issued twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from deriva_local.hatrac.headers import Description
from deriva_local.hatrac.request import Name
from deriva_local.hatrac.rights import ROOT_ACLS, Acls

Db = Connection[Any]

_TABLES = """
CREATE SCHEMA IF NOT EXISTS hatrac;
CREATE TABLE IF NOT EXISTS hatrac.name (
    path text PRIMARY KEY,
    parent text REFERENCES hatrac.name,
    is_namespace boolean NOT NULL,
    deleted boolean NOT NULL DEFAULT false,
    acls jsonb NOT NULL
);
CREATE INDEX IF NOT EXISTS name_parent ON hatrac.name (parent);
CREATE TABLE IF NOT EXISTS hatrac.version (
    id text PRIMARY KEY,
    ordinal bigint GENERATED ALWAYS AS IDENTITY,
    path text NOT NULL REFERENCES hatrac.name,
    length bigint NOT NULL,
    md5 bytea NOT NULL,
    sha256 bytea,
    content_type text,
    disposition text,
    blob text,                              -- null: deleted, or renamed to `forward`
    forward text REFERENCES hatrac.version,
    deleted boolean NOT NULL DEFAULT false,
    acls jsonb NOT NULL,
    created timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS version_path ON hatrac.version (path, ordinal);
CREATE UNIQUE INDEX IF NOT EXISTS version_blob ON hatrac.version (blob) WHERE blob IS NOT NULL;
CREATE TABLE IF NOT EXISTS hatrac.upload (
    id text PRIMARY KEY,
    path text NOT NULL,
    owner text NOT NULL,
    chunk_length bigint NOT NULL,
    content_length bigint NOT NULL,
    content_type text,
    disposition text,
    md5 bytea,
    sha256 bytea,
    blob text NOT NULL,
    created timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS upload_path ON hatrac.upload (path);
CREATE TABLE IF NOT EXISTS hatrac.chunk (
    upload text NOT NULL REFERENCES hatrac.upload ON DELETE CASCADE,
    number bigint NOT NULL,
    PRIMARY KEY (upload, number)
);
"""
_LOCK = 0x68617472  # advisory lock of whoever changes names, versions or jobs: changes are short and one at a time


@dataclass(frozen=True)
class NameRow:
    """A namespace or an object."""

    path: str
    is_namespace: bool
    deleted: bool
    acls: Acls


@dataclass(frozen=True)
class VersionRow:
    """One version of an object. `blob` is the id of its content's file."""

    id: str
    path: str
    length: int
    md5: bytes
    sha256: bytes | None
    content_type: str | None
    disposition: str | None
    blob: str | None
    forward: str | None
    deleted: bool
    acls: Acls

    @property
    def etag(self) -> str:
        """Contents never change, so the version id is the entity tag."""
        return f'"{self.id}"'


@dataclass(frozen=True)
class UploadRow:
    """A pending chunked upload."""

    id: str
    path: str
    owner: str
    chunk_length: int
    content_length: int
    content_type: str | None
    disposition: str | None
    md5: bytes | None
    sha256: bytes | None
    blob: str

    @property
    def chunk_count(self) -> int:
        """How many chunks make the whole."""
        return -(-self.content_length // self.chunk_length)


_VERSION = "id, path, length, md5, sha256, content_type, disposition, blob, forward, deleted, acls"
_UPLOAD = "id, path, owner, chunk_length, content_length, content_type, disposition, md5, sha256, blob"


def create_tables(db: Db) -> None:
    """Make what is missing, the root namespace included."""
    db.execute(_TABLES)
    db.execute(
        "INSERT INTO hatrac.name (path, is_namespace, acls) VALUES ('', true, %s) ON CONFLICT DO NOTHING",
        [Jsonb(ROOT_ACLS)],
    )


def lock(db: Db) -> None:
    """Wait until no other transaction changes the object store; hold until this one ends."""
    db.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


# Names


def names(db: Db, wanted: Sequence[Name]) -> dict[str, NameRow]:
    """Find names by path, deleted ones included."""
    with db.cursor(row_factory=class_row(NameRow)) as cursor:
        cursor.execute(
            "SELECT path, is_namespace, deleted, acls FROM hatrac.name WHERE path = ANY(%s)",
            [[name.path for name in wanted]],
        )
        return {row.path: row for row in cursor}


def put_name(db: Db, name: Name, *, is_namespace: bool, owner: str) -> None:
    """Define a name, or restore a deleted one (under a new owner)."""
    db.execute(
        "INSERT INTO hatrac.name (path, parent, is_namespace, acls) VALUES (%s, %s, %s, %s) "
        "ON CONFLICT (path) DO UPDATE SET deleted = false, acls = excluded.acls",
        [name.path, name.ancestors[-1].path, is_namespace, Jsonb({"owner": [owner]})],
    )


def delete_name(db: Db, path: str) -> None:
    """Mark a name as deleted."""
    db.execute("UPDATE hatrac.name SET deleted = true WHERE path = %s", [path])


def children(db: Db, path: str) -> list[str]:
    """Paths directly inside a namespace, in order."""
    rows = db.execute("SELECT path FROM hatrac.name WHERE parent = %s AND NOT deleted ORDER BY path", [path])
    return [row[0] for row in rows]


def set_name_acls(db: Db, path: str, acls: Acls) -> None:
    """Replace the lists of a namespace or object."""
    db.execute("UPDATE hatrac.name SET acls = %s WHERE path = %s", [Jsonb(acls), path])


# Versions


def current_version(db: Db, path: str) -> VersionRow | None:
    """The newest version of an object that is not deleted."""
    return _version(db, "path = %s AND NOT deleted ORDER BY ordinal DESC LIMIT 1", path)


def version(db: Db, id: str) -> VersionRow | None:
    """A version by its id."""
    return _version(db, "id = %s AND NOT deleted", id)


def _version(db: Db, condition: str, value: str) -> VersionRow | None:
    with db.cursor(row_factory=class_row(VersionRow)) as cursor:
        cursor.execute(f"SELECT {_VERSION} FROM hatrac.version WHERE {condition}", [value])
        return cursor.fetchone()


def versions(db: Db, path: str) -> list[VersionRow]:
    """Versions of an object that are not deleted, oldest first."""
    with db.cursor(row_factory=class_row(VersionRow)) as cursor:
        cursor.execute(
            f"SELECT {_VERSION} FROM hatrac.version WHERE path = %s AND NOT deleted ORDER BY ordinal", [path]
        )
        return cursor.fetchall()


def add_version(db: Db, *, id: str, path: str, length: int, description: Description, blob: str, acls: Acls) -> None:
    """Write a new version, which becomes the current one. `description.md5` is known by now."""
    db.execute(
        f"INSERT INTO hatrac.version ({_VERSION}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, NULL, false, %s)",
        [
            id,
            path,
            length,
            description.md5,
            description.sha256,
            description.content_type,
            description.disposition,
            blob,
            Jsonb(acls),
        ],
    )


def delete_version(db: Db, id: str) -> None:
    """Mark a version as deleted; it gives up its content or its forwarding."""
    db.execute("UPDATE hatrac.version SET deleted = true, blob = NULL, forward = NULL WHERE id = %s", [id])


def release_content(db: Db, id: str) -> None:
    """Take the content from a version, so that another one can have it."""
    db.execute("UPDATE hatrac.version SET blob = NULL WHERE id = %s", [id])


def forward_version(db: Db, id: str, to: str) -> None:
    """Make a version point to the one that took over its content."""
    db.execute("UPDATE hatrac.version SET forward = %s WHERE id = %s", [to, id])


def set_version_acls(db: Db, id: str, acls: Acls) -> None:
    """Replace the lists of a version."""
    db.execute("UPDATE hatrac.version SET acls = %s WHERE id = %s", [Jsonb(acls), id])


def set_version_description(db: Db, id: str, description: Description) -> None:
    """Replace what is said about a version's content."""
    db.execute(
        "UPDATE hatrac.version SET content_type = %s, disposition = %s, md5 = %s, sha256 = %s WHERE id = %s",
        [description.content_type, description.disposition, description.md5, description.sha256, id],
    )


# Upload jobs


def add_upload(db: Db, row: UploadRow) -> None:
    """Write a new job."""
    db.execute(
        f"INSERT INTO hatrac.upload ({_UPLOAD}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            row.id,
            row.path,
            row.owner,
            row.chunk_length,
            row.content_length,
            row.content_type,
            row.disposition,
            row.md5,
            row.sha256,
            row.blob,
        ],
    )


def upload(db: Db, id: str) -> UploadRow | None:
    """A job by its id."""
    with db.cursor(row_factory=class_row(UploadRow)) as cursor:
        cursor.execute(f"SELECT {_UPLOAD} FROM hatrac.upload WHERE id = %s", [id])
        return cursor.fetchone()


def uploads(db: Db, path: str) -> list[UploadRow]:
    """Jobs of an object, oldest first."""
    with db.cursor(row_factory=class_row(UploadRow)) as cursor:
        cursor.execute(f"SELECT {_UPLOAD} FROM hatrac.upload WHERE path = %s ORDER BY created, id", [path])
        return cursor.fetchall()


def delete_upload(db: Db, id: str) -> None:
    """Forget a job and its chunks."""
    db.execute("DELETE FROM hatrac.upload WHERE id = %s", [id])


def delete_stale_uploads(db: Db, days: int) -> None:
    """Forget jobs that nobody finalised for so long."""
    db.execute("DELETE FROM hatrac.upload WHERE created < now() - make_interval(days => %s)", [days])


def add_chunk(db: Db, upload: str, number: int) -> None:
    """Note that a chunk has arrived whole."""
    db.execute("INSERT INTO hatrac.chunk VALUES (%s, %s) ON CONFLICT DO NOTHING", [upload, number])


def missing_chunks(db: Db, row: UploadRow, limit: int) -> list[int]:
    """The first chunk numbers that have not arrived."""
    rows = db.execute(
        "SELECT number FROM generate_series(0, %s::bigint - 1) number "
        "EXCEPT SELECT number FROM hatrac.chunk WHERE upload = %s ORDER BY number LIMIT %s",
        [row.chunk_count, row.id, limit],
    )
    return [number for (number,) in rows]


# Files


def owned_files(db: Db, blobs: Sequence[str]) -> tuple[set[str], set[str]]:
    """Of these files, those that versions own and those that upload jobs own."""
    of_versions = db.execute("SELECT blob FROM hatrac.version WHERE blob = ANY(%s)", [list(blobs)])
    of_uploads = db.execute("SELECT blob FROM hatrac.upload WHERE blob = ANY(%s)", [list(blobs)])
    return {blob for (blob,) in of_versions}, {blob for (blob,) in of_uploads}
