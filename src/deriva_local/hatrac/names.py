"""Namespaces and objects as names: finding them, the rules for defining, deleting and renaming them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg import OperationalError
from psycopg_pool import ConnectionPool, PoolTimeout

from deriva_local.blobs.content import ContentFolder
from deriva_local.errors import BadRequest, Conflict, Forbidden, NotFound, PreconditionFailed, Unavailable
from deriva_local.hatrac import records
from deriva_local.hatrac.call import Answer, Call, created, listing, no_content
from deriva_local.hatrac.headers import Conditions, Description
from deriva_local.hatrac.records import Db, NameRow, VersionRow
from deriva_local.hatrac.request import Name, Version, parse_name
from deriva_local.hatrac.rights import Acls, Caller, require, require_login


@dataclass(frozen=True)
class Host:
    """What the object store works on: its database and its files."""

    pool: ConnectionPool[Db]
    contents: ContentFolder

    @contextmanager
    def transaction(self) -> Iterator[Db]:
        """A connection for the block, which is one transaction. Raises Unavailable when PostgreSQL does not answer."""
        try:
            with self.pool.connection() as db:
                yield db
        except (OperationalError, PoolTimeout) as error:
            raise Unavailable(f"PostgreSQL does not answer ({type(error).__name__}): try again in a moment") from error


@dataclass(frozen=True)
class Place:
    """A name with what is known of it and of the namespaces above it."""

    name: Name
    row: NameRow | None  # None: never defined, or deleted
    deleted: NameRow | None
    ancestors: Sequence[NameRow | None]  # from the root down; None: not defined

    @property
    def above(self) -> list[Acls]:
        """ACLs of the ancestors that exist."""
        return [row.acls for row in self.ancestors if row]

    def existing(self) -> NameRow:
        """The name's row. Raises NotFound."""
        if self.row is None:
            raise NotFound(f"{self.name.url} does not exist")
        return self.row

    def object(self) -> NameRow:
        """The object's row. Raises NotFound when the name is free or a namespace."""
        row = self.existing()
        if row.is_namespace:
            raise NotFound(f"{self.name.url} is a namespace, not an object")
        return row


def locate(db: Db, name: Name) -> Place:
    """Look a name up, with everything above it."""
    rows = records.names(db, [*name.ancestors, name])
    alive = {path: row for path, row in rows.items() if not row.deleted}
    own = rows.get(name.path)
    return Place(
        name,
        alive.get(name.path),
        own if own and own.deleted else None,
        [alive.get(ancestor.path) for ancestor in name.ancestors],
    )


def list_namespace(call: Call, db: Db, place: Place) -> Answer:
    """GET of a namespace: URLs of its direct children."""
    row = place.existing()
    require(call.caller, "read", place.name.url, row.acls, place.above)
    return listing(call, [f"/hatrac{path}" for path in records.children(db, row.path)])


def put_namespace(call: Call, host: Host, name: Name) -> Answer:
    """PUT with the namespace content type."""
    caller = require_login(call.caller)
    with host.transaction() as db:
        records.lock(db)
        place = locate(db, name)
        if place.row:
            raise Conflict(f"{name.url} exists already")
        define(db, place, caller, is_namespace=True, parents=call.parents)
    return created(name.url)


def check_definable(place: Place, caller: Caller | None, *, is_namespace: bool, parents: bool) -> None:
    """Raise unless the caller may define this name: its kind, the namespaces above it, the right to create.

    Raises:
        Conflict: something above is an object, or the name was once of the other kind.
        NotFound: the parent is missing and `parents` was not asked for.
    """
    if not place.name.segments:
        raise Conflict("the root namespace exists already")
    for ancestor in place.ancestors:
        if ancestor and not ancestor.is_namespace:
            raise Conflict(f"/hatrac{ancestor.path} is an object: nothing can be put inside it")
    if place.deleted and place.deleted.is_namespace != is_namespace:
        kinds = ("an object", "a namespace")
        was, is_ = kinds[place.deleted.is_namespace], kinds[is_namespace]
        raise Conflict(f"{place.name.url} was {was} before it was deleted and cannot become {is_}: choose another name")
    missing = place.name.ancestors[-1].url
    if place.ancestors[-1] is None and not parents:
        raise NotFound(f"the namespace {missing} does not exist: create it, or add ?parents=true")
    nearest = max(depth for depth, row in enumerate(place.ancestors) if row)
    row = place.ancestors[nearest]
    if row:
        require(caller, "create", f"/hatrac{row.path}", row.acls, place.above[:nearest])


def define(db: Db, place: Place, caller: Caller, *, is_namespace: bool, parents: bool) -> None:
    """Define a name, with its missing ancestors, under the caller's ownership. The lock is held."""
    check_definable(place, caller, is_namespace=is_namespace, parents=parents)
    define_ancestors(db, place, caller)
    records.put_name(db, place.name, is_namespace=is_namespace, owner=caller.id)


def define_ancestors(db: Db, place: Place, caller: Caller) -> None:
    """Define what is missing above a name."""
    buried = records.names(db, place.name.ancestors)
    for ancestor, row in zip(place.name.ancestors, place.ancestors, strict=True):
        if row is None:
            if (old := buried.get(ancestor.path)) and not old.is_namespace:
                raise Conflict(f"{ancestor.url} was an object before it was deleted and cannot become a namespace")
            records.put_name(db, ancestor, is_namespace=True, owner=caller.id)


def check_update(db: Db, place: Place, caller: Caller | None, conditions: Conditions, *, parents: bool) -> None:
    """Raise unless the caller may give this object a new version now."""
    if place.row is None:
        check_definable(place, caller, is_namespace=False, parents=parents)
        now = None
    elif place.row.is_namespace:
        raise Conflict(f"{place.name.url} is a namespace: an object needs another name")
    else:
        require(caller, "update", place.name.url, place.row.acls, place.above)
        now = records.current_version(db, place.name.path)
    if not conditions.hold(now.etag if now else None):
        raise PreconditionFailed(
            f"{place.name.url} has {'the current version ' + now.etag if now else 'no version'}: "
            "this contradicts If-Match or If-None-Match"
        )


def add_version(
    db: Db,
    name: Name,
    caller: Caller,
    conditions: Conditions,
    *,
    parents: bool,
    length: int,
    description: Description,
    blob: str,
    acls: Acls | None = None,
) -> str:
    """Give an object a new version, defining the object if needed. The lock is held. Returns the version's id."""
    place = locate(db, name)
    check_update(db, place, caller, conditions, parents=parents)
    if place.row is None:
        define(db, place, caller, is_namespace=False, parents=parents)
    id = secrets.token_hex(13).upper()
    records.add_version(
        db,
        id=id,
        path=name.path,
        length=length,
        description=description,
        blob=blob,
        acls=acls or {"owner": [caller.id]},
    )
    return id


def delete(call: Call, host: Host, name: Name) -> Answer:
    """DELETE of an empty namespace, or of an object with all its versions and upload jobs."""
    caller = require_login(call.caller)
    if not name.segments:
        raise Forbidden("the root namespace cannot be deleted")
    with host.transaction() as db:
        records.lock(db)
        place = locate(db, name)
        row = place.existing()
        require(caller, "owner", name.url, row.acls, place.above)
        blobs: list[str] = []
        if row.is_namespace:
            if inside := records.children(db, row.path):
                raise Conflict(
                    f"{name.url} is not empty ({len(inside)} inside, /hatrac{inside[0]} first): empty it first"
                )
        else:
            blobs = _delete_content(db, call.conditions, place)
        records.delete_name(db, row.path)
        retire(host, blobs)
    discard(host, blobs)
    return no_content()


def _delete_content(db: Db, conditions: Conditions, place: Place) -> list[str]:
    """Delete an object's versions and jobs; returns the files that become free."""
    rows = records.versions(db, place.name.path)
    if not conditions.hold(rows[-1].etag if rows else None):
        raise PreconditionFailed(f"the current version of {place.name.url} is not the one given in If-Match")
    jobs = records.uploads(db, place.name.path)
    for version in rows:
        records.delete_version(db, version.id)
    for job in jobs:
        records.delete_upload(db, job.id)
    return [version.blob for version in rows if version.blob] + [job.blob for job in jobs]


def delete_version(call: Call, host: Host, target: Version) -> Answer:
    """DELETE of one version; the one before it becomes current."""
    caller = require_login(call.caller)
    with host.transaction() as db:
        records.lock(db)
        place = locate(db, target.name)
        row = version_of(db, place, target)
        require(caller, "owner", f"{target.name.url}:{row.id}", row.acls, [*place.above, place.object().acls])
        if not call.conditions.hold(row.etag):
            raise PreconditionFailed(f"the version is {row.etag}, not the one given in If-Match")
        blobs = [row.blob] if row.blob else []
        records.delete_version(db, row.id)
        retire(host, blobs)
    discard(host, blobs)
    return no_content()


def version_of(db: Db, place: Place, target: Version) -> VersionRow:
    """Find a version of this very object. Raises NotFound."""
    place.object()
    row = records.version(db, target.id)
    if row is None or row.path != target.name.path:
        raise NotFound(f"{target.name.url} has no version {target.id}")
    return row


def retire(host: Host, blobs: list[str]) -> None:
    """Announce files that go with this transaction."""
    for blob in blobs:
        host.contents.retire(blob)


def discard(host: Host, blobs: list[str]) -> None:
    """Delete the announced files, after the commit."""
    for blob in blobs:
        host.contents.discard(blob)


def rename(call: Call, host: Host, name: Name) -> Answer:
    """POST of `rename_from`: versions of another object go on under this name, the old ones forward to them."""
    caller = require_login(call.caller)
    source, wanted, copy_acls = _rename_command(call)
    if source == name:
        raise Conflict(f"{name.url} is the source itself: give another name")
    with host.transaction() as db:
        records.lock(db)
        old = locate(db, source)
        require(caller, "owner", source.url, old.object().acls, old.above)
        olds = _versions_to_rename(db, source, wanted)
        conditions, new = call.conditions, ""
        for row in olds:
            description = Description(row.content_type, row.disposition, row.md5, row.sha256)
            records.release_content(db, row.id)
            new = add_version(
                db,
                name,
                caller,
                conditions,
                parents=call.parents,
                length=row.length,
                description=description,
                blob=row.blob or "",
                acls=row.acls if copy_acls else None,
            )
            records.forward_version(db, row.id, new)
            conditions = Conditions()
    return created(f"{name.url}:{new}")


def _rename_command(call: Call) -> tuple[Name, list[str] | None, bool]:
    """Read the command document. Raises BadRequest."""
    command = call.json()
    if not isinstance(command, dict) or command.get("command") != "rename_from":
        raise BadRequest('the body must be a JSON object with "command": "rename_from"')
    source, copy_acls = command.get("source_name"), command.get("copy_acls", False)
    # The documentation says source_versions, the deriva client sends versions.
    wanted = command.get("source_versions", command.get("versions"))
    if not isinstance(source, str) or not isinstance(copy_acls, bool):
        raise BadRequest('"source_name" must be the path of an object, "copy_acls" true or false')
    if wanted is not None and not (isinstance(wanted, list) and all(isinstance(id, str) for id in wanted)):
        raise BadRequest('"source_versions" must be an array of version ids')
    return parse_name(source), wanted, copy_acls


def _versions_to_rename(db: Db, source: Name, wanted: list[str] | None) -> list[VersionRow]:
    rows = [row for row in records.versions(db, source.path) if row.blob]
    if wanted is not None:
        if strangers := set(wanted) - {row.id for row in rows}:
            raise NotFound(f"{source.url} has no content under version {', '.join(sorted(strangers))}")
        rows = [row for row in rows if row.id in wanted]
    if not rows:
        raise Conflict(f"{source.url} has no version that could be renamed")
    return rows
