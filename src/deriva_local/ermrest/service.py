"""All of `/ermrest`: from method and raw path to the resource that answers.

In: the percent-encoded path, for names may hold `%2F`. Out: a `DataAnswer`. Model resources are in `schema/`, rows in
`data/`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from deriva_local.auth.client import Client
from deriva_local.ermrest import answers, catalogs, data, history, rids, schema
from deriva_local.ermrest.data.call import DataAnswer, DataCall
from deriva_local.errors import MethodNotAllowed, NotFound
from deriva_local.model import snaptime
from deriva_local.store import Store

_MODEL = ("schema", "annotation", "acl")
_DATA = ("entity", "attribute", "attributegroup", "aggregate")


@dataclass(frozen=True)
class Request:
    """One request to `/ermrest`.

    Attributes:
        method: In capital letters.
        path: What follows `/ermrest`, still percent-encoded.
        query: The query string, still percent-encoded.
        headers: Values by lower-case name.
        body: The request's body in chunks.
        client: Who asks; None is anonymous.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: Iterator[bytes]
    client: Client | None


def handle(store: Store, request: Request) -> DataAnswer:
    """Answer one request."""
    collection, _, rest = request.path.removeprefix("/").partition("/")
    match collection, rest.removesuffix("/"):
        case "", "":
            return _only("GET", request, catalogs.advertisement)
        case "catalog", "":
            return _only("POST", request, lambda: catalogs.create(store, request.client, _body(request)))
        case "alias", "":
            return _only("POST", request, lambda: catalogs.create_alias(store, request.client, _body(request)))
        case "alias", name:
            return catalogs.alias(store, request.method, unquote(name), request.client, _body(request))
        case "catalog", _:
            return _in_catalog(store, request, *rest.partition("/")[::2])
    raise NotFound(f"There is no resource {unquote(request.path)!r}.")


def _in_catalog(store: Store, request: Request, name: str, path: str) -> DataAnswer:
    """A request to `catalog/NAME/PATH`, where NAME is `N` or `N@SNAP`."""
    catalog_id, at, snap = unquote(name).partition("@")
    record = store.record(catalog_id)
    call = DataCall(
        method=request.method,
        path=path,
        query=request.query,
        headers=request.headers,
        body=request.body,
        catalog=store.catalog(catalog_id),
        snap=snaptime.decode(snap) if at else None,
        client=request.client,
    )
    first, _, rest = path.partition("/")
    if first in _DATA:
        return data.handle(call)
    if first in _MODEL:
        return schema.handle(call)
    if first == "" and request.method == "DELETE":
        return catalogs.delete(store, call, record)
    if first == "":
        return _only("GET", request, lambda: catalogs.describe(call, record))
    if first == "entity_rid" and rest:
        return _only("GET", request, lambda: rids.handle(call, unquote(rest)))
    if first == "history" and rest:
        return history.handle(call, unquote(rest))
    raise NotFound(f"A catalog has no resource {unquote(path)!r}.")


def _only(method: str, request: Request, answer: Callable[[], DataAnswer]) -> DataAnswer:
    """The answer, if this is the one method that the resource knows (HEAD goes with GET)."""
    if request.method != method and not (method == "GET" and request.method == "HEAD"):
        raise MethodNotAllowed(f"{request.method} is not answered here, only {method}.")
    return answer()


def _body(request: Request) -> bytes:
    return answers.whole(request.body)
