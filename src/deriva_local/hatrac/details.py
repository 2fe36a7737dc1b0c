"""Metadata of object versions, and access control lists of namespaces, objects and versions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from deriva_local.errors import BadRequest, Conflict, MethodNotAllowed, NotFound, PreconditionFailed
from deriva_local.hatrac import records
from deriva_local.hatrac.call import Answer, Call, document, document_etag, json_document, no_content
from deriva_local.hatrac.contents import confirm, readable
from deriva_local.hatrac.headers import Description, base64_text, checked_field
from deriva_local.hatrac.names import Host, locate, version_of
from deriva_local.hatrac.records import Db, VersionRow
from deriva_local.hatrac.request import AclPart, Metadata, Name, Version
from deriva_local.hatrac.rights import NAMESPACE_LISTS, OBJECT_LISTS, VERSION_LISTS, Acls, require, require_login

# Metadata


def get_metadata(call: Call, host: Host, target: Metadata) -> Answer:
    """GET of `;metadata` as JSON, or of one field as text."""
    require_login(call.caller)
    with host.transaction() as db:
        row, _ = readable(call, db, locate(db, _name(target)), target.of)
    values = _fields(row)
    if target.field is None:
        return json_document(call, values)
    if target.field not in values:
        raise NotFound(f"the version has no {target.field}")
    return document(call, values[target.field], "text/plain")


def put_metadata(call: Call, host: Host, target: Metadata) -> Answer:
    """PUT of one field. Checksums may be added where missing, if they are right; never changed."""
    if target.field is None:
        raise MethodNotAllowed("metadata are written one field at a time: ;metadata/<field>")
    value = checked_field(target.field, call.text().strip())
    row = _owned_version(call, host, target)
    change: dict[str, Any] = {_ATTRIBUTES[target.field]: value}
    if isinstance(value, bytes):
        digest = host.contents.digest(row.blob or "", sha256=target.field == "content-sha256")
        confirm(Description(**change), digest, Conflict)
    with host.transaction() as db:
        records.set_version_description(db, row.id, replace(_description(row), **change))
    return no_content()


def delete_metadata(call: Call, host: Host, target: Metadata) -> Answer:
    """DELETE of one field that is not a checksum."""
    if target.field not in ("content-type", "content-disposition"):
        raise MethodNotAllowed("content-type and content-disposition can be deleted; checksums stay with the content")
    row = _owned_version(call, host, target)
    if target.field not in _fields(row):
        raise NotFound(f"the version has no {target.field}")
    with host.transaction() as db:
        changed = replace(_description(row), **{_ATTRIBUTES[target.field]: None})
        records.set_version_description(db, row.id, changed)
    return no_content()


_ATTRIBUTES = {
    "content-type": "content_type",
    "content-disposition": "disposition",
    "content-md5": "md5",
    "content-sha256": "sha256",
}


def _name(target: Metadata | AclPart) -> Name:
    return target.of if isinstance(target.of, Name) else target.of.name


def _description(row: VersionRow) -> Description:
    return Description(row.content_type, row.disposition, row.md5, row.sha256)


def _fields(row: VersionRow) -> dict[str, str]:
    values = {field: getattr(row, attribute) for field, attribute in _ATTRIBUTES.items()}
    return {
        field: base64_text(value) if isinstance(value, bytes) else value for field, value in values.items() if value
    }


def _owned_version(call: Call, host: Host, target: Metadata) -> VersionRow:
    """The version that the caller may describe, as the request's conditions expect it."""
    with host.transaction() as db:
        row, place = readable(call, db, locate(db, _name(target)), target.of)
        require(call.caller, "owner", f"/hatrac{row.path}:{row.id}", row.acls, [*place.above, place.object().acls])
    value = _fields(row).get(target.field or "")
    if not call.conditions.hold(None if value is None else document_etag(value)):
        raise PreconditionFailed(f"{target.field} is {value!r} now: this contradicts If-Match or If-None-Match")
    return row


# Access control lists


@dataclass(frozen=True)
class _Guarded:
    """A resource with its lists. `version` is None for namespaces and objects."""

    path: str
    version: str | None
    lists: Sequence[str]
    acls: Acls

    def write(self, db: Db, acls: Acls) -> None:
        if self.version:
            records.set_version_acls(db, self.version, acls)
        else:
            records.set_name_acls(db, self.path, acls)


def get_acl(call: Call, host: Host, target: AclPart) -> Answer:
    """GET of all lists, one list, or one entry."""
    with host.transaction() as db:
        guarded = _guarded(call, db, target)
    if target.access is None:
        return json_document(call, {access: list(guarded.acls.get(access, ())) for access in guarded.lists})
    entries = list(guarded.acls.get(target.access, ()))
    if target.entry is None:
        return json_document(call, entries)
    if target.entry not in entries:
        raise NotFound(f"{target.entry!r} is not in the list {target.access!r}")
    return document(call, target.entry, "text/plain")


def put_acl(call: Call, host: Host, target: AclPart) -> Answer:
    """PUT of one list (JSON array of roles) or of one more entry."""
    access, roles = _one_list(target), None
    if target.entry is None:
        roles = call.json()
        if not isinstance(roles, list) or not all(isinstance(role, str) and role for role in roles):
            raise BadRequest('a list is a JSON array of role names, or of "*"')
    with host.transaction() as db:
        records.lock(db)
        guarded, entries = _for_change(call, db, target, access)
        if target.entry is not None:
            roles = entries if target.entry in entries else [*entries, target.entry]
        _write(db, guarded, access, roles or [])
    return no_content()


def delete_acl(call: Call, host: Host, target: AclPart) -> Answer:
    """DELETE of one list, which becomes empty, or of one entry."""
    access = _one_list(target)
    with host.transaction() as db:
        records.lock(db)
        guarded, entries = _for_change(call, db, target, access)
        if target.entry is not None and target.entry not in entries:
            raise NotFound(f"{target.entry!r} is not in the list {access!r}")
        _write(db, guarded, access, [role for role in entries if target.entry is not None and role != target.entry])
    return no_content()


def _one_list(target: AclPart) -> str:
    if target.access is None:
        raise MethodNotAllowed("access control lists are written one at a time: ;acl/<access>")
    return target.access


def _for_change(call: Call, db: Db, target: AclPart, access: str) -> tuple[_Guarded, list[str]]:
    """The guarded resource, and the entries of the list to change, as the conditions expect it."""
    guarded = _guarded(call, db, target)
    entries = list(guarded.acls.get(access, ()))
    if not call.conditions.hold(document_etag(json.dumps(entries))):
        raise PreconditionFailed(f"the list {access!r} has changed: this contradicts If-Match or If-None-Match")
    return guarded, entries


def _write(db: Db, guarded: _Guarded, access: str, roles: list[str]) -> None:
    if access == "owner" and not roles:
        raise BadRequest("the list 'owner' would be empty, and nobody could change it back: leave one role in it")
    guarded.write(db, {**guarded.acls, access: list(dict.fromkeys(roles))})


def _guarded(call: Call, db: Db, target: AclPart) -> _Guarded:
    """Find a resource for one of its owners. Raises Unauthorized, Forbidden, NotFound."""
    place = locate(db, _name(target))
    require_login(call.caller)
    name = place.existing()
    if isinstance(target.of, Version):
        version = version_of(db, place, target.of)
        above = [*place.above, name.acls]
        guarded = _Guarded(name.path, version.id, VERSION_LISTS, version.acls)
    else:
        above = place.above
        guarded = _Guarded(name.path, None, NAMESPACE_LISTS if name.is_namespace else OBJECT_LISTS, name.acls)
    require(call.caller, "owner", f"/hatrac{name.path}", guarded.acls, above)
    if target.access is not None and target.access not in guarded.lists:
        raise NotFound(f"no list {target.access!r} here: there are {', '.join(guarded.lists)}")
    return guarded
