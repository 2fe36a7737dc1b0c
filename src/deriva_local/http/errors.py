"""The one place where an error becomes a response.

A `ServiceError` becomes its status and message, as plain text in ERMrest's form (`409 Conflict`, then the message), or
as JSON for clients that ask for that. Anything else is a fault of ours: the client gets 500 and a short number, the log
gets the traceback under the same number.
"""

from __future__ import annotations

import http
import logging
import secrets
from collections.abc import Mapping

import psycopg
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deriva_local.errors import ServiceError, Unauthorized
from deriva_local.store import pgerrors

logger = logging.getLogger(__name__)


class ErrorMiddleware:
    """Outermost: whatever happens further in, the client gets an answer of the form above."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; an answer that has begun can only be broken off."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if begun:
                raise
            await answer(Request(scope), error)(scope, receive, send)


def answer(request: Request, error: Exception) -> Response:
    """The response for any exception."""
    if isinstance(error, psycopg.OperationalError):
        error = pgerrors.translate(error, None) or error
    if isinstance(error, ServiceError):
        headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthorized) else {}
        headers |= error.headers
        return _render(request, error.status, error.title, error.message, headers)
    if isinstance(error, HTTPException):  # Starlette's own: no such route, method not allowed
        title = http.HTTPStatus(error.status_code).phrase
        return _render(request, error.status_code, title, f"{request.method} {request.url.path}", error.headers or {})
    number = secrets.token_hex(4)
    logger.error("%s: %s %s failed", number, request.method, request.url.path, exc_info=error)
    message = f"This is a fault of deriva-local. Its log (`deriva-local status` says where) has it under {number}."
    return _render(request, 500, ServiceError.title, message, {})


def _render(request: Request, status: int, title: str, message: str, headers: Mapping[str, str]) -> Response:
    if _wants_json(request.headers.get("accept", "")):
        content = {"status": status, "title": title, "message": message}
        return JSONResponse(content, status, headers)
    return PlainTextResponse(f"{status} {title}\n{message}\n", status, headers)


def _wants_json(accept: str) -> bool:
    """Whether JSON is named; clients that take anything get the text that ERMrest's clients print."""
    kinds = [part.partition(";")[0].strip() for part in accept.split(",")]
    return "application/json" in kinds and not {"*/*", "text/plain"} & set(kinds)
