"""Who may do what: the one place that every resource of a catalog asks.

In: the client (None is anonymous), the model, an access mode, and the schema or table that is meant. Out: silence, or
`Unauthorized` for somebody who is not logged in, `Forbidden` otherwise.

Static ACLs of catalog, schema and table decide, as ERMrest documents it (`docs/api-doc/acl/static.md`): the innermost
ACL of a mode that is set holds, owners own all below, and a wider mode implies the narrower ones. ACLs of columns and
foreign keys, and ACL bindings, are stored and not yet weighed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deriva_local.auth.client import Client
from deriva_local.errors import Forbidden, ServiceError, Unauthorized
from deriva_local.model import Acls, Json, Model, Schema, Table

# For each mode, the modes whose holders have it as well; owners have all.
_IMPLIED_BY: Mapping[str, tuple[str, ...]] = {
    "create": ("create",),
    "insert": ("insert", "write"),
    "update": ("update", "write"),
    "delete": ("delete", "write"),
    "select": ("select", "update", "delete", "write"),
    "enumerate": ("enumerate", "create", "select", "insert", "update", "delete", "write"),
}
# Modes that "*", hence anonymous clients, can have.
_OPEN_TO_ALL = ("enumerate", "select")
_DONE_WORD = {
    "owner": "change the definition of",
    "create": "add to",
    "insert": "insert into",
    "update": "update",
    "delete": "delete from",
    "select": "read",
    "enumerate": "see",
}


def allowed(
    client: Client | None, mode: str, model: Model, schema: Schema | None = None, table: Table | None = None
) -> bool:
    """Whether `client` has `mode` on the table, else on the schema, else on the catalog."""
    chain = [element.acls for element in (table, schema, model) if element is not None]
    if any(_matches(client, acls.get("owner"), "owner") for acls in chain):
        return True
    return any(_matches(client, _effective(chain, wider), mode) for wider in _IMPLIED_BY.get(mode, ()))


def require(
    client: Client | None, mode: str, model: Model, schema: Schema | None = None, table: Table | None = None
) -> None:
    """Raise unless `client` has `mode` there.

    Raises:
        Unauthorized: nobody is logged in.
        Forbidden: the client is known and lacks the right.
    """
    if not allowed(client, mode, model, schema, table):
        raise denial(client, mode, _named(schema, table))


def require_table(client: Client | None, mode: str, model: Model, table: Table) -> None:
    """`require` for a table, whose schema is looked up."""
    require(client, mode, model, model.schemas[table.schema_name], table)


def require_login(client: Client | None, what: str) -> Client:
    """The client, if somebody is logged in."""
    if client is None:
        raise Unauthorized(f"To {what}, log in first: `deriva-local login`.")
    return client


def rights(
    client: Client | None, model: Model, schema: Schema | None = None, table: Table | None = None, *, now: bool = True
) -> dict[str, bool]:
    """The `rights` document of catalog, schema or table; of a snapshot (not `now`) only reading is left."""
    modes = ("insert", "update", "delete", "select") if table is not None else ("create",)
    return {
        mode: (now or mode == "select") and allowed(client, mode, model, schema, table) for mode in ("owner", *modes)
    }


def owns(client: Client, acls: Mapping[str, Any]) -> bool:
    """Whether this set of ACLs makes `client` an owner."""
    return _matches(client, acls.get("owner"), "owner")


def denial(client: Client | None, mode: str, what: str) -> ServiceError:
    """The error for a client that lacks a right."""
    done = _DONE_WORD[mode]
    if client is None:
        return Unauthorized(f"To {done} {what}, log in first: `deriva-local login`.")
    return Forbidden(f"{client.display_name or client.id} may not {done} {what}; its ACLs name nobody who you are.")


def _effective(chain: Sequence[Acls], mode: str) -> list[str] | None:
    """The innermost ACL of a mode that is set."""
    return next((acls[mode] for acls in chain if acls.get(mode) is not None), None)


def _matches(client: Client | None, acl: Json, mode: str) -> bool:
    if not acl:
        return False
    if "*" in acl and mode in _OPEN_TO_ALL:
        return True
    return client is not None and not {client.id, *client.attributes}.isdisjoint(acl)


def _named(schema: Schema | None, table: Table | None) -> str:
    if table is not None:
        return f"table {table.schema_name}:{table.name}"
    return f"schema {schema.name}" if schema is not None else "this catalog"
