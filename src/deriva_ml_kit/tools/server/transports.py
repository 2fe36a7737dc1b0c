"""Between the server and its clients: stdin and stdout, or HTTP on this machine."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import anyio
import mcp_types as types
import uvicorn
from anyio.abc import ObjectSendStream
from mcp.server.stdio import stdio_server
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.message import SessionMessage
from pydantic import ValidationError

from deriva_ml_kit.tools.server.calls import Calls
from deriva_ml_kit.tools.server.protocol import server

GRACE_S = 1  # for calls under way, to end what they are at
LATEST_S = 1.5  # after stdin was closed; clients kill a server that stays for two
BACKLOG = 128

Message = SessionMessage | Exception


class PortTakenError(Exception):
    """Another program listens on the port."""


def serve(project: Path, port: int | None, *, verbose: bool) -> NoReturn:
    """Serve until the client leaves, or until a signal.

    Args:
        project: Folder of the project that the agent works in.
        port: Port for HTTP, 0 for any; None for stdin and stdout.
        verbose: Whether to show what the libraries log.

    Raises:
        PortTakenError: Another program listens there.
    """
    if port is None:
        anyio.run(_over_stdio, project)
    else:
        with _listening(port) as bound:
            anyio.run(_over_http, project, bound, verbose)
    _leave()


async def _over_stdio(project: Path) -> None:
    calls = Calls(project)
    made = server(calls)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_leave_on_signal, calls)
        try:
            # fd 1 is stderr while this lasts: what libraries, C code and subprocesses print is not in the answers.
            async with stdio_server() as (read, write):
                onward, messages = anyio.create_memory_object_stream[Message]()
                tasks.start_soon(_mend, read, onward)
                await made.run(messages, write, made.create_initialization_options())
        except* ConnectionError:
            pass
        await calls.finish(GRACE_S)
        tasks.cancel_scope.cancel()


async def _mend(read: AsyncIterable[Message], onward: ObjectSendStream[Message]) -> None:
    with suppress(anyio.BrokenResourceError):
        async with onward:
            async for message in read:
                await onward.send(_mended(message))
    # A client that has stopped reading cannot keep us.
    _at_the_latest(LATEST_S)


def _mended(message: Message) -> Message:
    """A message with half of a character in it, which the SDK would not read and so never answer, with a ? instead."""
    if not isinstance(message, ValidationError):
        return message
    try:
        content = json.loads(message.errors()[0]["input"])
        whole = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")
        return SessionMessage(types.jsonrpc_message_adapter.validate_json(whole, by_name=False))
    except (TypeError, ValueError):
        return message


async def _over_http(project: Path, bound: socket.socket, verbose: bool) -> None:
    port = bound.getsockname()[1]
    calls = Calls(project)
    names = [f"127.0.0.1:{port}", f"localhost:{port}"]
    # A web page that makes its own name mean 127.0.0.1 still sends that name.
    security = TransportSecuritySettings(allowed_hosts=names, allowed_origins=[f"http://{name}" for name in names])
    config = uvicorn.Config(
        server(calls).streamable_http_app(transport_security=security),
        log_config=None,
        access_log=verbose,
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="on",
        timeout_graceful_shutdown=GRACE_S,
    )
    # uvicorn raises the signals that it caught once more when it has finished.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    print(f"Serving at http://127.0.0.1:{port}/mcp, until Ctrl-C.", file=sys.stderr, flush=True)
    await uvicorn.Server(config).serve([bound])
    await calls.finish(GRACE_S)


def _listening(port: int) -> socket.socket:
    # asyncio sets TCP_NODELAY only where the protocol is named; without it every streamed answer waits 40 ms.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", port))
        bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        raise PortTakenError(f"Port {port} cannot be used ({error.strerror}). Choose another with --port.") from error
    return bound


async def _leave_on_signal(calls: Calls) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            await calls.finish(GRACE_S)
            _leave()


def _at_the_latest(seconds: float) -> None:
    timer = threading.Timer(seconds, _leave)
    timer.daemon = True
    timer.start()


def _leave() -> NoReturn:
    """End the process, threads that still wait for a catalog or for stdin included."""
    sys.stderr.flush()
    os._exit(0)
