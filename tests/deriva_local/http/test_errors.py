"""The one place where errors become responses, driven as an ASGI application."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from deriva_local import errors
from deriva_local.http.errors import ErrorMiddleware

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ServiceError)]


def ask(failure: Exception | None, accept: str = "*/*", streamed: bool = False) -> tuple[int, dict[str, str], str]:
    """Status, headers and body of a request whose endpoint fails."""

    async def endpoint(request: Request) -> Response:
        if streamed:
            return StreamingResponse(pieces())
        assert failure is not None
        raise failure

    async def pieces() -> AsyncIterator[bytes]:
        yield b"begun"
        assert failure is not None
        raise failure

    app = Starlette(routes=[Route("/thing", endpoint)], middleware=[Middleware(ErrorMiddleware)])
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()  # nobody asks but to learn that the client went away
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "method": "GET",
        "path": "/thing",
        "query_string": b"",
        "headers": [(b"accept", accept.encode()), (b"host", b"localhost")],
    }
    asyncio.run(app(scope, receive, send))
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent).decode()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_has_its_status_and_says_its_message_in_text(kind: type[errors.ServiceError]) -> None:
    status, headers, body = ask(kind("Column 'x' is missing."))
    assert status == kind.status
    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert body == f"{kind.status} {kind.title}\nColumn 'x' is missing.\n"


def test_json_is_given_to_who_asks_for_it_alone() -> None:
    failure = errors.Conflict("duplicate key")
    _, _, body = ask(failure, "application/json;q=1")
    assert json.loads(body) == {"status": 409, "title": "Conflict", "message": "duplicate key"}
    assert ask(failure, "application/json, text/plain, */*")[2].startswith("409 Conflict\n")


def test_headers_of_the_error_reach_the_client() -> None:
    assert ask(errors.Unavailable("busy", {"Retry-After": "3"}))[1]["retry-after"] == "3"
    assert ask(errors.Unauthorized("who?"))[1]["www-authenticate"] == "Bearer"


def test_a_lost_database_is_503(caplog: pytest.LogCaptureFixture) -> None:
    status, _, body = ask(psycopg.OperationalError("connection to server on socket lost"))
    assert status == 503
    assert "socket" not in body


def test_a_fault_of_ours_is_told_by_a_number_that_the_log_explains(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        status, _, body = ask(ZeroDivisionError("secret inner detail"))
    assert status == 500
    assert "secret" not in body
    assert "Traceback" not in body
    number = re.search(r"under (\w{8})\.", body)
    assert number
    assert number[1] in caplog.text
    assert "secret inner detail" in caplog.text


def test_an_answer_that_fails_halfway_is_broken_off() -> None:
    """The client must see that something is missing; a second status line in the body would hide that."""
    with pytest.raises((ZeroDivisionError, ExceptionGroup)):
        ask(ZeroDivisionError(), streamed=True)
