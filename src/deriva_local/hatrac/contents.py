"""Contents of objects: PUT of a whole body, GET and HEAD of versions, ranges, conditions, lists of versions."""

from __future__ import annotations

from dataclasses import replace

from deriva_local.blobs.content import Digest, read_range
from deriva_local.errors import BadRequest, Conflict, NotFound, PreconditionFailed, RangeNotSatisfiable, ServiceError
from deriva_local.hatrac import records
from deriva_local.hatrac.call import Answer, Call, created, listing
from deriva_local.hatrac.headers import Description, base64_text, byte_range
from deriva_local.hatrac.names import Host, Place, add_version, check_update, list_namespace, locate, version_of
from deriva_local.hatrac.records import Db, VersionRow
from deriva_local.hatrac.request import Name, Version, VersionList, stored_name
from deriva_local.hatrac.rights import require, require_login

# A page that somebody stored, opened in a browser, must not act on this host as whoever looks at it.
_HARMLESS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox allow-scripts"}


def put(call: Call, host: Host, name: Name) -> Answer:
    """PUT of an object: receive the body, compare the checksums, then let it appear as a new version.

    What can be refused is refused before the body is read, and checked again when the version is written.
    """
    caller = require_login(call.caller)
    description = Description.read(call.headers)
    with host.transaction() as db:
        check_update(db, locate(db, name), caller, call.conditions, parents=call.parents)
    blob, digest = host.contents.receive(call.body, sha256=description.sha256 is not None)
    try:
        described = confirm(description, digest, BadRequest)
        host.contents.publish(blob)
        with host.transaction() as db:
            records.lock(db)
            id = add_version(
                db,
                name,
                caller,
                call.conditions,
                parents=call.parents,
                length=digest.length,
                description=described,
                blob=blob,
            )
    except BaseException:
        host.contents.discard(blob)
        raise
    host.contents.settle(blob)
    return created(f"{name.url}:{id}")


def confirm(description: Description, digest: Digest, fault: type[ServiceError]) -> Description:
    """Compare announced checksums with the content's; returns the description with the MD5 filled in.

    Raises:
        ServiceError: of the given class, when a checksum differs.
    """
    pairs = (("Content-MD5", description.md5, digest.md5), ("Content-SHA256", description.sha256, digest.sha256))
    faults = [
        f"{field} was announced as {base64_text(announced)}, the {digest.length} bytes that arrived have "
        f"{base64_text(found)}"
        for field, announced, found in pairs
        if announced is not None and found is not None and announced != found
    ]
    if faults:
        raise fault("\n".join(faults))
    return replace(description, md5=digest.md5)


def get(call: Call, host: Host, target: Name | Version) -> Answer:
    """GET or HEAD of a namespace, an object (its current version) or a version."""
    name = target if isinstance(target, Name) else target.name
    with host.transaction() as db:
        place = locate(db, name)
        require_login(call.caller)
        if isinstance(target, Name) and place.existing().is_namespace:
            return list_namespace(call, db, place)
        row, _ = readable(call, db, place, target)
    return _content(call, host, row)


def readable(call: Call, db: Db, place: Place, target: Name | Version) -> tuple[VersionRow, Place]:
    """Find the version that a URL means, following renames, and check the right to read it.

    Returns the version and the object that it belongs to.

    Raises:
        NotFound: no such object or version, or the content was deleted under its new name.
        Conflict: the object has no version now.
    """
    row = version_of(db, place, target) if isinstance(target, Version) else _current(db, place)
    while row.forward:
        new = records.version(db, row.forward)
        if new is None:
            raise NotFound(f"/hatrac{row.path}:{row.id} was renamed, and its content was deleted since")
        row, place = new, locate(db, stored_name(new.path))
    require(call.caller, "read", f"/hatrac{row.path}:{row.id}", row.acls, [*place.above, place.object().acls])
    return row, place


def _current(db: Db, place: Place) -> VersionRow:
    place.object()
    row = records.current_version(db, place.name.path)
    if row is None:
        raise Conflict(f"{place.name.url} has no version at this time")
    return row


def _content(call: Call, host: Host, row: VersionRow) -> Answer:
    url = f"/hatrac{row.path}:{row.id}"
    headers = {"ETag": row.etag, "Content-Location": url, "Location": url, "Accept-Ranges": "bytes"}
    conditions = call.conditions
    if not conditions.hold(row.etag):
        if conditions.match is None:
            return Answer(304, headers)
        raise PreconditionFailed(f"the version is {row.etag}, not one of those given in If-Match")
    headers |= _HARMLESS
    headers["Content-Type"] = row.content_type or "application/octet-stream"
    headers["Content-MD5"] = base64_text(row.md5)
    if row.sha256:
        headers["Content-SHA256"] = base64_text(row.sha256)
    if row.disposition:
        headers["Content-Disposition"] = row.disposition
    status, start, length = 200, 0, row.length
    if part := _range(call, row):
        status, (start, length) = 206, part
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{row.length}"
        # These describe the whole; a client would compare them with the part.
        del headers["Content-MD5"]
        headers.pop("Content-SHA256", None)
    headers["Content-Length"] = str(length)
    if call.method == "HEAD":
        return Answer(status, headers)
    try:
        file = host.contents.open(row.blob or "")
    except FileNotFoundError:
        raise NotFound(f"the content of {url} is gone: it was deleted a moment ago, or its file is lost") from None
    return Answer(status, headers, read_range(file, start, length))


def _range(call: Call, row: VersionRow) -> tuple[int, int] | None:
    """The part that is asked for; a HEAD, and an If-Range that names another version, mean the whole."""
    if call.method == "HEAD" or call.headers.get("if-range", row.etag) != row.etag:
        return None
    try:
        return byte_range(call.headers.get("range"), row.length)
    except RangeNotSatisfiable as error:
        error.headers["Content-Range"] = f"bytes */{row.length}"
        raise


def list_versions(call: Call, host: Host, target: VersionList) -> Answer:
    """GET of `;versions`."""
    name = target.name
    with host.transaction() as db:
        place = locate(db, name)
        require_login(call.caller)
        require(call.caller, "read", name.url, place.object().acls, place.above)
        return listing(call, [f"{name.url}:{row.id}" for row in records.versions(db, name.path)])
