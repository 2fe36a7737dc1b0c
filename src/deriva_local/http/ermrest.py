"""`/ermrest…`: requests become calls of the catalog service, answers become responses. Bodies are streamed both ways.

The raw path is used, for names in it may hold an encoded slash.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import islice

import anyio
from anyio import from_thread
from starlette.concurrency import run_in_threadpool
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from deriva_local import ermrest
from deriva_local.ermrest.data import DataAnswer
from deriva_local.store import Store

PREFIX = "/ermrest"
CLIENT_CLOSED_REQUEST = 499  # nobody is there to read it


class _AnyText(PathConvertor):
    """What follows the prefix: also the line ends of a text that rows are filtered by."""

    regex = "(?s:.*)"


register_url_convertor("any_text", _AnyText())


def routes(store: Store) -> list[BaseRoute]:
    """The catalog service's one route; `request.state.client` holds who is logged in, or None."""

    async def endpoint(request: Request) -> Response:
        asked = ermrest.Request(
            method=request.method,
            path=request.scope["raw_path"].decode("latin-1").partition("?")[0].removeprefix(PREFIX),
            query=request.scope["query_string"].decode("latin-1"),
            headers=dict(request.headers.items()),
            body=_body(request),
            client=request.state.client,
        )
        try:
            answer, first = await run_in_threadpool(_begin, store, asked)
        except ClientDisconnect:
            return Response(status_code=CLIENT_CLOSED_REQUEST)
        return await _response(answer, first, head=request.method == "HEAD")

    methods = ["GET", "HEAD", "PUT", "POST", "DELETE"]
    return [Route(PREFIX, endpoint, methods=methods), Route(PREFIX + "/{rest:any_text}", endpoint, methods=methods)]


def _begin(store: Store, asked: ermrest.Request) -> tuple[DataAnswer, list[bytes]]:
    """The answer and its first two blocks: so most answers are whole, and errors of the first rows get their status."""
    answer = ermrest.handle(store, asked)
    return answer, list(islice(answer.body, 2))


async def _response(answer: DataAnswer, first: list[bytes], *, head: bool) -> Response:
    headers = dict(answer.headers)
    if answer.content_type is not None:
        headers["Content-Type"] = answer.content_type
    if len(first) < 2:  # all there is
        whole = b"".join(first)
        if head and whole:
            return Response(b"", answer.status, {**headers, "Content-Length": str(len(whole))})
        return Response(whole, answer.status, headers)
    if head:
        await run_in_threadpool(_close, answer.body)
        return Response(b"", answer.status, headers)
    return StreamingResponse(_stream(first, answer.body), answer.status, headers)


async def _stream(first: list[bytes], rest: Iterator[bytes]) -> AsyncIterator[bytes]:
    """All blocks; the iterator is closed at the end, also when the client has gone away."""
    try:
        for block in first:
            yield block
        while (block := await run_in_threadpool(next, rest, b"")) != b"":
            yield block
    finally:
        with anyio.CancelScope(shield=True):
            await run_in_threadpool(_close, rest)


def _close(body: Iterator[bytes]) -> None:
    close = getattr(body, "close", None)
    if close is not None:
        close()


def _body(request: Request) -> Iterator[bytes]:
    """The body in pieces, for a worker thread: each is awaited in the event loop."""
    stream = request.stream()
    while piece := from_thread.run(_next_piece, stream):
        yield piece


async def _next_piece(stream: AsyncIterator[bytes]) -> bytes:
    async for piece in stream:
        if piece:
            return piece
    return b""
