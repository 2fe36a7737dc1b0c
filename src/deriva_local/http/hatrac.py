"""`/hatrac…`: requests become calls of the object store, answers become responses. Bodies are streamed both ways."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from psycopg import Connection
from psycopg_pool import ConnectionPool
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from deriva_local.blobs.content import BLOCK
from deriva_local.hatrac.call import Answer, Call
from deriva_local.hatrac.request import parse
from deriva_local.hatrac.service import Hatrac

CLIENT_CLOSED_REQUEST = 499  # nobody is there to read it


def routes(pool: ConnectionPool[Connection[Any]], folder: Path) -> list[BaseRoute]:
    """The object store's one route; `request.state.client` holds who is logged in, or None.

    Args:
        pool: connections to the database that keeps names, versions and jobs.
        folder: where the contents go.
    """
    hatrac = Hatrac(pool, folder)
    hatrac.prepare()

    async def endpoint(request: Request) -> Response:
        call = Call(
            method=request.method,
            resource=parse(request.scope["raw_path"].decode("latin-1")),
            caller=request.state.client,
            headers=dict(request.headers.items()),
            parents=request.query_params.get("parents", "").lower() == "true",
            body=_body(request, asyncio.get_running_loop()),
        )
        try:
            answer = await run_in_threadpool(hatrac.handle, call)
        except ClientDisconnect:
            return Response(status_code=CLIENT_CLOSED_REQUEST)
        return _response(answer, head=request.method == "HEAD")

    return [Route("/hatrac{rest:path}", endpoint, methods=["GET", "HEAD", "PUT", "POST", "DELETE"])]


def _body(request: Request, loop: asyncio.AbstractEventLoop) -> Iterator[bytes]:
    """The body in blocks of about `BLOCK` bytes, for a worker thread: while it works on one, the next one arrives."""
    stream = request.stream()
    ahead = asyncio.run_coroutine_threadsafe(_next_block(stream), loop)
    while block := ahead.result():
        ahead = asyncio.run_coroutine_threadsafe(_next_block(stream), loop)
        yield block


async def _next_block(stream: AsyncIterator[bytes]) -> bytes:
    """Gather a block from the small pieces that the network delivers; empty at the end."""
    pieces, length = [], 0
    async for piece in stream:
        pieces.append(piece)
        length += len(piece)
        if length >= BLOCK:
            break
    return b"".join(pieces)


def _response(answer: Answer, *, head: bool) -> Response:
    if head or isinstance(answer.body, bytes):
        return Response(b"" if head else answer.body, answer.status, answer.headers)
    return StreamingResponse(answer.body, answer.status, answer.headers)
