"""`/authn/session`: who am I, log in, stay logged in, log out.

In: a bearer token or cookie, or for a login a form with `username` and `password`. A user's password is any of its
tokens, so no secret is kept that a person chose. Out: the client and its attributes as DERIVA's clients read them.
"""

from __future__ import annotations

import datetime
import time
import urllib.parse
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from deriva_local.auth import Accounts, Session
from deriva_local.auth.accounts import LIFETIME_S
from deriva_local.errors import NotFound, PayloadTooLarge, Unauthorized
from deriva_local.http.session import COOKIE

FORM_LIMIT_BYTES = 16_384


def routes(accounts: Accounts) -> list[BaseRoute]:
    """The routes under `/authn`."""

    async def show(request: Request) -> Response:
        """GET tells the session, PUT lengthens it: each use does that anyway."""
        return JSONResponse(_document(_session(request)))

    async def log_in(request: Request) -> Response:
        session = request.state.session or await _session_of_form(request, accounts)
        token = accounts.log_in(session.client)
        begun = accounts.session(token)
        assert begun is not None
        response = JSONResponse(_document(begun))
        response.set_cookie(COOKIE, token, LIFETIME_S, secure=True, httponly=True, samesite="strict")
        return response

    async def log_out(request: Request) -> Response:
        _session(request)
        accounts.log_out(request.state.token)
        response = JSONResponse({})
        response.delete_cookie(COOKIE, secure=True, httponly=True, samesite="strict")
        return response

    return [
        Route("/authn/session", show, methods=["GET", "PUT"]),
        Route("/authn/session", log_in, methods=["POST"]),
        Route("/authn/session", log_out, methods=["DELETE"]),
    ]


def _session(request: Request) -> Session:
    session: Session | None = request.state.session
    if session is None:
        raise NotFound("There is no session: the caller is not logged in. Run: deriva-local login")
    return session


async def _session_of_form(request: Request, accounts: Accounts) -> Session:
    body = b""
    async for block in request.stream():
        body += block
        if len(body) > FORM_LIMIT_BYTES:
            raise PayloadTooLarge(f"A login form has at most {FORM_LIMIT_BYTES} bytes.")
    form = urllib.parse.parse_qs(body.decode(errors="replace"))
    session = accounts.session(form.get("password", [""])[0])
    if session is None or [session.client.display_name] != form.get("username"):
        raise Unauthorized("User name and password (one of the user's tokens) do not match a session.")
    return session


def _document(session: Session) -> dict[str, Any]:
    client = session.client
    return {
        "client": {
            "id": client.id,
            "display_name": client.display_name,
            "full_name": client.full_name,
            "email": client.email,
        },
        "attributes": [{"id": attribute} for attribute in client.attributes],
        "since": _iso(session.since),
        "expires": _iso(session.expires),
        "seconds_remaining": int(session.expires - time.time()),
    }


def _iso(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat()
