"""Who makes a request."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Client:
    """A logged-in user. Someone who is not logged in is `None` wherever a client is expected.

    `attributes` are the ids that an access control list may name: the user's own id and those of its groups.
    """

    id: str
    display_name: str
    full_name: str
    email: str
    attributes: tuple[str, ...] = ()
