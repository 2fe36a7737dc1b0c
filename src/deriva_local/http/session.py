"""Who calls: sets `request.state.client` (a `Client`, or None) from a bearer token or the cookie `webauthn`.

Also turns away requests whose Host is another than this machine: a web page that resolves its own name to 127.0.0.1
must not be able to talk to us from the user's browser.
"""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from deriva_local.auth import Accounts
from deriva_local.errors import BadRequest

COOKIE = "webauthn"
OWN_NAMES = ("localhost", "127.0.0.1", "[::1]")


class SessionMiddleware:
    """Looks the request's token up. An unknown or expired one makes the caller anonymous, as in DERIVA."""

    def __init__(self, app: ASGIApp, accounts: Accounts) -> None:
        self._app = app
        self._accounts = accounts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Set the request's state and pass it on."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            _check_host(headers.get("host", "localhost"))
            token = _token(headers)
            session = self._accounts.session(token) if token else None
            state = scope.setdefault("state", {})
            state["token"] = token if session else None
            state["session"] = session
            state["client"] = session.client if session else None
        await self._app(scope, receive, send)


def _check_host(host: str) -> None:
    name, colon, port = host.rpartition(":")
    if not (colon and port.isdigit()):
        name = host
    if name.lower() not in OWN_NAMES:
        raise BadRequest(f"This service answers as {', '.join(OWN_NAMES)}; the request is for {host!r}.")


def _token(headers: Headers) -> str | None:
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return morsel.value if morsel else None
