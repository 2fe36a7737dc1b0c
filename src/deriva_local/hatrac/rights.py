"""Who may do what: ACLs of a resource and of the namespaces above it, and the client's roles. Pure.

Roles are the client's id and attributes; `*` stands for everybody who is logged in (this host serves nobody else).
Source of the lists and of their reach: Hatrac's REST API, "Access Control List Sub-Resources".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from deriva_local.errors import Forbidden, Unauthorized

Acls = Mapping[str, Sequence[str]]

NAMESPACE_LISTS = ("owner", "create", "read", "subtree-owner", "subtree-create", "subtree-update", "subtree-read")
OBJECT_LISTS = ("owner", "update", "read", "subtree-owner", "subtree-read")
VERSION_LISTS = ("owner", "read")

# On a fresh host everybody who is logged in may create, read and add versions; deleting, renaming and giving rights
# are left to whoever made the thing, and to the host's administrators.
ADMINISTRATORS = "admin"
ROOT_ACLS: Acls = {
    "owner": [ADMINISTRATORS],
    "subtree-owner": [ADMINISTRATORS],
    "subtree-create": ["*"],
    "subtree-update": ["*"],
    "subtree-read": ["*"],
}


class Caller(Protocol):
    """What we need to know of a logged-in client."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def attributes(self) -> tuple[str, ...]: ...  # noqa: D102


def require(caller: Caller | None, access: str, what: str, own: Acls, above: Sequence[Acls]) -> Caller:
    """Let the caller pass, or raise.

    Args:
        caller: the client, None when not logged in.
        access: `create`, `read`, `update` or `owner`.
        what: the resource's URL, for the message.
        own: ACLs of the resource itself.
        above: ACLs of what contains it, up to the root namespace.

    Raises:
        Unauthorized: nobody is logged in.
        Forbidden: the client lacks the right.
    """
    caller = require_login(caller)
    roles = {caller.id, *caller.attributes, "*"}
    granted = [*own.get(access, ()), *own.get("owner", ())]
    for acls in above:
        granted += [*acls.get(f"subtree-{access}", ()), *acls.get("subtree-owner", ())]
    if access == "create":  # a namespace's subtree lists reach the namespace itself
        granted += [*own.get("subtree-create", ()), *own.get("subtree-owner", ())]
    if access == "read":
        granted += own.get("subtree-read", ())
    if roles.isdisjoint(granted):
        raise Forbidden(f"{caller.id} is in no list that grants {access!r} on {what}: ask one of its owners")
    return caller


def require_login(caller: Caller | None) -> Caller:
    """Refuse anonymous requests."""
    if caller is None:
        raise Unauthorized("the object store answers logged-in clients only: run 'deriva-local login'")
    return caller
