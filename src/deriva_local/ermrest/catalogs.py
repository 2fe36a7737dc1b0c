"""Catalogs and aliases as resources: create, describe, delete. Source: ERMrest's `docs/api-doc/rest-catalog.md`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any
from urllib.parse import quote

from deriva_local.auth.client import Client
from deriva_local.ermrest import access, answers
from deriva_local.ermrest.data.call import DataAnswer, DataCall
from deriva_local.errors import BadRequest, Forbidden, MethodNotAllowed
from deriva_local.model import Json, snaptime
from deriva_local.store import CatalogRecord, Store

# What this service can do beyond the first ERMrest, by the names that clients look for.
FEATURES: Mapping[str, Json] = {
    "catalog_post_input": True,
    "catalog_alias": True,
    "quantified_value_lists": True,
    "quantified_rid_lists": True,
    "rid_lease": True,
    "implicit_fkey_index": True,
    "registry_catalog": False,
}
_FIELDS: Mapping[str, type] = {
    "id": str,
    "owner": list,
    "name": str,
    "description": str,
    "is_persistent": bool,
    "clone_source": str,
    "alias_target": str,
}


def advertisement() -> DataAnswer:
    """`GET /ermrest/`."""
    return answers.as_json({"version": version("deriva-ml-kit"), "features": dict(FEATURES)})


def create(store: Store, client: Client | None, body: bytes) -> DataAnswer:
    """`POST /ermrest/catalog`: a new catalog, owned by who asks unless the body says otherwise."""
    asked = access.require_login(client, "create a catalog")
    fields = _fields(body, "id", "owner", "name", "description", "is_persistent", "clone_source")
    owner = _owner(fields.pop("owner", None), asked)
    record = store.create(owner, asked, **fields)
    return answers.as_json({"id": record.id}, 201, {"Location": f"/ermrest/catalog/{quote(record.id)}"})


def describe(call: DataCall, record: CatalogRecord) -> DataAnswer:
    """`GET /ermrest/catalog/N[@SNAP]`."""
    with call.catalog.reading(call.snap) as reading:
        model = reading.model
    access.require(call.client, "enumerate", model)
    tag = answers.etag(reading.snaptime, call.client)
    if answers.is_unwanted(call, tag):
        return DataAnswer(304, {"ETag": tag})
    alias = {"alias_target": record.alias_target} if record.is_alias else {}
    document = {
        "id": record.id,
        **alias,
        "snaptime": snaptime.encode(reading.snaptime),
        "rights": access.rights(call.client, model, now=call.snap is None),
        "acls": dict(model.acls),
        "annotations": dict(model.annotations),
        "features": dict(FEATURES),
    }
    return answers.as_json(document, headers={"ETag": tag})


def delete(store: Store, call: DataCall, record: CatalogRecord) -> DataAnswer:
    """`DELETE /ermrest/catalog/N`: the catalog with all its data, or only the alias."""
    if call.snap is not None:
        raise Forbidden("A snapshot cannot be deleted; address the catalog without @….")
    if record.is_alias:
        return alias(store, "DELETE", record.id, call.client, b"")
    with call.catalog.reading() as reading:
        access.require(call.client, "owner", reading.model)
    store.delete(record.id)
    return answers.empty()


def create_alias(store: Store, client: Client | None, body: bytes) -> DataAnswer:
    """`POST /ermrest/alias`."""
    asked = access.require_login(client, "create an alias")
    fields = _fields(body, "id", "owner", "alias_target", "name", "description", "is_persistent")
    owner = _owner(fields.pop("owner", None), asked)
    record = store.create_alias(owner, fields.pop("alias_target", None), **fields)
    return answers.as_json({"id": record.id}, 201, {"Location": f"/ermrest/alias/{quote(record.id)}"})


def alias(store: Store, method: str, alias_id: str, client: Client | None, body: bytes) -> DataAnswer:
    """`GET`, `PUT`, `DELETE /ermrest/alias/NAME`."""
    record = store.alias(alias_id)
    asked = access.require_login(client, "see an alias")
    if not access.owns(asked, {"owner": record.owner}):
        raise Forbidden(f"{asked.display_name} is no owner of the alias {alias_id!r}.")
    if method == "DELETE":
        store.delete(alias_id)
        return answers.empty()
    if method == "PUT":
        record = _update_alias(store, record, asked, body)
    elif method not in ("GET", "HEAD"):
        raise MethodNotAllowed(f"{method} is not answered here.")
    return answers.as_json({"id": record.id, "owner": record.owner, "alias_target": record.alias_target})


def _update_alias(store: Store, record: CatalogRecord, client: Client, body: bytes) -> CatalogRecord:
    fields = _fields(body, "id", "owner", "alias_target")
    if fields.pop("id", record.id) != record.id:
        raise BadRequest(f"The id in the document is not that of the address, {record.id!r}.")
    if "owner" in fields:
        fields["owner"] = _owner(fields["owner"], client)
    return store.update_alias(record.id, **fields)


def _fields(body: bytes, *known: str) -> dict[str, Any]:
    """The fields of a request's document, which may be missing altogether."""
    document = answers.parse_json(body) if body.strip() else {}
    if not isinstance(document, dict):
        raise BadRequest("The body must be a JSON object.")
    wrong = [name for name in known if document.get(name) is not None and not isinstance(document[name], _FIELDS[name])]
    if wrong:
        raise BadRequest(f"Of the wrong type: {', '.join(wrong)}.")
    return {
        name: document[name]
        for name in known
        if name in document and (document[name] is not None or name == "alias_target")
    }


def _owner(wanted: list[str] | None, client: Client) -> list[str]:
    """The owner ACL; it must name who asks, or one of its groups."""
    owner = [client.id] if wanted is None else wanted
    if not all(isinstance(entry, str) for entry in owner):
        raise BadRequest("owner must be a list of client and group ids.")
    if not access.owns(client, {"owner": owner}):
        raise Forbidden(f"The owner ACL must name you ({client.id}) or one of your groups.")
    return owner
